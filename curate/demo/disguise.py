"""Make one text look like many: other layouts, other letter case, languages that do not exist.

A model of a million parameters that sees only English and Python learns that everything else is
damage. A passage and its damaged twin therefore get the same disguise, so that what tells them
apart is structure: words in an order, characters that fit together, lines that do not repeat.
"""

from __future__ import annotations

import re
import textwrap

import numpy as np

_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
_ACCENTED_VOWELS = "äöüéèêëáàâãåæœøíìîïóòôõúùû\u0131yýăőű"
_ACCENTED_CONSONANTS = "ßñçšžčřłđþðğşťďľćńśźżķļņ"
_SCRIPTS = (
    ("аеиоуыэюяё", "бвгджзйклмнпрстфхцчшщьъ"),  # Cyrillic
    ("αεηιουωάέό", "βγδζθκλμνξπρσςτφχψ"),  # Greek
)


def layout(text: str, kind: str, rng: np.random.Generator) -> str:
    """Lay a passage out in another way: wrapped, unwrapped, indented, as a manual page."""
    choice = rng.random()
    if kind in {"code", "other code"}:
        if choice < 0.15:
            text = text.replace("    ", "\t" if choice < 0.1 else "  ")
        elif choice < 0.2:
            text = textwrap.indent(text, " " * int(rng.integers(1, 9)))
        return text
    if choice < 0.5:
        return text if choice < 0.4 else textwrap.indent(text, " " * int(rng.integers(1, 9)))
    return _paragraphs(text, choice, rng)


def _paragraphs(text: str, choice: float, rng: np.random.Generator) -> str:
    """Other line breaks for prose; ``choice`` is in [0.5, 1)."""
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text) if p.strip()]
    if choice < 0.65:  # one line a paragraph
        return str(rng.choice(["\n", "\n\n"])).join(paragraphs)
    if choice < 0.72:  # one line in all
        return " ".join(paragraphs)
    width = int(rng.integers(40, 110))
    indent = " " * int(rng.choice([0, 0, 2, 4, 7, 8]))
    wrapped = [textwrap.fill(p, width, initial_indent=indent, subsequent_indent=indent)
               for p in paragraphs]  # fmt: skip
    if choice < 0.85:
        return "\n\n".join(wrapped)
    for at in range(0, len(wrapped), int(rng.integers(1, 5))):  # headings over the paragraphs
        heading = " ".join(paragraphs[at].split()[: int(rng.integers(1, 4))])
        wrapped[at] = f"{heading.upper()}\n{wrapped[at]}"
    return "\n\n".join(wrapped)


class Disguise:
    """A letter case and a made-up language, drawn once and worn by several texts alike."""

    def __init__(self, rng: np.random.Generator, *, language_share: float = 0.45) -> None:
        case = rng.random()
        self._case = str.upper if case < 0.03 else str.lower if case < 0.1 else str
        self._letters: dict[int, str] = {}
        if rng.random() < language_share:
            self._letters = _language(rng)

    def __call__(self, text: str) -> str:
        """The text in this disguise; nothing but letters changes."""
        return self._case(text).translate(self._letters)


def _language(rng: np.random.Generator) -> dict[int, str]:
    """A substitution of letters: vowels become vowels and consonants consonants."""
    vowels, consonants = _VOWELS, _CONSONANTS
    draw = rng.random()
    if draw < 0.15:
        vowels, consonants = _SCRIPTS[int(rng.integers(len(_SCRIPTS)))]
    elif draw < 0.6:
        # A few letters with accents, as most European languages have.
        vowels += "".join(rng.choice(list(_ACCENTED_VOWELS), size=int(rng.integers(1, 5))))
        consonants += "".join(rng.choice(list(_ACCENTED_CONSONANTS), size=int(rng.integers(0, 3))))
    table: dict[int, str] = {}
    for old, new in ((_VOWELS, vowels), (_CONSONANTS, consonants)):
        # With fewer letters than needed (Greek), two old ones may become the same new one.
        drawn = [*rng.permutation(list(new)), *rng.choice(list(new), size=len(old))]
        for a, b in zip(old, drawn, strict=False):
            table[ord(a)] = str(b)
            table[ord(a.upper())] = str(b).upper() if len(str(b).upper()) == 1 else str(b)
    return table
