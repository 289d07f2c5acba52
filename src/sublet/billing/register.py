"""Usage as a register that is sealed: each charge with the record that it was made of."""

from sublet.core.registers import Register

REGISTER = Register(
    "usage",
    """
    SELECT c.id, ARRAY[
             c.id::text, c.subject_id, extract(epoch FROM c.period_start)::text, c.meter_kind, c.organization_id,
             c.currency, c.price_id, c.nano_per_hour::text, c.amount::text, c.ledger_entry_id::text,
             extract(epoch FROM c.charged_at)::text, extract(epoch FROM u.period_end)::text, u.seconds::text, u.kind,
             u.meter_kind, u.sku_id, u.node_id, extract(epoch FROM u.evidence_at)::text, u.boot_id,
             extract(epoch FROM u.seen_from)::text, u.seen_count::text] AS parts
      FROM usage_charge c
      LEFT JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start
     WHERE c.id BETWEEN :from_id AND :to_id ORDER BY c.id
    """,
    ("public.usage_charge", "public.usage_record"),
    sequence="public.usage_charge_id_seq",
)
