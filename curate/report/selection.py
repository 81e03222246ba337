"""What was kept: before and after by domain, length and score; inclusion; what is still covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..places import read_parquet
from ..stages.selection import Selection
from ..tables import table_path
from .blocks import Block, Cell, Chart, Note, Section, Table
from .charts import bars, colour, figure, logarithmic, plain
from .coverage import Covered
from .population import FloatArray, Sample

_BINS = 50
_AROUND = 1.0 + 1e-9


@dataclass
class Inclusion:
    """Inclusion probabilities of all that was kept.

    Attributes:
        n: documents kept.
        weight, squared: sums of 1/π and of its square.
        least, most: probabilities.
        bins: counts by tenths of the probability.
    """

    n: int = 0
    weight: float = 0.0
    squared: float = 0.0
    least: float = 1.0
    most: float = 0.0
    bins: Any = None

    @classmethod
    def of(cls, selection: Selection) -> Inclusion:
        """Read them, shard by shard."""
        found = cls(bins=np.zeros(20, np.int64))
        for shard in selection.manifest["shards"]:
            table = read_parquet(table_path(selection.root, shard), ["inclusion"])
            found.add(np.asarray(table["inclusion"].to_numpy(), np.float64))
        return found

    def add(self, probability: FloatArray) -> None:
        """Count some."""
        if len(probability):
            self.n += len(probability)
            self.weight += float((1 / probability).sum())
            self.squared += float((1 / probability**2).sum())
            self.least = min(self.least, float(probability.min()))
            self.most = max(self.most, float(probability.max()))
            self.bins += np.histogram(probability, np.linspace(0, _AROUND, 21))[0]

    @property
    def effective(self) -> float:
        """Kish's effective sample size, (Σw)² / Σw² with w = 1/π."""
        return self.weight**2 / self.squared if self.squared else 0.0


def section(
    root: Path, sample: Sample | None, scorer: int | None, covered: Covered | str, axis: str
) -> Section:
    """One selection.

    Args:
        root: its directory.
        sample: documents, kept or not; None: score tables are not there.
        scorer: which column of the sample's scores it was made by.
        covered: cells of embeddings that still hold a document, or why that is not known.
        axis: what the scores are, with their unit.
    """
    selection = Selection(root)
    manifest, request = selection.manifest, selection.manifest["request"]
    domains = manifest["domains"]
    unit = "tokens" if manifest["counts_tokens"] else "bytes"
    blocks: list[Block] = [_table(domains, unit), _shares(domains, unit)]
    if sample is not None and sample.kept is not None:
        blocks += _before_and_after(sample, sample.kept, scorer, axis)
    blocks += _inclusion(Inclusion.of(selection), domains)
    blocks += _covered(covered)
    empty = [name for name, count in domains.items() if count["documents"] and not count["kept"]]
    if empty:
        blocks.append(Note(f"Nothing was kept of {', '.join(empty)}.", "warning"))
    amount = f", {request['budget']}" if request["budget"] else ""
    each = " of each domain" if request["by_domain"] else ""
    lead = f"{request['method']} by {request['scorer']} ({manifest['column']}){amount}{each}."
    return Section(name="selection", title="Selection", lead=lead, blocks=blocks)


def _table(domains: dict[str, Any], unit: str) -> Table:
    keys = ("documents", "without_score", "outside_limits", "kept", unit, f"{unit}_kept")
    counts = {name: [count.get(key, 0) for key in keys] for name, count in domains.items()}
    if len(counts) > 1:
        counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows: list[list[Cell]] = []
    for name, (documents, without, outside, kept, before, after) in counts.items():
        left = documents - without - outside - kept
        shares = (_share(kept, documents), after, _share(after, before))
        rows.append([name, documents, without, outside, left, kept, *shares])
    return Table(
        title="What became of every document",
        columns=("domain", "documents", "no score", "outside limits", "not selected", "kept",
                 "share kept", f"{unit} kept", f"share of {unit}"),
        rows=rows,
        caption="Documents in = without a score + outside the limits + not selected + kept.",
    )  # fmt: skip


def _share(part: float, whole: float) -> str | None:
    return f"{part / whole:.1%}" if whole else None


