"""Where letters lead: each link is a page of the console, and a view that the page has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sublet.notifications import letters, mail

ROOT = Path(__file__).resolve().parents[2]
WRITERS = tuple(Path(str(package.__file__)).parent for package in (letters, mail))
CONSOLE = ROOT / "console" / "src"
ANY = "x"
"""Stands for what is filled in, such as an id."""


def text_of(node: ast.AST) -> str | None:
    """A string as it is written, with what is filled in as `ANY`; an address before it is left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            ANY if isinstance(part, ast.FormattedValue) else str(getattr(part, "value", "")) for part in node.values
        ]
        return "".join(parts[1:] if "/" in "".join(parts[1:2])[:1] else parts)
    return None


def links_in(source: str) -> Iterator[str]:
    """What of a module is a path of the console: the API's own are none."""
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = None if id(node) in parts else text_of(node)
        if text is not None and re.match(r"/[a-z]", text) and not text.startswith("/api/"):
            yield text


def links() -> list[str]:
    """All that letters and mails name."""
    modules = (path for folder in WRITERS for path in folder.rglob("*.py"))
    return sorted({link for path in modules for link in links_in(path.read_text(encoding="utf-8"))})


def is_page(link: str) -> bool:
    """Whether the console has a page there; a parameter of an address stands for anything."""
    routes = (CONSOLE / "app" / "routes.tsx").read_text(encoding="utf-8")
    pages = [f"/{path}" for path in re.findall(r"\bpage\(\"([^\"]*)\"", routes)]
    pages += [f"/operator/{path}" for path in re.findall(r"\boperatorPage\(\"([^\"]*)\"", routes)]
    path = urlsplit(link).path
    return any(re.fullmatch(re.sub(r":\w+\??", "[^/]+", page), path) for page in pages)


def has_view(link: str) -> bool:
    """Whether the page has the view that is asked for, if one is."""
    asked = parse_qs(urlsplit(link).query).get("view")
    if asked is None:
        return True
    paths = (CONSOLE / "paths.ts").read_text(encoding="utf-8")
    name = urlsplit(link).path.strip("/").upper()
    [views] = re.findall(rf"{name}_VIEWS = \[([^\]]*)\]", paths)
    return f'"{asked[0]}"' in views


class TestALink:
    def test_is_written_down_for_all_kinds_of_letters(self) -> None:
        assert {"/billing?view=cards", "/settings?view=notices", "/verify-email#x"} <= set(links())

    @pytest.mark.parametrize("link", links())
    def test_is_a_page_of_the_console(self, link: str) -> None:
        assert is_page(link), f"the console has no page at {link}"
        assert has_view(link), f"the page at {link} has no such view"

    @pytest.mark.parametrize(
        "link", ["/billings", "/operator", "/operator/money/nothing", "/billing/limits", "/allocations"]
    )
    def test_that_leads_nowhere_is_noticed(self, link: str) -> None:
        assert not is_page(link)

    def test_to_a_view_that_there_is_none_of_is_noticed(self) -> None:
        assert is_page("/billing?view=receipts")
        assert not has_view("/billing?view=receipts")

    def test_that_is_put_together_is_noticed_too(self) -> None:
        assert list(links_in('a = f"/allocations/{id}"\nb = f"{url}/verify-email#{secret}"\nc = "/api/v1/x"')) == [
            "/allocations/x",
            "/verify-email#x",
        ]
