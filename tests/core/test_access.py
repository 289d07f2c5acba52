"""Who is asking: what an actor may do is what it was given, and Sublet itself may do everything."""

import pytest

from sublet.core.actors import Actor, Permission, system_actor
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

    def test_without_an_organization_works_in_none(self) -> None:
        with pytest.raises(PermissionDenied, match="you are not in one"):
            _ = READER.organization

    def test_is_called_by_its_id_in_a_history(self) -> None:
        assert READER.shown_as == "usr_a"
        assert system_actor("sweep").shown_as == "sweep"
        assert Actor(kind="token").shown_as == "token"


class TestSubletItself:
    def test_may_do_everything(self) -> None:
        assert all(system_actor().can(permission) for permission in Permission)
