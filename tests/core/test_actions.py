"""What is offered says why not, and how somebody signed in is asked by the same function as the route's guard."""

from dataclasses import replace

import pytest

from sublet.core.actions import Refusal, actions_of, why_not_as_signed_in
from sublet.core.actors import Actor, Permission, Strength, system_actor
from sublet.core.errors import Conflict, FreshSignInRequired, SecondFactorRequired, TermsNotAccepted

PAYS = Actor("user", permissions=frozenset({Permission.WALLET_TOP_UP}), strength=Strength.PASSWORD)
JUST_NOW = replace(PAYS, confirmed_seconds_ago=1.0)
TWO_FACTORS = replace(PAYS, strength=Strength.SECOND_FACTOR)
OWES_TERMS = replace(PAYS, owed_terms="version 2 at https://terms.example")
FULL = Refusal(Conflict, "It is full.", "Empty it.")


def offered(actor: Actor, why_not: Refusal | None = None, **asked: bool) -> str | None:
    """The reason beside the one action, or None where it is allowed."""
    [action] = actions_of(actor, Permission.WALLET_TOP_UP, "Not yours.", {"fill": why_not}, **asked)
    assert action.allowed == (action.reason is None)
    return action.reason


class TestAnAction:
    def test_is_refused_for_permission_sign_in_and_state_in_the_order_of_a_route(self) -> None:
        asked = {"fresh": True, "second_factor": True}
        assert offered(Actor("user"), FULL, **asked) == "Not yours."
        assert str(offered(PAYS, FULL, **asked)).startswith("This needs somebody who signed in with a second factor")
        assert str(offered(TWO_FACTORS, FULL, **asked)).startswith("Sign in again in a browser")
        assert offered(replace(TWO_FACTORS, confirmed_seconds_ago=1.0), FULL, **asked) == "It is full."
        assert offered(replace(TWO_FACTORS, confirmed_seconds_ago=1.0), **asked) is None

    def test_that_pays_in_waits_for_the_terms_and_no_other_does(self) -> None:
        assert str(offered(OWES_TERMS, FULL, pays_in=True)).endswith("in force: version 2 at https://terms.example.")
        assert offered(OWES_TERMS, FULL) == "It is full."
        assert offered(PAYS, pays_in=True) is None

    def test_asks_only_what_its_route_asks(self) -> None:
        assert offered(PAYS) is None
        assert offered(JUST_NOW, fresh=True) is None
        assert offered(TWO_FACTORS, second_factor=True) is None
        assert offered(system_actor(), fresh=True, second_factor=True) is None


class TestARefusal:
    def test_becomes_a_problem_that_says_what_happened_and_what_to_do(self) -> None:
        problem = FULL.problem
        assert isinstance(problem, Conflict)
        assert (problem.detail, problem.extra) == ("It is full. Nothing was changed. Empty it.", {})

    @pytest.mark.parametrize(
        ("actor", "asked", "error", "extra"),
        [
            (PAYS, "fresh", FreshSignInRequired, {"fresh_seconds": 300.0}),
            (JUST_NOW, "second_factor", SecondFactorRequired, {}),
            (OWES_TERMS, "pays_in", TermsNotAccepted, {}),
        ],
    )
    def test_of_a_sign_in_names_what_is_missing(
        self, actor: Actor, asked: str, error: type[Exception], extra: dict[str, float]
    ) -> None:
        refusal = why_not_as_signed_in(actor, **{asked: True})
        assert refusal is not None
        assert isinstance(refusal.problem, error)
        assert refusal.problem.extra == extra
