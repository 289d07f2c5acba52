"""Certificates are short, single-principal and restricted; OpenSSH itself and our client refuse all others."""

import asyncio
import dataclasses
from datetime import timedelta

import asyncssh
import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.errors import InvalidInput
from sublet.fleet import certificates, revocations
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys, public_line
from sublet.fleet.certificates import Credential
from sublet.fleet.connection import HostTrust, connect
from sublet.fleet.errors import HostCertificateMissing, HostKeyChanged, HostNotVerified, NodeRefused
from tests.fleet.conftest import CUSTOMER, OPERATOR
from tests.fleet.joined import ALLOCATION, LOGIN, OTHER_LOGIN, Joined
from tests.fleet.real_sshd import RealSshd

pytestmark = pytest.mark.anyio


@pytest.fixture
async def joined(database: Database, authority: CertificateAuthority, sshd: RealSshd) -> Joined:
    joined = Joined(database, authority, sshd)
    await joined.join()
    return joined


class TestWhatIsIssued:
    async def test_a_customers_certificate_says_who_for_what_and_in_which_request(
        self, database: Database, authority: CertificateAuthority
    ) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        signer = await authority.user_signer()
        async with database.transaction() as session:
            before = await database_now(session)
            issued = await certificates.issue_user(
                session,
                CUSTOMER,
                ALLOCATION,
                signer=signer,
                public_key=f"{public_line(key)} me@laptop",
                login=LOGIN,
                seconds=600,
            )
        certificate = asyncssh.import_certificate(issued.certificate)
        assert certificate.principals == [LOGIN]
        assert issued.key_id.startswith(f"customer user=usr_customer for={ALLOCATION} request=")
        assert timedelta(seconds=599) < issued.valid_before - before < timedelta(seconds=610)
        assert set(certificate.options) == {"permit-pty", "permit-port-forwarding"}

    async def test_a_terminals_certificate_lives_a_minute_and_a_controls_at_most_five(
        self, database: Database, authority: CertificateAuthority
    ) -> None:
        signer = await authority.user_signer()
        async with database.transaction() as session:
            moment = (await database_now(session)).timestamp()
            terminal = await certificates.issue_terminal(session, CUSTOMER, ALLOCATION, signer=signer, login=LOGIN)
            entry = await certificates.issue_entry(session, OPERATOR, ALLOCATION, signer=signer, login=LOGIN)
            control = await certificates.issue_control(session, OPERATOR, "nd_aaaaaaaaaaaaaaaa", signer=signer)
            ends = (
                await session.execute(
                    text("SELECT kind, extract(epoch FROM valid_before)::float8 AS ends FROM issued_certificate")
                )
            ).all()
        assert set(terminal.certificate.options) == {"permit-pty"}
        assert set(entry.certificate.options) == set()
        assert entry.certificate.principals == [LOGIN]
        assert set(control.certificate.options) == set()
        assert control.certificate.principals == ["sublet-control-nd_aaaaaaaaaaaaaaaa"]
        lives = {row.kind: row.ends - moment for row in ends}
        assert 55 < lives["terminal"] <= 62
        assert 55 < lives["entry"] <= 62
        assert 200 < lives["control"] <= 300

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-ed25519-cert-v01@openssh.com AAAA",
            "ssh-ed25519 AAAA\nssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ],
    )
    async def test_what_is_not_a_public_key_is_not_signed(
        self, database: Database, authority: CertificateAuthority, key: str
    ) -> None:
        signer = await authority.user_signer()
        async with database.transaction() as session:
            with pytest.raises(InvalidInput):
                await certificates.issue_user(
                    session, CUSTOMER, ALLOCATION, signer=signer, public_key=key, login=LOGIN, seconds=60
                )

    async def test_a_short_rsa_key_is_not_signed(self, database: Database, authority: CertificateAuthority) -> None:
        weak = public_line(asyncssh.generate_private_key("ssh-rsa", key_size=1024))
        signer = await authority.user_signer()
        async with database.transaction() as session:
            with pytest.raises(InvalidInput, match="2048"):
                await certificates.issue_user(
                    session, CUSTOMER, ALLOCATION, signer=signer, public_key=weak, login=LOGIN, seconds=60
                )

    async def test_the_database_refuses_a_long_life_too(self, database: Database) -> None:
        async with database.transaction() as session:
            with pytest.raises(Exception, match="issued_certificate_check"):
                await session.execute(
                    text(
                        "INSERT INTO issued_certificate (kind, ca_public_key, key_id, principals, fingerprint, "
                        "subject, valid_after, valid_before) VALUES ('customer', 'k', 'i', '{p}', 'f', 's', now(), "
                        "now() + interval '2 hours')"
                    )
                )

    async def test_private_keys_of_the_authorities_are_stored_encrypted_only(
        self, database: Database, authority: CertificateAuthority
    ) -> None:
        await asyncio.gather(authority.ensure(), authority.ensure())
        await authority.ensure()
        async with database.reading() as session:
            rows = (await session.execute(text("SELECT * FROM ssh_ca_key"))).all()
        assert {(row.kind, row.slot) for row in rows} == {(k, s) for k in ("user", "host") for s in ("current", "next")}
        assert all(b"PRIVATE KEY" not in bytes(row.encrypted_private_key) for row in rows)


