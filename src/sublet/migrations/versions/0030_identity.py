"""Identity: an organization's API tokens are counted."""

from sublet.migrations.script import execute_script

revision = "0030_identity"
down_revision = "0029_core"

INDEX = """
CREATE INDEX api_token_organization ON api_token (organization_id, created_at);
"""


def upgrade() -> None:
    """Find the tokens of an organization."""
    execute_script(INDEX)
