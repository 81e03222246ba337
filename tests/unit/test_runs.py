"""Tables of runs survive the round trip; what is wrong in them is named by line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.runs import RunTable


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
        ("a,0.5,0.5,1\nb,0.5,half,1\n", "line 3, column 'share/y': no number: 'half'"),
        ("a,0.5,0.5,\n", "line 2, column 'loss/t': no number: ''"),
        ("a,0.5,0.5\n", "line 2, column 'loss/t': no number: 'nothing'"),
        ("a,0.5,0.5,1\n\nc,x,0.5,1\n", "line 4, column 'share/x': no number: 'x'"),
        ("a,0.5,0.5,nan\n", "line 2, column 'loss/t': no number: 'nan'"),
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
    with pytest.raises(ConfigError, match=r"nowhere\.csv: cannot be read"):
        RunTable.read(tmp_path / "nowhere.csv")
    for content in ("", "run,loss/t\na,1\n"):
        (tmp_path / "runs.csv").write_text(content)
        with pytest.raises(ConfigError, match="no column starts with 'share/'"):
            RunTable.read(tmp_path / "runs.csv")
