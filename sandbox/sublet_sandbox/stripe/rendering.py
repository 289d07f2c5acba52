"""The hosted pages as HTML: templates, strict policy headers, amounts as people read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sublet_sandbox.stripe.params import DIGITS
from sublet_sandbox.stripe.store import Resource

_PAGES = Path(__file__).parent / "pages"
_TEMPLATES = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined)
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "kwd": "KWD "}
_STATIC = {"checkout.css": "text/css", "checkout.js": "text/javascript"}
# No form-action: the form's answer redirects to the merchant, which that directive would block.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def money(units: int, currency: str) -> str:
    """1050, usd → $10.50; 1050, jpy → ¥1,050"""
    digits = DIGITS[currency]
    whole, fraction = divmod(units, 10**digits)
    return f"{_SYMBOLS[currency]}{whole:,}" + (f".{fraction:0{digits}d}" if digits else "")


def page(name: str, status: int = 200, **values: Any) -> Response:
    """A template, never cached, with a policy that allows nothing from elsewhere."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status, headers)


def message(title: str, status: int = 200, *, cancel_url: str | None = None) -> Response:
    """One sentence, and the way back if there is one."""
    return page("message.html", status, title=title, cancel_url=cancel_url)


def payment_form(
    session: Resource,
    email: str | None,
    *,
    faults: dict[str, str] | None = None,
    given: dict[str, str] | None = None,
    decline: str | None = None,
) -> Response:
    """The card form, with what was wrong the last time. Card number and CVC are never put back into it."""
    items = [(item["description"], money(item["amount_total"], item["currency"])) for item in session["_line_items"]]
    return page(
        "pay.html",
        session=session,
        items=items,
        amount=None if session["mode"] == "setup" else money(session["amount_total"], session["currency"]),
        email=email,
        faults=faults or {},
        given=given or {},
        decline=decline,
    )


def static(name: str) -> Response:
    """The style sheet or the script."""
    if name not in _STATIC:
        return message("There is no such file", 404)
    return FileResponse(_PAGES / name, media_type=_STATIC[name])
