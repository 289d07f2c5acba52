"""What machines send and get: before they join, when they join, and when they leave."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints, field_validator

from sublet.fleet import host_signatures
from sublet.fleet.answers import Probed


class PreviewIn(BaseModel):
    """What a machine sends before it joins."""

    join_token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    host_public_key: Annotated[str, StringConstraints(min_length=1, max_length=8192)]

    @field_validator("join_token")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("a join token is printable ASCII")
        return value


class EnrolIn(PreviewIn):
    """What a machine sends to join. `own_principal`: it lets in certificates for the `control_principal` that it is
    answered with, and no others."""

    inventory: Probed
    helper_version: Annotated[str, StringConstraints(max_length=100)]
    own_principal: bool = False


class PreviewOut(BaseModel):
    """What the machine would join as, where it would be reached, and the time here."""

    name: str
    address: str
    port: int
    time: datetime


class LeaveIn(BaseModel):
    """A machine says that it leaves: `node_id`, a space and `at`, signed with its host key by `ssh-keygen -Y sign` for
    `sublet-leave`; the signature without its first and last line."""

    node_id: Annotated[str, StringConstraints(max_length=100)]
    at: Annotated[str, StringConstraints(max_length=40)]
    signature: Annotated[str, StringConstraints(max_length=host_signatures.LONGEST)]

    @field_validator("at")
    @classmethod
    def _a_moment(cls, value: str) -> str:
        if datetime.fromisoformat(value).tzinfo is None:
            raise ValueError("the moment needs a time zone")
        return value


class EnrolOut(BaseModel):
    """What a machine gets when it joins."""

    node_id: str
    name: str
    user_ca_public_keys: list[str]
    host_certificate: str
    revoked_keys_base64: str
    control_principal: str
    control_user: str
