"""Weights of raters: what they compute, in which direction, and those that make no sense."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from curate.cli import main
from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.stages.combine import combine
from curate.stages.score import score
from curate.tables import ScoreStore
from scorers import ensemble
from tests.unit.combine.conftest import Opinion, column

WEIGHTS = [3.0, 0.5]


@pytest.mark.parametrize("how", ["weighted-sum", "mean-rank"])
def test_what_weights_do(raters: list[Path], tmp_path: Path, how: str) -> None:
    report = combine(raters, tmp_path / "out", how=how, weights=WEIGHTS)
    both = np.stack([column(root) for root in raters], axis=1)
    ranked = ensemble.ranks(both)
    expected = both @ WEIGHTS if how == "weighted-sum" else ranked @ WEIGHTS / 3.5
    np.testing.assert_allclose(column(tmp_path / "out/ensemble"), expected)
    assert report.scored == 100 - 11
    config = ScoreStore.open(tmp_path / "out/ensemble").config
    assert (config["column"], config["higher_is_better"]) == (how.replace("-", "_"), True)
    assert config["unit"] == ("rank" if how == "mean-rank" else "weighted sum")
    assert config["config"]["weights"] == WEIGHTS
    with pytest.raises(ConfigError, match=r"another configuration .*config.weights"):
        combine(raters, tmp_path / "out", how=how, weights=[3.0, 0.6])


@pytest.mark.parametrize(
    ("directions", "weights", "expected"),
    [
        ((True, True), [1, 2], True),
        ((False, False), [1, 2], False),
        ((True, False), [1, -2], True),
        ((True, False), [-1, 2], False),
        ((None, False), [5, 2], False),
        ((True, False), [0, 2], False),
        ((True, True), [0, 2], True),
        ((None, None), [1, -1], None),
    ],
)
def test_the_direction_of_a_weighted_sum(
    corpus: Corpus,
    tmp_path: Path,
    directions: tuple[bool | None, bool | None],
    weights: list[float],
    expected: bool | None,
) -> None:
    units = ("probability", "nats/token")
    for k, (better, unit) in enumerate(zip(directions, units, strict=True)):
        score(corpus, Opinion(k, better=better, unit=unit), tmp_path / f"{k}")
    raters = [tmp_path / f"{k}/opinion" for k in range(2)]
    combine(raters, tmp_path / "out", how="weighted-sum", weights=weights)
    assert ScoreStore.open(tmp_path / "out/ensemble").config["higher_is_better"] is expected


def test_weights_that_pull_two_ways(corpus: Corpus, raters: list[Path], tmp_path: Path) -> None:
    score(corpus, Opinion(3, better=False), tmp_path / "low")
    both = [raters[0], tmp_path / "low/opinion"]
    for weights, good, bad in (([2, 0.5], "one", "low"), ([-2, -0.5], "low", "one")):
        with pytest.raises(
            ConfigError,
            match=rf"is better by .*{good}/opinion \(weight .*, and worse by .*{bad}/opinion \(",
        ):
            combine(both, tmp_path / "out", how="weighted-sum", weights=weights)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("how", "weights", "message"),
    [
        ("weighted-sum", None, r"needs a weight for each rater \(--weight NAME=2\)"),
        ("weighted-sum", [1.0], r"2 raters need as many weights\. Got 1\."),
        ("weighted-sum", [0.0, 0], r"Every weight of this weighted-sum is 0\."),
        ("weighted-sum", [1, math.nan], r"two/opinion in weighted-sum must be finite\. Got nan"),
        ("mean-rank", [1, -2], r"two/opinion in mean-rank must be at least 0: .* Got -2"),
        ("max-rank", [1, 2], r"max-rank takes no weights, weighted-sum and mean-rank do"),
        ("blend", [1, 2], r"blend takes no weights"),
    ],
)
def test_weights_that_make_no_sense(
    raters: list[Path], tmp_path: Path, how: str, weights: list[float] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        combine(raters, tmp_path / "out", how=how, weights=weights)


def command_line(raters: list[Path], out: Path, *weights: str) -> int | str | None:
    options = [option for weight in weights for option in ("--weight", weight)]
    with pytest.raises(SystemExit) as ended:
        main(["combine", *map(str, raters), "--how", "weighted-sum", *options, "--out", str(out)])
    return ended.value.code


def test_weights_on_the_command_line(
    corpus: Corpus, raters: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    renamed = raters[1].rename(tmp_path / "two/other")
    raters = [raters[0], renamed]
    assert command_line(raters, out, "other=.5", f"{raters[0]}=2") == 0
    config = ScoreStore.open(out / "ensemble").config
    assert config["config"]["weights"] == [2.0, 0.5]
    capsys.readouterr()
    for given, message in [
        (["opinion=1"], "two/other has no weight. Give --weight for each rater, 0 to leave one"),
        (["opinion=1", "othr=2"], "No rater is called 'othr'. Did you mean 'other'?"),
        (["opinion=1", "other"], "A weight is NAME=W, such as ask-llm=2. Got 'other'."),
        (["opinion=1", "other=x"], "A weight is NAME=W, such as ask-llm=2. Got 'other=x'."),
        (["opinion=1", "opinion=1"], "one/opinion has two weights. Give it one."),
    ]:
        assert command_line(raters, out, *given) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    score(corpus, Opinion(4), tmp_path / "four")
    assert command_line([raters[0], tmp_path / "four/opinion"], out, "opinion=1") == 2
    assert "Name the directory in full" in " ".join(capsys.readouterr().err.split())
