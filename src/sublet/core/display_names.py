"""Names that people give and others read."""

from typing import Annotated

from pydantic import StringConstraints

DisplayName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+$",
    ),
]
"""1 to 100 characters of any script; none that is invisible or turns the direction in which what follows is read."""
