"""Identity: how many verifying mails were sent to one address."""

from sublet.migrations.script import execute_script

revision = "0083_identity"
down_revision = "0082_payments"


def upgrade() -> None:
    """Let mails be counted by address."""
    execute_script("CREATE INDEX email_verification_of_address ON email_verification (email, created_at);")
