"""Writes docs/settings.md from the settings themselves: python docs."""

from pathlib import Path

from pydantic import AliasChoices

from sublet.core.settings import Settings


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


def main() -> None:
    """Write the page."""
    rows = [
        f"| `{variable(name)}` | {default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    page = [
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
    Path(__file__).with_name("settings.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
