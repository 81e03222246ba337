"""Text that was read with the wrong encoding, or escaped once too often."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

# What an ASCII text would have held had it been typeset: the characters that break.
_TYPESET = {
    "'": "\u2019\u2018", '"': "“”", "-": "\u2013\u2014", "a": "äáà", "e": "éèê",
    "o": "öóô", "u": "üúù", "i": "íî", "n": "ñ", "c": "ç", "s": "š",
    " ": "\u00a0", ".": "…", "*": "•",
}  # fmt: skip


def _typeset(text: str, rng: np.random.Generator, share: float) -> str:
    """Give a text characters beyond ASCII, at about ``share`` of the places that could have one."""
    hit = rng.random(len(text)) < share
    out = list(text)
    for at in np.flatnonzero(hit):
        choices = _TYPESET.get(text[at])
        if choices:
            out[at] = choices[int(rng.integers(len(choices)))]
    return "".join(out)


def _misread(text: str, codec: str) -> str:
    """UTF-8 bytes read as an 8-bit encoding; bytes it lacks become what Latin-1 has there."""
    raw = text.encode("utf-8", "replace")
    return "".join(bytes([b]).decode(codec, "ignore") or bytes([b]).decode("latin-1") for b in raw)


def _mojibake(text: str, rng: np.random.Generator) -> str:
    codec = str(rng.choice(["cp1252", "latin-1", "cp437", "mac_roman", "cp1251"]))
    result = _misread(_typeset(text, rng, rng.uniform(0.08, 0.4)), codec)
    return _misread(result, codec) if rng.random() < 0.25 else result


def _replacement_characters(text: str, rng: np.random.Generator) -> str:
    """Characters lost to U+FFFD or a question mark, and one or more for each."""
    mark = str(rng.choice(["\ufffd", "\ufffd", "\ufffd\ufffd", "?", "??", "\u25a1"]))
    hit = rng.random(len(text)) < rng.uniform(0.05, 0.25)
    return "".join(
        mark if (h and not c.isspace()) or ord(c) > 127 else c
        for c, h in zip(text, hit, strict=True)
    )


def _entities(text: str, rng: np.random.Generator) -> str:
    """Markup escaped twice: ``&amp;quot;`` for a quotation mark, tags in the open."""
    amp = str(rng.choice(["&", "&amp;", "&amp;amp;"]))
    share = rng.uniform(0.1, 0.5)
    names = {"<": "lt;", ">": "gt;", '"': "quot;", "'": "#39;", "&": "amp;", "-": "ndash;"}
    tags = ("p", "/p", "br /", "div", "/div", "span", "b", "/b", "li", "td")

    def change(match: re.Match[str]) -> str:
        char = match[0]
        if char in names:
            return amp + names[char]
        if rng.random() > share:
            return char
        if rng.random() < 0.6:
            return f"{amp}nbsp;"
        return f" {amp}lt;{tags[int(rng.integers(len(tags)))]}{amp}gt; "

    return re.sub(r"[<>\"'&\-]|\s", change, text)


def _quoted_printable(text: str, rng: np.random.Generator) -> str:
    """The transfer encoding of mail, left in: ``=E2=80=99``, and lines ending in ``=``."""
    raw = _typeset(text, rng, rng.uniform(0.1, 0.4))
    coded = "".join(
        c
        if c.isalnum() and c.isascii()
        else "".join(f"={b:02X}" for b in c.encode("utf-8", "replace"))
        if ord(c) > 126 or c == "=" or (c == " " and rng.random() < 0.3)
        else c
        for c in raw
    )
    return "=\n".join(coded[at : at + 75] for at in range(0, len(coded), 75))


def _percent(text: str, rng: np.random.Generator) -> str:
    """Characters escaped as in a URL."""
    space = str(rng.choice(["%20", "+", "%2520"]))
    return "".join(
        c if c.isalnum() and c.isascii() else space if c == " "
        else "".join(f"%{b:02X}" for b in c.encode("utf-8", "replace"))
        for c in text
    )  # fmt: skip


def _spaced(text: str, rng: np.random.Generator) -> str:
    """UTF-16 read one byte at a time: something between any two characters."""
    between = str(rng.choice([" ", "\u00a0", ".", "\ufffd"]))
    return between.join(text)


_KINDS: tuple[Callable[[str, np.random.Generator], str], ...] = (
    _mojibake, _mojibake, _mojibake,
    _replacement_characters, _entities, _quoted_printable, _percent, _spaced,
)  # fmt: skip


def encoding_damage(text: str, rng: np.random.Generator) -> str:
    """Break the encoding of a text in one of six ways, mojibake the most common."""
    result = _KINDS[int(rng.integers(len(_KINDS)))](text, rng)
    # Where no character could break, one that always does:
    return result if result != text else "ï»¿" + text + " â€¦"
