"""The loop that serves the control plane: one JSON request a line, one JSON answer a line, until the channel ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import syslog
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from . import PROTOCOL_VERSION, deadline, paths, upgrade
from .apply import apply
from .entry_refusal import explain_entry
from .errors import NodeError, bad_request, used_up
from .lines import Lines
from .observe import observe, usage
from .probe import probe
from .release import release
from .startup import start, started
from .store import Store
from .trust import revoke, trust

_LONGEST_LINE = 4 << 20
_CHANGING = {"apply", "release", "start", "trust", "revoke", "upgrade", "confirm_upgrade", "undo_upgrade"}
_OF_ALLOCATIONS = {"apply", "release", "start"}
"""While one of these is under way, the helper is not replaced."""
_READING = {"observe", "usage", "explain_entry", "started"}
"""What may be stopped anywhere: nothing is half done then."""
_ODD = {"node_fault", "helper_fault"}
"""What nobody foresaw: the log says more of it than the code."""


class Source(Protocol):
    """Where requests come from."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, at most `limit` bytes of it."""


Verb = Callable[[Store, "dict[str, Any]", Any], "dict[str, Any]"]

VERBS: dict[str, Verb] = {
    "probe": lambda store, params, generation: probe(),
    "apply": apply,
    "release": release,
    "observe": lambda store, params, generation: observe(store),
    "usage": lambda store, params, generation: usage(store),
    "trust": lambda store, params, generation: trust(store, params),
    "revoke": lambda store, params, generation: revoke(store, params),
    "explain_entry": lambda store, params, generation: explain_entry(params),
    "start": start,
    "started": lambda store, params, generation: started(store, params),
    "upgrade": lambda store, params, generation: upgrade.upgrade(store, params),
    "confirm_upgrade": lambda store, params, generation: upgrade.confirm(store, params),
    "undo_upgrade": lambda store, params, generation: upgrade.undo(store, params),
}


def serve(store: Store, source: Source, sink: BinaryIO) -> None:
    """Answer every line of `source` in order. A line that cannot be read is answered too, with id null."""
    syslog.openlog("sublet-node", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    while True:
        line = source.readline(_LONGEST_LINE)
        if not line:
            return
        if not line.strip():
            continue
        sink.write(json.dumps(answer(store, line), separators=(",", ":")).encode() + b"\n")
        sink.flush()


def answer(store: Store, line: bytes) -> dict[str, Any]:
    """The answer to one line; never raises, because the next request must still be served."""
    name: str | None = None
    verb = ""
    try:
        request = _read(line)
        name = request["id"]
        verb = _checked(request)
        seconds = request.get("seconds") if verb in _READING else None
        alone = upgrade.not_meanwhile(store) if verb in _OF_ALLOCATIONS else contextlib.nullcontext()
        with deadline.of(seconds), alone:
            observed = VERBS[verb](store, request["params"], request.get("generation"))
    except NodeError as error:
        return _refused(verb, name, error)
    except deadline.Passed as passed:
        message = f"{verb} took longer than the {passed.seconds:g} s for which it is waited. Nothing was changed."
        return _refused(verb, name, NodeError("deadline_passed", message, retryable=True))
    except OSError as error:
        message = f"The node failed at {error.filename or 'a system call'}: {error}."
        return _refused(verb, name, used_up(error) or NodeError("node_fault", message, retryable=True))
    except MemoryError:
        return _refused(
            verb, name, NodeError("memory_exhausted", "The helper got no memory. Free some, then try again.")
        )
    except Exception as error:
        message = f"The helper itself failed: {error!r}. See the node's log."
        return _refused(verb, name, NodeError("helper_fault", message))
    if verb in _CHANGING:
        _log(verb, name, "done")
    return {"id": name, "ok": True, "observed": observed}


def _read(line: bytes) -> dict[str, Any]:
    if len(line) >= _LONGEST_LINE:
        raise bad_request(f"a request may have at most {_LONGEST_LINE} bytes")
    try:
        request = json.loads(line)
    except ValueError as error:
        raise bad_request(f"the line is not JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("id"), str) or len(request["id"]) > 200:
        raise bad_request("a request is an object with a text id of at most 200 characters")
    return request


def _checked(request: dict[str, Any]) -> str:
    """The verb, once the request is known to be one that this helper can serve."""
    if request.get("version") != PROTOCOL_VERSION:
        raise NodeError("version_unsupported", f"This helper speaks version {PROTOCOL_VERSION} of the protocol only.")
    verb = request.get("verb")
    if not isinstance(verb, str) or verb not in VERBS:
        raise NodeError("verb_unknown", f"There is no verb {str(verb)[:40]!r}; there are {', '.join(VERBS)}.")
    if not isinstance(request.setdefault("params", {}), dict):
        raise bad_request("params must be an object")
    seconds = request.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0):
        raise bad_request("seconds must be a number above 0")
    return verb


def _refused(verb: str, name: str | None, error: NodeError) -> dict[str, Any]:
    """The answer that refuses, once it is in the node's log."""
    _log(verb, name, f"{error.code}: {error.message}" if error.code in _ODD else error.code)
    refusal = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return {"id": name, "ok": False, "error": refusal}


def _log(verb: str, name: str | None, outcome: str) -> None:
    """One line in the node's own log; never parameters, which hold keys."""
    printable = [re.sub(r"[^ -~]", "?", one)[:200] for one in (name or "-", outcome)]
    syslog.syslog(f"{verb or 'request'} {printable[0]}: {printable[1]}")


def main() -> int:
    """Serve standard input and output, which stay free of anything else."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints by mistake goes to standard error
    running = upgrade.Running(paths.HELPER)
    VERBS["probe"] = lambda store, params, generation: probe(helper_sha256=running.sha256)

    def between() -> None:
        if running.overtaken():
            running.become(sink.fileno())

    serve(Store(), Lines(0, between), sink)
    return 0
