"""The page of a mailbox: what came, and each mail as its reader sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sublet_sandbox.mailbox.folder import Folder

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, undefined=StrictUndefined
)
# A mail brings its own styles; it may load nothing and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
_LINK = re.compile(r"https?://[^\s<>\"]+")


def _page(name: str, status: int = 200, **values: Any) -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status, headers)


def router(folder: Folder) -> APIRouter:
    """The pages, under /mail."""
    pages = APIRouter(prefix="/mail")

    @pages.get("")
    async def listed() -> Response:
        return _page("list.html", mails=folder.all())

    @pages.get("/{name}")
    async def shown(name: str) -> Response:
        mail = folder.read(name)
        if mail is None:
            return _page("list.html", 404, mails=folder.all())
        text = mail.body("plain")
        return _page("mail.html", mail=mail, text=text, html=mail.body("html"), links=_LINK.findall(text))

    return pages
