"""What each scorer says: distributions by domain, quantiles, what has no score, how fast it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..stages.correlate import Correlations
from ..tables import ScoreStore
from .blocks import Block, Chart, Note, Section, Table
from .charts import colour, figure, heat, label, plain
from .cost import Measured
from .population import FloatArray, Sample, Tables

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS, _MOST_DOMAINS = 60, 8
_BETTER = {True: "higher is better", False: "lower is better", None: "neither end is better"}


def section(
    tables: Tables, sample: Sample, progress: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Section:
    """Every scorer in turn.

    Args:
        tables: theirs.
        sample: of the documents.
        progress: lines of each scorer's progress.jsonl.
    """
    counts = tables.counts()
    overview = [
        _overview(store, counts[store.name], Measured.of(progress.get(store.name, ())))
        for store in tables.stores
    ]
    blocks: list[Block] = [
        Table(
            title="All scorers",
            columns=("scorer", "measures", "direction", "documents", "scored", "without a score",
                     "documents/s", "tokens/s", "seconds"),
            rows=overview,
            caption="Speed is that of the recorded runs, reading included.",
        )
    ]  # fmt: skip
    for column, store in enumerate(tables.stores):
        blocks += _of_scorer(store, counts[store.name], sample, sample.score[:, column])
    if tables.others:
        names = ", ".join(store.name for store in tables.others)
        blocks.append(Note(f"Not shown, as they are about other documents: {names}.", "warning"))
    lead = "What is measured, how it is spread over the domains, and what could not be measured."
    return Section(name="scorers", title="Scorers", lead=lead, blocks=blocks)


def _overview(store: ScoreStore, counts: Mapping[str, Any], measured: Measured | None) -> list[Any]:
    n, without = counts["documents"].total(), counts["reasons"].total()
    config = store.config
    cells = [
        store.name,
        f"{config['column']}, {config['unit']}",
        _BETTER[config["higher_is_better"]],
        n,
        n - without,
        without,
    ]
    if measured is None or not measured.seconds:
        return [*cells, None, None, None]
    tokens = None if measured.tokens is None else measured.tokens / measured.seconds
    return [*cells, measured.documents / measured.seconds, tokens, measured.seconds]


def _of_scorer(
    store: ScoreStore, counts: Mapping[str, Any], sample: Sample, score: FloatArray
) -> list[Block]:
    name, config = store.name, store.config
    axis = f"{config['column']}, {config['unit']}"
    blocks: list[Block] = [
        Chart(
            title=f"{name} by domain",
            figure=distribution(score, sample.domain, axis),
            caption=f"{sample.said} {_BETTER[config['higher_is_better']].capitalize()}. Each "
            "domain's curve encloses the same area, whatever its size.",
        ),
        Table(
            title=f"{name}: quantiles",
            columns=("domain", "documents", *(f"{q:.0%}" for q in _QUANTILES), "mean"),
            rows=_quantiles(score, sample.domain, counts["documents"]),
            caption=f"{axis}. Documents are counted, quantiles are of this: {sample.said}",
        ),
    ]
    if counts["reasons"]:
        blocks.append(
            Table(
                title=f"{name}: without a score",
                columns=("reason", "documents", "share"),
                rows=[
                    (reason, n, f"{n / counts['documents'].total():.2%}")
                    for reason, n in counts["reasons"].most_common()
                ],
                caption="A document without a score is in no selection. `curate inspect --errors` "
                "lists shards and rows.",
            )
        )
    return blocks


def _quantiles(score: FloatArray, domain: Any, documents: Mapping[str, int]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for name in [*sorted(documents), None]:
        mine = score if name is None else score[domain == name]
        mine = mine[~np.isnan(mine)]
        told = "all" if name is None else name
        n = sum(documents.values()) if name is None else documents[name]
        cuts = np.quantile(mine, _QUANTILES).tolist() if len(mine) else [None] * len(_QUANTILES)
        rows.append([told, n, *cuts, float(mine.mean()) if len(mine) else None])
    return rows if len(documents) > 1 else rows[:1]


def distribution(score: FloatArray, group: Any, axis: str) -> dict[str, Any]:
    """Density of the scores of each of the largest groups, from bins of the middle 99.8 %.

    Args:
        score: float64[n], NaN is left out.
        group: names, length n.
        axis: title, with the unit.
    """
    known = ~np.isnan(score)
    score, group = score[known], np.asarray(group, object)[known]
    if not len(score):
        return figure([], x=axis, y="density")
    low, high = np.quantile(score, [0.001, 0.999])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _bins(len(score)) + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    names, n = np.unique(group.astype(str), return_counts=True)
    largest = [str(name) for name in names[np.argsort(-n, kind="stable")]]
    shown = sorted(largest[:_MOST_DOMAINS])
    data = []
    for place, name in enumerate([*shown, *([None] if len(largest) > len(shown) else [])]):
        mine = ~np.isin(group, shown) if name is None else group == name
        found, _ = np.histogram(np.clip(score[mine], low, high), edges, density=True)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{len(largest) - len(shown)} others" if name is None else label(name),
                "x": plain(middle),
                "y": plain(found),
                "line": {"shape": "hvh", "width": 1.5, "color": colour(place)},
            }
        )
    return figure(data, x=axis, y="density")


def _bins(n: int) -> int:
    """Fewer where there are few documents, in which many bins would show noise."""
    return int(np.clip(2 * n ** (1 / 3), 10, _BINS))


def agreement(found: Correlations) -> Section:
    """How far the raters agree: two heat maps."""
    sample = (
        f"{found.n_used:,} documents"
        if found.n_used == found.n_documents
        else f"a uniform sample of {found.n_used:,} of {found.n_documents:,} documents"
    )
    turned = (
        f" Turned round, so that greater is better: {', '.join(found.turned)}."
        if found.turned
        else ""
    )
    neither = (
        f" Neither end is better of {', '.join(found.directionless)}: the sign says nothing there."
        if found.directionless
        else ""
    )
    chance = max((pair.chance for pair in found.pairs), default=float("nan"))
    caption = (
        f"Over {sample} with at least two scores.{turned}{neither} Raters with nothing in common "
        f"are within ±{chance:.3f} (Kendall) in 95 % of samples."
    )
    blocks: list[Block] = [
        Chart(
            title="Kendall tau-b", figure=heat(found.names, found.matrix("tau")), caption=caption
        ),
        Chart(title="Spearman rho", figure=heat(found.names, found.matrix("rho"))),
    ]
    lead = "Two scorers that order documents alike are one opinion; two that do not, need a reason."
    return Section(name="agreement", title="Do the scorers agree?", lead=lead, blocks=blocks)
