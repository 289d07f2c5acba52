"""The errors that NVIDIA's driver reports by number (XID): what each means, who made it, and what to do about it.

Numbers, meanings and first actions are those of NVIDIA's catalog; what it calls unused is left out. What that means for
a GPU that is rented out is decided here: a fault of the GPU keeps it from the next customer. A number that is not in
the list is looked at by somebody; it is never passed over.
"""

from dataclasses import dataclass
from enum import StrEnum

SOURCE = (
    "NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html), column of immediate action"
)


class Severity(StrEnum):
    """What is made of an error: the GPU is given to nobody new, somebody looks at it, or it was the program's."""

    QUARANTINE = "quarantine"
    LOOK = "look"
    PROGRAM = "program"


class Action(StrEnum):
    """What to do, in NVIDIA's words for it."""

    RESTART_APP = "RESTART_APP"
    RESET_GPU = "RESET_GPU"
    RESTART_BM = "RESTART_BM"
    CHECK_MECHANICALS = "CHECK_MECHANICALS"
    CONTACT_SUPPORT = "CONTACT_SUPPORT"
    IGNORE = "IGNORE"


DO = {
    Action.RESTART_APP: "Start the program again; if it comes back with another program too, look at the GPU.",
    Action.RESET_GPU: "Once nothing runs on it, reset it (`nvidia-smi --gpu-reset -i` its place) or reboot the node.",
    Action.RESTART_BM: "Move what runs on the node, then reboot the node; if it comes back, take the GPU out.",
    Action.CHECK_MECHANICALS: "Check the GPU's power cables and its seat, then reboot the node.",
    Action.CONTACT_SUPPORT: "Look at the node's log (`journalctl -k`), and ask NVIDIA's support if it comes back.",
    Action.IGNORE: "Nothing has to be done at once; if it comes back often, look at the GPU.",
}


@dataclass(frozen=True, slots=True)
class Xid:
    """One error: `means` goes on after "which means"."""

    number: int
    severity: Severity
    action: Action
    means: str

    @property
    def code(self) -> str:
        """One word for it."""
        return f"xid_{self.number}"


_Q, _L, _P = Severity.QUARANTINE, Severity.LOOK, Severity.PROGRAM
_COPY = "a program's copy of memory failed"
_CODEC = "a program's work on the GPU's video or picture units failed"
_LINK = "a link between GPUs (NVLink) failed"

