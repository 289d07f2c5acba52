"""What a route asks of how somebody signed in: lately, with a second factor, or both."""

from pathlib import Path

import httpx
import pytest
from tests.core.notes import build

from sublet.core.actors import PUBLIC
from sublet.core.db import Database
from sublet.core.http import SubletRouter

pytestmark = pytest.mark.anyio

FRESH, STRONG = "fresh_sign_in_required", "second_factor_required"


class TestHowSomebodySignedIn:
    @pytest.mark.parametrize(
        ("who", "fresh", "strong", "both"),
        [
            ("just now", None, STRONG, STRONG),
            ("a while ago", FRESH, STRONG, STRONG),
            ("just now with two factors", None, None, None),
            ("a while ago with two factors", FRESH, None, FRESH),
            ("with a token", FRESH, STRONG, STRONG),
            ("Bearer good", FRESH, STRONG, STRONG),
            ("without the permission", "permission_denied", "permission_denied", "permission_denied"),
        ],
    )
    async def test_decides_where_a_route_asks(
        self, client: httpx.AsyncClient, who: str, fresh: str | None, strong: str | None, both: str | None
    ) -> None:
        asked = {
            ("POST", "fresh"): fresh,
            ("PATCH", "fresh"): fresh,
            ("DELETE", "strong"): strong,
            ("POST", "both"): both,
        }
        for (method, path), refused in asked.items():
            answer = await client.request(method, f"/api/v1/notes/{path}", headers={"Authorization": who})
            code = None if answer.status_code == 200 else answer.json()["code"]
            assert (answer.status_code, code) == ((200, None) if refused is None else (403, refused)), path

    async def test_decides_for_a_replay_too(self, client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k"}
        done = await client.post("/api/v1/notes/fresh", headers={"Authorization": "just now", **key})
        assert done.status_code == 200
        later = await client.post("/api/v1/notes/fresh", headers={"Authorization": "a while ago", **key})
        assert (later.status_code, later.json()["code"]) == (403, FRESH)

    async def test_is_told_with_what_to_do(self, client: httpx.AsyncClient) -> None:
        fresh = (await client.post("/api/v1/notes/fresh", headers={"Authorization": "a while ago"})).json()
        assert fresh["detail"].startswith("Sign in again in a browser, and do this within 5 minutes")
        assert fresh["detail"].endswith("Nothing was changed.")
        assert (fresh["fresh_seconds"], fresh["title"]) == (300, "Sign in again first")
        strong = (await client.delete("/api/v1/notes/strong", headers={"Authorization": "just now"})).json()
        assert "add one to your account, and sign in with it in a browser. Nothing was changed." in strong["detail"]

    def test_is_asked_of_nobody_where_nobody_signs_in(self) -> None:
        for rule in ("fresh", "second_factor"):
            with pytest.raises(ValueError, match="/open is public"):
                SubletRouter().post("/open", permission=PUBLIC, **{rule: True})

    async def test_is_asked_openly(self, database: Database, tmp_path: Path) -> None:
        paths = build(database, tmp_path).openapi()["paths"]
        both, fresh = paths["/api/v1/notes/both"]["post"], paths["/api/v1/notes/fresh"]["post"]
        assert (both["x-fresh"], both["x-second-factor"]) == ("yes", "yes")
        assert (fresh["x-fresh"], "x-second-factor" in fresh) == ("yes", False)
        for code in ("permission_denied", FRESH, STRONG):
            assert f"`{code}`" in both["responses"]["403"]["description"]
        assert STRONG not in fresh["responses"]["403"]["description"]
        assert "403" not in paths["/api/v1/notes"]["post"]["responses"]
