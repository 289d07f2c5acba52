"""Audit: the trail is sealed."""

from sublet.migrations.script import execute_script

revision = "0064_audit"
down_revision = "0063_payments"

REGISTER = """
CREATE VIEW sealable_audit AS
  SELECT seq AS id, ARRAY[
           seq::text, id, extract(epoch FROM occurred_at)::text, actor_kind, actor_user_id, actor_name, actor_role,
           actor_platform_roles::text, organization_id, session_id, token_id, request_id, address, action, target_type,
           target_id, before::text, after::text] AS parts
    FROM audit_event;
SELECT sublet_keep_register('audit', 'audit_event', 'audit_event_seq', 'sealable_audit');
"""


def upgrade() -> None:
    """Make the trail a register."""
    execute_script(REGISTER)
