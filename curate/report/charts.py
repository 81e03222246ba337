"""Figures for Plotly, made of plain arrays; names from a corpus are shown as they are spelled.

Colours tell domains apart on light and dark ground and to people who see few colours (Okabe and
Ito 2008, the blue lighter); what is left open here, such as the ground, the page sets.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

COLOURS = (
    "#1f86c9", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8f8f3f", "#7f7f7f",
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
    around: Mapping[str, ArrayLike] | None = None,
) -> Figure:  # fmt: skip
    """One line for each name; ``x`` and ``y`` hold the same names.

    Args:
        x: name -> float[n].
        y: name -> float[n].
        x_title: of the axis, with its unit.
        y_title: likewise.
        log_x: whether x is spaced by its logarithm.
        markers: draw the points, too.
        percent: whether y holds shares.
        around: ends of the interval of each y, float[n, 2], of some names; those with an end that
            is not finite are left out.
    """
    data: list[dict[str, Any]] = []
    for place, (name, values) in enumerate(y.items()):
        if around is not None and name in around:
            data += _band(x[name], np.asarray(around[name], float), colour(place))
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if markers else "lines",
                "name": label(name),
                "x": plain(x[name]),
                "y": plain(values),
                "line": {"color": colour(place)},
            }
        )
    made = figure(data, x=x_title, y=y_title, percent=percent)
    made["layout"]["legend"] = {"traceorder": "normal"}  # not turned round where a ground is filled
    if log_x:
        logarithmic(made)
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
    heights = np.asarray(y, float)
    data = [_equal(x, y)] if diagonal and len(names) else []
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


def clouds(
    x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike], *, x_title: str, y_title: str,
    diagonal: bool = False,
) -> Figure:  # fmt: skip
    """Points of several names in one figure, see `lines`; ``diagonal`` as in `points`."""
    made = lines(x, y, x_title=x_title, y_title=y_title)
    for trace in made["data"]:
        trace["mode"] = "markers"
        trace["marker"] = {"color": trace.pop("line")["color"], "size": 6, "opacity": 0.75}
    if diagonal and y:
        every = [np.concatenate([np.asarray(v, float) for v in of.values()]) for of in (x, y)]
        made["data"].insert(0, _equal(*every))
    return made


def intervals(
    names: Sequence[str], series: Mapping[str, tuple[ArrayLike, ArrayLike]], *, x: str
) -> Figure:
    """A point with its interval for each name and series, the first name on top.

    Args:
        names: of the rows.
        series: name -> values float[n] and the ends of their intervals float[n, 2]; an end that is
            not finite is not drawn.
        x: title of the axis, with its unit.
    """
    data = []
    for place, (name, (values, around)) in enumerate(series.items()):
        at, ends = np.asarray(values, float), np.asarray(around, float).reshape(-1, 2)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "orientation": "h",
                "name": label(name),
                "x": plain(at),
                "y": [label(n) for n in names],
                "marker": {"color": colour(place), "size": 9},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": plain(ends[:, 1] - at),
                    "arrayminus": plain(at - ends[:, 0]),
                    "color": colour(place),
                    "thickness": 2,
                },
            }
        )
    made = figure(data, x=x, y="")
    made["layout"]["yaxis"] |= {"type": "category", "autorange": "reversed", "automargin": True}
    made["layout"]["scattermode"] = "group"  # those of one row beside each other
    made["layout"]["showlegend"] = len(data) > 1
    return mark(made, x=0.0)


def mark(made: Figure, *, x: float | None = None, y: float | None = None, text: str = "") -> Figure:
    """The figure with a line across it at one x or one y, and what the line is in words."""
    across = {"type": "line", "line": {"color": colour(7), "dash": "dot", "width": 1}}
    where: dict[str, Any] = {"x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    at: dict[str, Any] = {"x": x, "y": 1, "yref": "paper", "yanchor": "top", "xanchor": "left"}
    if y is not None:
        where = {"y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "paper"}
        at = {"y": y, "x": 1, "xref": "paper", "xanchor": "right", "yanchor": "bottom"}
    layout = made["layout"]
    layout["shapes"] = [*layout.get("shapes", ()), across | where]
    if text:
        said = {"text": label(text), "showarrow": False, **at}
        layout["annotations"] = [*layout.get("annotations", ()), said]
    return made


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


def _equal(x: ArrayLike, y: ArrayLike) -> dict[str, Any]:
    """The line where both are the same, as long as the points reach."""
    every = np.concatenate([np.asarray(x, float), np.asarray(y, float)])
    ends = plain([np.nanmin(every), np.nanmax(every)])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "equal",
        "x": ends,
        "y": ends,
        "line": {"color": colour(7), "dash": "dot"},
    }


def _band(x: ArrayLike, ends: np.ndarray, shade: str) -> list[dict[str, Any]]:
    """The ground between two lines; nothing where an end is not finite."""
    if not np.isfinite(ends).all():
        return []
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "",
            "x": plain(x),
            "y": plain(values),
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
            **fill,
        }
        for values, fill in (
            (ends[:, 0], {}),
            (ends[:, 1], {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.18)"}),
        )
    ]


def logarithmic(made: Figure) -> Figure:
    """The figure with a logarithmic x axis, with ticks at 1, 2 and 5 where it is short."""
    values = [v for trace in made["data"] for v in trace["x"] if v is not None and v > 0]
    is_short = bool(values) and max(values) < 300 * min(values)
    made["layout"]["xaxis"] |= {"type": "log", "dtick": "D2" if is_short else 1, "tickformat": "~s"}
    return made


def plain(values: ArrayLike) -> list[float | None]:
    """Numbers as JSON has them: None for what is none, six digits of the others."""
    return [float(f"{v:.6g}") if math.isfinite(v) else None for v in np.asarray(values, float)]
