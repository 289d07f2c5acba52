"""The session cookie: `__Host-sublet_session`, and on plain-HTTP loopback, where no browser keeps that, a plain one."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from sublet.core.settings import Settings
from sublet.core.telemetry import get_logger
from sublet.identity.errors import InsecurePublicUrl

log = get_logger(__name__)

SECURE_NAME = "__Host-sublet_session"
LOOPBACK_NAME = "sublet_session"


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine by definition, so that nothing on it crosses a network."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How this installation's session cookie is called, set, read and deleted."""

    secure: bool
    max_age_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "SessionCookie":
        """As the public address demands; InsecurePublicUrl for plain HTTP over a network."""
        secure = settings.public_url.startswith("https://")
        if not secure and not is_loopback(settings.public_url):
            raise InsecurePublicUrl(
                f"The public address {settings.public_url} is plain HTTP on a network, where sessions could be stolen. "
                "Nothing was started. Put Sublet behind TLS and give its https:// address, or use 127.0.0.1."
            )
        return cls(secure, settings.session_absolute_seconds)

    def warn_if_insecure(self) -> None:
        """Say in the log that the one exception is in use; called once, when the application is made."""
        if not self.secure:
            log.warning(
                "session_cookie.not_secure",
                reason="the public address is plain HTTP on loopback",
                name=LOOPBACK_NAME,
                fix="serve over https",
            )

    @property
    def name(self) -> str:
        """The cookie's name."""
        return SECURE_NAME if self.secure else LOOPBACK_NAME

    def read(self, connection: HTTPConnection) -> str | None:
        """The secret that the browser sent, if any."""
        return connection.cookies.get(self.name)

    def give(self, response: Response, secret: str) -> None:
        """Let the browser keep the secret until the session's absolute end."""
        response.set_cookie(
            self.name,
            secret,
            max_age=self.max_age_seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def take_back(self, response: Response) -> None:
        """Let the browser forget the secret."""
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")
