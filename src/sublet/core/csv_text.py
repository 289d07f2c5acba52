"""Lists and reports as CSV: a heading for each field, amounts as decimals with their currency beside them."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from sublet.core.money import MoneyField

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that a spreadsheet would take for a formula: an apostrophe before it keeps it text."""


def csv_text(lines: Iterable[BaseModel]) -> str:
    """The lines of a report; nothing for a report without any."""
    rows = [dict(_fields(line)) for line in lines]
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _fields(line: BaseModel) -> Iterator[tuple[str, Any]]:
    amounts: Mapping[str, MoneyField] = {
        name: value for name in type(line).model_fields if isinstance(value := getattr(line, name), MoneyField)
    }
    for name in type(line).model_fields:
        value = getattr(line, name)
        yield name, value.amount if isinstance(value, MoneyField) else _plain(value)
    if amounts:
        yield "currency", next(iter(amounts.values())).currency


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
