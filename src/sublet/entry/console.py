"""Serves the built console, with the headers that keep a browser from doing anything else."""

from pathlib import Path

from anyio import to_thread
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from sublet.core.errors import NotFound, SubletError
from sublet.core.settings import Settings

HASHED = "/assets/"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
STRICT_POLICY = POLICY.format(styles="'self'")
# The terminal emulator adds <style> elements of its own, so that page alone gets a looser style policy.
TERMINAL_POLICY = POLICY.format(styles="'self' 'unsafe-inline'")

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
ALWAYS_OURS = frozenset(name.encode() for name in ("content-security-policy", "strict-transport-security", *HEADERS))
NOT_STORED = (b"cache-control", b"no-store")


class ConsoleMissing(SubletError):
    """The console is not where the settings say."""

    code = "console_missing"


def console_directory(settings: Settings) -> Path | None:
    """Where the built console lies: as configured, in the package, or in the checkout; None if it was not built.

    ConsoleMissing if there is none where the settings say.
    """
    configured = settings.console_directory
    if configured is not None:
        if not (configured / "index.html").is_file():
            raise ConsoleMissing(
                f"SUBLET_CONSOLE_DIRECTORY is {configured}, and there is no index.html in it. Nothing was started. "
                "Give the directory of a built console, or leave the setting out for the one that came with Sublet."
            )
        return configured
    here = Path(__file__).resolve()
    candidates = [here.parents[1] / "console_dist", here.parents[3] / "console" / "dist"]
    return next((path for path in candidates if (path / "index.html").is_file()), None)


def install_console(app: FastAPI, directory: Path | None) -> None:
    """Answer with the console what no route answers; it is no route itself, so that it never hides a wrong method."""

    async def console(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        await (await to_thread.run_sync(_page, directory, scope))(scope, receive, send)

    app.router.default = console


def _page(directory: Path | None, scope: Scope) -> Response:
    path: str = scope["path"].removeprefix("/")
    if directory is None or scope["method"] not in {"GET", "HEAD"} or path.startswith(("api/", "node/")):
        raise NotFound("page", f"/{path}")
    root = directory.resolve()
    file = _file_below(root, path)
    if file is not None:
        cache = "public, max-age=31536000, immutable" if f"/{path}".startswith(HASHED) else "no-cache"
        return FileResponse(file, headers={"Cache-Control": cache})
    if f"/{path}".startswith(HASHED) or _is_hidden(path):
        raise NotFound("file", f"/{path}")
    return FileResponse(root / "index.html", headers={"Cache-Control": "no-cache"})


def _file_below(root: Path, path: str) -> Path | None:
    """The file of the console that the path names; None for anything else, also for what cannot be a file's name."""
    if not path or not path.isprintable() or _is_hidden(path):
        return None
    try:
        file = (root / path).resolve()
        return file if file.is_file() and file.is_relative_to(root) else None
    except (OSError, ValueError):
        return None


def _is_hidden(path: str) -> bool:
    """Whether it is among what the build keeps for itself, such as its manifest."""
    return any(part.startswith(".") and part.strip(".") for part in path.split("/"))


class SecurityHeaders:
    """Adds to every answer what a browser must not do with it."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self._of_pages = _headers(STRICT_POLICY, secure=secure)
        self._of_terminals = _headers(TERMINAL_POLICY, secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add the headers to the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        is_api = path.startswith("/api/")
        added = self._of_terminals if path.endswith("/terminal") and not is_api else self._of_pages

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [header for header in message["headers"] if header[0] not in ALWAYS_OURS]
                if is_api and all(name != b"cache-control" for name, _ in given):
                    given.append(NOT_STORED)
                message["headers"] = given + added
            await send(message)

        await self.app(scope, receive, sending)


def _headers(policy: str, *, secure: bool) -> list[tuple[bytes, bytes]]:
    headers = {"content-security-policy": policy, **HEADERS}
    if secure:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return [(name.encode(), value.encode()) for name, value in headers.items()]
