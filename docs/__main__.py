"""Writes docs/settings.md and docs/work.md from the settings and the kinds of work themselves: python docs."""

from pathlib import Path

from pydantic import AliasChoices

from sublet.core.settings import Settings
from sublet.core.work.declaration import Step
from sublet.entry.kinds import STEPS


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


def work_page() -> list[str]:
    """The lines of docs/work.md."""
    return [
        "# Leased work, step by step",
        "",
        "Each kind of work that workers do: what every step does, what it leaves behind should the worker die right",
        "after it, and what takes that back or brings it to the end. `core/work` is the engine. Written by",
        "`make settings`.",
        "",
        *(line for kind, steps in STEPS.items() for line in _table(kind, steps)),
    ]


def main() -> None:
    """Write both pages."""
    here = Path(__file__).parent
    (here / "settings.md").write_text("\n".join(settings_page()), encoding="utf-8")
    (here / "work.md").write_text("\n".join(work_page()), encoding="utf-8")


if __name__ == "__main__":
    main()
