"""What of people and their credentials goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import IGNORE, SECRET, TRACK, Recorded


class UserRecord(Recorded):
    """A user as the trail keeps it."""

    id: Annotated[str, IGNORE]
    email: Annotated[str, TRACK]
    verified_email: Annotated[str | None, TRACK]
    verified_at: Annotated[datetime | None, IGNORE]
    name: Annotated[str, TRACK]
    password_hash: Annotated[str, SECRET]
    platform_roles: Annotated[list[str], TRACK]
    disabled_at: Annotated[datetime | None, TRACK]
    created_at: Annotated[datetime, IGNORE]


class TermsRecord(Recorded):
    """Which terms somebody accepted, as the trail keeps it."""

    url: Annotated[str, TRACK]
    version: Annotated[str, TRACK]
    occasion: Annotated[str, TRACK]
    address: Annotated[str | None, TRACK]
    user_agent: Annotated[str | None, TRACK]


class OrganizationRecord(Recorded):
    """An organization as the trail keeps it."""

    id: Annotated[str, IGNORE]
    name: Annotated[str, TRACK]
    owner_id: Annotated[str, TRACK]


class SessionRecord(Recorded):
    """A browser session as the trail keeps it."""

    id: Annotated[str, IGNORE]
    user_id: Annotated[str, TRACK]
    strength: Annotated[str, TRACK]
    expires_at: Annotated[datetime, TRACK]
    address: Annotated[str | None, TRACK]
    user_agent: Annotated[str | None, TRACK]


class ApiTokenRecord(Recorded):
    """An API token as the trail keeps it."""

    id: Annotated[str, IGNORE]
    name: Annotated[str, TRACK]
    scopes: Annotated[list[str], TRACK]
    expires_at: Annotated[datetime, TRACK]


class SshKeyRecord(Recorded):
    """An SSH key as the trail keeps it."""

    id: Annotated[str, IGNORE]
    name: Annotated[str, TRACK]
    public_key: Annotated[str, IGNORE]
    fingerprint: Annotated[str, TRACK]
