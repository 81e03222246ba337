"""Limits, quotas and ends of bands: which documents a budget is spent on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from curate.budget import band
from curate.cli.select import command
from curate.errors import ConfigError
from curate.stages.select import select
from curate.stages.sharing import SharedKeys
from curate.tables import ScoreStore
from tests.made_scores import N, kept, write_scores


def documents(root: Path, *columns: str) -> pa.Table:
    """All of them, sorted by key."""
    names = ["key", "score", "domain", "n_tokens", *columns]
    tables = [table for _, table in ScoreStore.open(root).tables(names)]
    return pa.concat_tables(tables).unify_dictionaries().sort_by("key")


def kept_keys(root: Path) -> set[int]:
    return set(kept(root)["key"].to_pylist())


def test_limits_are_counted_apart(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 3)
    table = documents(scores)
    score = table["score"].to_numpy()
    within = (score >= -0.5) & (score <= 1.0)
    request: dict[str, Any] = {"at_least": -0.5, "at_most": 1.0}
    all_within = select(scores, tmp_path / "all", method="random", budget="100%", **request)
    assert kept_keys(tmp_path / "all") == set(np.asarray(table["key"])[within].tolist())
    for count in all_within["domains"].values():
        left = count["documents"] - count["without_score"] - count["outside_limits"]
        assert left == count["kept"] > 0
    best = select(scores, tmp_path / "best", method="top-k", budget="10%", **request)
    orders = sorted(-kept(tmp_path / "best")["order"].to_numpy())
    n = round(0.1 * within.sum())
    assert orders == sorted(score[within])[-n:]
    assert sum(c["outside_limits"] for c in best["domains"].values()) == (
        (~within & ~np.isnan(score)).sum()
    )
    with pytest.raises(ConfigError, match=r"no document .* within the limits \(at least 99\)"):
        select(scores, tmp_path / "none", method="top-k", budget="10%", at_least=99.0)
    with pytest.raises(ConfigError, match=r"Limits must be numbers\. Got nan"):
        select(scores, tmp_path / "none", method="top-k", budget="10%", at_least=float("nan"))


def test_quotas(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 4)
    table = documents(scores)
    domain, score = (
        np.array(table["domain"].cast(pa.string()).to_pylist()),
        table["score"].to_numpy(),
    )

    def best(name: str, n: int) -> list[float]:
        return sorted(score[(domain == name) & ~np.isnan(score)])[-n:]

    def found(out: str, name: str) -> list[float]:
        mine = kept(tmp_path / out)
        mine = mine.filter(pa.compute.equal(mine["domain"].cast(pa.string()), name))
        return sorted(-mine["order"].to_numpy())

    quotas = {"code": "50%", "books": "7docs"}
    manifest = select(scores, tmp_path / "only", method="top-k", quotas=quotas)
    n_code = round(0.5 * ((domain == "code") & ~np.isnan(score)).sum())
    assert found("only", "code") == best("code", n_code)
    assert found("only", "books") == best("books", 7)
    assert manifest["domains"]["web"]["kept"] == 0
    for by_domain in (False, True):
        out = f"rest{by_domain}"
        select(
            scores,
            tmp_path / out,
            method="top-k",
            quotas=quotas,
            budget="20docs",
            by_domain=by_domain,
        )
        assert found(out, "web") == best("web", 20)
        assert found(out, "books") == best("books", 7)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"quotas": {"cod": "5%"}}, r"no domain 'cod'. It has \[.*'code'"),
        ({"quotas": {"code": "5%tok"}, "budget": "10%"}, "Write all in one unit"),
        (
            {"quotas": {"code": "5000docs"}},
            "The budget of code is 5,000 documents, the documents of",
        ),
        ({"quotas": {"code": "5"}}, "is not a budget"),
        ({"budget": "0.05%"}, r"The budget is 0.05% of 5\d\d documents, which is less than one"),
        ({"budget": "0.05%", "by_domain": True}, "less than one. Ask for more, or for 1docs"),
        ({"budget": "0.4docs"}, r"The budget is 0.4 of 5\d\d documents, which is less than one"),
        ({"quotas": {"code": "0.1%"}}, "The budget of code is 0.1% of .* less than one"),
        ({"budget": "550docs", "at_least": 0.0}, r"within the limits \(at least 0\) hold 2\d\d"),
        (
            {"method": "band", "options": {"lower": 0.2, "upper": 0.5}, "budget": "10%"},
            "A band from 0.2 to 0.5 keeps 30%: give no quotas, and no other budget than 30%",
        ),
        ({}, "Give a budget, or a quota"),
        ({"budget": "5%", "max_per_group": 2}, "no column 'group'"),
        ({"budget": "5%", "max_per_group": 2, "group_by": "score"}, "no whole numbers"),
        ({"budget": "5%", "max_per_group": 0}, "At least 1 document"),
    ],
)
def test_requests_that_do_not_fit(tmp_path: Path, request_: dict[str, Any], message: str) -> None:
    scores = write_scores(tmp_path / "scores", 2)
    with pytest.raises(ConfigError, match=message):
        select(scores, tmp_path / "out", **{"method": "top-k", **request_})


def test_tables_that_do_not_match(tmp_path: Path) -> None:
    def refused(message: str, root: Path, **request: Any) -> None:
        with pytest.raises(ConfigError, match=message):
            select(root, tmp_path / "out", method="top-k", budget="10%tok", **request)

    scores = write_scores(tmp_path / "scores", 3)
    others = np.random.default_rng(1).integers(0, 2**63, N).astype(np.uint64)
    sizes = write_scores(tmp_path / "others", 3, key=others)
    refused("s000.jsonl.parquet describes other documents", scores, sizes_from=sizes)
    fewer = write_scores(tmp_path / "fewer", 2)
    refused("describes other documents|has no table of shard", scores, sizes_from=fewer)
    copied = write_scores(tmp_path / "copied", 3)
    first, second = (copied / f"s00{i}.jsonl.parquet" for i in (0, 1))
    second.write_bytes(first.read_bytes())
    refused("s001.jsonl.parquet holds the scores of shard s000.jsonl: .* count twice", copied)
    twice = write_scores(tmp_path / "twice", 3)
    path = twice / "s001.jsonl.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    refused("s001.jsonl.parquet lists rows twice", twice)
    mixed = write_scores(tmp_path / "mixed", 3)
    other = write_scores(tmp_path / "density", 3, column="log_density")
    (mixed / "s002.jsonl.parquet").write_bytes((other / "s002.jsonl.parquet").read_bytes())
    refused("s002.jsonl.parquet was made with another configuration", mixed)


def test_sizes_from_other_tables(tmp_path: Path) -> None:
    scores = write_scores(tmp_path / "scores", 3, tokens=False)
    sizes = write_scores(tmp_path / "sizes", 3)
    whole = write_scores(tmp_path / "whole", 3)
    select(scores, tmp_path / "one", method="top-k", budget="20%tok", sizes_from=sizes)
    select(whole, tmp_path / "two", method="top-k", budget="20%tok")
    assert kept(tmp_path / "one").equals(kept(tmp_path / "two"))


def test_documents_without_a_token_count(tmp_path: Path) -> None:
    scores, sizes = (write_scores(tmp_path / name, 2) for name in ("scores", "sizes"))
    path = sizes / "s001.jsonl.parquet"
    table = pq.read_table(path)
    score = pq.read_table(scores / path.name)["score"].is_valid().to_numpy()
    few = np.isin(np.arange(len(table)), np.flatnonzero(score)[:7]) | ~score
    counts = pa.array(np.asarray(table["n_tokens"]), mask=few)
    at = table.schema.get_field_index("n_tokens")
    pq.write_table(table.set_column(at, "n_tokens", counts), path)
    request = {"method": "top-k", "sizes_from": sizes}
    message = f"{path.name} has no token count for 7 of {score.sum()} documents"
    with pytest.raises(ConfigError, match=message):
        select(scores, tmp_path / "out", budget="20%tok", **request)
    select(scores, tmp_path / "docs", budget="20%", **request)  # costs no tokens


@pytest.mark.parametrize("design", ["sequential-poisson", "pareto", "poisson"])
def test_horvitz_thompson_totals(tmp_path: Path, design: str) -> None:
    """Documents and tokens, all and by domain, within the standard error of the draws."""
    scores = write_scores(tmp_path / "scores", 1, column="log_density")
    table = documents(scores)
    scored = table.filter(table["score"].is_valid())
    domain = np.array(scored["domain"].cast(pa.string()).to_pylist())
    tokens = np.asarray(scored["n_tokens"])
    masks = {name: np.array(domain == name) for name in ("web", "code", "books")}
    truth = [f for m in masks.values() for f in (m.sum(), tokens[m].sum())] + [
        len(tokens),
        tokens.sum(),
    ]
    estimates = []
    for seed in range(60):
        out = tmp_path / f"{seed}"
        select(
            scores,
            out,
            method="inverse-propensity",
            budget="40%",
            seed=seed,
            options={"design": design},
        )
        drawn = kept(out)
        weight = 1 / drawn["inclusion"].to_numpy()
        names = np.array(drawn["domain"].cast(pa.string()).to_pylist())
        sizes = drawn["n_tokens"].to_numpy()
        found = [
            f for m in masks for f in (weight[names == m].sum(), (weight * sizes)[names == m].sum())
        ]
        estimates.append([*found, weight.sum(), weight @ sizes])
    error = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    assert (abs(np.mean(estimates, axis=0) - truth) < 4 * error + 0.002 * np.array(truth)).all()


def test_ends_of_a_band() -> None:
    assert band("20%", "50%") == ({"lower": 0.2, "upper": 0.5}, "30% docs")
    assert band(None, "25%tok") == ({"lower": 0.0, "upper": 0.25}, "25% tok")
    assert band("0%tok", "25%tok")[0]["lower"] == 0.0
    assert band("90%", None) == ({"lower": 0.9, "upper": 1.0}, "10% docs")
    for lower, upper, message in (
        ("50%", "20%", "must begin before it ends"),
        ("20%", "50%tok", "in one unit"),
        ("20docs", None, "at a share"),
        ("some", None, "is not a budget"),
    ):
        with pytest.raises(ConfigError, match=message):
            band(lower, upper)


def test_the_command_line(tmp_path: Path) -> None:
    scores = str(write_scores(tmp_path / "scores", 2))

    def run(out: str, *arguments: str) -> str:
        given = [*arguments, "--scores", scores, "--out", str(tmp_path / out)]
        result = CliRunner().invoke(command, given, catch_exceptions=True)
        return str(result.exception) if result.exception else result.output

    assert "kept" in run("a", "softmax", "--temperature", "2", "--budget", "10%", "--workers", "1")
    assert "kept" in run("b", "band", "--from", "20%", "--to", "50%")
    assert "nothing was kept of web" in run(
        "c", "top-k", "--quota", "code=20%", "--quota", "books=5docs"
    )
    assert "outside limits" in run("d", "random", "--budget", "10%", "--at-least", "0")
    assert "DOMAIN=BUDGET" in run("e", "random", "--quota", "code")
    twice = run("i", "random", "--quota", "code=10%", "--quota", "code=20%")
    assert "--quota names code twice: 10% and 20%" in twice
    assert "must be at least 1e-100" in run(
        "j", "softmax", "--temperature", "1e-320", "--budget", "5%"
    )
    assert "Limits must be numbers" in run("k", "random", "--budget", "5%", "--at-least", "nan")
    assert "leave out --budget" in run("f", "band", "--from", "20%", "--budget", "5%")
    assert "It is an option of inverse-propensity" in run(
        "g", "random", "--design", "pareto", "--budget", "5%"
    )
    assert "Give a budget" in run("h", "random")
    table, n = documents(Path(scores)), len(kept(tmp_path / "b"))
    assert n == pytest.approx(0.3 * table["score"].is_valid().to_numpy().sum(), abs=1)


def test_shared_keys_are_counted_and_then_estimated() -> None:
    rng = np.random.default_rng(0)
    keys = np.concatenate(
        [
            np.repeat(rng.integers(0, 2**64, 10_000, dtype=np.uint64), 2),
            np.arange(20_000, dtype=np.uint64),
        ]
    )
    for room, exact in ((100_000, True), (5_000, False)):
        one, other = SharedKeys(room), SharedKeys(room)
        for number, chunk in enumerate(np.array_split(rng.permutation(keys), 20)):
            (one if number % 3 else other).add(chunk)
        one.merge(other)
        found, counted = one.count()
        assert counted is exact
        assert found == 20_000 if exact else abs(found - 20_000) < 3_000
