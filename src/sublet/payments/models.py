"""Tables of payments; migrations of payments hold their constraints."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import metadata

installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

top_up = Table(
    "top_up",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("request_key", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("customer_email", Text),
    Column("return_path", Text, nullable=False),
    Column("success_url", Text, nullable=False),
    Column("cancel_url", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("checkout_session_id", Text),
    Column("checkout_url", Text),
    Column("payment_intent_id", Text),
    Column("charge_id", Text),
    Column("balance_transaction_id", Text),
    Column("fee", BigInteger),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Column("looked_at", DateTime(timezone=True)),
    Column("taken_back", BigInteger, nullable=False),
    Column("taken_aside", BigInteger, nullable=False),
    Column("installation_id", Text),
    Column("taken_settled", BigInteger, nullable=False),
    Column("credited", BigInteger),
    Column("purpose", Text, nullable=False),
    Column("saved_card_id", Text),
)

top_up_history = Table(
    "top_up_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("top_up_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

stripe_event = Table(
    "stripe_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("object_id", Text),
    Column("object_type", Text),
    Column("charge_id", Text),
    Column("payment_intent_id", Text),
    Column("top_up_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("processed_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("installation_id", Text),
    Column("card_setup_id", Text),
)

stripe_transaction = Table(
    "stripe_transaction",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("source", Text),
    Column("payout_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("available_on", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("whose", Text, nullable=False),
)

processor_customer = Table(
    "processor_customer",
    metadata,
    Column("organization_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

card_setup = Table(
    "card_setup",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("installation_id", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("request_key", Text),
    Column("customer_email", Text),
    Column("return_path", Text, nullable=False),
    Column("success_url", Text, nullable=False),
    Column("cancel_url", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("checkout_session_id", Text),
    Column("checkout_url", Text),
    Column("setup_intent_id", Text),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Column("looked_at", DateTime(timezone=True)),
)

card_setup_history = Table(
    "card_setup_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("card_setup_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

saved_card = Table(
    "saved_card",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("card_setup_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("payment_method_id", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("last4", Text, nullable=False),
    Column("expiry_month", Integer, nullable=False),
    Column("expiry_year", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("saved_at", DateTime(timezone=True), nullable=False),
    Column("removed_at", DateTime(timezone=True)),
    Column("forgotten_at", DateTime(timezone=True)),
    Column("expiry_told", Integer),
)

auto_top_up = Table(
    "auto_top_up",
    metadata,
    Column("organization_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("threshold", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("monthly_cap", BigInteger, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
)

refund = Table(
    "refund",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("top_up_id", Text, nullable=False),
    Column("request_id", Text),
    Column("origin", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_by_name", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("processor_id", Text),
    Column("entry_id", BigInteger, nullable=False),
    Column("owed", BigInteger, nullable=False),
    Column("failure_code", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
)

refund_history = Table(
    "refund_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("refund_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

refund_request = Table(
    "refund_request",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("top_up_id", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_by_name", Text),
    Column("decision", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

dispute = Table(
    "dispute",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("processor_id", Text, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("top_up_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("due_by", DateTime(timezone=True)),
    Column("disputed_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("charged", BigInteger, nullable=False),
    Column("owed", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
)

dispute_answer = Table(
    "dispute_answer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("dispute_id", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("answered_by", Text, nullable=False),
    Column("answered_by_name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("refusal", Text),
)

dispute_history = Table(
    "dispute_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

payout = Table(
    "payout",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("processor_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("arrives_on", DateTime(timezone=True), nullable=False),
    Column("failure_code", Text),
    Column("itemised", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

payout_history = Table(
    "payout_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("payout_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

processor_cursor = Table(
    "processor_cursor",
    metadata,
    Column("list", Text, primary_key=True),
    Column("up_to", DateTime(timezone=True), nullable=False),
)

processor_balance = Table(
    "processor_balance",
    metadata,
    Column("currency", Text, primary_key=True),
    Column("available", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

credit_grant = Table(
    "credit_grant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("granted_by_name", Text, nullable=False),
    Column("approval_id", Text),
    Column("entry_id", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

promo_code = Table(
    "promo_code",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("most_uses", Integer, nullable=False),
    Column("valid_days", Integer),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_by_name", Text, nullable=False),
    Column("approval_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

promo_redemption = Table(
    "promo_redemption",
    metadata,
    Column("promo_code_id", Text, primary_key=True),
    Column("organization_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
    Column("redeemed_at", DateTime(timezone=True), nullable=False),
)
