"""Values that operators give: labels, sizes, decimal rates."""

import re
from typing import Any

import click


class Label(click.ParamType[tuple[str, str]]):
    """`key=value`."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first `=`."""
        if isinstance(value, tuple):
            return value
        key, separator, content = str(value).partition("=")
        if not (key and separator):
            self.fail(f"{value!r} is not a label such as zone=a.", param, ctx)
        return key, content


class Memory(click.ParamType[int]):
    """A size in MiB, read from `16`, `16GiB` or `512MiB`; a bare number means GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Mebibytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,7})\s*(GiB|MiB|G|M)?", str(value), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is not a size such as 16GiB or 512MiB.", param, ctx)
        unit = (match[2] or "GiB")[0].upper()
        return int(match[1]) * (1024 if unit == "G" else 1)


class Duration(click.ParamType[int]):
    """A time in seconds, read from `90s`, `30m`, `2h` or `3d`; 0 needs no unit."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,7})(s|m|h|d)|0()", str(value))
        if match is None:
            self.fail(f"{value!r} is not a time such as 30m or 2h.", param, ctx)
        return int(match[1] or 0) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2] or "s"]


class DecimalRate(click.ParamType[str]):
    """A rate per hour as a decimal string with at most nine places."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The string itself: it never becomes a float."""
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", str(value)):
            self.fail(f"{value!r} is not a rate per hour such as 0.36.", param, ctx)
        return str(value)


class ClaimTerms(click.ParamType[tuple[str, int | None]]):
    """How long what is suspended keeps its place: `none`, `always`, or hours such as `4h`."""

    name = "none|hours|always"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int | None]:
        """The word of the API, and how many hours where it is `hours`."""
        if isinstance(value, tuple):
            return value
        if value in {"none", "always"}:
            return value, None
        match = re.fullmatch(r"([1-9][0-9]{0,3})h", str(value))
        if match is None:
            self.fail(f"{value!r} is not none, always, or hours such as 4h.", param, ctx)
        return "hours", int(match[1])
