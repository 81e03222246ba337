"""Rank correlations of score tables: against scipy, on samples, and as they are printed."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from curate.cli import main
from curate.errors import ConfigError
from curate.stages.correlate import Pair, correlate, tau_deviation
from tests.unit.test_select import N, write_scores

RNG = np.random.default_rng(0)
KEYS = RNG.integers(0, 2**63, N).astype(np.uint64)
QUALITY = RNG.normal(size=N)
GOOD = QUALITY + RNG.normal(size=N)
ALSO_GOOD = np.round(QUALITY + RNG.normal(size=N), 1)  # with ties
UNRELATED = RNG.normal(size=N)


def write(root: Path, score: np.ndarray, n_shards: int = 3, **changes: Any) -> Path:
    return write_scores(root, n_shards, key=KEYS, score=score, **changes)


def test_coefficients_are_those_of_scipy(tmp_path: Path) -> None:
    good, also = write(tmp_path / "good", GOOD), write(tmp_path / "also", ALSO_GOOD)
    found = correlate([good, also, write(tmp_path / "unrelated", UNRELATED)])
    assert (found.n_documents, found.n_used) == (N, N)
    first, second, third = found.pairs
    assert (first.one, first.other, first.n) == ("good", "also", N)
    assert first.tau == pytest.approx(stats.kendalltau(GOOD, ALSO_GOOD).statistic)
    assert first.rho == pytest.approx(stats.spearmanr(GOOD, ALSO_GOOD).statistic)
    assert first.tau > first.chance
    assert second.tau == pytest.approx(stats.kendalltau(GOOD, UNRELATED).statistic)
    assert abs(second.tau) < second.chance
    for name in ("tau", "rho", "n"):
        matrix = found.matrix(name)
        np.testing.assert_array_equal(matrix, matrix.T)
        assert matrix[1, 2] == getattr(third, name)
        assert np.isnan(matrix.diagonal()).all() if name == "n" else (matrix.diagonal() == 1).all()


def test_each_pair_is_compared_where_both_have_a_score(tmp_path: Path) -> None:
    halves = [np.where(np.arange(N) % 2 == part, GOOD, math.nan) for part in (0, 1)]
    roots = [write(tmp_path / f"half{part}", half) for part, half in enumerate(halves)]
    found = correlate([*roots, write(tmp_path / "also", ALSO_GOOD)])
    apart, first, _ = found.pairs
    assert (apart.n, first.n) == (0, N // 2)
    assert math.isnan(apart.tau)
    assert first.tau == pytest.approx(stats.kendalltau(GOOD[::2], ALSO_GOOD[::2]).statistic)
    alone = correlate(roots)
    assert (alone.n_documents, alone.n_used) == (0, 0)


def test_signs_are_of_agreement(tmp_path: Path) -> None:
    good = write(tmp_path / "good", GOOD)
    low = write(tmp_path / "loss", -GOOD, column="nll_per_token")
    common = write(tmp_path / "common", -GOOD, column="log_density")
    found = correlate([good, low, common])
    assert [pair.tau for pair in found.pairs] == pytest.approx([1.0, -1.0, -1.0])
    assert (found.turned, found.directionless) == (["loss"], ["common"])


def test_constant_scores_have_no_correlation(tmp_path: Path) -> None:
    roots = [write(tmp_path / "good", GOOD), write(tmp_path / "flat", np.zeros(N))]
    (pair,) = correlate(roots).pairs
    assert math.isnan(pair.tau)
    assert math.isnan(pair.rho)


def test_a_sample_is_uniform_and_depends_on_keys_and_seed_alone(tmp_path: Path) -> None:
    taus = []
    for n_shards in (1, 7):
        one = write(tmp_path / f"{n_shards}/good", GOOD, n_shards)
        other = write(tmp_path / f"{n_shards}/also", ALSO_GOOD, n_shards)
        found = correlate([one, other], most=200)
        assert (found.n_documents, found.n_used, found.pairs[0].n) == (N, 200, 200)
        taus.append(found.pairs[0].tau)
    assert taus[0] == taus[1]
    by_seed = [correlate([one, other], most=200, seed=s).pairs[0].tau for s in range(60)]
    assert len({*by_seed}) > 50
    exact = stats.kendalltau(GOOD, ALSO_GOOD).statistic
    assert abs(np.mean(by_seed) - exact) < 4 * np.std(by_seed) / np.sqrt(60)


def test_chance_is_what_independent_rankings_show() -> None:
    rng = np.random.default_rng(1)
    taus = [stats.kendalltau(rng.random(50), rng.random(50)).statistic for _ in range(2_000)]
    assert np.std(taus) == pytest.approx(tau_deviation(50), rel=0.05)
    assert np.mean(np.abs(taus) > Pair("a", "b", 50, 0, 0).chance) == pytest.approx(0.05, abs=0.02)
    assert tau_deviation(500_000) == pytest.approx(0.00094, abs=1e-5)
    assert tau_deviation(1) == math.inf


def test_directories_that_hold_several_and_names_that_repeat(tmp_path: Path) -> None:
    for size, score in (("xl", GOOD), ("l", ALSO_GOOD)):
        write(tmp_path / "scores" / size / "ask-llm", score)
    write(tmp_path / "scores/density", UNRELATED, column="log_density")
    found = correlate([tmp_path / "scores"])
    assert found.names == ["density", "l/ask-llm", "xl/ask-llm"]
    again = correlate([tmp_path / "scores/xl/ask-llm", tmp_path / "scores"])
    assert again.names == ["xl/ask-llm", "density", "l/ask-llm"]


def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = [
        write(tmp_path / "good", GOOD),
        write(tmp_path / "also", -ALSO_GOOD, column="nll_per_token"),
        write(tmp_path / "unrelated", UNRELATED),
    ]
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "--correlate", *map(str, roots)])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"over {N} documents with scores of two or more of 3 raters" in shown
    tau = stats.kendalltau(GOOD, ALSO_GOOD).statistic
    assert f"Highest tau: good and also, {tau:.3f}: they agree beyond chance (unrelated" in shown
    assert "Lowest tau:  " in shown
    assert ": no agreement (unrelated raters: within ±0.054 in 95 % of samples of 600" in shown
    assert "Turned round, so that greater is better: also" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["good", "1.000", f"{tau:.3f}"] in [line[:3] for line in lines]


def test_without_it_directories_are_shown_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roots = [write(tmp_path / "good", GOOD), write(tmp_path / "also", ALSO_GOOD)]
    with pytest.raises(SystemExit):
        main(["inspect", *map(str, roots)])
    shown = capsys.readouterr().out
    assert shown.index("Scores of good: p_yes") < shown.index("Scores of also: p_yes")


def test_tables_that_cannot_be_compared(tmp_path: Path) -> None:
    good = write(tmp_path / "good", GOOD)
    with pytest.raises(ConfigError, match=r"at least 2 directories of score tables\. Found 1 in"):
        correlate([good, good])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"Found 0 in .*empty"):
        correlate([tmp_path / "empty"])
    other = write_scores(tmp_path / "other", 3)
    with pytest.raises(ConfigError, match=r"lists other documents than .*good"):
        correlate([good, other])
    more = write(tmp_path / "more", GOOD, n_shards=4)
    with pytest.raises(ConfigError, match=r"has a table of shard s003.jsonl, .*good has none"):
        correlate([good, more])


def test_no_model_library_is_loaded(tmp_path: Path) -> None:
    roots = [str(write(tmp_path / name, GOOD)) for name in ("a", "b")]
    code = (
        "import sys\nfrom curate.cli import cli\n"
        f"cli.main(['inspect', '--correlate', *{roots}], standalone_mode=False)\n"
        "print([m for m in ('torch', 'transformers', 'faiss', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
