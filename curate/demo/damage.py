"""Faults of crawled text, made on purpose.

The kinds were chosen from what is known of web corpora, not from any test set. Every function takes
``(text, rng)`` and returns a text of roughly the same length; nothing but the two decides the
result. The fault covers the whole document or most of it, with a severity that varies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from .boilerplate import boilerplate
from .encoding import encoding_damage

_OCR = {
    "l": "1I|", "i": "1lj", "o": "0c", "O": "0Q", "e": "c", "c": "e", "s": "5", "S": "5$",
    "g": "9q", "b": "6h", "h": "b", "m": "rn", "n": "ri", "w": "vv", "u": "ii", "d": "cl",
    "a": "o@", "t": "f+", "f": "t", "r": "n", "B": "8", "Z": "2", "0": "O", "1": "l", "5": "S",
    "8": "B", ".": ",", ",": ".",
}  # fmt: skip
_NOISE = np.array(
    list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:'*^~#@%&|/\\_-")
)


def shuffled_words(text: str, rng: np.random.Generator) -> str:
    """Put 70 to 100 % of the words in a random order, keeping the layout or losing it.

    A text with fewer than two different words comes back as it is.
    """
    pieces = re.split(r"(\s+)", text)
    words, gaps = pieces[::2], pieces[1::2]
    n_moved = max(2, round(len(words) * rng.uniform(0.7, 1.0)))
    places = np.sort(rng.permutation(len(words))[:n_moved])
    order = rng.permutation(len(places))
    moved = list(words)
    for place, source in zip(places, places[order], strict=True):
        moved[place] = words[source]
    if moved == words:  # few words, or an unlucky draw: turning by one changes what can change
        moved = [*words[1:], *words[:1]]
    if rng.random() < 0.4:
        gaps = ["\n" if rng.random() < 0.08 else " " for _ in gaps]
    return "".join(a + b for a, b in zip(moved, [*gaps, ""], strict=True))


def character_noise(text: str, rng: np.random.Generator) -> str:
    """Replace, drop, insert or exchange 5 to 30 % of the characters, as bad scanning does."""
    rate = rng.uniform(0.05, 0.3)
    # Each document has its own blend of faults, like each scanner.
    blend = rng.dirichlet([1.5, 1.5, 0.8, 0.8, 0.5, 0.5])
    kinds = rng.choice(6, size=len(text), p=blend)
    hit = rng.random(len(text)) < rate
    if not hit.any() and text:
        hit[rng.integers(len(text))] = True
    noise = rng.choice(_NOISE, size=len(text))
    out = []
    for at, char in enumerate(text):
        if not hit[at]:
            out.append(char)
            continue
        lookalike = _OCR.get(char)
        faults = (
            lookalike[rng.integers(len(lookalike))] if lookalike else str(noise[at]),
            str(noise[at]),
            "",
            char + str(noise[at]),
            char + " ",
            char.swapcase() if char.swapcase() != char else "",
        )
        out.append(faults[kinds[at]])
    result = "".join(out)
    return result if result != text else result + str(rng.choice(_NOISE))


def repeated_lines(text: str, rng: np.random.Generator) -> str:
    """Say the same few lines, sentences or phrases over and over."""
    units = [u for u in re.split(r"(?<=[.!?;:])\s+|\n+", text) if u.strip()] or [text]
    style = rng.integers(4)
    end = "\n" if rng.random() < 0.6 else " "
    if style == 0:  # every line comes two to five times in a row
        times = int(rng.integers(2, 6))
        out = [u for u in units for _ in range(times)]
    else:
        if style == 1:  # a phrase of a few words, stuck
            words = text.split() or [text]
            start = int(rng.integers(len(words)))
            units = [" ".join(words[start : start + int(rng.integers(1, 9))])]
        n_loop = min(len(units), int(rng.integers(1, 4)))
        first = int(rng.integers(len(units) - n_loop + 1))
        loop = units[first : first + n_loop]
        lead = text[: int(len(text) * rng.uniform(0, 0.3))] if rng.random() < 0.4 else ""
        out = [lead] if lead else []
        length = len(lead)
        while length < len(text) or len(out) < 3:
            unit = loop[len(out) % len(loop)]
            out.append(unit)
            length += len(unit) + 1
    result = end.join(out)
    return result[: max(len(text), 3 * len(out[-1]) + 3)] if style else result


def number_table(text: str, rng: np.random.Generator) -> str:
    """Replace the text by rows of figures, dates and times, at most headed by its words."""
    words = re.findall(r"\w+", text) or ["total"]
    makers: list[Callable[[], str]] = [
        lambda: str(rng.integers(0, 10 ** int(rng.integers(1, 7)))),
        lambda: f"{rng.normal() * 10 ** rng.integers(0, 4):.{rng.integers(1, 7)}f}",
        lambda: f"{rng.integers(1950, 2026)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}",
        lambda: f"{rng.integers(1, 29):02}.{rng.integers(1, 13):02}.{rng.integers(1950, 2026)}",
        lambda: f"{rng.integers(0, 24):02}:{rng.integers(0, 60):02}",
        lambda: f"{rng.uniform(0, 100):.1f}%",
        lambda: f"{rng.integers(0, 2**32):08x}",
        lambda: f"${rng.integers(1, 10**6):,}",
        lambda: f"{rng.normal():.3e}",
        lambda: str(rng.choice(["-", "n/a", "0", "1", "", "*"])),
    ]
    n_columns = int(rng.integers(2, 10))
    columns = [makers[int(c)] for c in rng.choice(len(makers), size=n_columns)]
    columns[0] = makers[int(rng.integers(5))]
    between = str(rng.choice(["\t", ",", ", ", " ", "  ", " | ", ";", "    "]))
    labelled = rng.random() < 0.35
    width = int(rng.integers(4, 12)) if rng.random() < 0.3 else 0
    rows = []
    if rng.random() < 0.4:
        rows.append(between.join(str(rng.choice(words))[:12] for _ in range(n_columns)))
    length = 0
    while length < len(text) or len(rows) < 2:
        cells = [make().rjust(width) for make in columns]
        if labelled:
            cells.insert(0, str(rng.choice(words))[:12])
        rows.append(between.join(cells))
        length += len(rows[-1]) + 1
    return "\n".join(rows)


def fragments(text: str, rng: np.random.Generator) -> str:
    """Join pieces from unrelated places, each cut off in the middle of a word."""
    longest = int(rng.integers(20, 100))
    between = str(rng.choice(["\n", " ", "... ", "", " [...] ", "\n\n", " - ", "…\n"]))
    out: list[str] = []
    length = 0
    while length < len(text) or len(out) < 3:
        size = int(rng.integers(min(8, longest - 1), longest))
        start = int(rng.integers(max(1, len(text) - size // 2)))
        piece = " ".join(text[start : start + size].split())
        out.append(piece)
        length += len(piece) + len(between) + 1
    return between.join(out)


DAMAGES: Mapping[str, Callable[[str, np.random.Generator], str]] = MappingProxyType(
    {
        "shuffled_words": shuffled_words,
        "character_noise": character_noise,
        "repeated_lines": repeated_lines,
        "boilerplate": boilerplate,
        "number_table": number_table,
        "fragments": fragments,
        "encoding": encoding_damage,
    }
)
"""Name of a fault to the function that makes it."""


def damage(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Damage a text in one way drawn from `DAMAGES`.

    Args:
        text: any text, even an empty one.
        rng: decides the kind and everything about it.

    Returns:
        The damaged text, never equal to ``text``, and the name of the fault.
    """
    names = list(DAMAGES)
    while True:
        name = names[int(rng.integers(len(names)))]
        damaged = DAMAGES[name](text, rng)
        if damaged != text:  # a one-word text cannot be shuffled: draw another fault
            return damaged, name
