"""Names that people give and others read."""

from typing import Annotated

from pydantic import StringConstraints

ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+$"
"""Text in one line: nothing in it is invisible, steers a terminal, or turns the direction in which others read it."""

DisplayName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100,
        pattern=ONE_LINE,
    ),
]
"""1 to 100 characters of any script; none that is invisible or turns the direction in which what follows is read."""
