"""What a newcomer needs to know about a demo, kept in the data directory (mode 0600: it holds passwords)."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "demo.json"
LOCK = "up.lock"


def write_privately(path: Path, text: str) -> None:
    """Write a file of mode 0600 as a whole: whoever is killed half-way leaves the old one, or none."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def is_running(directory: Path) -> bool:
    """Whether an `up` runs on a data directory: it holds the directory's lock as long as it lives."""
    try:
        with (directory / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


CURRENCY = "USD"
"""What the demo's wallets, prices and payments are in."""

TIME_ZONE = "UTC"
"""In which the demo's months end, unless the setting says another."""

REFUND_ALONE_UP_TO = "20"
"""What the demo's operators refund or adjust alone, so that both ways can be tried."""
CREDIT_BUDGET = "20"
"""What they give alone in a month, by credit or by adjustments."""

NOBODY = {"email": "", "password": "", "token_file": ""}


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account that the demo made, and a file with an API token of it for the command line."""

    email: str
    password: str
    token_file: str


@dataclass(frozen=True, slots=True)
class DemoNode:
    """The demo's node; `problem` says why there is none, and what to do."""

    name: str
    kind: str
    address: str
    port: int
    limits_enforced: bool
    label: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DemoInfo:
    """Everything that `sublet demo info` prints."""

    url: str
    customer: DemoAccount
    operator: DemoAccount
    second: DemoAccount
    node: DemoNode
    sandbox: str
    data_directory: str
    logs: str

    def save(self, directory: Path) -> None:
        """Write the file, readable by its owner only."""
        write_privately(directory / FILE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> "DemoInfo | None":
        """What was saved in the directory, or None if no demo ever ran there; PermissionError for another's demo."""
        try:
            stored = json.loads((directory / FILE).read_text(encoding="utf-8"))
            return cls(
                url=stored["url"],
                customer=DemoAccount(**stored["customer"]),
                operator=DemoAccount(**stored["operator"]),
                second=DemoAccount(**stored.get("second", NOBODY)),
                node=DemoNode(**stored["node"]),
                sandbox=stored["sandbox"],
                data_directory=stored["data_directory"],
                logs=stored["logs"],
            )
        except PermissionError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never written, or by something else

    def text(self, *, running: bool = True) -> str:
        """The same for a person to read, with what to try first."""
        node = self.node
        place = (
            f"{node.name}, {node.label} ({node.address}:{node.port})" if not node.problem else f"none. {node.problem}"
        )
        state = "" if running else f"\n  Not running. Start it: SUBLET_DATA_DIR={self.data_directory} sublet up\n"
        return f"""{state}
  Console    {self.url}
  Customer   {self.customer.email}   password {self.customer.password}
  Operator   {self.operator.email}   password {self.operator.password}   ({self.url}/operator)
  Second     {self.second.email}   password {self.second.password}   (another operator, for what takes two)
  Node       {place}
  Cards      {self.sandbox} (a sandbox: no real money)
  Mail       {self.sandbox}/mail (all that is sent ends there)
  Data       {self.data_directory}
  Logs       {self.logs}
{self._try() if running else ""}"""

    def _try(self) -> str:
        return f"""
  Try this
    1. Open {self.url}, sign up, and add funds with the card 4242 4242 4242 4242.
    2. Launch an allocation: its terminal opens by itself.
    3. The same from a shell:
         export SUBLET_URL={self.url} SUBLET_TOKEN_FILE={self.customer.token_file}
         sublet offers
         sublet launch cpu-small --name first
         sublet ssh first
         sublet release first
         sublet ledger
    4. As the operator, refund more than {REFUND_ALONE_UP_TO} of a payment: it waits until the second one approves it.
  Ctrl-C stops everything; the data stays, until `sublet demo delete`.
"""
