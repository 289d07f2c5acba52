"""The audit trail as operators read it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel


class AuditActorOut(BaseModel):
    """Who acted, with what credential; `kind` is user, token, system or anonymous."""

    kind: str
    user_id: str | None
    name: str
    role: str | None
    platform_roles: list[str]
    organization_id: str | None
    session_id: str | None
    token_id: str | None


class AuditTargetOut(BaseModel):
    """What was acted on."""

    type: str
    id: str


class AuditEventOut(BaseModel):
    """One act: who, what, to what, from where, and what changed."""

    id: str
    occurred_at: datetime
    actor: AuditActorOut
    action: str
    target: AuditTargetOut
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    address: str | None

    @classmethod
    def of(cls, row: Any) -> Self:
        """From a row of the trail."""
        return cls(
            id=row.id,
            occurred_at=row.occurred_at,
            actor=AuditActorOut(
                kind=row.actor_kind,
                user_id=row.actor_user_id,
                name=row.actor_name,
                role=row.actor_role,
                platform_roles=row.actor_platform_roles,
                organization_id=row.organization_id,
                session_id=row.session_id,
                token_id=row.token_id,
            ),
            action=row.action,
            target=AuditTargetOut(type=row.target_type, id=row.target_id),
            before=row.before,
            after=row.after,
            request_id=row.request_id,
            address=row.address,
        )
