"""Every field of a recorded model says what the trail does with it."""

from typing import Annotated

import pytest

from sublet.audit.fields import IGNORE, SECRET, TRACK, Recorded, snapshots


class Account(Recorded):
    id: Annotated[str, IGNORE]
    name: Annotated[str, TRACK]
    password_hash: Annotated[str | None, SECRET]


class TestMarks:
    def test_a_field_without_one_fails_when_the_model_is_made(self) -> None:
        with pytest.raises(TypeError, match=r"Careless\.email needs exactly one of TRACK, IGNORE, SECRET"):

            class Careless(Recorded):
                email: str

    def test_a_field_with_two_fails_too(self) -> None:
        with pytest.raises(TypeError, match="exactly one"):

            class Undecided(Recorded):
                email: Annotated[str, TRACK, SECRET]


class TestSnapshots:
    def test_hold_what_is_tracked_and_leave_out_what_is_ignored(self) -> None:
        assert snapshots(None, Account(id="a", name="Ada", password_hash=None)) == (
            None,
            {"name": "Ada", "password_hash": None},
        )

    def test_say_of_a_secret_only_that_it_is_there_and_whether_it_changed(self) -> None:
        old = Account(id="a", name="Ada", password_hash="canary-1")
        new = Account(id="a", name="Ada", password_hash="canary-2")
        assert snapshots(old, new) == (
            {"name": "Ada", "password_hash": "(secret)"},
            {"name": "Ada", "password_hash": "(secret, changed)"},
        )
        assert snapshots(old, old)[1] == {"name": "Ada", "password_hash": "(secret)"}

    def test_never_show_a_value_in_an_error(self) -> None:
        with pytest.raises(ValueError) as refused:
            Account.model_validate({"id": "a", "name": 7, "password_hash": ["canary-3"]})
        assert "canary" not in str(refused.value)
