"""Parameters that several endpoints share. Unknown ones are refused, so that no caller relies on what is not done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

DIGITS = {"usd": 2, "eur": 2, "gbp": 2, "jpy": 0, "kwd": 3}
"""The currencies that the sandbox knows, with the decimals of what their amounts are counted in."""
MINIMUM_CENTS = 50
MAXIMUM_CENTS = 99_999_999


def _currency(value: str) -> str:
    if value.lower() not in DIGITS:
        supported = ", ".join(DIGITS)
        raise ValueError(f"Invalid currency: {value}. The sandbox supports these currencies: {supported}")
    return value.lower()


def _metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > 50:
        raise ValueError("Metadata can have up to 50 keys.")
    for key, text in value.items():
        if len(key) > 40:
            raise ValueError(f"Metadata keys can be up to 40 characters long. Invalid key: {key}")
        if len(text) > 500:
            raise ValueError(f"Metadata values can have up to 500 characters. Invalid value of key: {key}")
    return value


def _cleared(value: Any) -> Any:
    return {} if value == "" else value


Currency = Annotated[str, AfterValidator(_currency)]
Metadata = Annotated[dict[str, str], BeforeValidator(_cleared), AfterValidator(_metadata)]


class Params(BaseModel):
    """What any endpoint takes."""

    model_config = ConfigDict(extra="forbid")

    expand: list[str] = Field(default_factory=list, max_length=20)


class Inner(BaseModel):
    """An object inside the parameters."""

    model_config = ConfigDict(extra="forbid")


class CreatedRange(Inner):
    """From when to when something was created, in seconds since 1970."""

    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None


class ListParams(Params):
    """Cursor paging; `created` is one second or a range."""

    limit: int = Field(default=10, ge=1, le=100)
    starting_after: str | None = None
    ending_before: str | None = None
    created: int | CreatedRange | None = None

    def created_range(self) -> dict[str, int]:
        """The bounds that were given; a single moment is both."""
        if isinstance(self.created, int):
            return {"gte": self.created, "lte": self.created}
        return self.created.model_dump(exclude_none=True) if self.created else {}

    def filters(self) -> dict[str, Any]:
        """The endpoint's own filters that were given."""
        return self.model_dump(exclude_none=True, exclude={*ListParams.model_fields})


class CustomerFilter(ListParams):
    """Lists that can be those of one customer."""

    customer: str | None = None


def card_only() -> list[Literal["card"]]:
    """The payment method types that the sandbox knows."""
    return ["card"]


RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
