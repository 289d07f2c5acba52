"""Names that the server gives to what it does and checks; `test_fake.py` holds them to the server's own."""

STEPS = {
    "provision": ("hold_funds", "claim_capacity", "connect_to_node", "create_account", "apply_limits", "verify"),
    "release": ("close_access", "end_processes", "wipe", "verify", "settle"),
    "suspend": ("close_access", "end_processes", "verify"),
    "resume": ("connect_to_node", "open_access", "verify"),
}
DONE_AT_LAUNCH = ("hold_funds", "claim_capacity")
EVIDENCE = (
    *("access", "sessions", "processes", "slice", "account", "home", "files", "cron", "ipc", "keys", "startup"),
    *("gpu", "held", "memory", "network"),
)
ENROLMENT = {
    "added": "{name} at {address}:{port}",
    "joined": "the join command works until 2030-01-01T00:00:00+00:00",
    "host_certificate": "issued when the machine joins",
    "connected_back": "Sublet connects back as soon as the machine has joined",
    "entry": "tried once Sublet has connected back",
    "clock": "compared when Sublet connects back",
    "limits": "measured when Sublet connects back",
    "accepting_work": "once somebody has come in as a customer does",
}
"""The checklist of a joining node, and what it says of a node that has just been added."""
CHECKS = (
    "unbalanced entries",
    "balance drift",
    "balances and last lines",
    "broken chain",
    "held funds",
    "history of holds",
    "lots against entries",
    "wallets against lots",
    "promotional money against lots",
    "promotional lots against entries",
    "expired credit",
    "closed months",
    "holds of ended subjects",
    "seals",
    "usage charges against revenue",
    "usage charges against who paid",
    "one organization to a subject",
    "rates against prices",
    "charges against rates",
    "charges against segments",
    "usage measured once",
    "unmetered time",
    "metering behind",
    "events of the processor",
    "refunds against entries",
    "disputes against entries",
    "balance transactions against entries",
    "what payouts are made of",
    "the processor's balance",
    "looks at the processor",
    "what lies between for too long",
    "seals of usage, payments and the trail",
    "what runs is metered",
    "what runs obeys",
    "events that wait",
    "events set aside",
    "work set aside",
    "work that ends its workers",
    "work that fails or is overdue",
    "transaction ids of events",
    "dead rows of work",
    "what moved launches left",
    "accounts on nodes",
    "records on nodes",
    "health of GPUs",
)
ENTRY_KINDS = (
    "top_up",
    "stripe_fee",
    "usage",
    "usage_batch",
    "credit",
    "reversal",
    "credit_expired",
    "service_credit",
    "adjustment",
    "write_off",
    "refund",
    "refund_succeeded",
    "refund_failed",
    "dispute",
    "dispute_won",
    "dispute_lost",
    "payout",
    "payout_arrived",
    "fx",
    "suspense",
    "owed_paid",
    "payout_failed",
)


def join_command(url: str, token: str) -> str:
    """The one line that makes a machine join, with the token in it."""
    return (
        f'd=$(mktemp -d) && curl -fsSo "$d/sublet-node.pyz" {url}/node/sublet-node.pyz && printf %s {token} | '
        f'python3 "$d/sublet-node.pyz" enrol --url {url} --token-stdin'
    )
