"""How many events channels may be open, for how long, and how much each may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventsPolicy:
    """What the operator allows events channels; the defaults are those of production.

    `channels_per_person` are open at a time with one web process, whatever sign-in or token they came with.
    """

    channels_per_person: int = 50
    heartbeat_seconds: float = 20.0
    silence_seconds: float = 65.0
    recheck_seconds: float = 3.0
    first_message_seconds: float = 10.0
    replay_events: int = 10_000
    replay_page: int = 500
