"""What a report is made of: sections of paragraphs, tables, charts and lists of documents.

Whatever comes from a corpus is text here, and stays text on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Cell = str | int | float | None


@dataclass(frozen=True)
class Note:
    """A paragraph.

    Attributes:
        text: plain.
        tone: "warning" for what should keep a reader from trusting a number.
    """

    text: str
    tone: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under named columns.

    Attributes:
        title: what it tells.
        columns: names; the first column is text, numbers in the others stand to the right.
        rows: of text, numbers (shown to four digits), or None for what is not known.
        caption: what to read from it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Plotly figure.

    Attributes:
        title: what it shows.
        figure: as `curate.report.charts` makes it, {"data": [...], "layout": {...}}.
        caption: what to read from it.
    """

    title: str
    figure: Mapping[str, Any]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Texts, each with where it stands in every ranking, to be filtered on the page.

    Attributes:
        title: what they have in common.
        rankings: names of the scorers.
        entries: see `curate.report.documents`.
        caption: how they were chosen.
    """

    title: str
    rankings: Sequence[str]
    entries: Sequence[Mapping[str, Any]]
    caption: str = ""


Block = Note | Table | Chart | Documents


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report.

    Attributes:
        name: one word, for links.
        title: for people.
        lead: one sentence on what it answers.
        blocks: in the order of the page.
    """

    name: str
    title: str
    lead: str = ""
    blocks: Sequence[Block] = field(default_factory=tuple)
