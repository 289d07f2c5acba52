"""Write one audit event in the transaction of what it tells of."""

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.audit.fields import Recorded, snapshots
from sublet.core import context
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.ids import new_id

_RECORD = text(
    """
    INSERT INTO audit_event (
      id, actor_kind, actor_user_id, actor_name, actor_role, actor_platform_roles, organization_id,
      session_id, token_id, request_id, address, action, target_type, target_id, before, after
    ) VALUES (
      :id, :actor_kind, :actor_user_id, :actor_name, :actor_role, :actor_platform_roles, :organization_id,
      :session_id, :token_id, :request_id, :address, :action, :target_type, :target_id, :before, :after
    )
    """
).bindparams(
    bindparam("actor_platform_roles", type_=ARRAY(Text)),
    bindparam("before", type_=JSONB(none_as_null=True)),
    bindparam("after", type_=JSONB(none_as_null=True)),
)


async def record(
    session: Session,
    actor: Actor,
    action: str,
    target_type: str,
    target_id: str,
    *,
    before: Recorded | None = None,
    after: Recorded | None = None,
    organization_id: str | None = None,
) -> None:
    """Store that `actor` did `action` (`noun.past_tense`) to a target. The audit event exists if and only if the
    session commits.

    The event belongs to the actor's organization, or to `organization_id` when the actor acts on another one.
    """
    was, became = snapshots(before, after)
    await session.execute(
        _RECORD,
        {
            "id": new_id("aud"),
            "actor_kind": actor.kind,
            "actor_user_id": actor.user_id,
            "actor_name": actor.name,
            "actor_role": actor.role,
            "actor_platform_roles": sorted(actor.platform_roles),
            "organization_id": organization_id or actor.organization_id,
            "session_id": actor.session_id,
            "token_id": actor.token_id,
            "request_id": context.request_id.get(),
            "address": actor.address,
            "action": action,
            "target_type": target_type,
            "target_id": target_id,
            "before": was,
            "after": became,
        },
    )
