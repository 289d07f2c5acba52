"""Time is PostgreSQL's: the clock of a host may be wrong, and then no price, lease or bill may be."""

import ast

from tests.architecture.source import Source, Violation, dotted

CLOCKS = frozenset(
    {
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today",
        *(f"time.{name}" for name in ("time", "time_ns", "clock_gettime", "clock_gettime_ns")),
        *(f"time.{name}" for name in ("localtime", "gmtime", "ctime", "asctime", "strftime")),
        "uuid.uuid1",
        "uuid.uuid7",
    }
)
"""Whatever says what time it is on this machine. Durations are fine: `time.monotonic` and `time.perf_counter`."""

OWN_MACHINE = ("client", "cli", "supervisor")
"""What runs on somebody's own machine, and shows that machine's time."""


def clocks_of_the_host(source: Source) -> list[Violation]:
    """The server asks `core.clock.database_now`, or writes `clock_timestamp()` into its SQL."""
    if source.parts[0] in OWN_MACHINE:
        return []
    names = {imported.local: imported.dotted for imported in source.imports}
    found = []
    for node in source.nodes:
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            first, _, rest = dotted(node).partition(".")
            asked = ".".join(part for part in (names.get(first, ""), rest) if part)
            if asked in CLOCKS:
                what = (
                    f"`{asked}` is the clock of a host; ask PostgreSQL by `core.clock.database_now`, or take the time"
                )
                found.append(Violation(source.path, node.lineno, f"{what} as an argument"))
    return found
