"""The trail as a register that is sealed."""

from sublet.core.registers import Register

REGISTER = Register(
    "audit",
    """
    SELECT seq AS id, ARRAY[
             seq::text, id, extract(epoch FROM occurred_at)::text, actor_kind, actor_user_id, actor_name, actor_role,
             actor_platform_roles::text, organization_id, session_id, token_id, request_id, address, action,
             target_type, target_id, before::text, after::text] AS parts
      FROM audit_event WHERE seq BETWEEN :from_id AND :to_id ORDER BY seq
    """,
    ("public.audit_event",),
    sequence="public.audit_event_seq",
    id_column="seq",
)
