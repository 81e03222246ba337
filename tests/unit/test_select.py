"""Selections: budgets kept, counts that add up, and no dependence on how shards are cut."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engines import Local
from curate.errors import ConfigError
from curate.stages import guessing, population
from curate.stages import kept as kept_
from curate.stages import select as selecting
from curate.stages.select import select
from curate.tables import ScoreStore
from tests.made_scores import N, kept, write_scores

METHODS: dict[str, dict[str, Any]] = {
    "top-k": {"method": "top-k"},
    "random": {"method": "random"},
    "sequential poisson": {"method": "inverse-propensity"},
    "pareto": {"method": "inverse-propensity", "options": {"design": "pareto"}},
    "poisson": {"method": "inverse-propensity", "options": {"design": "poisson"}},
    "softmax": {"method": "softmax", "options": {"temperature": 0.7}},
    "middle": {"method": "band"},
    "quantiles": {"method": "band", "options": {"lower": 0.2, "upper": 0.5}},
}


def measured(method: dict[str, Any]) -> str:
    return "log_density" if method["method"] == "inverse-propensity" else "p_yes"


class Shares(Local):
    """As processes do it, last share first, and in part united before they come back."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in list(items)[::-1]:
            yield pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(item)))))

    def merged(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        merge: Callable[[list[Any]], Any],
    ) -> Iterator[Any]:
        found = list(self.map(function, items))
        yield from ([merge(found[:2])] if found[:2] else [])
        yield from found[2:]


