"""How states look: a shape, the word and a colour, so that none of the three is needed alone."""

from collections.abc import Mapping
from typing import Any

from sublet.cli.formats import words
from sublet.cli.style import Painted, glyphs_possible, paint

_LOOKS = {
    "active": ("●", "ok"),
    "ready": ("●", "ok"),
    "succeeded": ("●", "ok"),
    "done": ("●", "ok"),
    "approved": ("●", "ok"),
    "queued": ("◌", "accent"),
    "pending": ("◌", "muted"),
    "waiting": ("◌", "accent"),
    "requested": ("◌", "accent"),
    "enrolling": ("◌", "accent"),
    "provisioning": ("◐", "accent"),
    "processing": ("◐", "accent"),
    "running": ("◐", "accent"),
    "releasing": ("◐", "accent"),
    "suspended": ("◑", "warn"),
    "cordoned": ("◑", "warn"),
    "draining": ("◑", "warn"),
    "maintenance": ("◑", "warn"),
    "released": ("○", "muted"),
    "cancelled": ("○", "muted"),
    "expired": ("○", "muted"),
    "used": ("○", "muted"),
    "retired": ("○", "muted"),
    "rejected": ("✕", "bad"),
    "failed": ("✕", "bad"),
    "release_failed": ("✕", "bad"),
    "lost": ("✕", "bad"),
    "offline": ("✕", "bad"),
    "quarantined": ("✕", "bad"),
}


def state_text(state: str) -> Painted:
    """A state for a person; in a pipe only the word as the API has it."""
    glyph, style = _LOOKS.get(state, ("·", None))
    if not glyphs_possible():
        return paint(state, None)
    return paint(f"{glyph} {words(state)}", style)


def action(resource: Mapping[str, Any], name: str) -> tuple[bool, str | None]:
    """Whether the server allows the action now, and its reason if not; an action it does not name may be tried."""
    for known in resource["actions"]:
        if known["name"] == name:
            return known["allowed"], known["reason"]
    return True, None
