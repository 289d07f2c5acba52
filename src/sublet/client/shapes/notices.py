"""What a person was told."""

from typing import TypedDict


class Notice(TypedDict):
    """Something that a person was told; `link` is a path of the console. Unread while `read_at` is null."""

    id: str
    kind: str
    organization_id: str | None
    title: str
    sentences: list[str]
    link: str
    link_says: str
    created_at: str
    read_at: str | None
    mailed_at: str | None
    not_mailed_because: str | None
