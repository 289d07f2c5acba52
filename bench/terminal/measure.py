"""The four measurements of row 5."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from bench.rows import Row
from bench.terminal.shells import BrowserShell, Shell, browser_shell, settle, ssh_shell, until
from bench.terminal.target import Target

KEYSTROKES = 300
BULK_NUMBERS = 1_500_000
ROUNDS = 3
SESSIONS = 20
STALLED_SECONDS = 5.0
# What is typed holds the words apart, so that its echo is not taken for the answer.
RAW_CAT = "stty raw -echo; printf 'rea%s' dy; exec cat"
QUIET = "stty -echo; PS1=; printf 'rea%s' dy"
BULK = f"seq 1 {BULK_NUMBERS}; printf 'en%s' d."


def run(target: Target) -> Sequence[Row]:
    """Measure the terminal against the ssh client, both to the same account in this run."""
    return asyncio.run(measure(target))


async def measure(target: Target) -> list[Row]:
    """Both in turn, several times, so that a busy moment falls on both; the medians as rows."""
    ours_ms, floor_ms = await _echo(browser_shell(target)), await _echo(ssh_shell(target))
    ours_rates, floor_rates = [], []
    for _ in range(ROUNDS):
        ours_rates.append(await _bulk(browser_shell(target)))
        floor_rates.append(await _bulk(ssh_shell(target)))
    ours_rate, floor_rate = statistics.median(ours_rates), statistics.median(floor_rates)
    rows = [
        Row(
            work="terminal: keystroke echo, p50",
            floor_name="ssh client to the same account",
            floor=floor_ms,
            ours=ours_ms,
            unit="ms",
            goal="≤ floor + 0.5 ms",
            met=ours_ms <= floor_ms + 0.5,
        ),
        Row(
            work="terminal: bulk output",
            floor_name="ssh client to the same account",
            floor=floor_rate,
            ours=ours_rate,
            unit="MB/s",
            goal="≥ 12 MB/s, 1.5 × webssh as measured elsewhere",
            met=ours_rate >= 12,
            note="higher is better",
        ),
    ]
    return rows + (await _memory(target) if target.web_pid else [])


async def _echo(opening: AbstractAsyncContextManager[Shell]) -> float:
    """Median milliseconds from a key to its echo by a program on the node."""
    times = []
    async with opening as shell:
        await settle(shell, RAW_CAT)
        for _ in range(KEYSTROKES):
            started = time.perf_counter()
            await shell.write(b"x")
            await until(shell, b"x")
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def _bulk(opening: AbstractAsyncContextManager[Shell]) -> float:
    """Megabytes a second of what a program prints as fast as it can."""
    async with opening as shell:
        await settle(shell, QUIET)
        started = time.perf_counter()
        await shell.write(BULK.encode() + b"\n")
        count = await until(shell, b"end.")
        return count / 1e6 / (time.perf_counter() - started)


async def _memory(target: Target) -> list[Row]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(browser_shell(target))  # what the first session loads is not its own
        before = _resident_kb(target.web_pid)
        for _ in range(SESSIONS):
            shell = await stack.enter_async_context(browser_shell(target))
            await settle(shell, QUIET)
        per_session = (_resident_kb(target.web_pid) - before) / SESSIONS
    async with browser_shell(target, max_queue=1) as stalled:
        await settle(stalled, QUIET)
        before = _resident_kb(target.web_pid)
        await _stall(stalled)
        grown = (_resident_kb(target.web_pid) - before) / 1024
    return [
        Row(
            work="terminal: memory a session",
            floor_name="the promise",
            floor=80,
            ours=per_session,
            unit="kB",
            goal="≤ 80 kB",
            met=per_session <= 80,
        ),
        Row(
            work="terminal: memory with a stalled reader",
            floor_name="the promise",
            floor=2,
            ours=grown,
            unit="MB",
            goal="≤ 2 MB",
            met=grown <= 2,
            note="`yes` runs and the browser reads nothing",
        ),
    ]


async def _stall(shell: BrowserShell) -> None:
    await shell.write(b"yes 0123456789012345678901234567890123456789\n")
    await asyncio.sleep(STALLED_SECONDS)


def _resident_kb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
