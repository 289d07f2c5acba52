"""The server has one clock, and that is PostgreSQL's."""

import pytest

from tests.architecture.clock import clocks_of_the_host
from tests.architecture.source import broken, planted


class TestTheClock:
    def test_is_postgresqls(self) -> None:
        assert broken(clocks_of_the_host) == []

    @pytest.mark.parametrize(
        "text",
        [
            "from datetime import UTC, datetime\n\nnow = datetime.now(UTC)",
            "import datetime\n\nnow = datetime.datetime.now(datetime.UTC)",
            "import datetime as dt\n\nnow = dt.datetime.utcnow()",
            "from datetime import datetime as moment\n\nnow = moment.now()",
            "from datetime import datetime\n\nnow: object = Field(default_factory=datetime.now)",
            "from datetime import date\n\nday = date.today()",
            "import time\n\nnow = time.time()",
            "import time\n\nnow = time.time_ns()",
            "from time import time\n\nnow = time()",
            "from time import gmtime as then\n\nnow = then()",
            "import uuid\n\nkey = uuid.uuid7()",
        ],
    )
    def test_of_the_host_is_caught(self, text: str) -> None:
        assert clocks_of_the_host(planted(text))
        assert clocks_of_the_host(planted(text, "cli/planted.py")) == []

    @pytest.mark.parametrize(
        "text",
        [
            "import time\n\nbegan = time.monotonic()",
            "import time\n\nbegan = time.perf_counter()",
            "from datetime import UTC, datetime\n\nat = datetime.fromtimestamp(seconds, tz=UTC)",
            "from sublet.core.clock import database_now\n\nnow = database_now",
        ],
    )
    def test_says_nothing_about_durations(self, text: str) -> None:
        assert clocks_of_the_host(planted(text)) == []