_TABLE = (
    Xid(8, _P, Action.RESTART_APP, "the GPU stopped working on what a program gave it"),
    Xid(11, _P, Action.RESTART_APP, "a program, or the driver for it, sent the GPU commands that are none"),
    Xid(13, _P, Action.RESTART_APP, "a program's own code failed on the GPU, mostly by an access beyond an array"),
    Xid(25, _P, Action.RESTART_APP, "a program, or the driver for it, sent the GPU commands that are not allowed"),
    Xid(31, _P, Action.RESTART_APP, "a program read or wrote GPU memory that it does not have"),
    Xid(32, _P, Action.RESTART_APP, "a program, or the driver for it, sent the GPU commands that are none"),
    Xid(37, _L, Action.IGNORE, "the driver's firmware was asked for something that it does not have"),
    Xid(38, _L, Action.IGNORE, "the driver's firmware did not answer in time"),
    *(Xid(number, _P, Action.RESTART_APP, _COPY) for number in (39, 40, 41, 70, 71, 72, 75, 76, 77, 85)),
    Xid(43, _P, Action.IGNORE, "the GPU stopped working for a program that had failed; others are not touched"),
    Xid(44, _L, Action.IGNORE, "the GPU failed while it changed from one program to another"),
    Xid(45, _P, Action.IGNORE, "what a program had on the GPU was cleared away, for it ended or had failed before"),
    Xid(46, _Q, Action.RESET_GPU, "the GPU stopped working"),
    Xid(48, _Q, Action.RESET_GPU, "its memory has an error that cannot be corrected (double-bit ECC)"),
    Xid(54, _Q, Action.CHECK_MECHANICALS, "its auxiliary power is not connected"),
    Xid(60, _P, Action.RESTART_APP, _CODEC),
    Xid(61, _L, Action.CONTACT_SUPPORT, "its own controller stopped at a breakpoint"),
    Xid(62, _Q, Action.RESET_GPU, "its own controller has halted"),
    Xid(63, _L, Action.IGNORE, "a part of its memory was put out of use, in force after the next reset"),
    Xid(64, _Q, Action.RESET_GPU, "a part of its memory that has to be put out of use could not be"),
    Xid(66, _L, Action.IGNORE, "the driver accessed what it may not"),
    Xid(67, _L, Action.IGNORE, "the driver accessed what it may not"),
    Xid(69, _P, Action.RESTART_APP, "a program's commands to the GPU were none of that kind"),
    *(Xid(number, _P, Action.RESTART_APP, _CODEC) for number in (68, 82, 83, 84, 86, 88, 89)),
    Xid(74, _Q, Action.RESET_GPU, _LINK),
    Xid(78, _L, Action.CONTACT_SUPPORT, "a virtual GPU could not be started"),
    Xid(79, _Q, Action.RESTART_BM, "it has fallen off the bus: the node cannot reach it any more"),
    Xid(80, _P, Action.RESTART_APP, "what a program sent to the GPU arrived damaged"),
    Xid(92, _L, Action.IGNORE, "its memory has many errors that could be corrected"),
    Xid(93, _L, Action.IGNORE, "its record of itself has been written more often than it is meant to be"),
    Xid(94, _P, Action.RESTART_APP, "its memory had an error that cannot be corrected, and only that program had it"),
    Xid(95, _Q, Action.RESET_GPU, "its memory had an error that cannot be corrected, and any program may have it"),
    *(Xid(number, _P, Action.RESTART_APP, _CODEC) for number in range(96, 106)),
    Xid(106, _L, Action.IGNORE, "its management was tested"),
    Xid(109, _Q, Action.RESET_GPU, "it did not change from one program to another in time"),
    Xid(110, _Q, Action.RESET_GPU, "its protection reported a fault"),
    Xid(119, _Q, Action.RESET_GPU, "its own processor (GSP) does not answer the driver"),
    Xid(120, _Q, Action.RESET_GPU, "its own processor (GSP) has failed"),
    Xid(121, _L, Action.IGNORE, "its link to the processor (C2C) had an error"),
    *(Xid(number, _P, Action.RESTART_APP, _COPY) for number in range(126, 136)),
    Xid(136, _Q, Action.RESET_GPU, _LINK),
    Xid(137, _P, Action.IGNORE, "a program read or wrote over a link between GPUs what it does not have"),
    Xid(139, _P, Action.RESTART_APP, _CODEC),
    Xid(140, _Q, Action.RESET_GPU, "its memory had an error that cannot be corrected, and it did not recover"),
    Xid(141, _L, Action.IGNORE, "a fast way of the driver failed, and a slower one was taken"),
    Xid(142, _P, Action.CONTACT_SUPPORT, _CODEC),
    Xid(143, _Q, Action.RESET_GPU, "it could not be set up"),
    *(Xid(number, _Q, Action.RESET_GPU, _LINK) for number in range(144, 151)),
    Xid(151, _Q, Action.RESTART_BM, "its keys for confidential work could not be changed"),
    Xid(154, _L, Action.IGNORE, "what the driver wants done with it has changed"),
    Xid(155, _Q, Action.RESET_GPU, _LINK),
    Xid(156, _Q, Action.RESET_GPU, "a part of it was put out of use, in force after the next reset"),
    Xid(157, _L, Action.CONTACT_SUPPORT, "a part of it that has to be put out of use could not be"),
    Xid(158, _Q, Action.RESET_GPU, "it did not answer in time, and does not recover"),
    Xid(160, _L, Action.IGNORE, "a channel of its memory was put out of use"),
    Xid(161, _L, Action.IGNORE, "a channel of its memory that has to be put out of use could not be"),
    Xid(171, _Q, Action.RESET_GPU, "its memory has an error that cannot be corrected (DRAM)"),
    Xid(172, _Q, Action.RESET_GPU, "its memory has an error that cannot be corrected (SRAM)"),
)

XIDS = {one.number: one for one in _TABLE}
"""Every error that is known, by its number."""


def xid(number: int) -> Xid:
    """What is known of an error; one that is not in the list has to be looked at."""
    unknown = "this release of Sublet does not know the number"
    return XIDS.get(number) or Xid(number, Severity.LOOK, Action.CONTACT_SUPPORT, unknown)
