"""Hold an answer against the SDK's own typed resources: every field known, every value of a declared type."""

import inspect
import types
import typing
from typing import Any

import stripe
from stripe import StripeObject

_MISSING = object()


def faults(value: StripeObject) -> list[str]:
    """What in a resource contradicts the SDK's annotations; empty when nothing does."""
    return list(_resource(value, type(value), type(value).__name__))


def _resource(value: StripeObject, declared: type[Any], path: str) -> typing.Iterator[str]:
    hints: dict[str, Any] = {}
    for base in reversed(declared.__mro__):
        if issubclass(base, StripeObject) and base is not StripeObject:
            hints.update(inspect.get_annotations(base))
    fields = value.to_dict(recursive=False)
    for name in fields.keys() - hints.keys():
        yield f"{path}.{name} is not declared"
    for name, hint in hints.items():
        if typing.get_origin(hint) is not typing.ClassVar and not name.startswith("_"):
            yield from _value(fields.get(name, _MISSING), hint, declared, f"{path}.{name}")


def _value(value: Any, hint: Any, owner: type[Any], path: str) -> typing.Iterator[str]:
    hint = _resolved(hint, owner)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        results = [list(_value(value, option, owner, path)) for option in arguments]
        if value is _MISSING and type(None) in arguments:
            return
        if all(results):
            yield from min(results, key=len)
        return
    if value is _MISSING:
        yield f"{path} is missing"
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{path} is {value!r}, not one of {arguments}"
    elif hint is None or hint is type(None):
        if value is not None:
            yield f"{path} is {value!r}, not null"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path} is {value!r}, not a list"
            return
        for index, item in enumerate(value):
            yield from _value(item, arguments[0], owner, f"{path}[{index}]")
    elif hint is Any or isinstance(hint, typing.TypeVar):
        return
    elif isinstance(base := origin or hint, type):
        if hint is not bool and isinstance(value, bool) and base in (int, float):
            yield f"{path} is a bool"
        elif not isinstance(value, StripeObject if issubclass(base, StripeObject) else base):
            yield f"{path} is {value!r}, not {base.__name__}"
        elif isinstance(value, StripeObject) and base.__name__ not in ("UntypedStripeObject", "ListObject"):
            yield from _resource(value, base, path)


def _resolved(hint: Any, owner: type[Any]) -> Any:
    """A forward reference as the class it names, among the owner's inner classes or the SDK's."""
    name = hint.__forward_arg__ if isinstance(hint, typing.ForwardRef) else hint
    if not isinstance(name, str):
        return hint
    return getattr(owner, name, None) or getattr(stripe, name, None) or getattr(stripe.checkout, name, Any)
