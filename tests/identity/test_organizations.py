"""Organizations: seen by their members only, and never without exactly one owner."""

import pytest
from sqlalchemy.exc import IntegrityError

from sublet.identity import organizations, users
from tests.identity.house import PASSWORD, House, log_in, new_email

pytestmark = pytest.mark.anyio


class TestOrganizations:
    async def test_are_listed_with_their_members(self, house: House) -> None:
        browser = await house.customer("ada@customer.example", organization_name="Engines")
        (mine,) = (await browser.get("/api/v1/organizations")).json()["items"]
        assert (mine["name"], mine["role"]) == ("Engines", "owner")
        assert (await browser.get(f"/api/v1/organizations/{mine['id']}")).json() == mine
        (member,) = (await browser.get(f"/api/v1/organizations/{mine['id']}/members")).json()["items"]
        assert (member["email"], member["name"], member["role"]) == ("ada@customer.example", "Ada", "owner")

    async def test_of_others_do_not_exist(self, house: House) -> None:
        mine, theirs = await house.customer(), await house.customer()
        other = (await theirs.get("/api/v1/me")).json()["organization"]["id"]
        for path in (f"/api/v1/organizations/{other}", f"/api/v1/organizations/{other}/members"):
            answer = await mine.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_beside_the_one_it_is_bound_to_do_not_exist_for_a_token(self, house: House) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "organization:read"))["token"])
        me = (await browser.get("/api/v1/me")).json()
        async with house.database.transaction() as session:
            other = await users.create_user(session, email=new_email(), password=PASSWORD, name="Other")
        await house.change(
            "INSERT INTO membership (organization_id, user_id, role) VALUES (:organization, :user, 'member')",
            organization=other.organization_id,
            user=me["user"]["id"],
        )
        assert len((await browser.get("/api/v1/organizations")).json()["items"]) == 2
        assert len((await browser.get("/api/v1/me")).json()["organizations"]) == 2
        assert len((await program.get("/api/v1/organizations")).json()["items"]) == 1
        assert len((await program.get("/api/v1/me")).json()["organizations"]) == 1
        assert (await browser.get(f"/api/v1/organizations/{other.organization_id}")).status_code == 200
        assert (await program.get(f"/api/v1/organizations/{other.organization_id}")).status_code == 404

    async def test_are_all_seen_by_operators_page_by_page(self, house: House) -> None:
        customers = [await house.customer() for _ in range(2)]
        async with house.database.transaction() as session:
            await users.create_operator(session, "op@operator.example", PASSWORD, frozenset({"support"}))
        operator = house.browser()
        await log_in(operator, "op@operator.example")
        assert (await customers[0].get("/api/v1/admin/organizations")).status_code == 403
        first = (await operator.get("/api/v1/admin/organizations", params={"limit": 2})).json()
        rest = (await operator.get("/api/v1/admin/organizations", params={"cursor": first["next_cursor"]})).json()
        shown = [item["owner_email"] for item in (first["items"] + rest["items"])]
        expected = [(await client.get("/api/v1/me")).json()["user"]["email"] for client in reversed(customers)]
        assert shown == ["op@operator.example", *expected]
        assert rest["next_cursor"] is None
        ids = [item["id"] for item in first["items"]]
        async with house.database.reading() as session:
            assert (await organizations.names(session, ids)).keys() == set(ids)


class TestOwnership:
    async def test_is_never_shared(self, house: House) -> None:
        one, two = await house.customer(), await house.customer()
        organization = (await one.get("/api/v1/me")).json()["organization"]["id"]
        user = (await two.get("/api/v1/me")).json()["user"]["id"]
        with pytest.raises(IntegrityError, match="membership_one_owner"):
            await house.change(
                "INSERT INTO membership (organization_id, user_id, role) VALUES (:organization, :user, 'owner')",
                organization=organization,
                user=user,
            )

    @pytest.mark.parametrize("change", ["DELETE FROM membership", "UPDATE membership SET role = 'member'"])
    async def test_is_never_vacant(self, house: House, change: str) -> None:
        await house.customer()
        with pytest.raises(IntegrityError, match="has no owner"):
            await house.change(change)

    async def test_comes_with_the_organization(self, house: House) -> None:
        with pytest.raises(IntegrityError, match="has no owner"):
            await house.change("INSERT INTO organization (id, name) VALUES ('org_x', 'Nobody''s')")
