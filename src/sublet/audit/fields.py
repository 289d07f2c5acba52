"""What of a thing goes into the audit trail: every field of a recorded model says `TRACK`, `IGNORE` or `SECRET`.

    class UserRecord(Recorded):
        email: Annotated[str, TRACK]
        password_hash: Annotated[str, SECRET]

A field without a mark is a TypeError when the module is imported, so that no release can contain one.
"""

from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Mark(Enum):
    """What the trail does with a field."""

    TRACK = "its value is stored"
    IGNORE = "it is left out"
    SECRET = "only whether it is set, and whether it changed"  # noqa: S105 - the name of a mark


TRACK, IGNORE, SECRET = Mark.TRACK, Mark.IGNORE, Mark.SECRET

SET = "(secret)"
CHANGED = "(secret, changed)"


class Recorded(BaseModel):
    """Base of what may be passed to `record` as before or after; each field carries exactly one mark."""

    model_config = ConfigDict(frozen=True, from_attributes=True, hide_input_in_errors=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a model that does not say what to do with each of its fields."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in cls.model_fields:
            cls.mark_of(name)

    @classmethod
    def mark_of(cls, name: str) -> Mark:
        """The field's mark; TypeError unless there is exactly one."""
        marks = [item for item in cls.model_fields[name].metadata if isinstance(item, Mark)]
        if len(marks) != 1:
            raise TypeError(f"{cls.__name__}.{name} needs exactly one of TRACK, IGNORE, SECRET for the audit trail")
        return marks[0]


def snapshots(before: Recorded | None, after: Recorded | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both sides as they are stored: tracked values, and of secrets only that they are set or changed."""
    first = None if before is None else _snapshot(before, None)
    second = None if after is None else _snapshot(after, before)
    return first, second


def _snapshot(model: Recorded, earlier: Recorded | None) -> dict[str, Any]:
    marks = {name: model.mark_of(name) for name in type(model).model_fields}
    stored = model.model_dump(mode="json", include={name for name, mark in marks.items() if mark is TRACK})
    for name, mark in marks.items():
        if mark is SECRET:
            value = getattr(model, name)
            changed = earlier is not None and getattr(earlier, name, None) != value
            stored[name] = None if value is None else CHANGED if changed else SET
    return stored
