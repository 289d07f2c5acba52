"""Tables of payments; migration 0009 holds their constraints.

The columns of leases are `core.leases`' alone and not declared here (`next_attempt_at` can be infinite, which Python's
datetime is not).
"""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text

from sublet.core.db import metadata

top_up = Table(
    "top_up",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger),
    Column("organization_id", Text),
    Column("requested_by", Text),
    Column("request_key", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("customer_email", Text),
    Column("return_path", Text),
    Column("success_url", Text),
    Column("cancel_url", Text),
    Column("state", Text),
    Column("checkout_session_id", Text),
    Column("checkout_url", Text),
    Column("payment_intent_id", Text),
    Column("charge_id", Text),
    Column("balance_transaction_id", Text),
    Column("fee", BigInteger),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Column("looked_at", DateTime(timezone=True)),
    Column("attempts", Integer),
)

top_up_history = Table(
    "top_up_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("top_up_id", Text),
    Column("previous", Text),
    Column("next", Text),
    Column("reason", Text),
    Column("at", DateTime(timezone=True)),
)

stripe_event = Table(
    "stripe_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text),
    Column("object_id", Text),
    Column("top_up_id", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True)),
    Column("processed_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("last_error", Text),
    Column("attempts", Integer),
)

stripe_transaction = Table(
    "stripe_transaction",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text),
    Column("amount", BigInteger),
    Column("fee", BigInteger),
    Column("currency", Text),
    Column("source", Text),
    Column("payout_id", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("available_on", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
)
