"""Keeping a part of `sublet up` running: begun again when it ends, after pauses that grow, or given up by itself."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from sublet.supervisor.processes import ChildProcess, ending


@dataclass(frozen=True, slots=True)
class RestartPace:
    """The first pause doubles with each life that was short, up to the longest; after so many in succession it is
    enough. Who lived for long begins anew."""

    first_seconds: float = 0.1
    longest_seconds: float = 30.0
    long_life_seconds: float = 60.0
    most: int = 10

    def pause(self, short_lives: int) -> float:
        """How long to wait after that many short lives in succession."""
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(short_lives - 1, 30))


PACE = RestartPace()


async def keep(
    process: ChildProcess, say: Callable[[str], None], stopping: asyncio.Event, *, pace: RestartPace = PACE
) -> None:
    """Start a process again whenever it ends; return when it is to stop, or is given up. The others go on."""
    short_lives, began = 0, time.monotonic()
    while True:
        how = ending(await process.ended())
        while not stopping.is_set():
            long_life = time.monotonic() - began >= pace.long_life_seconds
            short_lives = 1 if long_life else short_lives + 1
            if short_lives >= pace.most:
                say(process.given_up(f"ended {short_lives} times, each soon after it was started ({how})"))
                return
            pause = pace.pause(short_lives)
            say(f"The {process.name} process ended ({how}); starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                await process.start()
            except OSError as error:  # no memory, no room for its log: that may pass
                how = f"it could not be started: {error.strerror or error}"
            else:
                break
        if stopping.is_set():
            return
