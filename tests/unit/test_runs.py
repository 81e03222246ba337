"""Tables of runs survive the round trip; what is wrong in them is named by line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.runs import Columns, RunTable


@pytest.fixture
def runs() -> RunTable:
    rng = np.random.default_rng(0)
    return RunTable(
        names=["000", 'a "quoted", name', "zwölf"],
        domains=["code", "web, crawled"],
        mixtures=rng.dirichlet(np.ones(2), 3),
        targets=["code", "wiki/de"],
        losses=rng.normal(3, 1, (3, 2)) * np.array([1, 1e-300]),
    )


def assert_same(found: RunTable, expected: RunTable) -> None:
    assert found.names == expected.names
    assert (found.domains, found.targets) == (expected.domains, expected.targets)
    assert np.array_equal(found.mixtures, expected.mixtures)
    assert np.array_equal(found.losses, expected.losses)


def test_runs_survive_the_round_trip_exactly(tmp_path: Path, runs: RunTable) -> None:
    path = tmp_path / "runs.csv"
    runs.write(path)
    assert_same(RunTable.read(path), runs)
    before = path.read_bytes()
    RunTable.read(path).write(path)
    assert path.read_bytes() == before


def test_a_design_is_a_table_without_losses(tmp_path: Path, runs: RunTable) -> None:
    design = RunTable(runs.names, runs.domains, runs.mixtures, [], np.empty((3, 0)))
    design.write(tmp_path / "design.csv")
    found = RunTable.read(tmp_path / "design.csv")
    assert_same(found, design)
    assert found.losses.shape == (3, 0)


def test_columns_may_come_in_any_order_and_runs_without_names(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("loss/x,note,share/b,share/a\n1.5,good,0.25,0.75\n2,,1,0\n")
    found = RunTable.read(path)
    assert (found.names, found.domains, found.targets) == (["000", "001"], ["b", "a"], ["x"])
    assert found.mixtures.tolist() == [[0.25, 0.75], [1, 0]]
    assert found.losses.tolist() == [[1.5], [2]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,0.5,0.5,1\nb,0.5,half,1\n", "line 3, column 'share/y': wanted a number, found 'half'"),
        ("a,0.5,0.5,\n", "line 2, column 'loss/t': wanted a number, found ''"),
        ("a,0.5,0.5\n", "line 2, column 'loss/t': wanted a number, found nothing"),
        ("a,0.5,0.5,1\n\nc,x,0.5,1\n", "line 4, column 'share/x': wanted a number, found 'x'"),
        ("a,0.5,0.5,nan\n", "line 2, column 'loss/t': wanted a number, found 'nan'"),
    ],
    ids=["word", "empty", "short", "after-a-blank-line", "nan"],
)
def test_cells_that_are_no_numbers(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,share/y,loss/t\n" + rows)
    with pytest.raises(ConfigError, match=said) as caught:
        RunTable.read(path)
    assert str(path) in str(caught.value)


def test_a_blank_line_at_the_end_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,loss/t\na,1,2\n\n")
    assert RunTable.read(path).names == ["a"]


def test_files_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv is not there"):
        RunTable.read(tmp_path / "nowhere.csv")
    for content in ("", "run,loss/t\na,1\n"):
        (tmp_path / "runs.csv").write_text(content)
        with pytest.raises(ConfigError, match="no column starts with 'share/'"):
            RunTable.read(tmp_path / "runs.csv")


def test_columns_by_another_prefix_or_by_name(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("index,train_a,train_b,metric/x,metric/y\n7,0.25,0.75,1,2\n")
    columns = Columns(share_prefix="train_", loss_prefix="metric/")
    found = RunTable.read(path, columns)
    assert (found.names, found.domains, found.targets) == (["7"], ["a", "b"], ["x", "y"])
    named = Columns(shares=("train_b", "train_a"), losses=("y",), loss_prefix="metric/")
    found = RunTable.read(path, named)
    assert (found.domains, found.targets) == (["train_b", "train_a"], ["y"])
    assert found.mixtures.tolist() == [[0.75, 0.25]]
    with pytest.raises(ConfigError, match="no column 'z' or 'metric/z'"):
        RunTable.read(path, Columns(share_prefix="train_", loss_prefix="metric/", losses=("z",)))
    with pytest.raises(ConfigError, match="column 'train_a' is both a share and a loss"):
        RunTable.read(path, Columns(share_prefix="train_", losses=("train_a",)))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,0.5,0.5\nb,-0.1,1.1\n", "line 3, column 'share/x': a share cannot be negative"),
        ("a,0.5,0.5\nb,0.5,0.6\n", "line 3: the shares sum to 1.1, not to one within 1%"),
        ("a,0.5,0.6\nb,1,0\nc,0,0\n", "line 2: .* So it is on line 4"),
        ("a,50,50\nb,20,80\n", "They look like percentages: divide them by 100"),
    ],
    ids=["negative", "sum", "several", "percentages"],
)
def test_shares_that_make_no_mixture(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,share/y\n" + rows)
    with pytest.raises(ConfigError, match=said):
        RunTable.read(path)


def test_shares_rounded_within_one_per_cent_pass_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,share/y\na,0.333,0.663\n")
    assert RunTable.read(path).mixtures.tolist() == [[0.333, 0.663]]


def test_losses_apart_are_joined_by_name_in_any_order(tmp_path: Path) -> None:
    mixtures, losses = tmp_path / "mixtures.csv", tmp_path / "losses.csv"
    mixtures.write_text("index,share/x,share/y,tokens\n1,1,0,5\n2,0.5,0.5,6\n3,0,1,7\n")
    losses.write_text("index,loss/t\n9,4\n3,2\n1,1\n")
    found = RunTable.read(mixtures, losses=losses)
    assert (found.names, found.losses.tolist()) == (["1", "3"], [[1], [2]])
    assert found.covariates(["tokens"]).tolist() == [[5], [7]]
    assert "mixtures.csv: line 3 without a row in" in found.left_out[0]
    assert "losses.csv: line 2 without a row in" in found.left_out[1]
    losses.write_text("index,loss/t\n1,4\n3,x\n")
    with pytest.raises(ConfigError, match=r"losses\.csv, line 3, column 'loss/t'"):
        RunTable.read(mixtures, losses=losses)
    losses.write_text("index,loss/t\n1,4\n1,2\n")
    with pytest.raises(ConfigError, match="index '1' is there twice, on lines 2 and 3"):
        RunTable.read(mixtures, losses=losses)
    losses.write_text("loss/t\n4\n")
    with pytest.raises(ConfigError, match="no column in common that names the runs"):
        RunTable.read(mixtures, losses=losses)


def test_runs_of_one_mixture_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,share/y,steps\na,1,0,1\nb,0,1,1\nc,1,0,2\n\nd,1,0,1\n")
    found = RunTable.read(path)
    assert found.duplicates() == [f"{path}: lines 2, 4 and 6 hold the same mixture."]
    at_steps = found.duplicates([found.texts("steps")])
    assert at_steps == [f"{path}: lines 2 and 6 hold the same mixture."]


def test_covariates_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,share/x,share/y,tokens\na,1,0,0\nb,0,1,many\n")
    found = RunTable.read(path)
    assert found.has("tokens") and not found.has("parameters")
    with pytest.raises(ConfigError, match="line 3, column 'tokens': wanted a number, found 'many'"):
        found.covariates(["tokens"])
    path.write_text("run,share/x,share/y,tokens\na,1,0,0\n")
    with pytest.raises(ConfigError, match="line 2, column 'tokens': wanted a number > 0, found 0"):
        RunTable.read(path).covariates(["tokens"])
    with pytest.raises(ConfigError, match="a column 'parameters' of every run, and there is none"):
        RunTable.read(path).covariates(["parameters"])
