"""What `nvidia-smi -q` says of each GPU's health, whatever the driver's version: what one does not say is not known.

The text is nested by indentation. Drivers add and rename lines, so each fact is found by the last words of its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .gpus import short_bus

_HEADING = re.compile(r"GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])$")
_LOST = "gpu is lost"
_OTHERS = ("processes", "mig device")  # have names that their owners gave them, and figures of their own
_NEEDS_RESET = "gpu requires reset"
_SLOWED = {"hw thermal slowdown": "hw_thermal", "sw thermal slowdown": "sw_thermal", "hw power brake slowdown": "power"}
_UNCORRECTED = (
    "volatile/dram uncorrectable",
    "volatile/sram uncorrectable",
    "volatile/sram uncorrectable parity",
    "volatile/sram uncorrectable sec-ded",
)
_OF_OLD_CARDS = "volatile/double bit/total"


NAMES = (
    *("bus", "uuid", "driver", "answers", "recovery", "mig", "temperature", "memory_used_mib", "busy_percent"),
    *("ecc_uncorrected", "remapping_pending", "remapping_failed", "retirement_pending", "slowed_by"),
)
"""What is known of a GPU, each None where its driver does not say."""


@dataclass(frozen=True)
class Card:
    """One GPU's part of the text: each line's value by its place, in small letters and separated by slashes."""

    bus: str
    driver: str
    lines: dict[str, str]

    def value(self, place: str) -> str | None:
        """The value of the line whose place ends like this; None where there is none, or it is not for this GPU."""
        for found, value in self.lines.items():
            if found == place or found.endswith(f"/{place}"):
                return None if value.lower() in ("n/a", "[n/a]") else value
        return None

    def number(self, place: str) -> int | None:
        """The number that the value begins with."""
        match = re.match(r"(\d+)", self.value(place) or "")
        return int(match.group(1)) if match else None

    def truth(self, place: str) -> bool | None:
        """Whether it says yes; None where it says neither."""
        return {"yes": True, "no": False}.get((self.value(place) or "").lower())


def read(text: str) -> list[dict[str, Any]]:
    """The facts of every GPU in the text."""
    return [_facts(card) for card in _cards(text)]


def _cards(text: str) -> Iterator[Card]:
    driver, card = "", None
    above: list[tuple[int, str]] = []
    for line in text.split("\n"):  # a program's name may hold whatever else ends a line
        heading = _HEADING.match(line)
        if heading:
            if card is not None:
                yield card
            card, above = Card(short_bus(heading.group(1)), driver, {}), []
            continue
        name, value = _split(line)
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        above.append((indent, name.lower()))
        if card is None:
            driver = value if name == "Driver Version" else driver
        elif above[0][1] not in _OTHERS and (value or _LOST in name.lower()):
            card.lines.setdefault("/".join(title for _, title in above), value or name)
    if card is not None:
        yield card


def _split(line: str) -> tuple[str, str]:
    """What a line is about and what it says of that; nothing where it is the title of the lines below."""
    name, _, value = re.sub(r"\s:(\s|$)", "\0", line, count=1).partition("\0")
    return name.strip(), value.strip()


def _facts(card: Card) -> dict[str, Any]:
    said = " ".join(card.lines.values()).lower()
    uuid = card.value("gpu uuid")
    uuid = uuid if uuid is not None and uuid.startswith("GPU-") else None
    uncorrected = [count for count in map(card.number, _UNCORRECTED) if count is not None]
    old = card.number(_OF_OLD_CARDS)
    return {
        "bus": card.bus,
        "uuid": uuid,
        "driver": card.driver or None,
        "answers": _LOST not in said and uuid is not None,
        "recovery": _recovery(card, said),
        "mig": {"enabled": True, "disabled": False}.get((card.value("mig mode/current") or "").lower()),
        "temperature": card.number("gpu current temp"),
        "memory_used_mib": card.number("fb memory usage/used"),
        "busy_percent": card.number("utilization/gpu"),
        "ecc_uncorrected": sum(uncorrected) if uncorrected else old,
        "remapping_pending": card.truth("remapped rows/pending"),
        "remapping_failed": card.truth("remapped rows/remapping failure occurred"),
        "retirement_pending": card.truth("retired pages/pending page blacklist"),
        "slowed_by": sorted(word for place, word in _SLOWED.items() if card.value(place) == "Active"),
    }


def _recovery(card: Card, said: str) -> str | None:
    """What the driver wants done with the GPU: `none`, or like `reset`; None where it does not say."""
    action = card.value("gpu recovery action")
    required = card.truth("gpu reset status/reset required")
    if action is not None and _word(action) != "none":
        return _word(action)
    if required or _NEEDS_RESET in said:
        return "reset"
    if card.truth("gpu reset status/drain and reset recommended"):
        return "drain_and_reset"
    return "none" if action is not None or required is False else None


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40]
