"""Text frames of `sublet.terminal.v1`. Binary frames are the terminal's bytes and nothing else."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

SUBPROTOCOL = "sublet.terminal.v1"

Size = Annotated[int, Field(ge=1, le=1000)]
Token = Annotated[str, StringConstraints(max_length=100)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Open(_Frame):
    """The client's first frame: the size of its window, and the earlier terminal that it would like to go on with."""

    type: Literal["open"]
    cols: Size
    rows: Size
    resume: Token | None = None


class Resize(_Frame):
    """The client's window has another size."""

    type: Literal["resize"]
    cols: Size
    rows: Size


class Signal(_Frame):
    """Send a signal: INT, QUIT and TSTP as the keys that mean them, the others to the shell."""

    type: Literal["signal"]
    name: Literal["INT", "QUIT", "TSTP", "HUP", "TERM", "KILL"]


class Ping(_Frame):
    """Either side asks whether the other is there."""

    type: Literal["ping"] = "ping"
    id: Token | None = None


class Pong(_Frame):
    """The answer to a ping, with its id."""

    type: Literal["pong"] = "pong"
    id: Token | None = None


class Opened(_Frame):
    """The terminal runs. `resumed` is false when a new shell was started instead of going on with an old one."""

    type: Literal["opened"] = "opened"
    session: str
    resumed: bool = False


class Exit(_Frame):
    """The shell has ended: its status, or the signal that ended it; both null when the node cut it off."""

    type: Literal["exit"] = "exit"
    status: int | None
    signal: str | None = None


class Notice(_Frame):
    """What befell the work behind the terminal, for whoever is at it; the terminal goes on."""

    type: Literal["notice"] = "notice"
    code: str
    message: str


class Error(_Frame):
    """Why the terminal does not open, or ends; the close code follows."""

    type: Literal["error"] = "error"
    code: str
    message: str


ClientFrame = Annotated[Open | Resize | Signal | Ping | Pong, Field(discriminator="type")]

client_frame: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)

CLIENT_FRAMES: dict[str, type[BaseModel]] = {
    "open": Open,
    "resize": Resize,
    "signal": Signal,
    "ping": Ping,
    "pong": Pong,
}
SERVER_FRAMES: dict[str, type[BaseModel]] = {
    "opened": Opened,
    "notice": Notice,
    "exit": Exit,
    "error": Error,
    "ping": Ping,
    "pong": Pong,
}
