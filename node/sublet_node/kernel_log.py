"""What the kernel has said since the boot, as far as it still remembers."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import paths

_LONGEST_RECORD = 8192
_MOST_RECORDS = 200_000  # more than any kernel keeps
_FACILITY = 3  # a record's first number is its level and, from this bit on, who wrote it; the kernel is 0


@dataclass(frozen=True)
class Record:
    """One record: its number in this boot, the microseconds after the boot at which it was written, and its text."""

    number: int
    microseconds: int
    text: str


def read() -> list[Record]:
    """Every record of the kernel's own, oldest first; none where it cannot be read.

    What programs wrote there, which need not be true, is left out.
    """
    found = []
    for line in _text().splitlines():
        # "level,number,microseconds,flags;text", and behind it lines that begin with a space, with more about it.
        about, separator, text = line.partition(";")
        parts = about.split(",")
        if not separator or len(parts) < 3 or not all(part.isdigit() for part in parts[:3]):
            continue
        if int(parts[0]) >> _FACILITY == 0:
            found.append(Record(int(parts[1]), int(parts[2]), text))
    return found


def _text() -> str:
    parts: list[bytes] = []
    try:
        descriptor = os.open(paths.KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        for _ in range(_MOST_RECORDS):
            try:
                part = os.read(descriptor, _LONGEST_RECORD)
            except BrokenPipeError:
                continue  # the kernel has just written over the record; the next one follows
            if not part:
                break
            parts.append(part)
    except OSError:  # that was all, as a log says that waits for more
        pass
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "replace")
