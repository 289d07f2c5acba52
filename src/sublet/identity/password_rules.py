"""Which passwords are refused: short ones, and those made of what anybody would try first. No composition rules."""

import re
import unicodedata

from sublet.identity.errors import PasswordTooWeak

SHORTEST = 12
LONGEST = 256
FEWEST_DISTINCT = 5
FEWEST_LEFT = 4
LONGEST_REPEATED_BLOCK = 11

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


def require_strong(password: str, *, email: str = "", name: str = "") -> None:
    """Raise PasswordTooWeak for a password that would be guessed, with what is wrong with it."""
    text = unicodedata.normalize("NFKC", password).casefold()
    problem: str | None = None
    if len(text) < SHORTEST:
        problem = f"It needs {SHORTEST} characters or more; a few unrelated words are easy to remember."
    elif len(text) > LONGEST:
        problem = f"It can have at most {LONGEST} characters."
    elif len(set(text)) < FEWEST_DISTINCT or _is_repetition(text):
        problem = "It is the same few characters over and over."
    elif _is_walk(text):
        problem = "It is a walk along the keyboard or the alphabet."
    else:
        guessable = WORDS | _personal_words(email, name)
        left = min(len(_without(text, guessable)), len(_without(text.translate(_LETTER_SWAPS), guessable)))
        # A long run of digits and signs without a word is not guessable by words, so letters must have been taken out.
        if left < FEWEST_LEFT and left < len(re.sub(r"[\d\W_]+", "", text)):
            problem = "It is made of common words, your own name or e-mail address, and digits."
    if problem is not None:
        raise PasswordTooWeak(f"This password is too weak. {problem} Nothing was changed.", field="password")
