"""Caps: at most n documents of a group, and honest probabilities among those that are left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engines import Local
from curate.errors import ConfigError
from curate.seeds import lots
from curate.stages.select import select
from curate.tables import ScoreStore
from samplers import InversePropensity, Random, Sampler, Softmax, TopK
from tests.made_scores import N, kept, write_scores

FIRST: dict[str, tuple[Sampler, dict[str, Any]]] = {
    "top-k": (TopK(), {"method": "top-k"}),
    "random": (Random(), {"method": "random"}),
    "softmax": (Softmax(), {"method": "softmax"}),
    "sequential-poisson": (InversePropensity(), {"method": "inverse-propensity"}),
    **{
        design: (
            InversePropensity(design=design),  # type: ignore[arg-type]
            {"method": "inverse-propensity", "options": {"design": design}},
        )
        for design in ("pareto", "poisson")
    },
}
"""Samplers, and requests for them."""
RANDOM = [name for name in FIRST if name != "top-k"]


def write(root: Path, problem: np.ndarray, method: str, n_shards: int = 1) -> Path:
    column = "log_density" if method in ("sequential-poisson", "pareto", "poisson") else "p_yes"
    return write_scores(root, n_shards, column=column, extra_problem=problem)


class Scored:
    """The documents that have a score."""

    def __init__(self, root: Path) -> None:
        columns = ["key", "score", "extra_problem"]
        table = pa.concat_tables([part for _, part in ScoreStore.open(root).tables(columns)])
        table = table.filter(table["score"].is_valid())
        self.key, self.score, self.problem = (table[name].to_numpy() for name in columns)

    def survive(self, sampler: Sampler, seed: int, most: int) -> np.ndarray:
        """By plain sorting, in the sampler's order by numbers of its own."""
        if isinstance(sampler, InversePropensity):
            sampler = InversePropensity()  # pareto and poisson have no order before a budget
        order = sampler.order(self.score, lots(seed, "cap", self.key))
        rank = np.empty(len(order), int)
        for problem in np.unique(self.problem):
            mine = np.flatnonzero(self.problem == problem)
            rank[mine[np.lexsort((self.key[mine], order[mine]))]] = np.arange(len(mine))
        return rank < most


@pytest.mark.parametrize("method", FIRST)
@pytest.mark.parametrize("workers", [1, 2])
def test_at_most_n_of_each_group(tmp_path: Path, method: str, workers: int) -> None:
    problem = np.random.default_rng(1).zipf(1.6, N).astype(np.uint64)
    scores = write(tmp_path / "scores", problem, method, 5)
    sampler, request = FIRST[method]
    request = {**request, "max_per_group": 2, "group_by": "extra_problem", "seed": 4}
    documents = Scored(scores)
    survivors = documents.survive(sampler, 4, 2)
    select(scores, tmp_path / "out", **request, budget="100%", engine=Local(workers))
    assert set(kept(tmp_path / "out")["key"].to_pylist()) == set(documents.key[survivors])
    if method in ("pareto", "poisson"):
        return
    everything = kept(tmp_path / "out").sort_by([("order", "ascending"), ("key", "ascending")])
    select(scores, tmp_path / "few", **request, budget="20docs")
    assert set(kept(tmp_path / "few")["key"].to_pylist()) == set(everything["key"].to_pylist()[:20])


@pytest.mark.parametrize("method", RANDOM)
def test_inclusion_is_that_among_what_the_cap_leaves(tmp_path: Path, method: str) -> None:
    """Of documents alone in their group, and of those that others of theirs were left out for."""
    alone = np.arange(N) < 200
    problem = np.where(alone, np.arange(N), 1_000 + np.arange(N) // 20).astype(np.uint64)
    scores = write(tmp_path / "scores", problem, method)
    documents, (sampler, request) = Scored(scores), FIRST[method]
    is_alone = documents.problem < 1_000
    excess: list[list[float]] = []
    variance = np.zeros(3)
    for seed in range(25):
        out = tmp_path / str(seed)
        request = {**request, "max_per_group": 4, "group_by": "extra_problem", "seed": seed}
        select(scores, out, **request, budget="40%")
        left = documents.survive(sampler, seed, 4)
        n_left = int(left.sum())
        calibration = sampler.calibrate(documents.score[left], np.ones(n_left), round(0.4 * n_left))
        inclusion = np.zeros(len(left))
        inclusion[left] = sampler.inclusion(documents.score[left], calibration)
        stored = dict(zip(*(kept(out)[c].to_pylist() for c in ("key", "inclusion")), strict=True))
        taken = np.isin(documents.key, np.array(list(stored), np.uint64))
        np.testing.assert_allclose(
            [stored[key] for key in documents.key[taken].tolist()], inclusion[taken], rtol=1e-3
        )
        masks = (is_alone, ~is_alone, documents.score > 0)
        excess.append([float((taken - inclusion)[mask].sum()) for mask in masks])
        variance += [(inclusion * (1 - inclusion))[mask].sum() for mask in masks]
        if method not in ("poisson",):
            assert taken.sum() == round(0.4 * n_left)
    # Where the draw has the numbers of the cap, this is 20 to 40 standard errors off.
    assert (np.abs(np.sum(excess, axis=0)) < 4 * np.sqrt(variance)).all()


@pytest.mark.parametrize("method", FIRST)
def test_more_than_the_cap_leaves_is_refused(tmp_path: Path, method: str) -> None:
    scores = write(tmp_path / "scores", np.arange(N, dtype=np.uint64) % np.uint64(10), method)
    request = {**FIRST[method][1], "max_per_group": 3, "group_by": "extra_problem"}
    with pytest.raises(ConfigError, match="documents with a score, left by the cap, hold 30"):
        select(scores, tmp_path / "out", **request, budget="31docs")
    manifest = select(scores, tmp_path / "out", **request, budget="30docs")
    assert sum(count["kept"] for count in manifest["domains"].values()) == 30


def test_at_most_n_of_each_domain(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 4, column="log_density")
    for design in ("sequential-poisson", "pareto", "poisson"):
        manifest = select(
            scores,
            tmp_path / design,
            method="inverse-propensity",
            budget="90%",
            options={"design": design},
            max_per_group=20,
            group_by="domain",
        )
        assert all(0 < c["kept"] <= 20 for c in manifest["domains"].values())


def test_documents_without_a_group_are_not_capped(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 1)
    path = scores / "s000.jsonl.parquet"
    table = pq.read_table(path)
    group = pa.array([None if i % 2 else 7 for i in range(N)], pa.uint64())
    pq.write_table(table.append_column("group", group), path)
    select(scores, tmp_path / "out", method="top-k", budget="100%", max_per_group=1)
    n_scored = (
        table["score"].slice(1).filter(pa.array([i % 2 == 0 for i in range(N - 1)])).is_valid()
    )
    assert len(kept(tmp_path / "out")) == n_scored.to_numpy().sum() + 1
