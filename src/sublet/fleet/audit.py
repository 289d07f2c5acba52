"""What of nodes and certificates goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class PlaceRecord(Recorded):
    """What a node is called and where it answers."""

    name: Annotated[str, TRACK]
    address: Annotated[str, TRACK]
    port: Annotated[int, TRACK]
    labels: Annotated[dict[str, str], TRACK]


class PortsRecord(Recorded):
    """The ports of a node that customers may publish by."""

    first: Annotated[int | None, TRACK]
    last: Annotated[int | None, TRACK]


class IntentRecord(Recorded):
    """A node's state, what it becomes when it can be reached again, and why somebody changed that."""

    state: Annotated[str, TRACK]
    resumes_as: Annotated[str, TRACK]
    reason: Annotated[str | None, TRACK] = None
    deadline_at: Annotated[datetime | None, TRACK] = None
    credit_seconds: Annotated[int | None, TRACK] = None


class JoinTokenRecord(Recorded):
    """A join token; the token itself is known to nobody but its reader."""

    expires_at: Annotated[datetime, TRACK]


class HostKeyRecord(Recorded):
    """The host key that a machine joined with, and the serial of its certificate."""

    host_public_key: Annotated[str | None, TRACK]
    serial: Annotated[int | None, TRACK] = None


class CertificateRecord(Recorded):
    """A certificate that lets a person in."""

    serial: Annotated[int, TRACK]
    principal: Annotated[str, TRACK]
    valid_before: Annotated[datetime, TRACK]


class GpuRecord(Recorded):
    """Whether a GPU can be given out, and on whose word or for what reason not."""

    node_id: Annotated[str, TRACK]
    state: Annotated[str, TRACK]
    reason: Annotated[str | None, TRACK] = None


class RolloutRecord(Recorded):
    """A helper that is brought to nodes, the first of them, and how many they are."""

    version: Annotated[str, TRACK]
    sha256: Annotated[str, TRACK]
    canary: Annotated[str, TRACK]
    nodes: Annotated[int, TRACK]


class HelperRecord(Recorded):
    """The version of a node's helper."""

    helper_version: Annotated[str, TRACK]
