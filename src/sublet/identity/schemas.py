"""People, organizations and credentials as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from sublet.core.actions import ActionOut
from sublet.core.display_names import DisplayName

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=r"^[^\x00-\x20\x7f]+$"),
    Field(json_schema_extra={"format": "email"}),
]
Password = Annotated[
    str, StringConstraints(min_length=1, max_length=1024), Field(json_schema_extra={"format": "password"})
]


TermsVersion = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class SignUp(BaseModel):
    """A new account. Passwords have 12 to 256 characters, and are not what anybody would guess.

    `accepted_terms` is the version of the terms in force, where there are any: it says that they were accepted.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Email
    password: Password
    name: DisplayName
    organization_name: DisplayName | None = None
    accepted_terms: TermsVersion | None = None


class TermsOut(BaseModel):
    """Terms that people accept before they pay in: which text, by its link and its version."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    version: str


class TermsInForce(BaseModel):
    """The terms that signing up takes; null where nobody is asked to accept any."""

    terms: TermsOut | None


class TermsAcceptance(BaseModel):
    """The version of the terms that somebody has read and accepts."""

    model_config = ConfigDict(extra="forbid")

    version: TermsVersion


class Login(BaseModel):
    """A sign-in by password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Email
    password: Password


class MeUser(BaseModel):
    """The person; `email_verified` is whether they have shown that the address is theirs: mail goes to no other."""

    id: str
    email: str
    email_verified: bool
    name: str


class MeOrganization(BaseModel):
    """An organization that the person is in, and their role in it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    role: str


class Me(BaseModel):
    """Who the caller is, where they act, and everything that they may do there.

    `terms_to_accept` are the terms in force if the person has not accepted them: until then they pay nothing in.
    """

    user: MeUser
    organization: MeOrganization
    organizations: list[MeOrganization]
    platform_roles: list[str]
    permissions: list[str]
    auth: Literal["session", "token"]
    terms_to_accept: TermsOut | None


class EmailOut(BaseModel):
    """The person's address, and since when it is known to be theirs; null while it is not."""

    email: str
    verified_at: datetime | None
    actions: list[ActionOut]


class EmailConfirmation(BaseModel):
    """The secret of the link in a verifying mail."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class SessionOut(BaseModel):
    """A place where the person is signed in; `current` is the one that asks."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    address: str | None
    user_agent: str | None
    current: bool


class OrganizationOut(BaseModel):
    """An organization that the caller is in."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    role: str
    created_at: datetime


class MemberOut(BaseModel):
    """A person in an organization."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str
    email: str
    name: str
    role: str


class AdminOrganizationOut(BaseModel):
    """An organization as operators see it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    owner_email: str
    members: int
    created_at: datetime


class ApiTokenCreate(BaseModel):
    """A new token: scopes are permissions that the caller holds; it must expire within a year."""

    model_config = ConfigDict(extra="forbid")

    name: DisplayName
    scopes: Annotated[
        list[Annotated[str, StringConstraints(max_length=64)]],
        Field(min_length=1, max_length=100, examples=[["allocation:read", "allocation:launch"]]),
    ]
    expires_at: AwareDatetime


class ApiTokenOut(BaseModel):
    """A token without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    scopes: list[str]
    expires_at: datetime
    last_used_at: datetime | None
    created_at: datetime


class ApiTokenCreated(ApiTokenOut):
    """A token that was just made; `token` is shown here and never again."""

    token: str


class SshKeyCreate(BaseModel):
    """A public key, as the line in the file that ends in .pub."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: DisplayName
    public_key: Annotated[str, StringConstraints(min_length=1, max_length=16384)]


class SshKeyOut(BaseModel):
    """A registered public key."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    public_key: str
    fingerprint: str
    created_at: datetime
