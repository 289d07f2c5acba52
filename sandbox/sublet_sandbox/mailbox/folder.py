"""Where mails lie: one file each, the newest few hundred."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

KEPT = 200
_NAME = re.compile(r"[0-9]{20}")


@dataclass(frozen=True)
class Mail:
    """One mail: its name in the folder, who it was handed over for, and what it says."""

    name: str
    recipients: list[str]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Its subject."""
        return str(self.message["Subject"] or "(no subject)")

    def body(self, kind: str) -> str:
        """Its text (`plain`) or its page (`html`); empty where it has none."""
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""


class Folder:
    """Mails of one sandbox."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._last = 0

    def keep(self, content: bytes, recipients: list[str]) -> None:
        """Keep one more, and let go of those that are too many."""
        self._last = max(time.time_ns(), self._last + 1)
        target = self.path / f"{self._last:020d}.eml"
        envelope = f"X-Envelope-To: {', '.join(recipients)}\r\n".encode()
        descriptor = os.open(f"{target}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(envelope + content)
        Path(f"{target}.new").replace(target)
        for old in sorted(self.path.glob("*.eml"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What is there, newest first."""
        return [path.stem for path in sorted(self.path.glob("*.eml"), reverse=True)]

    def read(self, name: str) -> Mail | None:
        """One of them; None if it is not there."""
        path = self.path / f"{name}.eml"
        if not _NAME.fullmatch(name) or not path.is_file():
            return None
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(message, EmailMessage)
        return Mail(name, str(message["X-Envelope-To"]).split(", "), message)

    def all(self) -> list[Mail]:
        """Every mail, newest first."""
        return [mail for name in self.names() if (mail := self.read(name)) is not None]
