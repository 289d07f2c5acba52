"""Who is asking, and what they may do. The table of roles is in `identity/permissions.py`; routes name permissions."""

from dataclasses import dataclass, field
from enum import StrEnum

from sublet.core.errors import PermissionDenied

FRESH_SECONDS = 300.0
"""How long after a sign-in it is believed to be still the same person at the keyboard."""


class Permission(StrEnum):
    """What a route can ask for: `area:verb`."""

    ACCOUNT_READ = "account:read"
    ACCOUNT_MANAGE = "account:manage"
    ORGANIZATION_READ = "organization:read"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - the name of a permission, not a secret
    CATALOG_READ = "catalog:read"
    ALLOCATION_READ = "allocation:read"
    ALLOCATION_LAUNCH = "allocation:launch"
    ALLOCATION_MANAGE = "allocation:manage"
    ALLOCATION_CONNECT = "allocation:connect"
    WALLET_READ = "wallet:read"
    WALLET_TOP_UP = "wallet:top_up"
    CARD_MANAGE = "card:manage"
    AUTO_TOP_UP_MANAGE = "auto_top_up:manage"
    SPENDING_LIMIT_MANAGE = "spending_limit:manage"
    WALLET_REFUND_REQUEST = "wallet:request_refund"
    EVENTS_READ = "events:read"
    NOTICE_READ = "notice:read"
    ADMIN_NODE_READ = "admin.node:read"
    ADMIN_NODE_MANAGE = "admin.node:manage"
    ADMIN_CATALOG_READ = "admin.catalog:read"
    ADMIN_CATALOG_MANAGE = "admin.catalog:manage"
    ADMIN_ALLOCATION_READ = "admin.allocation:read"
    ADMIN_ORGANIZATION_READ = "admin.organization:read"
    ADMIN_AUDIT_READ = "admin.audit:read"
    ADMIN_REPORT_READ = "admin.report:read"
    ADMIN_MONTH_CLOSE = "admin.month:close"
    ADMIN_RECONCILE = "admin.reconcile:run"
    ADMIN_FINDING_READ = "admin.finding:read"
    ADMIN_FINDING_RESOLVE = "admin.finding:resolve"
    ADMIN_APPROVAL_READ = "admin.approval:read"
    ADMIN_APPROVAL_DECIDE = "admin.approval:decide"
    ADMIN_REFUND_READ = "admin.refund:read"
    ADMIN_REFUND_CREATE = "admin.refund:create"
    ADMIN_ADJUSTMENT_CREATE = "admin.adjustment:create"
    ADMIN_CREDIT_READ = "admin.credit:read"
    ADMIN_CREDIT_GRANT = "admin.credit:grant"
    ADMIN_DISPUTE_READ = "admin.dispute:read"
    ADMIN_PAYOUT_READ = "admin.payout:read"
    ADMIN_DISPUTE_ANSWER = "admin.dispute:answer"
    ADMIN_EVENT_READ = "admin.event:read"
    ADMIN_EVENT_REPLAY = "admin.event:replay"
    ADMIN_WORK_READ = "admin.work:read"
    ADMIN_WORK_RETRY = "admin.work:retry"

    @property
    def is_platform(self) -> bool:
        """Whether platform roles alone give it: roles in an organization have no `admin.` permission."""
        return self.value.startswith("admin.")


class Public:
    """The marker of a route that asks for no permission at all."""


PUBLIC = Public()


class Strength(StrEnum):
    """How it is known who acts."""

    PASSWORD = "password"  # noqa: S105 - the name of a way to sign in, not a secret
    SECOND_FACTOR = "second_factor"
    """A password and more. Nobody can sign in so yet: it waits for passkeys and one-time codes."""
    TOKEN = "token"  # noqa: S105 - likewise
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request: a person's session, an API token, or Sublet itself.

    `strength` is None for somebody who has not shown who they are. `confirmed_seconds_ago` is how long ago a person
    last did, by PostgreSQL's clock when the request came; None for all but a person's session. `owed_terms` names the
    terms in force that the person has not accepted; None where they have, or where nobody is asked to.
    """

    kind: str
    user_id: str | None = None
    organization_id: str | None = None
    role: str | None = None
    platform_roles: frozenset[str] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    session_id: str | None = None
    token_id: str | None = None
    address: str | None = None
    strength: Strength | None = None
    confirmed_seconds_ago: float | None = field(default=None, compare=False)
    owed_terms: str | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)

    def can(self, permission: Permission) -> bool:
        """Whether the actor holds the permission; Sublet itself holds all."""
        return self.kind == "system" or permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise PermissionDenied unless the actor holds the permission."""
        if not self.can(permission):
            advice = (
                "It comes with a platform role, which no owner of an organization can give: ask an operator who has "
                "it, or use an operator's token with that scope."
                if permission.is_platform
                else "Ask an owner of the organization, or use a token with that scope."
            )
            raise PermissionDenied(
                f"This needs the permission {permission.value}, which you do not have here. Nothing was changed. "
                f"{advice}",
                extra={"permission": permission.value},
            )

    @property
    def is_strong(self) -> bool:
        """Whether the actor signed in with more than a password; Sublet itself needs none."""
        return self.strength in {Strength.SECOND_FACTOR, Strength.SYSTEM}

    @property
    def is_fresh(self) -> bool:
        """Whether the actor has just shown who they are: an API token never has, and Sublet itself need not."""
        if self.strength is Strength.SYSTEM:
            return True
        return self.confirmed_seconds_ago is not None and self.confirmed_seconds_ago <= FRESH_SECONDS

    @property
    def shown_as(self) -> str:
        """How the actor is called in a history."""
        return self.user_id or self.name or self.kind

    @property
    def organization(self) -> str:
        """The organization that the actor works in; PermissionDenied for actors without one."""
        if self.organization_id is None:
            raise PermissionDenied("This belongs to an organization, and you are not in one. Nothing was changed.")
        return self.organization_id


def system_actor(name: str = "sublet") -> Actor:
    """Sublet itself, as reconcilers and schedules act."""
    return Actor(kind="system", strength=Strength.SYSTEM, name=name)
