"""The terminal's description is that of the frames the gateway speaks."""

import json

from sublet.terminal.asyncapi import asyncapi_parts


class TestTheDescription:
    def test_refers_only_to_what_it_holds(self) -> None:
        parts = asyncapi_parts()
        listed = set(parts["channels"]["terminal"]["messages"])
        assert listed == set(parts["components"]["messages"])
        for operation in parts["operations"].values():
            assert {item["$ref"].rpartition("/")[2] for item in operation["messages"]} <= listed

    def test_is_plain_json_and_names_every_frame(self) -> None:
        parts = json.loads(json.dumps(asyncapi_parts()))
        names = {message["name"] for message in parts["components"]["messages"].values()}
        assert names == {"bytes", "open", "resize", "signal", "ping", "pong", "opened", "notice", "exit", "error"}
