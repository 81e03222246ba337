"""Data tables of the standard library, written out as lines of text."""

from __future__ import annotations

import codecs
import encodings.aliases
import errno
import html.entities
import http
import keyword
import locale
import opcode
import signal
import token
import unicodedata
from collections.abc import Iterator

_LINES = 50  # of a table in one document


def tables() -> Iterator[tuple[str, str]]:
    """Pairs (name, text), each a heading and up to 50 rows, in a fixed order.

    Names and values of signals and errors are those of the operating system.
    """
    yield from _cut("html.entities", "Named characters of HTML", _html())
    yield from _cut("encodings.aliases", "Other names of codecs", _aliases())
    yield from _cut("locale.locale_alias", "Locales and their usual encodings", _locales())
    yield from _cut("http.HTTPStatus", "Status codes of HTTP", _statuses())
    yield from _cut("opcode", "Instructions of the interpreter", _opcodes())
    yield from _cut("errno", "Errors of the operating system", _errors())
    yield from _cut("signal", "Signals of the operating system", _signals())
    yield from _cut("keyword", "Keywords and tokens of the language", _tokens())
    for name in sorted(set(encodings.aliases.aliases.values())):
        yield from _cut(f"encodings.{name}", f"Characters of {name} above ASCII", _charmap(name))
    for start in range(0xA0, 0x3000, 64):
        title = f"Characters from U+{start:04X}"
        yield from _cut(f"unicodedata.{start:04X}", title, _characters(start, start + 64))


def _cut(name: str, title: str, rows: Iterator[str]) -> Iterator[tuple[str, str]]:
    lines = [row.rstrip() for row in rows]
    for part, at in enumerate(range(0, len(lines), _LINES)):
        chosen = lines[at : at + _LINES]
        if len(chosen) >= 8:
            yield f"{name}#{part}", "\n".join([title, "", *chosen])


def _html() -> Iterator[str]:
    for name, value in sorted(html.entities.html5.items()):
        if name.endswith(";"):
            points = " ".join(f"U+{ord(c):04X}" for c in value)
            yield f"&{name:<28} {points:<16} {_name(value[0])}"


def _aliases() -> Iterator[str]:
    for alias, codec in sorted(encodings.aliases.aliases.items()):
        yield f"{alias:<30} is another name of {codec}"


def _locales() -> Iterator[str]:
    for alias, name in sorted(locale.locale_alias.items()):
        yield f"{alias:<28} {name}"


def _statuses() -> Iterator[str]:
    for status in sorted(http.HTTPStatus):
        yield f"{status.value}  {status.phrase:<32} {status.description}"


def _opcodes() -> Iterator[str]:
    for name, number in sorted(opcode.opmap.items()):
        stack = "has an argument" if number >= opcode.HAVE_ARGUMENT else "has no argument"
        yield f"{number:>5}  {name:<36} {stack}"


def _errors() -> Iterator[str]:
    import os

    for number, name in sorted(errno.errorcode.items()):
        yield f"{name:<18} {number:>5}  {os.strerror(number)}"


def _signals() -> Iterator[str]:
    for number in sorted(signal.Signals):
        yield f"{number.name:<12} {number.value:>3}  {signal.strsignal(number)}"


def _tokens() -> Iterator[str]:
    for word in sorted([*keyword.kwlist, *keyword.softkwlist]):
        yield f"{word:<12} keyword, length {len(word)}"
    for number, name in sorted(token.tok_name.items()):
        yield f"{name:<20} token {number}"


def _charmap(codec: str) -> Iterator[str]:
    try:
        if not codecs.lookup(codec)._is_text_encoding:
            return
        decoded = [bytes([b]).decode(codec) for b in range(0xA0, 0x100)]
    except (LookupError, UnicodeError):  # of another system, or of more than one byte
        return
    for byte, char in enumerate(decoded, 0xA0):
        if len(char) == 1:
            shown = char if char.isprintable() else " "
            yield f"0x{byte:02X}  U+{ord(char):04X}  {shown}  {_name(char)}"


def _characters(start: int, stop: int) -> Iterator[str]:
    for point in range(start, stop):
        name = unicodedata.name(chr(point), "")
        if name:
            category = unicodedata.category(chr(point))
            shown = chr(point) if category[0] in "LNPS" else " "
            yield f"U+{point:04X}\t{shown}\t{category}\t{name}"


def _name(char: str) -> str:
    return unicodedata.name(char, "without a name").capitalize()
