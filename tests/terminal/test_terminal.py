"""What a person does in a terminal, and what ends it."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import pytest

from sublet.core.actions import Refusal
from sublet.core.app import STOPPING
from sublet.core.errors import Conflict
from sublet.fleet.terminal_target import Notice
from sublet.terminal.gateway import TERMINAL_POLICY
from sublet.terminal.policy import TerminalPolicy
from tests.terminal.conftest import DEADLINE, Gateway, Terminal

pytestmark = pytest.mark.anyio


async def shell_pid(terminal: Terminal) -> int:
    """The process id of the terminal's shell; what is typed does not look like what is answered."""
    await terminal.type("printf 'pid%s%d.\\n' = $$\n")
    return int((await terminal.match(rb"pid=(\d+)\."))[1])


async def gone(pid: int, seconds: float) -> bool:
    """Whether a process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not os.path.exists(f"/proc/{pid}"):
            return True
        await asyncio.sleep(0.02)
    return False


class TestWhatBefellTheWork:
    async def test_is_said_in_a_frame_of_its_own_once_and_the_shell_goes_on(self, gateway: Gateway) -> None:
        gateway.notices = (Notice(7, "out_of_memory", "Before it was opened."),)
        async with gateway.terminal() as terminal:
            first = await terminal.frame("notice")
            gateway.notices = (*gateway.notices, Notice(9, "node_restarted", "While it was open."))
            second = await terminal.frame("notice")
            gateway.notices = (*gateway.notices, Notice(12, "gpu_error", "And later."))
            third = await terminal.frame("notice")
            pid = await shell_pid(terminal)
        assert [one["message"] for one in (first, second, third)] == [
            "Before it was opened.",
            "While it was open.",
            "And later.",
        ]
        assert (first["code"], pid > 0) == ("out_of_memory", True)


class TestUsing:
    async def test_runs_commands_as_the_allocations_login(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            assert terminal.opened["resumed"] is False
            await terminal.type("echo I am $(id -un) on $TERM\n")
            await terminal.until(b"I am al-aaaaaaaaaaaaaaaa on xterm-256color\r\n")

    async def test_tells_the_exit_status_and_closes_normally(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("exit 7\n")
            assert await terminal.frame("exit") == {"type": "exit", "status": 7, "signal": None}
            assert (await terminal.closed())[0] == 1000

    async def test_shows_all_output_before_the_exit(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("stty -echo; seq 1 20000; exit\n")
            await terminal.frame("exit")
            assert b"\r\n19999\r\n20000\r\n" in terminal.seen

    async def test_tells_the_signal_that_ended_the_shell(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("kill -KILL $$\n")
            assert await terminal.frame("exit") == {"type": "exit", "status": None, "signal": "KILL"}

    async def test_has_the_windows_size_and_follows_it(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("stty size\n")
            await terminal.until(b"24 80\r\n")
            await terminal.send(type="resize", cols=132, rows=43)
            await terminal.type("stty size\n")
            await terminal.until(b"43 132\r\n")

    async def test_interrupts_a_program(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("sh -c 'echo ready; exec sleep 1000'\n")  # says so when it has the terminal
            await terminal.until(b"ready\r\n")
            await terminal.send(type="signal", name="INT")
            await terminal.type("echo af''ter\n")
            await terminal.until(b"after\r\n")

    async def test_hangs_up_the_shell(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await shell_pid(terminal)
            await terminal.send(type="signal", name="HUP")
            assert (await terminal.frame("exit"))["signal"] == "HUP"

    async def test_answers_pings(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.send(type="ping", id="42")
            assert await terminal.frame("pong") == {"type": "pong", "id": "42"}

    async def test_carries_every_byte_value(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            await terminal.type("stty raw -echo; echo go; head -c 256 | od -An -v -tu1 | tr -s ' \\n' ' '; stty sane\n")
            await terminal.until(b"go\n")
            await terminal.socket.send(bytes(range(256)))
            await terminal.until(b" ".join(str(value).encode() for value in range(256)))

    async def test_an_unknown_session_to_resume_gives_a_new_shell(self, gateway: Gateway) -> None:
        async with gateway.client() as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24, resume="ts_unknown")
            opened = await terminal.frame("opened")
            assert opened["resumed"] is False
            assert opened["session"] != "ts_unknown"

    @pytest.mark.parametrize(
        "frame", ["{", '{"type":"resize","cols":1}', '{"type":"shout"}', '{"type":"open","cols":80,"rows":24}']
    )
    async def test_a_frame_that_is_none_of_the_protocol_ends_it(self, gateway: Gateway, frame: str) -> None:
        async with gateway.terminal() as terminal:
            await terminal.socket.send(frame)
            assert (await terminal.frame("error"))["code"] == "bad_frame"
            assert (await terminal.closed())[0] == 1008


class TestEnding:
    async def test_signing_out_ends_the_shell_within_five_seconds(self, gateway: Gateway) -> None:
        gateway.parts.put(TERMINAL_POLICY, TerminalPolicy())  # the policy of production
        async with gateway.terminal() as terminal:
            pid = await shell_pid(terminal)
            started = time.monotonic()
            gateway.signed_out.add("usr_customer")
            assert (await terminal.frame("error"))["code"] == "session_ended"
            assert (await terminal.closed())[0] == 4401
            assert await gone(pid, 5 - (time.monotonic() - started))

    async def test_the_end_of_the_allocation_ends_the_shell(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            pid = await shell_pid(terminal)
            gateway.closed = Refusal(Conflict, "It is being released.")
            assert (await terminal.frame("error"))["code"] == "allocation_not_active"
            assert (await terminal.closed())[0] == 4409
            assert await gone(pid, 5)

    async def test_a_restart_of_sublet_is_told(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            gateway.parts[STOPPING].set()
            assert (await terminal.frame("error"))["code"] == "going_away"
            assert (await terminal.closed())[0] == 1001

    async def test_leaving_the_page_ends_the_shell(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            pid = await shell_pid(terminal)
        assert await gone(pid, 5)

    async def test_a_long_silence_ends_it(self, gateway: Gateway) -> None:
        gateway.parts.put(TERMINAL_POLICY, TerminalPolicy(idle_seconds=1.0, recheck_seconds=0.2))
        async with gateway.terminal() as terminal:
            assert (await terminal.frame("error"))["code"] == "idle"
            assert (await terminal.closed())[0] == 4411

    async def test_losing_the_node_is_told(self, gateway: Gateway) -> None:
        async with gateway.terminal() as terminal:
            pid = await shell_pid(terminal)
            os.kill(_parent(pid), signal.SIGKILL)
            assert (await terminal.frame("error"))["code"] == "node_connection_lost"
            assert (await terminal.closed())[0] == 4502

    async def test_a_browser_that_does_not_read_cannot_keep_the_shell(self, gateway: Gateway) -> None:
        async with gateway.terminal(max_queue=1, close_timeout=0.2) as terminal:
            pid = await shell_pid(terminal)
            await terminal.type("yes\n")
            gateway.signed_out.add("usr_customer")
            assert await gone(pid, 5)


class TestBackpressure:
    async def test_a_browser_that_does_not_read_stops_the_program_and_costs_little_memory(
        self, gateway: Gateway
    ) -> None:
        progress = gateway.joined.sshd.directory / "progress"
        progress.write_text("0")
        progress.chmod(0o666)
        async with gateway.terminal(max_queue=1, close_timeout=0.2) as terminal:
            await terminal.type("stty -echo -opost; echo warm\n")
            await terminal.until(b"warm\n")
            before = _resident_bytes()
            loop = f"while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > {progress}; done"
            await terminal.type(f"i=0; {loop}\n")
            blocks = await self._settled(progress)
            grown = _resident_bytes() - before
            assert blocks * 65536 < 16 << 20  # what fits into sockets and windows, of an endless stream
            assert grown < 2 << 20, f"{grown} bytes"
            async with asyncio.timeout(DEADLINE):
                while _number(progress, 0) < blocks + 200:
                    await terminal.socket.recv()

    async def _settled(self, progress: Path) -> int:
        """The number of blocks written when it has not changed for a second."""
        deadline, last, since = time.monotonic() + DEADLINE, -1, time.monotonic()
        while time.monotonic() < deadline:
            now = _number(progress, last)
            if now != last:
                last, since = now, time.monotonic()
            elif now > 0 and time.monotonic() - since > 1:
                return now
            await asyncio.sleep(0.05)
        raise AssertionError(f"the program still writes after {last} blocks")


def _parent(pid: int) -> int:
    found = re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def _number(path: Path, otherwise: int) -> int:
    return int(path.read_text() or otherwise)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
