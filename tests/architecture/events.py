"""Every event of a domain is in its events.py, so that one finds what is told in one file a domain."""

import ast

from tests.architecture.source import Source, Violation, dotted

EVENT = "sublet.core.outbox.Event"


def events_elsewhere(source: Source) -> list[Violation]:
    """A class that is an event, by `Event` itself or by another event, is in a file called events.py."""
    if source.parts[-1] == "events.py":
        return []
    names = {imported.local: imported.dotted for imported in source.imports}
    events: set[str] = set()
    found = []
    for node in (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)):
        if any(_is_event(base, names, events) for base in node.bases):
            events.add(node.name)
            what = f"the event {node.name} is not in events.py; move it to the events.py of its domain"
            found.append(Violation(source.path, node.lineno, what))
    return found


def _from_events(whole: str) -> bool:
    """Whether a name is a class of some events.py."""
    module, _, name = whole.rpartition(".")
    return module.startswith("sublet.") and module.endswith(".events") and name[:1].isupper()


def _is_event(base: ast.expr, names: dict[str, str], events: set[str]) -> bool:
    """Whether a base is `Event`, an event of some events.py, or one of the file's own `events`."""
    if isinstance(base, ast.Subscript):
        base = base.value
    first, _, rest = dotted(base).partition(".")
    whole = ".".join(part for part in (names.get(first, first), rest) if part)
    return whole in {EVENT, *events} or _from_events(whole)
