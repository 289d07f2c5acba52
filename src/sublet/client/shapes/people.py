"""People, organizations and their credentials."""

from typing import TypedDict


class User(TypedDict):
    """A person; `email_verified` is whether the address is known to be theirs."""

    id: str
    email: str
    email_verified: bool
    name: str


class Organization(TypedDict):
    """Who owns the wallet and the allocations, with the caller's role in it."""

    id: str
    name: str
    role: str


class Terms(TypedDict):
    """Terms by their link and version."""

    url: str
    version: str


class Me(TypedDict):
    """Who the caller is; `auth` is `session` or `token`; the terms in force, if the person has not accepted them."""

    user: User
    organization: Organization
    organizations: list[Organization]
    platform_roles: list[str]
    permissions: list[str]
    auth: str
    terms_to_accept: Terms | None


class Token(TypedDict, total=False):
    """An API token; `token` itself is there only in the answer that created it."""

    id: str
    name: str
    scopes: list[str]
    expires_at: str
    last_used_at: str | None
    created_at: str
    token: str


class SshKey(TypedDict):
    """A registered public key."""

    id: str
    name: str
    public_key: str
    fingerprint: str
    created_at: str
