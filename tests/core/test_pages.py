"""Lists are pages: limits are kept, and a cursor that somebody made up is refused."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from sublet.core.errors import InvalidInput
from sublet.core.pages import MAX_LIMIT, Page, PageQueryDep, decode_cursor, encode_cursor, page_of
from sublet.core.webapp import install_error_handlers

pytestmark = pytest.mark.anyio

NUMBERS = list(range(1, 8))


def cursor_of(value: Any) -> str:
    """A cursor with any JSON in it, as somebody might make one up."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A list of the numbers from 1 to 7, without a database."""
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/numbers")
    async def numbers(query: PageQueryDep) -> Page[int]:
        position = query.position(int)
        after = 0 if position is None else position[0]
        rows = [number for number in NUMBERS if number > after][: query.limit + 1]
        return page_of(rows, query.limit, lambda number: number * 10, lambda number: [number])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sublet.test") as client:
        yield client


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 200])
    async def test_hold_each_item_once_and_end(self, client: httpx.AsyncClient, limit: int) -> None:
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            pages += 1
            params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
            page = (await client.get("/numbers", params=params)).json()
            assert 1 <= len(page["items"]) <= limit
            seen += page["items"]
            cursor = page["next_cursor"]
            assert pages <= len(NUMBERS)
        assert seen == [number * 10 for number in NUMBERS]
        assert pages == -(-len(NUMBERS) // limit)

    async def test_of_nothing_has_no_next(self) -> None:
        assert page_of([], 5, str, lambda row: [row]) == Page(items=[], next_cursor=None)
        assert page_of([1], 0, str, lambda row: [row]) == Page(items=[], next_cursor=None)

    async def test_hold_fifty_unless_asked(self, client: httpx.AsyncClient) -> None:
        rows = list(range(51))
        assert len(page_of(rows, 50, str, lambda row: [row]).items) == 50
        assert len((await client.get("/numbers")).json()["items"]) == len(NUMBERS)

    @pytest.mark.parametrize("limit", ["0", "-1", str(MAX_LIMIT + 1), "ten", "1.5", ""])
    async def test_of_an_impossible_size_are_refused(self, client: httpx.AsyncClient, limit: str) -> None:
        answer = await client.get("/numbers", params={"limit": limit})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")

    async def test_are_two_hundred_long_at_most(self) -> None:
        assert MAX_LIMIT == 200


class TestCursors:
    @pytest.mark.parametrize("values", [[1], ["a"], ["2026-01-01T00:00:00+00:00", "al_x", 7], ["Ä/+?&=", -1], [2**62]])
    def test_come_back_as_they_were_given_out(self, values: list[Any]) -> None:
        cursor = encode_cursor(values)
        assert decode_cursor(cursor, *(type(value) for value in values)) == tuple(values)
        assert cursor.replace("-", "").replace("_", "").isalnum()  # fit for a URL as it is

    @pytest.mark.parametrize(
        "cursor",
        [
            pytest.param("nonsense", id="not JSON"),
            pytest.param("%%%", id="not base64"),
            pytest.param("ä", id="not ASCII"),
            pytest.param("_w", id="not UTF-8"),
            pytest.param(cursor_of(7), id="a number"),
            pytest.param(cursor_of({"0": 7}), id="an object"),
            pytest.param(cursor_of([]), id="too few"),
            pytest.param(cursor_of([7, 7]), id="too many"),
            pytest.param(cursor_of(["7"]), id="a text"),
            pytest.param(cursor_of([7.0]), id="a fraction"),
            pytest.param(cursor_of([True]), id="a truth"),
            pytest.param(cursor_of([None]), id="nothing"),
            pytest.param(cursor_of([[7]]), id="a list"),
        ],
    )
    async def test_that_this_list_did_not_give_out_are_refused(self, client: httpx.AsyncClient, cursor: str) -> None:
        with pytest.raises(InvalidInput, match="not one that this list gave out"):
            decode_cursor(cursor, int)
        answer = await client.get("/numbers", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")

    def test_with_a_number_where_a_text_belongs_are_refused(self) -> None:
        with pytest.raises(InvalidInput):
            decode_cursor(cursor_of([7, 7]), str, int)
        with pytest.raises(InvalidInput):
            decode_cursor(cursor_of(["7", "7"]), str, int)

    async def test_that_are_too_long_are_refused(self, client: httpx.AsyncClient) -> None:
        for spaces, status in ((300, 200), (400, 422)):
            cursor = base64.urlsafe_b64encode(f"[{' ' * spaces}7]".encode()).decode().rstrip("=")
            assert (await client.get("/numbers", params={"cursor": cursor})).status_code == status

    async def test_that_are_empty_begin_at_the_beginning(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/numbers", params={"cursor": ""})).json()["items"][0] == 10
