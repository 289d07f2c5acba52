"""What speaks for a disputed payment."""

from typing import TypedDict

from sublet.client.shapes.amounts import Money, Rate
from sublet.client.shapes.refunds import Dispute


class EvidencePerson(TypedDict):
    """A member of the organization that paid."""

    user_id: str
    name: str
    email: str
    role: str
    email_verified_at: str | None
    since: str


class EvidenceCustomer(TypedDict):
    """Who paid."""

    organization_id: str
    name: str
    members: list[EvidencePerson]


class EvidencePayer(TypedDict):
    """Who asked for the payment, in the organization still or not."""

    user_id: str
    name: str
    email: str


class EvidencePayment(TypedDict):
    """The payment that is disputed."""

    top_up_id: str
    purpose: str
    amount: Money
    requested_by: str
    payer: EvidencePayer | None
    requested_at: str
    paid_at: str | None
    payment_intent_id: str | None
    charge_id: str | None
    customer_email: str | None
    card: str | None


class EvidenceTerms(TypedDict):
    """Terms that a member accepted, when and from where."""

    user_id: str
    url: str
    version: str
    occasion: str
    address: str | None
    user_agent: str | None
    accepted_at: str


class SignIn(TypedDict):
    """Somebody came in: to the console, to a machine's browser terminal, or with a certificate for SSH."""

    at: str
    how: str
    user_id: str | None
    address: str | None
    allocation_id: str | None


class EvidenceStep(TypedDict):
    """What became of an allocation."""

    at: str
    to: str
    reason: str
    by: str


class EvidenceAllocation(TypedDict):
    """A machine that the payment paid for."""

    id: str
    name: str
    sku: str
    launched_by: str | None
    launched_at: str
    history: list[EvidenceStep]


class EvidenceCharge(TypedDict):
    """A charge that the payment paid, wholly or in part, with the observations that it rests on."""

    id: str
    subject_id: str
    name: str | None
    since: str
    until: str
    seconds: int
    per_hour: Rate
    amount: Money
    node_id: str | None
    seen_from: str | None
    seen_until: str
    seen_count: int | None


class EvidenceSum(TypedDict):
    """What the payment paid for an allocation, all its charges in one line."""

    subject_id: str
    name: str | None
    charges: int
    since: str
    until: str
    seconds: int
    amount: Money
    seen_from: str | None
    seen_until: str
    seen_count: int | None


class EvidenceRefund(TypedDict):
    """What went back of the payment."""

    id: str
    amount: Money
    state: str
    reason: str
    created_at: str


class Evidence(TypedDict):
    """What speaks for a disputed payment, out of the books and the trail."""

    dispute: Dispute
    customer: EvidenceCustomer
    payment: EvidencePayment
    terms: list[EvidenceTerms]
    sign_ins: list[SignIn]
    allocations: list[EvidenceAllocation]
    sums: list[EvidenceSum]
    sums_left_out: int
    charges: list[EvidenceCharge]
    charges_left_out: int
    spent: Money
    of_before: Money
    refunds: list[EvidenceRefund]
    fields: dict[str, str]
