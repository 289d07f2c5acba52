"""A mail as text and as a page, made from the same sentences; the same each time it is composed."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from urllib.parse import urlsplit

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 0 auto; padding: 16px">
<h1 style="font-size: 20px; line-height: 28px">{title}</h1>
{sentences}
<p><a href="{link}">{link_says}</a></p>
<hr style="border: 0; border-top: 1px solid #8884">
<p style="font-size: 13px; line-height: 20px">{footer}</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """Everything that a mail says. `key` is what it is about: a mail that is sent again has the same Message-ID.

    `link` is a whole address, `preferences` one too, or None for a mail that nobody can do without.
    """

    key: str
    to: str
    title: str
    sentences: tuple[str, ...]
    link: str
    link_says: str
    footer: str
    written_at: datetime
    preferences: str | None = None


def compose(mail: Mail, *, sender: str, sender_name: str, public_url: str) -> EmailMessage:
    """The message, ready to be handed over."""
    title = " ".join(mail.title.split())
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender_name, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = title
    message["Date"] = format_datetime(mail.written_at)
    message["Message-ID"] = f"<{mail.key}@{urlsplit(public_url).hostname or 'sublet'}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.preferences is not None:
        message["List-Unsubscribe"] = f"<{mail.preferences}>"
    footer = mail.footer if mail.preferences is None else f"{mail.footer} {mail.preferences}"
    parts = [*mail.sentences, f"{mail.link_says}: {mail.link}"]
    message.set_content("\n\n".join(parts) + f"\n\n-- \n{footer}\n", cte="quoted-printable")
    page = _PAGE.format(
        title=escape(title),
        sentences="\n".join(f"<p>{escape(sentence)}</p>" for sentence in mail.sentences),
        link=escape(mail.link),
        link_says=escape(mail.link_says),
        footer=escape(mail.footer)
        if mail.preferences is None
        else f'{escape(mail.footer)} <a href="{escape(mail.preferences)}">{escape(mail.preferences)}</a>',
    )
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{mail.key}")  # else it would be another at each try
    return message
