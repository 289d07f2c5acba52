"""Routes get what they need as parameters, and nobody reads it out of the application behind their back."""

import pytest

from tests.architecture import application
from tests.architecture.source import broken, planted


class TestTheApplicationsState:
    def test_is_touched_by_one_file(self) -> None:
        assert broken(application.application_state_outside_its_file) == []

    @pytest.mark.parametrize(
        "text",
        [
            "settings = request.app.state.settings",
            'limits = getattr(websocket.app.state, "limits", None)',
            "self._app.state.stopping.set()",
            "app.state.database = database",
            'state = getattr(request.app, "state")',
            "application = request.app\nsettings = application.state.settings",
            "application = FastAPI()\napplication.state.settings = settings",
        ],
    )
    def test_touched_elsewhere_is_caught(self, text: str) -> None:
        assert application.application_state_outside_its_file(planted(text))
        assert application.application_state_outside_its_file(planted(text, "core/app.py")) == []

    @pytest.mark.parametrize("text", ["scope = request.state.scope", "if allocation.state == other.state: pass"])
    def test_is_not_the_state_of_something_else(self, text: str) -> None:
        assert application.application_state_outside_its_file(planted(text)) == []


class TestTheThreadPool:
    def test_runs_no_route_and_nothing_that_routes_depend_on(self) -> None:
        assert broken(application.in_the_thread_pool) == []

    @pytest.mark.parametrize(
        "text",
        [
            "def _query(limit: int) -> Query: ...\nQueryDep = Annotated[Query, Depends(_query)]",
            '@router.get("/notes", permission=PUBLIC)\ndef list_notes(): ...',
            '@admin_router.post("/notes")\ndef add_note(): ...',
            '@app.get("/notes")\ndef list_notes(): ...',
        ],
    )
    def test_is_caught_where_it_would_run_one(self, text: str) -> None:
        assert application.in_the_thread_pool(planted(text))
        assert application.in_the_thread_pool(planted(text.replace("def ", "async def "))) == []

    def test_runs_no_other_function(self) -> None:
        assert application.in_the_thread_pool(planted("@cache.get()\ndef _query(): ...\nlist_notes()")) == []
