"""What speaks for a disputed payment, as the API gives it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from sublet.client.evidence_text import LONGEST_NOTE
from sublet.core.money import MoneyField, RateField
from sublet.payments.disputes.schemas import DisputeOut


class EvidencePersonOut(BaseModel):
    """A member of the organization that paid."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str
    name: str
    email: str
    role: str
    email_verified_at: datetime | None
    since: datetime


class EvidenceCustomerOut(BaseModel):
    """Who paid."""

    organization_id: str
    name: str
    members: list[EvidencePersonOut]


class EvidencePayerOut(BaseModel):
    """Who asked for the payment, in the organization still or not."""

    user_id: str
    name: str
    email: str


class EvidencePaymentOut(BaseModel):
    """The payment that is disputed: who asked for it, and which card it came from, as far as that was saved."""

    top_up_id: str
    purpose: str
    amount: MoneyField
    requested_by: str
    payer: EvidencePayerOut | None
    requested_at: datetime
    paid_at: datetime | None
    payment_intent_id: str | None
    charge_id: str | None
    customer_email: str | None
    card: str | None


class EvidenceAcceptedTermsOut(BaseModel):
    """Terms that a member accepted, when and from where."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str
    url: str
    version: str
    occasion: str
    address: str | None
    user_agent: str | None
    accepted_at: datetime


class EvidenceSignInOut(BaseModel):
    """Somebody came in: to the console, to a machine's browser terminal, or got a certificate for SSH."""

    at: datetime
    how: str
    user_id: str | None
    address: str | None
    allocation_id: str | None


class EvidenceStepOut(BaseModel):
    """What became of an allocation, and by whom."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    to: str
    reason: str
    by: str


class EvidenceAllocationOut(BaseModel):
    """A machine that the payment paid for, with what became of it."""

    id: str
    name: str
    sku: str
    launched_by: str | None
    launched_at: datetime
    history: list[EvidenceStepOut]


class EvidenceChargeOut(BaseModel):
    """A charge that the payment paid, wholly or in part, with the observations that it rests on."""

    id: str
    subject_id: str
    name: str | None
    since: datetime
    until: datetime
    seconds: int
    per_hour: RateField
    amount: MoneyField
    node_id: str | None
    seen_from: datetime | None
    seen_until: datetime
    seen_count: int | None


class EvidenceSumOut(BaseModel):
    """What the payment paid for an allocation, all its charges in one line, with how often it was seen running."""

    subject_id: str
    name: str | None
    charges: int
    since: datetime
    until: datetime
    seconds: int
    amount: MoneyField
    seen_from: datetime | None
    seen_until: datetime
    seen_count: int | None


class EvidenceRefundOut(BaseModel):
    """What went back of the payment."""

    id: str
    amount: MoneyField
    state: str
    reason: str
    created_at: datetime


class DisputeEvidenceOut(BaseModel):
    """What speaks for a disputed payment, out of the books and the trail.

    `spent` is what the payment was spent on, of which `of_before` was owed when it arrived. Long lists end:
    `charges_left_out` and `sums_left_out` say how many charges and allocations are not shown; of sign-ins those around
    the payment are, and of histories the newest lines.
    """

    dispute: DisputeOut
    customer: EvidenceCustomerOut
    payment: EvidencePaymentOut
    terms: list[EvidenceAcceptedTermsOut]
    sign_ins: list[EvidenceSignInOut]
    allocations: list[EvidenceAllocationOut]
    sums: list[EvidenceSumOut]
    sums_left_out: int
    charges: list[EvidenceChargeOut]
    charges_left_out: int
    spent: MoneyField
    of_before: MoneyField
    refunds: list[EvidenceRefundOut]
    fields: dict[str, str] = Field(
        description="What the bank is sent, word for word, by the processor's names of its fields. An operator's own "
        "words go before `uncategorized_text`."
    )


class EvidenceAnswer(BaseModel):
    """An answer to the bank: the evidence as it is now, after what an operator adds in their own words."""

    model_config = ConfigDict(extra="forbid")

    note: str | None = Field(default=None, min_length=1, max_length=LONGEST_NOTE)
