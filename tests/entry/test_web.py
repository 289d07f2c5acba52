"""What a browser is told never to do with an answer, whichever answer it is."""

from pathlib import Path

import httpx
import pytest

from sublet.core.db import Database
from sublet.core.runtime import NotConfigured
from sublet.entry.console import ConsoleMissing
from sublet.entry.web import create_app
from tests.support.app import Web, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A console as it is built, with something beside it that is none of its business."""
    directory = tmp_path / "console"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html>console")
    (directory / "assets" / "main-abc123.js").write_text("1")
    (tmp_path / "secret").write_text("not for the web")
    return directory


def browser(database: Database, tmp_path: Path, url: str, **changes: Path) -> httpx.AsyncClient:
    app = create_app(settings_for(tmp_path, url, **changes), database=database)
    app.add_api_route("/api/v1/planted", lambda: 1 / 0)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url)


def policy_of(answer: httpx.Response) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/", "/allocations", "/api/v1/me", "/api/v1/nowhere", "/api/v1/planted"])
    async def test_is_kept_from_frames_foreign_scripts_and_guessing(
        self, database: Database, tmp_path: Path, built: Path, path: str
    ) -> None:
        async with browser(database, tmp_path, "https://sublet.example", console_directory=built) as client:
            answer = await client.get(path)
        policy = policy_of(answer)
        assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
        assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert answer.headers["x-request-id"].startswith("req_")
        if path.startswith("/api/"):
            assert answer.headers["cache-control"] == "no-store"

    async def test_of_the_terminals_page_alone_lets_styles_be_added(
        self, database: Database, tmp_path: Path, built: Path
    ) -> None:
        async with browser(database, tmp_path, "https://sublet.example", console_directory=built) as client:
            page = await client.get("/allocations/one/terminal")
            refused = await client.get("/api/v1/allocations/one/terminal")
        assert policy_of(page)["style-src"] == "'self' 'unsafe-inline'"
        assert policy_of(page)["script-src"] == "'self'"
        assert policy_of(refused)["style-src"] == "'self'"

    async def test_on_plain_loopback_promises_no_tls(self, database: Database, tmp_path: Path, built: Path) -> None:
        async with browser(database, tmp_path, "http://127.0.0.1:8000", console_directory=built) as client:
            assert "strict-transport-security" not in (await client.get("/")).headers

    async def test_to_a_crash_tells_nothing_of_the_inside(self, database: Database, tmp_path: Path) -> None:
        async with browser(database, tmp_path, "https://sublet.example") as client:
            answer = await client.get("/api/v1/planted")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "division" not in answer.text
        assert "Traceback" not in answer.text


class TestTheConsole:
    async def test_is_kept_for_long_only_where_a_name_never_changes_its_content(
        self, database: Database, tmp_path: Path, built: Path
    ) -> None:
        async with browser(database, tmp_path, "https://sublet.example", console_directory=built) as client:
            assert "immutable" in (await client.get("/assets/main-abc123.js")).headers["cache-control"]
            assert (await client.get("/allocations")).headers["cache-control"] == "no-cache"
            assert (await client.get("/assets/gone.js")).status_code == 404

    async def test_keeps_what_only_its_build_needs(self, database: Database, tmp_path: Path, built: Path) -> None:
        (built / ".vite").mkdir()
        (built / ".vite" / "manifest.json").write_text("{}")
        async with browser(database, tmp_path, "https://sublet.example", console_directory=built) as client:
            answer = await client.get("/.vite/manifest.json")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_must_be_where_the_settings_say(self, database: Database, tmp_path: Path) -> None:
        with pytest.raises(ConsoleMissing, match=r"SUBLET_CONSOLE_DIRECTORY .* no index\.html"):
            create_app(settings_for(tmp_path, console_directory=tmp_path), database=database)

    @pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "/%00", "//secret"])
    async def test_gives_no_file_from_elsewhere(
        self, database: Database, tmp_path: Path, built: Path, path: str
    ) -> None:
        async with browser(database, tmp_path, "https://sublet.example", console_directory=built) as client:
            answer = await client.get(path)
        assert answer.status_code in {200, 404}
        assert "not for the web" not in answer.text


class TestMetrics:
    async def test_are_for_this_machine_and_for_nobody_behind_a_proxy(self, web: Web) -> None:
        assert (await web.client().get("/metrics")).status_code == 200
        through = await web.client().get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
        assert (through.status_code, through.json()["code"]) == (403, "permission_denied")


class TestCurrency:
    async def test_that_nobody_could_pay_in_is_refused_at_the_start(self, database: Database, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("sk_test_x")
        settings = settings_for(tmp_path, currency="SEK")
        paid = settings_for(tmp_path, currency="SEK", stripe_api_key=f"file:{key}")
        with pytest.raises(NotConfigured, match="SUBLET_CURRENCY is SEK, and cards can be charged in USD, EUR"):
            create_app(paid, database=database)
        create_app(settings, database=database)
