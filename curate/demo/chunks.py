"""Cut files into documents: chunks of code, docstrings, comment blocks, pieces of prose."""

from __future__ import annotations

import ast
import html
import inspect
import re
import warnings
from collections.abc import Iterator

_TARGET = 3000  # characters of a chunk; the pieces end at the next good place after about this many


def blocks_to_chunks(blocks: list[str], between: str, target: int = _TARGET) -> Iterator[str]:
    """Join consecutive blocks to chunks of two thirds to four thirds of ``target`` characters.

    A block longer than that is cut at line ends. What is left at the end is a chunk of its own if
    it has at least 200 characters.
    """
    chunk: list[str] = []
    length = 0
    for block in blocks:
        for piece in _at_lines(block, target):
            if chunk and length + len(piece) > target * 4 // 3:
                yield between.join(chunk)
                chunk, length = [], 0
            chunk.append(piece)
            length += len(piece) + len(between)
            if length > target * 2 // 3:
                yield between.join(chunk)
                chunk, length = [], 0
    if length >= 200:
        yield between.join(chunk)


def _at_lines(block: str, target: int) -> Iterator[str]:
    while len(block) > target * 4 // 3:
        cut = (
            block.rfind("\n", target // 3, target) + 1 or block.rfind(" ", 0, target) + 1 or target
        )
        yield block[:cut].rstrip()
        block = block[cut:]
    if block.strip():
        yield block


def code(text: str, target: int = _TARGET) -> list[str]:
    """Chunks of source code, cut at blank lines before the left margin where possible."""
    blocks = re.split(r"\n{2,}(?=\S)", text.strip("\n"))
    return list(blocks_to_chunks(blocks, "\n\n", target))


def prose(text: str, target: int = _TARGET) -> list[str]:
    """Chunks of prose, cut between paragraphs."""
    paragraphs = [p.strip("\n") for p in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))]
    return list(blocks_to_chunks([p for p in paragraphs if p.strip()], "\n\n", target))


def docstrings(source: str) -> list[str]:
    """The docstrings of a Python source, at least 200 characters each, without being executed.

    Raises:
        SyntaxError: this Python cannot parse the source.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" in other people's code
        tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                found.append(inspect.cleandoc(text))
    return [text for text in found if len(text) >= 200]


def comments(source: str) -> list[str]:
    """Blocks of whole-line comments that read as prose, at least 300 characters each."""
    found = []
    for match in re.finditer(r"(?:^[ \t]*#.*\n){5,}", source, re.MULTILINE):
        text = re.sub(r"^[ \t]*#+ ?", "", match[0], flags=re.MULTILINE).strip()
        if len(text) >= 300 and sum(c.isalpha() or c == " " for c in text) > 0.8 * len(text):
            found.append(text)
    return found


def strip_tags(page: str) -> str:
    """The text of an HTML page, its blocks separated by blank lines."""
    page = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<!--.*?-->", "", page)
    page = re.sub(r"</?(p|div|h\d|li|ul|ol|dl|dt|dd|pre|table|tr|section)\b[^>]*>", "\n\n", page)
    page = html.unescape(re.sub(r"<[^>]*>", "", page))
    return re.sub(r"[ \t]*\n\s*\n\s*", "\n\n", page).strip()
