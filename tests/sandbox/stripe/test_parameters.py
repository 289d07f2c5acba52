"""The sandbox takes no parameter that Stripe does not: what it accepts, the SDK declares."""

import typing
from collections.abc import Mapping
from typing import Any

import pytest
import stripe.params as declared
from pydantic import BaseModel
from stripe.params import checkout as declared_checkout

from sublet_sandbox.stripe import api, balance, charges, checkout, customers, disputes, params, payment_intents, refunds

# Names that the SDK imports for type checkers only.
_UNIMPORTED: dict[str, Any] = {"StripeContext": object, "Mapping": Mapping}


def undeclared(model: type[BaseModel], known: Any, path: str = "") -> list[str]:
    """Fields of the sandbox's model that the SDK's parameter type does not have."""
    hints = typing.get_type_hints(known, include_extras=True, localns=_UNIMPORTED)
    found = []
    for name, field in model.model_fields.items():
        if name not in hints:
            found.append(path + name)
            continue
        for inner in _models(field.annotation):
            for option in _typed_dicts(hints[name]):
                found += undeclared(inner, option, f"{path}{name}.")
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models(argument)]


def _typed_dicts(hint: Any) -> list[Any]:
    if typing.is_typeddict(hint):
        return [hint]
    return [found for argument in typing.get_args(hint) for found in _typed_dicts(argument)]


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (customers.CustomerParams, declared.CustomerCreateParams),
        (customers.CustomerParams, declared.CustomerModifyParams),
        (customers.CustomerListParams, declared.CustomerListParams),
        (payment_intents.CreateParams, declared.PaymentIntentCreateParams),
        (payment_intents.ConfirmParams, declared.PaymentIntentConfirmParams),
        (payment_intents.CancelParams, declared.PaymentIntentCancelParams),
        (params.CustomerFilter, declared.PaymentIntentListParams),
        (checkout.SessionParams, declared_checkout.SessionCreateParams),
        (checkout.SessionListParams, declared_checkout.SessionListParams),
        (charges.ChargeListParams, declared.ChargeListParams),
        (refunds.RefundParams, declared.RefundCreateParams),
        (refunds.RefundListParams, declared.RefundListParams),
        (disputes.AnswerParams, declared.DisputeUpdateParams),
        (disputes.DisputeListParams, declared.DisputeListParams),
        (balance.BalanceTransactionListParams, declared.BalanceTransactionListParams),
        (api.EventListParams, declared.EventListParams),
    ],
)
def test_parameters_are_those_of_the_sdk(model: type[BaseModel], known: Any) -> None:
    assert undeclared(model, known) == []
