"""Customers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sublet_sandbox.stripe.params import ListParams, Metadata, Params
from sublet_sandbox.stripe.store import Resource, new_id
from sublet_sandbox.stripe.work import Work, shaped


class CustomerParams(Params):
    """What a customer is made from, or changed to."""

    email: str | None = Field(default=None, max_length=512)
    name: str | None = Field(default=None, max_length=256)
    description: str | None = Field(default=None, max_length=5000)
    phone: str | None = Field(default=None, max_length=20)
    metadata: Metadata = Field(default_factory=dict)


class CustomerListParams(ListParams):
    """Which customers to list."""

    email: str | None = None


def create(work: Work, params: CustomerParams) -> Resource:
    """A new customer, even if there is one with the same address."""
    given = params.model_dump(exclude={"expand"})
    customer = shaped(
        work,
        "customer",
        "cus",
        {
            "livemode": False,
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "discount": None,
            "invoice_prefix": new_id("x", 8)[2:].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
            **{name: value or None for name, value in given.items() if name != "metadata"},
            "metadata": params.metadata,
        },
    )
    work.store.insert(customer)
    work.emit("customer.created", customer)
    return customer


def update(work: Work, params: CustomerParams, customer: str) -> Resource:
    """Change the fields that were given; an empty value unsets, metadata merges."""
    found = work.fetch("customer", customer)
    changes: dict[str, Any] = params.model_dump(exclude_unset=True, exclude={"expand", "metadata"})
    found.update({name: value or None for name, value in changes.items()})
    merged = {**found["metadata"], **params.metadata}
    found["metadata"] = {name: value for name, value in merged.items() if value}
    work.store.save(found)
    work.emit("customer.updated", found)
    return found
