"""SSH keys: what is taken, what is refused and why, and whose allocations they open."""

import asyncio
import base64
import hashlib
from typing import Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sublet.core.errors import InvalidInput
from sublet.identity import ssh_keys, users
from tests.identity.house import PASSWORD, House, new_email
from tests.identity.public_keys import ed25519_line

pytestmark = pytest.mark.anyio


def key_line(algorithm: str, **options: Any) -> str:
    key = asyncssh.generate_private_key(algorithm, **options)
    return key.export_public_key("openssh").decode().strip()


class TestAdding:
    @pytest.mark.parametrize(
        ("algorithm", "options"),
        [
            ("ssh-ed25519", {}),
            ("ecdsa-sha2-nistp256", {}),
            ("ecdsa-sha2-nistp521", {}),
            ("ssh-rsa", {"key_size": 2048}),
        ],
    )
    async def test_stores_the_key_without_its_comment_and_its_fingerprint(
        self, house: House, algorithm: str, options: dict[str, int]
    ) -> None:
        browser = await house.customer()
        line = key_line(algorithm, **options)
        answer = await browser.post("/api/v1/ssh-keys", json={"name": "laptop", "public_key": f"  {line} ada@home \n"})
        made = answer.json()
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode().rstrip("=")
        assert answer.status_code == 201
        assert (made["public_key"], made["fingerprint"]) == (line, f"SHA256:{digest}")
        assert (await browser.get("/api/v1/ssh-keys")).json()["items"] == [made]

    async def test_refuses_a_private_key_and_keeps_nothing_of_it(self, house: House) -> None:
        browser = await house.customer()
        private = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
        answer = await browser.post("/api/v1/ssh-keys", json={"name": "laptop", "public_key": private})
        assert (answer.status_code, answer.json()["code"]) == (422, "private_key_refused")
        assert private.splitlines()[1] not in answer.text
        assert await house.rows("SELECT 1 FROM ssh_key") == []

    async def test_refuses_weak_and_foreign_keys(self, house: House) -> None:
        browser = await house.customer()
        good = ed25519_line()
        lines = [
            key_line("ssh-rsa", key_size=1024),
            f'command="/bin/sh" {good}',
            f"{good}\n{ed25519_line()}",
            good[:-8],
            "ssh-ed25519 AAAA",
            "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
            "hello",
        ]
        for line in lines:
            answer = await browser.post("/api/v1/ssh-keys", json={"name": "x", "public_key": line})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "public_key"), line
        assert "1024 bits" in (await browser.post("/api/v1/ssh-keys", json={"name": "x", "public_key": lines[0]})).text

    @given(st.sampled_from(ssh_keys.TYPES), st.binary(max_size=80), st.text(max_size=20))
    def test_never_fails_on_garbage(self, kind: str, blob: bytes, tail: str) -> None:
        encoded = len(kind).to_bytes(4) + kind.encode() + blob
        for line in (f"{kind} {base64.b64encode(encoded).decode()} {tail}", f"{kind} {tail}", tail):
            try:
                stored, fingerprint = ssh_keys.read_public_key(line)
            except InvalidInput:
                continue
            assert stored.startswith(f"{kind} ")
            assert fingerprint.startswith("SHA256:")

    async def test_by_a_token_needs_that_the_token_may_connect(self, house: House) -> None:
        browser, body = await house.customer(), {"name": "laptop", "public_key": ed25519_line()}
        for scopes, status in ((("account:manage",), 403), (("account:manage", "allocation:connect"), 201)):
            token = (await house.token(browser, *scopes))["token"]
            program = house.program(token)
            assert (await program.post("/api/v1/ssh-keys", json=body)).status_code == status

    async def test_once_for_each_person(self, house: House) -> None:
        mine, theirs, line = await house.customer(), await house.customer(), ed25519_line()
        body = {"name": "laptop", "public_key": line}
        assert (await mine.post("/api/v1/ssh-keys", json=body)).status_code == 201
        again = await mine.post("/api/v1/ssh-keys", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "ssh_key_taken")
        assert (await theirs.post("/api/v1/ssh-keys", json=body)).status_code == 201

    async def test_with_one_idempotency_key_happens_once(self, house: House) -> None:
        browser, body = await house.customer(), {"name": "laptop", "public_key": ed25519_line()}
        answers = [
            await browser.post("/api/v1/ssh-keys", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()

    async def test_ends_at_fifty(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ssh_keys, "MOST_KEYS", 1)
        browser = await house.customer()
        codes = [
            (await browser.post("/api/v1/ssh-keys", json={"name": "x", "public_key": ed25519_line()})).status_code
            for _ in range(2)
        ]
        assert codes == [201, 409]

    async def test_of_many_at_once_passes_the_limit_with_none(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ssh_keys, "MOST_KEYS", 2)
        browser = await house.customer()
        bodies = [{"name": "x", "public_key": ed25519_line()} for _ in range(8)]
        answers = await asyncio.gather(*(browser.post("/api/v1/ssh-keys", json=body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [201, 201] + [409] * 6
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"too_many_ssh_keys"}


class TestRemoving:
    async def test_is_for_ones_own_only(self, house: House) -> None:
        mine, theirs = await house.customer(), await house.customer()
        made = (await theirs.post("/api/v1/ssh-keys", json={"name": "x", "public_key": ed25519_line()})).json()
        assert (await mine.get("/api/v1/ssh-keys")).json()["items"] == []
        assert (await mine.delete(f"/api/v1/ssh-keys/{made['id']}")).status_code == 404
        assert (await theirs.delete(f"/api/v1/ssh-keys/{made['id']}")).status_code == 204
        assert (await theirs.get("/api/v1/ssh-keys")).json()["items"] == []
        events = await house.rows(
            "SELECT data FROM outbox_event WHERE type = 'organization.access_changed' ORDER BY id"
        )
        assert [event.data["reason"] for event in events] == ["ssh_key_added", "ssh_key_removed"]


class TestPublicKeysOfAnOrganization:
    async def test_are_those_of_members_who_may_connect(self, house: House) -> None:
        browser, line = await house.customer(), ed25519_line("ada@home")
        await browser.post("/api/v1/ssh-keys", json={"name": "x", "public_key": line})
        organization = (await browser.get("/api/v1/me")).json()["organization"]["id"]
        async with house.database.transaction() as session:
            other = await users.create_user(session, email=new_email(), password=PASSWORD, name="New owner")
        async with house.database.reading() as session:
            assert await ssh_keys.public_keys_of(session, organization) == [" ".join(line.split()[:2])]
            assert await ssh_keys.public_keys_of(session, other.organization_id) == []
        await house.hand_over(organization, to=other.user_id, leaving="billing")
        async with house.database.reading() as session:
            assert await ssh_keys.public_keys_of(session, organization) == []
