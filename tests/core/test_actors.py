"""Who is asking: what an actor may do is what it was given, and Sublet itself may do everything."""

from dataclasses import replace

import pytest

from sublet.core.actors import FRESH_SECONDS, Actor, Permission, Strength, system_actor
from sublet.core.errors import PermissionDenied

READER = Actor(kind="user", user_id="usr_a", role="owner", permissions=frozenset({Permission.WALLET_READ}), name="Ann")


class TestAnActor:
    def test_may_do_what_it_holds_whatever_its_role_is_called(self) -> None:
        assert [permission for permission in Permission if READER.can(permission)] == [Permission.WALLET_READ]

    def test_is_refused_the_rest_and_told_what_it_lacks(self) -> None:
        READER.require(Permission.WALLET_READ)
        with pytest.raises(PermissionDenied, match="needs the permission wallet:top_up") as refused:
            READER.require(Permission.WALLET_TOP_UP)
        assert refused.value.extra == {"permission": "wallet:top_up"}

    @pytest.mark.parametrize(
        ("lacking", "who"),
        [
            (Permission.WALLET_TOP_UP, "Ask an owner of the organization, or use a token with that scope."),
            (
                Permission.ADMIN_CATALOG_MANAGE,
                "ask an operator who has it, or use an operator's token with that scope.",
            ),
        ],
    )
    def test_is_told_who_can_give_what_it_lacks(self, lacking: Permission, who: str) -> None:
        with pytest.raises(PermissionDenied) as refused:
            READER.require(lacking)
        assert refused.value.detail.endswith(who)

    def test_without_an_organization_works_in_none(self) -> None:
        with pytest.raises(PermissionDenied, match="you are not in one"):
            _ = READER.organization

    def test_is_called_by_its_id_in_a_history(self) -> None:
        assert READER.shown_as == "usr_a"
        assert system_actor("sweep").shown_as == "sweep"
        assert Actor(kind="token").shown_as == "token"


class TestASignIn:
    """Acts that an open browser, or a token, is not enough for."""

    @pytest.mark.parametrize("seconds_ago", [0.0, FRESH_SECONDS])
    def test_that_is_fresh_is_enough_however_it_was_done(self, seconds_ago: float) -> None:
        known = replace(READER, strength=Strength.PASSWORD, confirmed_seconds_ago=seconds_ago)
        assert known.is_fresh

    @pytest.mark.parametrize("seconds_ago", [FRESH_SECONDS + 0.001, None])
    @pytest.mark.parametrize("strength", [Strength.PASSWORD, Strength.SECOND_FACTOR, Strength.TOKEN, None])
    def test_that_was_long_ago_or_never_is_not(self, strength: Strength | None, seconds_ago: float | None) -> None:
        assert not replace(READER, strength=strength, confirmed_seconds_ago=seconds_ago).is_fresh

    @pytest.mark.parametrize("strength", [Strength.PASSWORD, Strength.TOKEN, None])
    def test_without_a_second_factor_is_not_one_with_it(self, strength: Strength | None) -> None:
        assert not replace(READER, strength=strength, confirmed_seconds_ago=0.0).is_strong

    def test_with_a_second_factor_is(self) -> None:
        assert replace(READER, strength=Strength.SECOND_FACTOR).is_strong

    def test_is_asked_of_no_schedule(self) -> None:
        assert system_actor().is_fresh
        assert system_actor().is_strong


class TestSubletItself:
    def test_may_do_everything(self) -> None:
        assert all(system_actor().can(permission) for permission in Permission)
