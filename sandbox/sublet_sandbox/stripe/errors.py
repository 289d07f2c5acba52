"""Stripe's error envelope: what the SDK turns into CardError, InvalidRequestError and the rest."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


class StripeProblem(Exception):
    """An answer other than 200; `status` and `kind` decide which exception the SDK raises."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.more = more

    def body(self) -> dict[str, Any]:
        """The JSON body; fields that do not apply are left out, as Stripe leaves them out."""
        fields = {"code": self.code, "message": self.message, "param": self.param, "type": self.kind, **self.more}
        if self.code is not None:
            fields["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": {name: value for name, value in sorted(fields.items()) if value is not None}}


def no_such(kind: str, resource_id: str, *, param: str = "id") -> StripeProblem:
    """404: the id names nothing of this kind."""
    name = kind.replace(".", " ")
    return StripeProblem(404, f"No such {name}: '{resource_id}'", code="resource_missing", param=param)


def refused(message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> StripeProblem:
    """400: the request is understood and cannot be done."""
    return StripeProblem(400, message, code=code, param=param, **more)


def bracketed(location: tuple[int | str, ...]) -> str:
    """('line_items', 0, 'quantity') as Stripe names it: line_items[0][quantity]."""
    first, *rest = location
    return str(first) + "".join(f"[{part}]" for part in rest)


def from_validation(error: ValidationError) -> StripeProblem:
    """The first fault found in the parameters, told the way Stripe tells it."""
    fault = error.errors(include_url=False)[0]
    param = bracketed(tuple(fault["loc"]) or ("request",))
    match fault["type"]:
        case "missing":
            return refused(f"Missing required param: {param}.", code="parameter_missing", param=param)
        case "extra_forbidden":
            return refused(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
        case "int_parsing" | "int_type" | "int_from_float":
            return refused(f"Invalid integer: {fault['input']}", code="parameter_invalid_integer", param=param)
        case "literal_error":
            return refused(f"Invalid {param}: must be one of {fault['ctx']['expected']}", param=param)
        case "value_error":
            return refused(str(fault["ctx"]["error"]), param=param)
        case _:
            return refused(f"Invalid {param}: {fault['msg']}", param=param)