def cramped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for a few documents, so that few of them take every path that many do."""
    monkeypatch.setattr(selecting, "ROOM", 64)
    monkeypatch.setattr(guessing, "_FEW", 0)
    monkeypatch.setattr(population, "BATCH", 50)
    monkeypatch.setattr(kept_, "_ROWS", 30)
    monkeypatch.setattr(os, "fsync", lambda _: None)


def outcome(root: Path, **request: Any) -> tuple[Any, Any]:
    """Counts and kept documents; those of any two runs can be compared."""
    manifest = select(root, root.parent / f"out-{root.name}", **request)
    table = kept(root.parent / f"out-{root.name}").drop_columns(["row"])
    counts = manifest["domains"].values()
    assert sum(c["documents"] for c in counts) == N
    assert sum(c["kept"] for c in counts) == len(table)
    assert sum(c["tokens_kept"] for c in counts) == sum(table["n_tokens"].to_pylist())
    return manifest["domains"], table.to_pydict()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    ("budget", "by_domain"),
    [("30%", False), ("100docs", True), ("5Ktok", False), ("20%tok", True), ("20Kbytes", True)],
)
def test_the_same_documents_from_any_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: dict[str, Any],
    budget: str,
    by_domain: bool,
) -> None:
    if "lower" in method.get("options", {}):
        budget = "30%" + budget.lstrip("0123456789%K")  # its own share, in that unit
    request = {**method, "budget": budget, "by_domain": by_domain, "seed": 3}
    scores = write_scores(tmp_path / "whole", 1, column=measured(method))
    plain = outcome(scores, **request)
    cramped(monkeypatch)
    for n_shards, workers in ((1, 2), (7, 1), (64, 3)):  # of the first, one has nothing to read
        name = tmp_path / f"cut{n_shards}"
        scores = write_scores(name, n_shards, column=measured(method), shuffle=n_shards, empty=1)
        assert outcome(scores, **request, engine=Shares(workers)) == plain


@pytest.mark.parametrize("by_domain", [True, False])
def test_two_real_processes(tmp_path: Path, by_domain: bool) -> None:
    scores = write_scores(tmp_path / "scores", 1, column="log_density", empty=1)
    request = {**METHODS["sequential poisson"], "budget": "30%tok", "by_domain": by_domain}
    one = select(scores, tmp_path / "one", **request)
    two = select(scores, tmp_path / "two", **request, engine=Local(2))
    assert one == two
    for path in (tmp_path / "one").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_budgets_are_kept_and_used(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 4)
    scored = [t for _, t in ScoreStore.open(scores).tables(["score", "n_tokens", "domain"])]
    table = pa.concat_tables(scored).filter(pa.compute.is_valid(pa.concat_tables(scored)["score"]))
    by_docs = select(scores, tmp_path / "docs", method="top-k", budget="100docs")
    assert sum(c["kept"] for c in by_docs["domains"].values()) == 100
    assert sorted(-s for s in table["score"].to_pylist())[:100] == sorted(
        kept(tmp_path / "docs")["order"].to_pylist()
    )
    by_tokens = select(scores, tmp_path / "tokens", method="random", budget="5Ktok")
    used = sum(c["tokens_kept"] for c in by_tokens["domains"].values())
    assert 4900 < used <= 5000
    shares = select(scores, tmp_path / "shares", method="top-k", budget="30%", by_domain=True)
    for name, count in shares["domains"].items():
        n_scored = count["documents"] - count["without_score"]
        assert abs(count["kept"] - 0.3 * n_scored) < 1, name
    counts = shares["domains"].values()
    n_scored = sum(c["documents"] - c["without_score"] for c in counts)
    assert sum(c["kept"] for c in counts) == round(0.3 * n_scored)


def test_a_larger_budget_contains_a_smaller_one(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 3, column="log_density")
    small, large = tmp_path / "small", tmp_path / "large"
    select(scores, small, method="inverse-propensity", budget="10%")
    select(scores, large, method="inverse-propensity", budget="40%")
    assert set(kept(small)["key"].to_pylist()) < set(kept(large)["key"].to_pylist())


def test_perplexity_keeps_the_lowest(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 2, column="nll_per_token")
    select(scores, tmp_path / "out", method="top-k", budget="50docs")
    tables = [t["score"].to_pylist() for _, t in ScoreStore.open(scores).tables(["score"])]
    lowest = sorted(s for part in tables for s in part if s is not None)[:50]
    assert sorted(kept(tmp_path / "out")["order"].to_pylist()) == lowest


def scored(root: Path) -> pa.Table:
    """The documents that have a score."""
    names = ["key", "score", "domain", "n_tokens"]
    table = pa.concat_tables([t for _, t in ScoreStore.open(root).tables(names)])
    return table.unify_dictionaries().filter(pa.compute.is_valid(table["score"])).sort_by("score")


@pytest.mark.parametrize("column", ["p_yes", "nll_per_token", "log_density"])
def test_a_band_is_a_slice_of_the_sorted_scores(tmp_path: Path, column: str) -> None:
    scores = write_scores(tmp_path / "scores", 3, column=column)
    by_score = scored(scores)["key"].to_pylist()
    n, third = len(by_score), round(0.3 * len(by_score))
    start = (n - third) // 2
    slices = {"lowest": (0, third), "highest": (n - third, n), "middle": (start, start + third)}
    for part, (first, last) in slices.items():
        out = tmp_path / part
        manifest = select(scores, out, method="band", budget="30%", options={"part": part})
        assert manifest["request"]["options"]["part"] == part
        assert len(set(kept(out)["key"].to_pylist()) ^ set(by_score[first:last])) <= 2
        assert set(kept(out)["inclusion"].to_pylist()) == {1.0}


def test_the_middle_of_every_domain(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 3)
    select(scores, tmp_path / "out", method="band", budget="20%tok", by_domain=True)
    table, chosen = scored(scores), set(kept(tmp_path / "out")["key"].to_pylist())
    for name in ("web", "code", "books"):
        mine = table.filter(pa.compute.equal(table["domain"].cast(pa.string()), name))
        tokens = np.asarray(mine["n_tokens"], np.float64)
        here = np.flatnonzero([key in chosen for key in mine["key"].to_pylist()])
        assert np.array_equal(here, np.arange(here[0], here[-1] + 1))
        below, above = tokens[: here[0]].sum(), tokens[here[-1] + 1 :].sum()
        assert abs(below - above) <= 200, name


def test_another_column_in_place_of_the_score(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    extra = np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N))
    scores = write_scores(tmp_path / "scores", 3, extra=extra)
    table = pa.concat_tables([t for _, t in ScoreStore.open(scores).tables(["score", "key"])])
    has_both = table["score"].is_valid().to_numpy() & ~np.isnan(extra)
    wanted = np.flatnonzero(has_both)[np.argsort(extra[has_both])][:100]
    request: dict[str, Any] = {"method": "band", "options": {"part": "lowest"}}
    manifest = select(scores, tmp_path / "out", budget="100docs", column="extra", **request)
    expected = np.asarray(table["key"])[wanted]
    assert set(kept(tmp_path / "out")["key"].to_pylist()) == set(expected.tolist())
    assert manifest["column"] == "extra"
    without = sum(count["without_score"] for count in manifest["domains"].values())
    assert without == N - has_both.sum()
    # The score itself, by either of its names, is no other column.
    for name in ("score", "p_yes", None):
        request = {"method": "top-k", "budget": "50docs", "column": name}
        assert select(scores, tmp_path / "plain", **request)["column"] == "p_yes"
    by_bytes = {"method": "band", "budget": "50docs", "column": "n_bytes"}
    select(scores, tmp_path / "bytes", **by_bytes)  # a column of whole numbers


def test_the_same_request_again_is_not_made_again(tmp_path: Path) -> None:
    scores, out = write_scores(tmp_path / "scores", 2), tmp_path / "out"
    first = select(scores, out, method="top-k", budget="10%")
    stamp = (out / "s000.jsonl.parquet").stat().st_mtime_ns
    assert select(scores, out, method="top-k", budget="10%") == first
    assert (out / "s000.jsonl.parquet").stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match=r"another configuration \(budget: '10%' → '20%'\)"):
        select(scores, out, method="top-k", budget="20%")


def test_documents_that_share_an_id_share_a_fate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    key = np.repeat(rng.integers(0, 2**63, N // 2).astype(np.uint64), 2)
    scores = write_scores(tmp_path / "scores", 5, key=key, score=np.zeros(N))
    manifest = select(scores, tmp_path / "out", method="random", budget="101docs")
    assert manifest["documents_sharing_a_key"] == N
    found = kept(tmp_path / "out")["key"].to_pylist()
    assert len(found) == 100
    assert all(found.count(k) == 2 for k in found)


@pytest.mark.parametrize(
    ("column", "request_", "message"),
    [
        ("log_density", {"method": "top-k", "budget": "10%"}, "neither end is better"),
        ("p_yes", {"method": "inverse-propensity", "budget": "10%"}, "curate score density"),
        ("p_yes", {"method": "top-kk", "budget": "10%"}, "Did you mean 'top-k'"),
        ("p_yes", {"method": "top-k", "budget": "10000docs"}, r"hold 5\d\d. Ask for at most that"),
        ("p_yes", {"method": "top-k", "budget": "0docs"}, "must be above 0"),
        ("p_yes", {"method": "top-k", "budget": "1Mtok"}, "counts no tokens"),
        ("p_yes", {"method": "top-k", "options": {"part": "middle"}}, "an option of band"),
        ("p_yes", {"method": "random", "options": {"parts": 1}}, "'parts'. It has none"),
        ("p_yes", {"method": "band", "options": {"prt": 1}}, "Did you mean 'part'"),
        ("p_yes", {"method": "band", "options": {"part": "low"}}, "must be one of .*Got 'low'"),
        ("p_yes", {"method": "top-k", "options": {"higher_is_better": False}}, "Use band"),
        ("p_yes", {"method": "top-k", "column": "n_bytes"}, "Use band"),
        ("p_yes", {"method": "inverse-propensity", "column": "n_bytes"}, "holds 'n_bytes'"),
        ("p_yes", {"method": "band", "column": "n_byte"}, "no column 'n_byte'. It has"),
        ("p_yes", {"method": "band", "column": "domain"}, "'domain' holds no numbers"),
    ],
)
def test_requests_that_do_not_fit(
    tmp_path: Path, column: str, request_: dict[str, Any], message: str
) -> None:
    scores = write_scores(tmp_path / "scores", 1, column=column, tokens=False)
    with pytest.raises(ConfigError, match=message):
        select(scores, tmp_path / "out", **{"budget": "10%", **request_})


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([np.nan] * 3, "3 NaN"),
        ([np.inf, -np.inf], "2 infinite"),
        ([np.nan, np.inf], "1 NaN and 1 infinite"),
    ],
)
def test_scores_that_are_no_numbers(tmp_path: Path, bad: list[float], words: str) -> None:
    scores = write_scores(tmp_path / "scores", 1)
    path = scores / "s000.jsonl.parquet"
    table = pq.read_table(path)
    score = pa.array(bad + [0.5] * (N - len(bad)))
    pq.write_table(table.set_column(table.schema.get_field_index("score"), "score", score), path)
    with pytest.raises(ConfigError, match=f"s000.jsonl.parquet holds {words} scores"):
        select(scores, tmp_path / "out", method="top-k", budget="10%")


def test_columns_of_large_and_of_infinite_numbers(tmp_path: Path) -> None:
    large = np.arange(N, dtype=np.uint64) * np.uint64(2**54 + 1)
    infinite = np.where(np.arange(N) == 3, np.inf, 0.0)
    scores = write_scores(tmp_path / "scores", 2, extra_large=large, extra_infinite=infinite)
    request: dict[str, Any] = {"method": "band", "budget": "100%", "options": {"part": "lowest"}}
    select(scores, tmp_path / "out", column="extra_large", **request)
    assert max(kept(tmp_path / "out")["order"].to_pylist()) > 2**62
    with pytest.raises(ConfigError, match="1 infinite numbers in the column 'extra_infinite'"):
        select(scores, tmp_path / "no", column="extra_infinite", **request)


def test_scoring_that_is_not_finished(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 2)
    (scores / "_report.json").unlink()
    with pytest.raises(ConfigError, match="not come to its end"):
        select(scores, tmp_path / "out", method="top-k", budget="10%")
    assert not (tmp_path / "out").exists()


def test_no_document_has_a_score(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 2, score=np.full(N, np.nan))
    with pytest.raises(ConfigError, match="no document with a score to select"):
        select(scores, tmp_path / "out", method="top-k", budget="10%")
