"""Who may do what: the one table from roles to permissions. A permission that nobody holds fails the build."""

from functools import lru_cache

from sublet.core.actors import Permission

OWNER, ADMIN, BILLING, MEMBER = "owner", "admin", "billing", "member"
FLEET, FINANCE, SUPPORT, PLATFORM_ADMIN = "fleet", "finance", "support", "admin"

P = Permission

EVERYBODY = frozenset({P.ACCOUNT_READ, P.ACCOUNT_MANAGE, P.NOTICE_READ})
"""What signed-in people may do wherever they are: see and protect their own account, and read what they are told."""

_SEES = EVERYBODY | {
    P.ORGANIZATION_READ,
    P.TOKEN_MANAGE,
    P.CATALOG_READ,
    P.ALLOCATION_READ,
    P.WALLET_READ,
    P.EVENTS_READ,
}
_USES = _SEES | {P.ALLOCATION_LAUNCH, P.ALLOCATION_MANAGE, P.ALLOCATION_CONNECT}
_PAYS = _SEES | {P.WALLET_TOP_UP, P.WALLET_REFUND_REQUEST, P.CARD_MANAGE, P.AUTO_TOP_UP_MANAGE, P.SPENDING_LIMIT_MANAGE}

ROLES: dict[str, frozenset[Permission]] = {
    OWNER: _USES | _PAYS,
    ADMIN: _USES | _PAYS,
    BILLING: _PAYS,
    MEMBER: _USES,
}
"""What a member of an organization may do in it."""

_WATCHES = EVERYBODY | {
    P.TOKEN_MANAGE,
    P.CATALOG_READ,
    P.EVENTS_READ,
    P.ADMIN_CATALOG_READ,
    P.ADMIN_ALLOCATION_READ,
    P.ADMIN_ORGANIZATION_READ,
    P.ADMIN_EVENT_READ,
    P.ADMIN_WORK_READ,
    P.ADMIN_FINDING_READ,
    P.ADMIN_APPROVAL_READ,
    P.ADMIN_REFUND_READ,
    P.ADMIN_DISPUTE_READ,
    P.ADMIN_CREDIT_READ,
}

_KEEPS_BOOKS = {
    P.ADMIN_CATALOG_MANAGE,
    P.ADMIN_AUDIT_READ,
    P.ADMIN_RECONCILE,
    P.ADMIN_REPORT_READ,
    P.ADMIN_PAYOUT_READ,
    P.ADMIN_MONTH_CLOSE,
    P.ADMIN_FINDING_RESOLVE,
    P.ADMIN_REFUND_CREATE,
    P.ADMIN_ADJUSTMENT_CREATE,
    P.ADMIN_CREDIT_GRANT,
    P.ADMIN_DISPUTE_ANSWER,
    P.ADMIN_EVENT_REPLAY,
    P.ADMIN_WORK_RETRY,
}

_DECIDES = {P.ADMIN_APPROVAL_DECIDE}
"""Each of them only on acts that they may do themselves."""

PLATFORM_ROLES: dict[str, frozenset[Permission]] = {
    FLEET: _WATCHES | _DECIDES | {P.ADMIN_NODE_READ, P.ADMIN_NODE_MANAGE, P.ADMIN_WORK_RETRY},
    FINANCE: _WATCHES | _DECIDES | _KEEPS_BOOKS,
    SUPPORT: _WATCHES | {P.ADMIN_NODE_READ, P.ADMIN_AUDIT_READ},
    PLATFORM_ADMIN: _WATCHES | _DECIDES | _KEEPS_BOOKS | {P.ADMIN_NODE_READ, P.ADMIN_NODE_MANAGE},
}
"""What an operator may do on the platform, in addition to what the organization's role gives."""

CONNECTING_ROLES = tuple(role for role, held in ROLES.items() if P.ALLOCATION_CONNECT in held)
"""The members whose SSH keys open the organization's allocations."""

TOKENS_ALWAYS = frozenset({P.ACCOUNT_READ})
"""Every API token may ask who it is."""


@lru_cache(maxsize=1024)
def held_by(role: str | None, platform_roles: frozenset[str]) -> frozenset[Permission]:
    """Everything that the roles give together; an unknown role gives nothing."""
    held = EVERYBODY | ROLES.get(role or "", frozenset())
    for platform_role in platform_roles:
        held |= PLATFORM_ROLES.get(platform_role, frozenset())
    return held


@lru_cache(maxsize=4096)
def held_by_token(role: str | None, platform_roles: frozenset[str], scopes: frozenset[str]) -> frozenset[Permission]:
    """What a token may do now: its scopes, as far as its creator still holds them."""
    held = held_by(role, platform_roles)
    return frozenset(permission for permission in held if permission.value in scopes) | TOKENS_ALWAYS
