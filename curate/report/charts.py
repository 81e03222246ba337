"""Figures for Plotly, made of plain arrays; names from a corpus are shown as they are spelled.

Colours tell domains apart on light and dark ground and to people who see few colours (Okabe and
Ito 2008); what is left open here, such as the ground, the page sets.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8f8f3f", "#7f7f7f",
)  # fmt: skip
_LONGEST = 40
Figure = dict[str, Any]


def label(text: object) -> str:
    """Text for Plotly, which reads tags and entities in labels: it is to read none."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    if len(shown) > _LONGEST:
        shown = shown[: _LONGEST - 1] + "…"
    return html.escape(shown, quote=False).replace("$", "&#36;")  # $…$ is mathematics to Plotly


def colour(place: int) -> str:
    """Of the n-th series."""
    return COLOURS[place % len(COLOURS)]


def bars(
    names: Sequence[str], series: Mapping[str, ArrayLike], *, y: str, percent: bool = False
) -> Figure:
    """Groups of bars.

    Args:
        names: of the groups.
        series: name -> a value for each group.
        y: title of the axis, with its unit.
        percent: whether values are shares.
    """
    data = [
        {
            "type": "bar",
            "name": label(name),
            "x": [label(n) for n in names],
            "y": plain(values),
            "marker": {"color": colour(place)},
        }
        for place, (name, values) in enumerate(series.items())
    ]
    return figure(data, x="", y=y, percent=percent, category=True)


def lines(
    x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike], *, x_title: str, y_title: str,
    log_x: bool = False, markers: bool = False, percent: bool = False,
) -> Figure:  # fmt: skip
    """One line for each name; ``x`` and ``y`` hold the same names."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers" if markers else "lines",
            "name": label(name),
            "x": plain(x[name]),
            "y": plain(values),
            "line": {"color": colour(place)},
        }
        for place, (name, values) in enumerate(y.items())
    ]
    made = figure(data, x=x_title, y=y_title, percent=percent)
    if log_x:
        made["layout"]["xaxis"]["type"] = "log"
    return made


def points(
    x: ArrayLike, y: ArrayLike, *, names: Sequence[str], x_title: str, y_title: str,
    around: ArrayLike | None = None, diagonal: bool = False,
) -> Figure:  # fmt: skip
    """A point for each name.

    Args:
        x: float[n].
        y: float[n].
        names: told when one points at them.
        x_title: of the axis, with its unit.
        y_title: likewise.
        around: ends of the interval of each y, float[n, 2].
        diagonal: draw the line where both are the same.
    """
    data: list[dict[str, Any]] = []
    heights = np.asarray(y, float)
    if diagonal and len(names):
        every = np.concatenate([np.asarray(x, float), heights])
        ends = [float(np.nanmin(every)), float(np.nanmax(every))]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "equal",
                "x": ends,
                "y": ends,
                "line": {"color": colour(7), "dash": "dot"},
            }
        )
    made: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "",
        "x": plain(x),
        "y": plain(heights),
        "text": [label(n) for n in names],
        "marker": {"color": colour(0), "size": 8},
    }
    if around is not None:
        ends_of = np.asarray(around, float)
        made["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": plain(ends_of[:, 1] - heights),
            "arrayminus": plain(heights - ends_of[:, 0]),
            "thickness": 1,
        }
    shown = figure([*data, made], x=x_title, y=y_title)
    shown["layout"]["showlegend"] = False
    return shown


def heat(
    names: Sequence[str], values: ArrayLike, *, low: float = -1.0, high: float = 1.0
) -> Figure:
    """A symmetric table as colours, with its numbers in the cells."""
    found = np.asarray(values, float)
    told = [["" if math.isnan(v) else f"{v:.2f}" for v in row] for row in found.tolist()]
    named = [label(n) for n in names]
    data = [
        {
            "type": "heatmap",
            "x": named,
            "y": named,
            "z": [plain(row) for row in found],
            "text": told,
            "texttemplate": "%{text}",
            "colorscale": "RdBu",
            "zmin": low,
            "zmax": high,
        }
    ]
    made = figure(data, x="", y="", category=True)
    made["layout"]["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return made


def figure(
    data: Sequence[Mapping[str, Any]], *, x: str, y: str, percent: bool = False,
    category: bool = False,
) -> Figure:  # fmt: skip
    """Traces under axes with titles; ``category``: along x there are names, even like numbers."""
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": x}, **({"type": "category"} if category else {})},
        "yaxis": {"title": {"text": y}, **({"tickformat": ".0%"} if percent else {})},
    }
    return {"data": [dict(trace) for trace in data], "layout": layout}


def plain(values: ArrayLike) -> list[float | None]:
    """Numbers as JSON has them: None for what is none, six digits of the others."""
    return [float(f"{v:.6g}") if math.isfinite(v) else None for v in np.asarray(values, float)]
