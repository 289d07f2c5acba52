"""Writes docs/settings.md and docs/work.md from the settings and the kinds of work themselves: python docs."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import AliasChoices

from sublet.core.settings import Settings
from sublet.core.work.declaration import End, Step
from sublet.entry.kinds import ENDS, STEPS


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"SUBLET_{name.upper()}"


def default(name: str) -> str:
    """The default, as one would write it."""
    field = Settings.model_fields[name]
    if name == "data_directory":
        return "`/var/lib/sublet` for root, else `~/.local/share/sublet`"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "none" if value in (None, []) else f"`{value}`"


def settings_page() -> list[str]:
    """The lines of docs/settings.md."""
    rows = [
        f"| `{variable(name)}` | {default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return [
        "# Settings",
        "",
        "Environment variables. Secrets are given by reference (`file:/path`, `credential:NAME` under systemd,",
        "`docker:NAME`), never as values: a plain one is refused at start. Written by `make settings`.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]


def _table(kind: str, steps: tuple[Step, ...]) -> list[str]:
    rows = [f"| {step.name} | {step.does} | {step.leaves} | {step.compensation} |" for step in steps]
    head = ["| step | does | leaves behind | taken back, or finished, by |", "| --- | --- | --- | --- |"]
    return [f"## {kind}", "", *head, *rows, ""]


def _ends(ends: Mapping[str, End]) -> list[str]:
    rows = [
        f"| {kind} | {end.on_failures} | {'no number' if end.crashes is None else end.crashes} | {end.on_crashes} |"
        for kind, end in ends.items()
    ]
    head = ["| kind | what fails | workers that died of it | what they died of |", "| --- | --- | --- | --- |"]
    return [*head, *rows, ""]


def work_page() -> list[str]:
    """The lines of docs/work.md."""
    return [
        "# Leased work, step by step",
        "",
        "Each kind of work that workers do: what every step does, what it leaves behind should the worker die right",
        "after it, and what takes that back or brings it to the end. `core/work` is the engine. Written by",
        "`make settings`.",
        "",
        "## What never succeeds",
        "",
        "What fails is tried again, later each time. A worker that ends while it has a row may have ended of it, or of",
        "something else: that counts against the row only while every worker that ends has it, and never as a failure",
        "of what was asked. Such rows wait longer each time too, ten minutes at most, and one is tried at a time. What",
        "is set aside is the critical finding `work.set_aside` (of an event `outbox.event_set_aside`), and nobody",
        "tries it until something new is wanted of it or an operator says `sublet admin work retry KIND ID` (of an",
        "event `sublet admin event replay`). What is never set aside is a finding for as long as it does not succeed:",
        "`work.crashing`, critical, when three workers have ended with it, and `work.overdue` when it has failed for",
        "five minutes or nobody took it for two.",
        "",
        *_ends(ENDS),
        *(line for kind, steps in STEPS.items() for line in _table(kind, steps)),
    ]


def main() -> None:
    """Write both pages."""
    here = Path(__file__).parent
    (here / "settings.md").write_text("\n".join(settings_page()), encoding="utf-8")
    (here / "work.md").write_text("\n".join(work_page()), encoding="utf-8")


if __name__ == "__main__":
    main()
