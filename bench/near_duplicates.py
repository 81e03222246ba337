"""Near-duplicates that were planted: are they dense, and does inverse propensity drop them?

A near-duplicate is a copy of a clean document, disguised. In its own domain it must have a higher
density than other documents, and a higher cosine to what SemDeDup prefers: the AUC is the chance
that it has. Inverse propensity, by the exact density, must keep a smaller share of them than
uniform sampling does, and reach more cells of a k-means clustering of all embeddings. A sample of
the corpus sees a pair only where it holds one of the two: density knows few of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from curate.corpus import Corpus
from curate.embeddings import EmbeddingTables
from curate.registry import make_embedder, make_point_scorer
from curate.stages.embed import embed
from curate.stages.points import score_points
from curate.stages.select import select
from curate.tables import EMBEDDINGS, ScoreStore, table_path

KIND = "near_duplicate"
_SCORERS = {
    "density": "density",
    "density-exact": "exact",
    "density-race": "race",
    "density-faiss": "faiss",
    "semdedup": "semdedup",
}
_SELECTED_BY = "density-exact"
_METHODS = {"inverse_propensity": "inverse-propensity", "random": "random"}


@dataclass(frozen=True)
class Measured:
    """Rows for the table and figures for the last line."""

    rows: list[list[object]]
    figures: dict[str, float]


def measure(
    corpus: Corpus,
    kind: Mapping[int, str],
    out: Path,
    *,
    embedder: str,
    cells: int,
    seeds: int,
) -> Measured:
    """Embed, score by every method, and select again and again.

    Args:
        corpus: with planted near-duplicates.
        kind: what was planted of each document, by key.
        out: directory for tables.
        embedder: as of `curate embed --embedder`.
        cells: of k-means.
        seeds: selections by each method.
    """
    embed(corpus, make_embedder(embedder), out)
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    for name, short in _SCORERS.items():
        spec, seed = make_point_scorer(name)
        score_points(out / EMBEDDINGS, spec, out, seed=seed)
        found = auc(ScoreStore.open(out / name), kind)
        figures[f"auc_near_duplicates_{short}"] = found
        rows.append([name, "near-duplicates", f"AUC in their domains, {embedder}", found])
    cell = _cells(EmbeddingTables.open(out / EMBEDDINGS), cells)
    duplicate = {key for key, planted in kind.items() if planted == KIND}
    reached: dict[str, list[int]] = {}
    for short, method in _METHODS.items():
        shares, reached[short] = [], []
        for seed in range(seeds):
            where = out / "selections" / f"{method}-{seed}"
            select(out / _SELECTED_BY, where, method=method, budget="30%", seed=seed)
            kept = _kept(where, ScoreStore.open(out / _SELECTED_BY).shard_names())
            shares.append(len(duplicate.intersection(kept)) / len(duplicate.intersection(cell)))
            reached[short].append(len({cell[key] for key in kept}))
        figures[f"near_duplicates_{short}"] = float(np.mean(shares))
        figures[f"cells_{short}"] = float(np.mean(reached[short]))
        rows.append([method, "near-duplicates", "share kept at 30 %", float(np.mean(shares))])
        rows.append([method, f"{cells} cells", "reached at 30 %", figures[f"cells_{short}"]])
    rare, any_ = (np.array(reached[short]) for short in _METHODS)
    more = rare - any_  # by the same random numbers
    error = float(more.std(ddof=1) / np.sqrt(seeds))
    figures |= {"cells_gained": float(more.mean()), "cells_gained_stderr": error}
    rows.append(["gained", f"{cells} cells", f"standard error {error:.2f}", float(more.mean())])
    return Measured(rows, figures)


def auc(store: ScoreStore, kind: Mapping[int, str]) -> float:
    """Chance that a near-duplicate has a higher score than another document of its domain."""
    scores: list[float] = []
    planted: list[bool] = []
    domains: list[str] = []
    for _, table in store.tables(["key", "score", "domain"]):
        scores += table["score"].to_pylist()
        planted += [kind[key] == KIND for key in table["key"].to_pylist()]
        domains += table["domain"].to_pylist()
    score, is_near, domain = np.array(scores, np.float64), np.array(planted), np.array(domains)
    known = ~np.isnan(score)
    each, weight = [], []
    for name in np.unique(domain):
        here = known & (domain == name)
        if 0 < is_near[here].sum() < here.sum():
            each.append(roc_auc_score(is_near[here], score[here]))
            weight.append(is_near[here].sum())  # a domain counts as its near-duplicates do
    return float(np.average(each, weights=weight))


def _cells(tables: EmbeddingTables, n_cells: int) -> dict[int, int]:
    """The k-means cell of each document that has an embedding, by key."""
    import faiss

    points = [rows.points for shard in tables.shards for rows in tables.read(shard)]
    keys = np.concatenate([part.key for part in points])
    vectors = np.concatenate([np.asarray(part.vector, np.float32) for part in points])
    order = np.argsort(keys, kind="stable")
    kmeans: Any = faiss.Kmeans(
        vectors.shape[1], n_cells, niter=20, seed=0, min_points_per_centroid=1
    )
    kmeans.train(np.ascontiguousarray(vectors[order]))
    _, nearest = kmeans.index.search(vectors, 1)
    return dict(zip(keys.tolist(), nearest[:, 0].tolist(), strict=True))


def _kept(selection: Path, shards: Sequence[str]) -> NDArray[Any]:
    import pyarrow.parquet as pq

    parts = [
        pq.read_table(table_path(selection, name), columns=["key"], partitioning=None)
        for name in shards
    ]
    return np.concatenate([part["key"].to_numpy() for part in parts])
