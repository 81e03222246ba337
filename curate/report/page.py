"""Sections as one HTML page that needs nothing else: no network, no other file.

Text is escaped where it is put into the page; data for the scripts is JSON in which nothing can
end a script; and a policy in the head of the page lets no script run but the two that are meant.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby
from typing import Any

from .blocks import Block, Cell, Chart, Documents, Note, Section, Table

_MOST_ROWS = 24
"""Of a table that is shown at once; a longer one is unfolded."""
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass
class _Content:
    """What the script draws: figures and lists, by their number on the page."""

    charts: list[Any] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)


def page(title: str, lead: str, sections: Sequence[Section], about: str) -> str:
    """The page.

    Args:
        title: of the page.
        lead: what it is about, in a sentence.
        sections: in their order; what they warn of is told first, all together.
        about: when and with what it was made; at its end.
    """
    content = _Content()
    body = "".join(_section(section, content) for section in sections)
    scripts = [_plotly(), _asset("page.js")]
    policy = _POLICY.format(scripts=" ".join(f"'sha256-{_hash(script)}'" for script in scripts))
    links = "".join(f'<li><a href="#{s.name}">{_text(s.title)}</a></li>' for s in sections)
    data = {"charts": content.charts, "documents": content.documents}
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n"
        f'<header><h1>{_text(title)}</h1><p class="lead">{_text(lead)}</p></header>\n'
        f"<nav><ul>{links}</ul></nav>\n<main>\n{_warnings(sections)}{body}</main>\n"
        f"<footer><p>{_text(about)}</p></footer>\n"
        f'<script type="application/json" id="content">{_json(data)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _warnings(sections: Sequence[Section]) -> str:
    """What should keep a reader from trusting a number, each with a link to where it stands."""
    told = [
        f'<div class="warning"><p>{_text(block.text)} '
        f'<a href="#{section.name}">{_text(section.title)}</a></p></div>\n'
        for section in sections
        for block in section.blocks
        if isinstance(block, Note) and block.tone == "warning"
    ]
    if not told:
        return ""
    return f'<section id="warnings"><h2>Before you trust this</h2>\n{"".join(told)}</section>\n'


def _section(section: Section, content: _Content) -> str:
    parts = [f'<section id="{section.name}"><h2>{_text(section.title)}</h2>\n']
    if section.lead:
        parts.append(f'<p class="lead">{_text(section.lead)}</p>\n')
    for is_chart, blocks in groupby(section.blocks, lambda block: isinstance(block, Chart)):
        shown = "".join(_block(block, content) for block in blocks)
        parts.append(f'<div class="charts">{shown}</div>\n' if is_chart else shown)
    return "".join([*parts, "</section>\n"])


def _block(block: Block, content: _Content) -> str:
    match block:
        case Note():
            note = f"<p>{_text(block.text)}</p>"
            return (
                f'<div class="warning">{note}</div>\n' if block.tone == "warning" else f"{note}\n"
            )
        case Table():
            return f"<h3>{_text(block.title)}</h3>\n{_table(block)}{_caption(block.caption)}"
        case Chart():
            content.charts.append(block.figure)
            return (
                f"<figure><h3>{_text(block.title)}</h3>"
                f'<div class="chart" data-chart="{len(content.charts) - 1}"></div>'
                f"{_caption(block.caption)}</figure>\n"
            )
        case Documents():
            content.documents.append({"rankings": block.rankings, "entries": block.entries})
            return (
                f"<h3>{_text(block.title)}</h3>\n{_caption(block.caption)}"
                f'<div class="documents" data-documents="{len(content.documents) - 1}"></div>\n'
            )


def _table(table: Table) -> str:
    words = [
        any(isinstance(row[i], str) and not _is_figure(row[i]) for row in table.rows)
        for i in range(len(table.columns))
    ]
    kinds = [' class="word"' if word else "" for word in words]
    head = "".join(f"<th{k}>{_text(c)}</th>" for k, c in zip(kinds, table.columns, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(f"<td{k}>{_text(_cell(c))}</td>" for k, c in zip(kinds, row, strict=True))
        + "</tr>\n"
        for row in table.rows
    )
    made = (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
    )
    if len(table.rows) <= _MOST_ROWS:
        return made
    return f"<details><summary>{len(table.rows):,} rows</summary>\n{made}</details>\n"


def _is_figure(cell: object) -> bool:
    """Whether text is a number with a unit, such as a percentage."""
    return str(cell)[:1].isdigit() or str(cell)[:1] in "-+."


def _cell(cell: Cell) -> str:
    if cell is None:
        return "\N{EN DASH}"
    if isinstance(cell, float):
        if 1e4 <= abs(cell) < 1e9:  # of which four digits would be a power of ten
            return f"{cell:,.0f}"
        return f"{cell:,.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _caption(text: str) -> str:
    return f'<p class="caption">{_text(text)}</p>\n' if text else ""


def _text(text: object) -> str:
    return html.escape(str(text).encode("utf-8", "replace").decode())


def _json(data: object) -> str:
    """JSON that holds no tag, comment or entity, whatever its strings say."""
    told = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        told = told.replace(sign, f"\\u{ord(sign):04x}")
    return told.encode("utf-8", "replace").decode()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Of a script, as a content security policy has it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
