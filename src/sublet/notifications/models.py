"""Notifications' tables."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Table, Text

from sublet.core.db import metadata

notice = Table(
    "notice",
    metadata,
    Column("seq", BigInteger, nullable=False),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("organization_id", Text),
    Column("kind", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sentences", ARRAY(Text), nullable=False),
    Column("link", Text, nullable=False),
    Column("link_says", Text, nullable=False),
    Column("in_inbox", Boolean, nullable=False),
    Column("mail_wanted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("read_at", DateTime(timezone=True)),
    Column("mailed_at", DateTime(timezone=True)),
    Column("not_mailed_because", Text),
)

notice_preference = Table(
    "notice_preference",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("wanted", Boolean, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
)
