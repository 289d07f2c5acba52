"""Labels: given with a launch, changed later, asked for in lists; and the routes of what goes along with a launch."""

import pytest
from sqlalchemy import text

from sublet.allocations.list_schemas import AllocationSummaryOut
from sublet.allocations.schemas import AllocationOut, StartupOutputOut
from tests.allocations.test_api import Shop, conforms, shop

pytestmark = pytest.mark.anyio

__all__ = ["shop"]


async def listed(shop: Shop, *labels: str) -> set[str]:
    """The names of the allocations with these labels."""
    query = "&".join(f"label={label}" for label in labels)
    page = await shop.get(f"/allocations?{query}")
    return {item["name"] for item in page["items"]}


class TestLabels:
    async def test_narrow_a_list_to_those_that_have_them_all(self, shop: Shop) -> None:
        await shop.launch(name="one", labels={"stage": "test", "team": "a/b c"})
        await shop.launch(name="two", labels={"stage": "live", "team": "a/b c"})
        await shop.launch(name="three")
        assert await listed(shop, "stage=test") == {"one"}
        assert await listed(shop, "stage") == {"one", "two"}
        assert await listed(shop, "team=a/b%20c", "stage=live") == {"two"}
        assert await listed(shop, "stage=test", "stage=live") == set()
        assert await listed(shop, "stage=") == set()
        [shown] = (await shop.get("/allocations?label=stage=live"))["items"]
        conforms(AllocationSummaryOut, shown)
        assert shown["labels"] == {"stage": "live", "team": "a/b c"}
        assert (await shop.client.get("/api/v1/allocations?label=-x")).status_code == 422

    async def test_of_another_organization_are_nobodys_business(self, shop: Shop) -> None:
        await shop.launch(name="one", labels={"stage": "test"})
        stranger = await shop.web.customer()
        assert (await shop.get("/allocations?label=stage=test", stranger))["items"] == []

    async def test_are_set_and_taken_away_later(self, shop: Shop) -> None:
        await shop.launch(name="one", labels={"stage": "test", "team": "a"})
        changes = {"labels": {"stage": "live", "team": None, "owner": "ada", "never": None}}
        changed = (await shop.client.patch("/api/v1/allocations/one", json=changes)).json()
        conforms(AllocationOut, changed)
        assert changed["labels"] == {"owner": "ada", "stage": "live"}
        assert await listed(shop, "stage=live") == {"one"}
        async with shop.web.database.reading() as session:
            found = await session.execute(
                text("SELECT before, after FROM audit_event WHERE action = 'allocation.labelled'")
            )
            [(before, after)] = found.all()
        assert (before, after) == (
            {"labels": {"stage": "test", "team": "a"}},
            {"labels": {"owner": "ada", "stage": "live"}},
        )

    async def test_are_no_more_than_an_allocation_may_have(self, shop: Shop) -> None:
        await shop.launch(name="one", labels={f"a{n}": "" for n in range(32)})
        for changes in ({"b": "1"}, {"a b": "1"}, {"a0": "x" * 129}):
            answer = await shop.client.patch("/api/v1/allocations/one", json={"labels": changes})
            assert answer.status_code == 422
        same = {"labels": {"a0": None, "b": "1"}}
        assert len((await shop.client.patch("/api/v1/allocations/one", json=same)).json()["labels"]) == 32

    async def test_are_found_by_an_index(self, shop: Shop) -> None:
        async with shop.web.database.transaction() as session:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await session.execute(
                text(
                    "EXPLAIN SELECT allocation_id FROM allocation_label "
                    "WHERE organization_id = 'x' AND key = 'k' AND value = 'v'"
                )
            )
            assert "allocation_label_of_organization" in "\n".join(plan.scalars())


class TestALaunch:
    async def test_shows_names_alone_of_what_is_secret(self, shop: Shop) -> None:
        given = {"environment": {"TOKEN": "canary-1", "MODE": "x"}, "startup_script": "echo canary-2"}
        launched = await shop.launch(name="one", **given)
        conforms(AllocationOut, launched)
        assert launched["environment"] == ["MODE", "TOKEN"]
        assert (launched["startup"]["state"], launched["startup"]["script_bytes"]) == ("waiting", 13)
        output = await shop.get("/allocations/one/startup")
        conforms(StartupOutputOut, output)
        assert (output["output"], output["began_at"]) == ("", None)
        assert "canary" not in str(launched) + str(output)

    async def test_without_a_script_has_no_output(self, shop: Shop) -> None:
        launched = await shop.launch(name="one")
        assert (launched["startup"], launched["environment"], launched["labels"]) == (None, [], {})
        assert (await shop.client.get("/api/v1/allocations/one/startup")).status_code == 404

    @pytest.mark.parametrize(
        "wrong",
        [
            {"environment": {"TOKEN": ["canary"]}},
            {"environment": {"TO KEN": "canary"}},
            {"environment": "canary"},
            {"startup_script": ["canary"]},
            {"startup_script": "canary" * 11000},
        ],
    )
    async def test_that_is_refused_repeats_nothing_secret(self, shop: Shop, wrong: dict[str, object]) -> None:
        answer = await shop.post("/allocations", offer_id=shop.rental.sku.id, **wrong)
        assert answer.status_code == 422
        assert "canary" not in answer.text
