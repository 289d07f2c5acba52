"""What became of payments, refunds, disputes and payouts as sealed registers, with what about each never changes."""

from sublet.core.registers import Register

REGISTERS = (
    Register(
        "top_up",
        """
        SELECT h.id, ARRAY[
                 h.id::text, h.top_up_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text,
                 t.organization_id, t.amount::text, t.currency, t.requested_by, t.purpose] AS parts
          FROM top_up_history h
          LEFT JOIN top_up t ON t.id = h.top_up_id
         WHERE h.id BETWEEN :from_id AND :to_id ORDER BY h.id
        """,
        ("public.top_up_history", "public.top_up"),
        sequence="public.top_up_history_id_seq",
    ),
    Register(
        "refund",
        """
        SELECT h.id, ARRAY[
                 h.id::text, h.refund_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text,
                 r.organization_id, r.top_up_id, r.amount::text, r.currency, r.origin, r.requested_by, r.reason,
                 r.entry_id::text] AS parts
          FROM refund_history h
          LEFT JOIN refund r ON r.id = h.refund_id
         WHERE h.id BETWEEN :from_id AND :to_id ORDER BY h.id
        """,
        ("public.refund_history", "public.refund"),
        sequence="public.refund_history_id_seq",
    ),
    Register(
        "dispute",
        """
        SELECT h.id, ARRAY[
                 h.id::text, h.dispute_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text,
                 d.organization_id, d.top_up_id, d.currency, d.processor_id] AS parts
          FROM dispute_history h
          LEFT JOIN dispute d ON d.id = h.dispute_id
         WHERE h.id BETWEEN :from_id AND :to_id ORDER BY h.id
        """,
        ("public.dispute_history", "public.dispute"),
        sequence="public.dispute_history_id_seq",
    ),
    Register(
        "payout",
        """
        SELECT h.id, ARRAY[
                 h.id::text, h.payout_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text,
                 p.processor_id, p.amount::text, p.currency, p.automatic::text,
                 extract(epoch FROM p.created_at)::text] AS parts
          FROM payout_history h
          LEFT JOIN payout p ON p.id = h.payout_id
         WHERE h.id BETWEEN :from_id AND :to_id ORDER BY h.id
        """,
        ("public.payout_history", "public.payout"),
        sequence="public.payout_history_id_seq",
    ),
)
