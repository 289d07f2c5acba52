"""A real sshd that has joined as a node, and customers who connect to it."""

import asyncssh

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import answers, certificates, enrolment
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys, public_line
from sublet.fleet.certificates import Credential
from sublet.fleet.connection import HostTrust, NodeAddress, connect
from sublet.fleet.moved_gpus import nothing_known
from tests.fleet.conftest import CUSTOMER, OPERATOR
from tests.fleet.fake_node import PROBE, now
from tests.fleet.real_sshd import RealSshd

LOGIN = "al-aaaaaaaaaaaaaaaa"
OTHER_LOGIN = "al-bbbbbbbbbbbbbbbb"
ALLOCATION = "al_aaaaaaaaaaaaaaaa"


class Joined:
    """A real sshd that has joined, and ways to connect to it."""

    def __init__(self, database: Database, authority: CertificateAuthority, sshd: RealSshd) -> None:
        self.database, self.authority, self.sshd = database, authority, sshd
        self.address = NodeAddress("", "", "", 0, "")
        self.authorities: tuple[str, ...] = ()
        self.user_authorities: list[str] = []
        self.settings = Settings(public_url="https://sublet.test", data_directory=sshd.directory)

    async def join(self, name: str = "north", gpu: str = "GPU-fake-0") -> None:
        signer = await self.authority.host_signer()
        async with self.database.transaction() as session:
            node, join = await enrolment.add_node(
                session, OPERATOR, name, address="127.0.0.1", port=self.sshd.port, labels={}, settings=self.settings
            )
            joined = await enrolment.join(
                session,
                token=join.token,
                host_public_key=public_line(self.sshd.host_key),
                inventory=answers.Probed.model_validate(
                    {**PROBE, "gpus": [{**PROBE["gpus"][0], "uuid": gpu}], "time": now()}
                ).to_probe(),
                signer=signer,
                settings=self.settings,
                claims_on=nothing_known,
            )
            self.authorities = (await public_keys(session, CaKind.HOST)).all
        self.address = NodeAddress(node.id, name, "127.0.0.1", self.sshd.port, public_line(self.sshd.host_key))
        self.user_authorities = list(joined.user_ca_public_keys)
        self.sshd.start(user_authorities=self.user_authorities, host_certificate=joined.host_certificate)

    async def customer(self, login: str = LOGIN, seconds: int = 600) -> tuple[Credential, int]:
        key = asyncssh.generate_private_key("ssh-ed25519")
        signer = await self.authority.user_signer()
        async with self.database.transaction() as session:
            issued = await certificates.issue_user(
                session,
                CUSTOMER,
                ALLOCATION,
                signer=signer,
                public_key=public_line(key),
                login=login,
                seconds=seconds,
            )
        return Credential(key, asyncssh.import_certificate(issued.certificate)), issued.serial

    async def say(self, credential: Credential, username: str = LOGIN, command: str = "id -un") -> str:
        connection = await connect(
            self.address, username=username, credential=credential, trust=HostTrust(self.authorities), timeout_seconds=5
        )
        async with connection:
            return str((await connection.run(command)).stdout).strip()