def _shares(domains: dict[str, Any], unit: str) -> Chart:
    def of(key: str) -> list[float]:
        total = sum(count[key] for count in domains.values())
        return [count[key] / max(total, 1) for count in domains.values()]

    shares = {"before": of(unit), "after": of(f"{unit}_kept")}
    return Chart(
        title=f"Share of {unit} by domain",
        figure=bars([*domains], shares, y=f"share of {unit}", percent=True),
        caption="Before: all that had a score. After: what was kept. A mixture sets other shares.",
    )


def _before_and_after(
    sample: Sample, kept: NDArray[np.bool], scorer: int | None, axis: str
) -> list[Block]:
    length = np.where(sample.n_bytes > 0, sample.n_bytes, np.nan).astype(float)
    blocks: list[Block] = [
        Chart(
            title="Length before and after",
            figure=_two(np.log10(length), kept, "bytes of text", powers=True),
            caption=f"{sample.said} A shift is what the score likes of length.",
        )
    ]
    if scorer is not None:
        blocks.append(
            Chart(
                title="Score before and after",
                figure=_two(sample.score[:, scorer], kept, axis),
                caption=f"{sample.said} Shares of the documents before, so that what was kept lies "
                "inside.",
            )
        )
    return blocks


def _two(
    values: FloatArray, kept: NDArray[np.bool], axis: str, *, powers: bool = False
) -> dict[str, Any]:
    """Two histograms over the same bins, both as shares of the documents before."""
    known = ~np.isnan(values)
    values, kept = values[known], kept[known]
    if not len(values):
        return figure([], x=axis, y="share of documents")
    low, high = np.quantile(values, [0.001, 0.999])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    clipped = np.clip(values, low, high)
    middle = (edges[:-1] + edges[1:]) / 2
    x = plain(10**middle if powers else middle)
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "fill": "tozeroy",
            "name": name,
            "x": x,
            "y": plain(np.histogram(clipped[which], edges)[0] / len(values)),
            "line": {"shape": "hvh", "width": 1.5, "color": colour(place)},
        }
        for place, (name, which) in enumerate(
            {"before": np.ones(len(values), bool), "kept": kept}.items()
        )
    ]
    made = figure(data, x=axis, y="share of documents", percent=True)
    return logarithmic(made) if powers else made


def _inclusion(found: Inclusion, domains: dict[str, Any]) -> list[Block]:
    if not found.n:
        return []
    candidates = sum(
        c["documents"] - c["without_score"] - c.get("outside_limits", 0) for c in domains.values()
    )
    if found.least == 1.0:
        return [
            Note(
                "Every document that was kept had an inclusion probability of 1: nothing was left "
                "to chance, and so what was kept tells nothing of the rest."
            )
        ]
    rows: Sequence[Sequence[Any]] = [
        ("documents kept", found.n),
        ("least inclusion probability", found.least),
        ("greatest", found.most),
        ("effective sample size", found.effective),
        ("effective share of what was kept", f"{found.effective / found.n:.1%}"),
        ("documents that the kept ones stand for (Horvitz-Thompson)", found.weight),
        ("documents that were there to be drawn", candidates),
    ]
    edges = np.linspace(0, 1, 21)
    data = [
        {
            "type": "bar",
            "name": "kept",
            "x": plain((edges[:-1] + edges[1:]) / 2),
            "width": 0.05,
            "y": plain(found.bins),
            "marker": {"color": colour(1)},
        }
    ]
    return [
        Chart(
            title="Inclusion probabilities of what was kept",
            figure=figure(data, x="inclusion probability", y="documents"),
        ),
        Table(
            title="What the kept documents stand for",
            columns=("", "value"),
            rows=rows,
            caption="Weighted with 1/π they estimate sums over all candidates. The effective "
            "sample size (Kish: (Σw)²/Σw²) is how many equally likely documents would tell as "
            "much.",
        ),
    ]


def _covered(found: Covered | str) -> list[Block]:
    if isinstance(found, str):
        told = found.rstrip(".")
        return [Note(f"What share of embedding cells is still covered is not known: {told}.")]
    rows: list[Sequence[str | float]] = [
        ("cells (spherical k-means)", found.n_cells),
        ("that still hold a kept document", f"{found.share:.1%}"),
        ("a random draw of as many documents would cover", f"{found.by_chance:.1%}"),
        ("documents in cells that are lost", f"{found.lost_documents:.1%}"),
    ]
    return [
        Table(
            title="Embedding cells that are still covered",
            columns=("", "value"),
            rows=rows,
            caption=f"{found.said} If fewer are covered than by chance, the selection empties "
            "whole regions.",
        )
    ]
