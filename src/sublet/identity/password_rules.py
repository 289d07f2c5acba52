"""Which passwords are refused: short ones, leaked ones, and those made of what anybody would try first.

No composition rules, and nothing is asked of anybody else: the lists of leaked passwords come with `zxcvbn`.
"""

import re
import unicodedata
from typing import Any

from sublet.identity.errors import PasswordTooWeak

SHORTEST = 12
LONGEST = 256
FEWEST_DISTINCT = 5
FEWEST_LEFT = 4
LONGEST_REPEATED_BLOCK = 11
LOWEST_SCORE = 3
"""Of zxcvbn's 0 to 4: more than a hundred million guesses."""
JUDGED_AT_ONCE = 24
MOST_JUDGED = 48
"""Judging takes ever longer as texts grow, and one strong piece makes the whole strong."""
LEAKED = "passwords"
"""What zxcvbn calls its list of leaked passwords."""

# Rows, columns and diagonals of keyboards, the alphabet and the digits; walked in either direction.
WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()_+",
)
SHORTEST_STRIDE = 4
LONGEST_STRIDE = 12

# Words that people choose when a form asks for a password, in the languages that turn up most.
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        password passphrase passwort kennwort motdepasse contrasena parola senha secret geheim letmein welcome
        willkommen bienvenue login signin logon access admin administrator root user guest default changeme
        change test testing temp temporary example demo sample master superuser iloveyou loveyou love hello
        trustnoone trustno dragon monkey football baseball princess sunshine shadow superman batman starwars
        pokemon freedom whatever summer winter spring autumn january february march april june july august
        september october november december monday friday company office computer internet server sublet
        allocation
        """,
    )
)
_LETTER_SWAPS = str.maketrans("@4301!$57", "aaeoiisst")


def _is_walk(text: str) -> bool:
    """Whether the text is a piece of a keyboard walk, or the walk over and over."""
    return any(text in line * (len(text) // len(line) + 2) for walk in WALKS for line in (walk, walk[::-1]))


def _is_repetition(text: str) -> bool:
    return any(
        text == (text[:length] * (len(text) // length + 1))[: len(text)]
        for length in range(1, min(LONGEST_REPEATED_BLOCK, len(text) // 2) + 1)
    )


def _personal_words(*sources: str) -> set[str]:
    return {part for source in sources for part in re.split(r"[\W_]+", source.casefold()) if len(part) >= 3}


def _without(text: str, words: frozenset[str]) -> str:
    """What is left when guessable words, pieces of walks, years and separators are taken out."""
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, " ")
    for stride in range(LONGEST_STRIDE, SHORTEST_STRIDE - 1, -1):
        for line in (line for walk in WALKS for line in (walk, walk[::-1])):
            for start in range(len(line) - stride + 1):
                text = text.replace(line[start : start + stride], " ")
    return re.sub(r"[\d\W_]+", "", text)


def _judge(text: str, personal: list[str]) -> dict[str, Any]:
    """What zxcvbn makes of a text, or of its strongest piece."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 - 15 MB that only a process which sees a new password needs

    pieces = [text[start : start + JUDGED_AT_ONCE] for start in range(0, min(len(text), MOST_JUDGED), JUDGED_AT_ONCE)]
    verdict: dict[str, Any] = {"score": -1}
    for piece in pieces:
        judged: dict[str, Any] = zxcvbn(piece, user_inputs=personal)
        if judged["score"] > verdict["score"]:
            verdict = judged
        if verdict["score"] >= LOWEST_SCORE:
            break
    return verdict


def _plain_problem(text: str, *, email: str, name: str) -> str | None:
    """What can be seen without any list."""
    if len(text) < SHORTEST:
        return f"It needs {SHORTEST} characters or more; a few unrelated words are easy to remember."
    if len(text) > LONGEST:
        return f"It can have at most {LONGEST} characters."
    if len(set(text)) < FEWEST_DISTINCT or _is_repetition(text):
        return "It is the same few characters over and over."
    if _is_walk(text):
        return "It is a walk along the keyboard or the alphabet."
    guessable = WORDS | _personal_words(email, name)
    left = min(len(_without(text, guessable)), len(_without(text.translate(_LETTER_SWAPS), guessable)))
    # A long run of digits and signs without a word is not guessable by words, so letters must have been taken out.
    if left < FEWEST_LEFT and left < len(re.sub(r"[\d\W_]+", "", text)):
        return "It is made of common words, your own name or e-mail address, and digits."
    return None


def refuse_weak(password: str, *, email: str = "", name: str = "") -> None:
    """Raise PasswordTooWeak for a password that would be guessed, with what is wrong with it. Takes time: not for the
    event loop."""
    normal = unicodedata.normalize("NFKC", password)
    problem = _plain_problem(normal.casefold(), email=email, name=name)
    if problem is not None:
        raise PasswordTooWeak(f"This password is too weak. {problem} Nothing was changed.", field="password")
    personal = sorted(_personal_words(email, name))
    verdict = _judge(normal, personal)
    if verdict["score"] >= LOWEST_SCORE:
        return
    found = [match.get("dictionary_name") for match in verdict["sequence"]]
    problem = (
        "is on lists of leaked passwords, which are tried first."
        if found == [LEAKED]
        else "is close to one on lists of leaked passwords, which are tried first."
        if LEAKED in found
        else "would be guessed: it is made of a common word, a pattern or a date."
    )
    raise PasswordTooWeak(
        f"This password {problem} Choose another; a few unrelated words are easy to remember. Nothing was changed.",
        field="password",
    )