class TestOpenSsh:
    async def test_lets_the_right_certificate_in(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        assert await joined.say(credential) == LOGIN

    async def test_refuses_another_principal(self, joined: Joined) -> None:
        credential, _ = await joined.customer(OTHER_LOGIN)
        with pytest.raises(NodeRefused):
            await joined.say(credential)

    async def test_refuses_a_customer_as_root_and_as_the_control_user(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        for username in ("root", "sublet"):
            with pytest.raises(NodeRefused):
                await joined.say(credential, username)

    async def test_refuses_an_expired_certificate(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        signer = (await joined.authority.user_signer()).key
        expired = signer.generate_user_certificate(
            credential.key, "expired", principals=[LOGIN], valid_after="-10m", valid_before="-1s"
        )
        with pytest.raises(NodeRefused):
            await joined.say(Credential(credential.key, expired))

    async def test_refuses_a_rogue_authority(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        rogue = asyncssh.generate_private_key("ssh-ed25519").generate_user_certificate(
            credential.key, "rogue", principals=[LOGIN], valid_after="-1m", valid_before="+5m"
        )
        with pytest.raises(NodeRefused):
            await joined.say(Credential(credential.key, rogue))

    async def test_refuses_a_revoked_certificate_and_no_other(self, joined: Joined) -> None:
        revoked, serial = await joined.customer()
        other, _ = await joined.customer()
        assert await joined.say(revoked) == LOGIN
        async with joined.database.transaction() as session:
            assert await certificates.revoke(session, serial, reason="lost laptop")
            assert not await certificates.revoke(session, serial, reason="again")
            joined.sshd.write("revoked", (await revocations.current(session))[0].content)
        with pytest.raises(NodeRefused):
            await joined.say(revoked)
        assert await joined.say(other) == LOGIN

    async def test_trusts_the_next_authority_already(self, joined: Joined) -> None:
        async with joined.database.transaction() as session:
            await public_keys(session, CaKind.USER)
        text_of_file = (joined.sshd.directory / "user_ca.pub").read_text()
        assert len(text_of_file.splitlines()) == 2

    async def test_gives_the_control_certificate_its_one_command_and_no_shell(self, joined: Joined) -> None:
        signer = await joined.authority.user_signer()
        async with joined.database.transaction() as session:
            control = await certificates.issue_control(session, OPERATOR, joined.address.node_id, signer=signer)
        connection = await connect(
            joined.address,
            username="sublet",
            credential=control,
            trust=HostTrust(joined.authorities),
            timeout_seconds=5,
        )
        async with connection:
            echoed = await connection.run("/bin/sh -c id", input="not a shell\n")
            assert echoed.stdout == "not a shell\n"
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process(term_type="xterm", request_pty="force")
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", joined.sshd.port)


class TestOurSide:
    async def test_refuses_a_host_without_a_certificate_and_says_so(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        joined.sshd.stop()
        joined.sshd.start(user_authorities=[], host_certificate=None)
        with pytest.raises(HostCertificateMissing, match="shows no host certificate"):
            await joined.say(credential)

    async def test_refuses_a_changed_host_key_without_a_certificate(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        joined.sshd.stop()
        joined.sshd.host_key = asyncssh.generate_private_key("ssh-ed25519")
        joined.sshd.start(user_authorities=[], host_certificate=None)
        with pytest.raises(HostKeyChanged):
            await joined.say(credential)

    async def test_refuses_a_changed_host_key_even_with_a_certificate_of_our_authority(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        changed = asyncssh.generate_private_key("ssh-ed25519")
        signer = (await joined.authority.host_signer()).key
        certificate = signer.generate_host_certificate(
            changed, "stolen", principals=[joined.address.node_id], valid_after="-1m", valid_before="+5m"
        )
        joined.sshd.stop()
        joined.sshd.host_key = changed
        joined.sshd.start(
            user_authorities=joined.user_authorities, host_certificate=certificate.export_certificate().decode()
        )
        with pytest.raises(HostKeyChanged):
            await joined.say(credential)

    @pytest.mark.parametrize("fault", ["rogue", "expired", "another node"])
    async def test_refuses_a_host_certificate_that_does_not_hold(self, joined: Joined, fault: str) -> None:
        credential, _ = await joined.customer()
        signer = (await joined.authority.host_signer()).key
        if fault == "rogue":
            signer = asyncssh.generate_private_key("ssh-ed25519")
        certificate = signer.generate_host_certificate(
            joined.sshd.host_key,
            fault,
            principals=["nd_bbbbbbbbbbbbbbbb" if fault == "another node" else joined.address.node_id],
            valid_after="-10m",
            valid_before="-1s" if fault == "expired" else "+5m",
        )
        joined.sshd.stop()
        joined.sshd.start(
            user_authorities=joined.user_authorities, host_certificate=certificate.export_certificate().decode()
        )
        with pytest.raises(HostNotVerified) as refused:
            await joined.say(credential)
        assert refused.value.code == "host_not_verified"

    async def test_asks_the_network_nothing_while_a_session_is_open(self, joined: Joined, database: Database) -> None:
        credential, _ = await joined.customer()
        async with database.transaction():
            with pytest.raises(RuntimeError, match="session is open"):
                await joined.say(credential)

    async def test_an_address_is_not_enough_to_be_a_node(self, joined: Joined) -> None:
        credential, _ = await joined.customer()
        joined.address = dataclasses.replace(joined.address, node_id="nd_cccccccccccccccc")
        with pytest.raises(HostNotVerified):
            await joined.say(credential)
