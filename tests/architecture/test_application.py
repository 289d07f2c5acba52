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
