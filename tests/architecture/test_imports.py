"""Files import what they may, and no more."""

import pytest

from tests.architecture.imports import (
    EDGE,
    PRIVATE_ALL_THE_SAME,
    more_than_the_standard_library,
    private_imports,
    private_names,
    web_outside_its_edge,
)
from tests.architecture.source import CODE, ROOT, broken, planted, sources

EVERYWHERE = (CODE, ROOT / "node" / "sublet_node", ROOT / "tests", ROOT / "bench")


class TestPrivateNames:
    def test_stay_in_their_module(self) -> None:
        assert broken(private_imports, [source for folder in EVERYWHERE for source in sources(folder)]) == []

    @pytest.mark.parametrize(
        "text",
        [
            "from sublet.billing.charges import _round",
            "from .charges import _round",
            "from . import _charges",
            "from sublet.billing.charges import _round as rounded",
            "from sublet.billing import charges\n\n\nasync def charge():\n    return charges._round(1)",
            "import sublet.billing.charges\n\nsublet.billing.charges._round(1)",
            "import sublet.billing.charges as c\n\nc._round(1)",
            "from sublet.core.db import Database\n\nDatabase._sessions",
            "def later():\n    from sublet.billing.charges import _round",
            "from tests.support.app import _settings",
            "from sublet.billing.charges import __round",
        ],
    )
    def test_taken_by_others_are_caught(self, text: str) -> None:
        assert private_imports(planted(text))

    @pytest.mark.parametrize(
        "text",
        [
            "from sublet.billing.charges import charge",
            "from sublet import __version__",
            "import _thread",
            "class Meter:\n    def read(self):\n        return self._seconds",
        ],
    )
    def test_of_ones_own_and_of_libraries_are_fine(self, text: str) -> None:
        assert private_imports(planted(text)) == []

    def test_are_excused_no_longer_than_needed(self) -> None:
        by_path = {source.path: source for source in sources(ROOT / "tests")}
        for path, reason in PRIVATE_ALL_THE_SAME.items():
            excess = "take it off the list PRIVATE_ALL_THE_SAME"
            assert reason
            assert path in by_path, f"{path} is gone: {excess}"
            assert private_names(by_path[path]), f"{path} keeps the rule by now: {excess}"


class TestHttp:
    def test_is_known_at_its_edge_alone(self) -> None:
        assert broken(web_outside_its_edge) == []

    @pytest.mark.parametrize(
        "text",
        [
            "from fastapi import Request",
            "import fastapi",
            "from starlette.responses import Response",
            "import starlette",
        ],
    )
    def test_elsewhere_is_caught(self, text: str) -> None:
        assert web_outside_its_edge(planted(text, "billing/charges.py"))
        assert web_outside_its_edge(planted(text, "billing/api.py")) == []

    def test_has_no_longer_an_edge_than_needed(self) -> None:
        reasons = {path: reason for path, reason in EDGE.items() if reason}
        knowing = {
            "/".join(source.parts)
            for source in sources()
            if any(imported.module.partition(".")[0] in {"fastapi", "starlette"} for imported in source.imports)
        }
        assert set(reasons) - knowing == set(), "these are gone or know no HTTP by now: take them off the list EDGE"


class TestTheNode:
    def test_needs_the_standard_library_alone(self) -> None:
        code = sources(ROOT / "node")
        assert len(code) > 10
        assert broken(more_than_the_standard_library, code) == []

    @pytest.mark.parametrize(
        "text", ["import psutil", "from sublet.core import ids", "def go():\n    import yaml", "from tests import node"]
    )
    def test_that_needs_more_is_caught(self, text: str) -> None:
        assert more_than_the_standard_library(planted(text))
        assert more_than_the_standard_library(planted("import os\nfrom sublet_node import store")) == []
