"""Work in a child process, because a namespace is joined for good; and words between it and its parent."""

from __future__ import annotations

import os
from collections.abc import Callable

from .errors import NodeError


class Words:
    """Single letters from one process to another. Who hears "" knows that the other ended, or has no more to say."""

    def __init__(self) -> None:
        self._ear, self._mouth = os.pipe()
        self._open = {self._ear, self._mouth}

    def __enter__(self) -> Words:
        return self

    def __exit__(self, *_: object) -> None:
        for end in tuple(self._open):
            self._close(end)

    def only_hear(self) -> None:
        """Be the one who hears: then the end of the other is heard too."""
        self._close(self._mouth)

    def say(self, letter: str) -> None:
        """Say it, without waiting for anybody to hear it."""
        os.write(self._mouth, letter.encode())

    def hear(self) -> str:
        """Wait for the next one."""
        return os.read(self._ear, 1).decode()

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            os.close(end)


def run(inside: Callable[[], None], outside: Callable[[int], None] = lambda child: None) -> str:
    """Run `inside` in a child, because a namespace is joined for good, and `outside` beside it; what went wrong."""
    heard, say = os.pipe()
    child = os.fork()
    if child == 0:
        status = 0
        try:
            os.close(heard)
            inside()
        except BaseException as error:
            text = error.message if isinstance(error, NodeError) else str(error)
            os.write(say, (text or repr(error)).encode()[:4000])
            status = 1
        finally:
            os._exit(status)
    os.close(say)
    try:
        outside(child)
    finally:
        with open(heard, "rb") as stream:
            said = stream.read().decode("utf-8", "replace")
        status = os.waitpid(child, 0)[1]
    return said or ("" if status == 0 else f"the child ended with status {status}")
