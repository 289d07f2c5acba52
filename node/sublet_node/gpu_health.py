"""The health of the node's GPUs: what nvidia-smi says of each, and the errors (XID) that their driver wrote to the
kernel's log. What is to be concluded from it is not decided here.

nvidia-smi can take seconds, and for ever when a GPU is in trouble, and then nothing can end it. So it runs beside
`observe`, which gives what it said last, and there is never more than one.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from . import commands, gpu_facts, gpus, kernel_log, moment
from .errors import NodeError

_AGE_SECONDS = 20.0
_WAIT_SECONDS = 2.0
_HANGS_SECONDS = 30.0
_MOST_XIDS = 50
# `Xid (PCI:0000:3b:00): 79, pid=…`; older drivers leave `PCI:` out, and a part of a GPU has its number behind that.
_XID = re.compile(
    r"^NVRM: Xid \((?:PCI:)?([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2})[^)]*\): (\d{1,4})\b,? ?(.*)$"
)


def read(log: list[kernel_log.Record]) -> dict[str, Any] | None:
    """`cards` with the facts of each GPU, `failure` when they cannot be known, and `xids`; None without nvidia-smi.

    `cards` is None while nobody has answered yet. A GPU that does not answer is among them, by where it was last.
    """
    if not gpus.installed():
        return None
    return {**_watch.look(), "xids": xids(log, gpus.remembered())}


def xids(log: list[kernel_log.Record], cards: list[gpus.Gpu]) -> list[dict[str, Any]]:
    """The latest errors that the driver wrote since the boot, oldest first, with the GPU where its place is known."""
    booted = datetime.now(timezone.utc) - timedelta(seconds=time.clock_gettime(time.CLOCK_MONOTONIC))
    found = []
    for record in log:
        match = _XID.match(record.text)
        if match is not None:
            place = gpus.short_bus(match.group(1))
            at = booted + timedelta(microseconds=record.microseconds)
            found.append(
                {
                    "number": record.number,
                    "at": moment.iso(at),
                    "bus": place,
                    "uuid": next((gpu.uuid for gpu in cards if gpu.bus.rpartition(".")[0] == place), None),
                    "xid": int(match.group(2)),
                    "text": match.group(3)[:300],
                }
            )
    return found[-_MOST_XIDS:]


def recovery(uuid: str) -> str | None:
    """What the driver wants done with a GPU before anybody uses it; NodeError when it does not say so in time."""
    try:
        cards, failure = _ask(gpus.SECONDS)
    except subprocess.TimeoutExpired as late:
        message = f"nvidia-smi did not say within {gpus.SECONDS} s how {uuid} is."
        raise NodeError("command_timeout", message, retryable=True) from late
    for card in cards:
        if card["uuid"] == uuid:
            return str(card["recovery"]) if card["recovery"] is not None else None
    raise NodeError("gpu_missing", f"nvidia-smi does not say how {uuid} is. {failure or ''}".strip())


class _Watch:
    """What nvidia-smi said last, and how it is asked anew."""

    def __init__(self) -> None:
        self._asking: threading.Thread | None = None
        self._began = 0.0
        self._said: tuple[float, list[dict[str, Any]], str | None] | None = None

    def look(self) -> dict[str, Any]:
        """`cards` and `failure`."""
        now = time.monotonic()
        asking = self._asking is not None and self._asking.is_alive()
        if not asking and (self._said is None or now - self._said[0] > _AGE_SECONDS):
            self._asking, self._began = threading.Thread(target=self._ask, daemon=True), now
            self._asking.start()
            self._asking.join(_WAIT_SECONDS)
            asking = self._asking.is_alive()
        if asking and now - self._began > _HANGS_SECONDS:
            seconds = now - self._began
            return {"cards": None, "failure": f"nvidia-smi has not answered for {seconds:.0f} s, and cannot be ended."}
        if self._said is None:
            return {"cards": None, "failure": None}
        return {"cards": self._said[1], "failure": self._said[2]}

    def _ask(self) -> None:
        try:
            cards, failure = _ask(None)
        except (NodeError, OSError, ValueError) as error:
            cards, failure = [], str(error)
        self._said = (time.monotonic(), cards, failure)


def _ask(seconds: float | None) -> tuple[list[dict[str, Any]], str | None]:
    """The facts of all GPUs, also when one keeps nvidia-smi from listing the others; and what it says then."""
    status, said = _run(seconds)
    cards = gpu_facts.read(said) if status == 0 else []
    failure = None
    known = gpus.remembered()
    if status != 0:
        failure = " ".join(said.split())[-300:] or f"nvidia-smi ended with status {status}."
        cards = [card for gpu in known if gpu.bus for card in _alone(gpu, seconds)]
        if any(card["answers"] for card in cards):
            failure = None
    if len({card["bus"] for card in cards}) < len(cards):
        # Names of programs are in there too, and one may look like a card: each is asked for alone, and comes first.
        cards = [card for gpu in known if gpu.bus for card in _alone(gpu, seconds)[:1]]
    listed = {card["bus"] for card in cards}
    places = {card["bus"]: gpu.uuid for card in cards for gpu in known if gpu.bus == card["bus"]}
    missing = [_silent(gpu) for gpu in known if gpu.bus and gpu.bus not in listed]
    return [{**card, "uuid": card["uuid"] or places.get(card["bus"])} for card in cards] + missing, failure


def _alone(gpu: gpus.Gpu, seconds: float | None) -> list[dict[str, Any]]:
    status, said = _run(seconds, "-i", gpu.bus)
    return gpu_facts.read(said) if status == 0 else []


def _silent(gpu: gpus.Gpu) -> dict[str, Any]:
    """Of one that is not listed nothing is known but that."""
    nothing = dict.fromkeys(gpu_facts.NAMES)
    return {**nothing, "bus": gpu.bus, "uuid": gpu.uuid, "answers": False, "slowed_by": []}


def _run(seconds: float | None, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        (gpus.PROGRAM, "-q", *more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=commands.ENVIRONMENT,
        cwd="/",
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


_watch = _Watch()
