"""Tables of curves survive the round trip; what is wrong in one measured elsewhere is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.curves import Curves
from curate.errors import ConfigError
from curate.runs import RunTable
from curate.stages.mix import fit


@pytest.fixture
def curves() -> Curves:
    """Three runs of two sizes, measured at different steps."""
    rng = np.random.default_rng(0)
    steps = [np.array(own) for own in ([1, 10, 100], [5], [10, 1000])]
    return Curves(
        runs=["b", "a", 'c "quoted", zwölf'],
        domains=["code", "web, crawled"],
        mixtures=rng.dirichlet(np.ones(2), 3),
        targets=["web, crawled", "wiki"],
        parameters=np.array([10, 10, 3_000_000_000]),
        seeds=np.array([0, 1, 0]),
        tokens_per_step=np.array([512.0, 512.0, 64.0]),
        all_steps=tuple(steps),
        all_losses=tuple(rng.normal(3, 1, (len(own), 2)) for own in steps),
        diverged={"d": "its loss is not finite"},
    )


def assert_same(found: Curves, expected: Curves, order: list[int]) -> None:
    assert found.runs == [expected.runs[i] for i in order]
    assert (found.domains, {*found.targets}) == (expected.domains, {*expected.targets})
    assert found.diverged == expected.diverged
    targets = [expected.targets.index(target) for target in found.targets]
    for name in ("mixtures", "parameters", "seeds", "tokens_per_step"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)[order])
    for place, i in enumerate(order):
        assert np.array_equal(found.steps(place), expected.steps(i))
        assert np.array_equal(found.losses(place), expected.losses(i)[:, targets])


def test_curves_survive_the_round_trip_exactly(tmp_path: Path, curves: Curves) -> None:
    path = tmp_path / "runs.parquet"
    curves.write(path)
    assert_same(Curves.read(path), curves, [0, 1, 2])
    before = path.read_bytes()
    Curves.read(path).write(path)
    assert path.read_bytes() == before


def test_rows_may_come_in_any_order(tmp_path: Path, curves: Curves) -> None:
    path = tmp_path / "runs.parquet"
    curves.write(path)
    table = pq.read_table(path)
    for seed in range(3):
        pq.write_table(table.take(np.random.default_rng(seed).permutation(len(table))), path)
        found = Curves.read(path)
        assert_same(found, curves, [curves.runs.index(run) for run in found.runs])


def test_the_last_step_of_each_run_is_a_table_of_runs(tmp_path: Path, curves: Curves) -> None:
    path = tmp_path / "runs.parquet"
    curves.write(path)
    table = RunTable.read(path)
    assert (table.names, table.domains, table.targets) == (
        curves.runs,
        curves.domains,
        curves.targets,
    )
    assert np.array_equal(table.mixtures, curves.mixtures)
    assert np.array_equal(table.losses, [losses[-1] for losses in curves.all_losses])
    wanted = [[10, 51200], [10, 2560], [3e9, 64000]]
    assert table.covariates(["parameters", "tokens"]).tolist() == wanted
    assert table.texts("seed") == ["0", "1", "0"]
    assert table.texts("step") == ["100", "5", "1000"]


def test_runs_of_one_mixture_are_named(tmp_path: Path, curves: Curves) -> None:
    path = tmp_path / "runs.parquet"
    curves.mixtures[1] = curves.mixtures[0]
    curves.write(path)
    table = RunTable.read(path)
    assert table.duplicates() == [f"{path}: runs 'b' and 'a' hold the same mixture."]
    assert table.duplicates([table.texts("seed")]) == []


def test_a_law_of_size_is_fitted_to_curves(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mixtures = np.repeat(rng.dirichlet(np.ones(2), 8), 2, axis=0)
    sizes, tokens = np.tile([10**6, 10**7], 8), np.tile([512.0, 512.0, 1024.0, 1024.0], 4)
    last = 2 + 0.5 / (0.1 + mixtures[:, :1]) + 400 / np.sqrt(sizes[:, None])
    Curves(
        runs=[f"{i:03d}" for i in range(16)],
        domains=["a", "b"],
        mixtures=mixtures,
        targets=["a"],
        parameters=sizes,
        seeds=np.zeros(16, np.int64),
        tokens_per_step=tokens,
        all_steps=(np.array([10, 1000]),) * 16,
        all_losses=tuple(np.array([[9.0], own]) for own in last),
    ).write(tmp_path / "runs.parquet")
    found = fit(tmp_path / "runs.parquet", tmp_path / "law.json", law="joint-additive")
    assert found.stored.law.report.n_runs == 16
    assert found.stored.law.report.held_out_error[0] < 0.1


def rows(**changes: Any) -> pa.Table:
    """Two runs measured at two steps on two domains, with some columns replaced."""
    columns = {
        "run": ["a"] * 4 + ["b"] * 4,
        "share/x": [0.25] * 4 + [1.0] * 4,
        "share/y": [0.75] * 4 + [0.0] * 4,
        "parameters": [7] * 8,
        "tokens": [10, 10, 20, 20] * 2,
        "step": [1, 1, 2, 2] * 2,
        "seed": [0] * 8,
        "domain": ["x", "y"] * 4,
        "loss": [float(i) for i in range(8)],
        **changes,
    }
    return pa.table({name: values for name, values in columns.items() if values is not None})


def test_a_table_measured_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(rows(seed=None, tokens=[10.0, 10.0, 20.0, 20.0] * 2), path)
    found = Curves.read(path)
    assert found.seeds.tolist() == [0, 0]
    assert found.losses(1).tolist() == [[4, 5], [6, 7]]
    assert (found.tokens_per_step.tolist(), found.diverged) == ([10, 10], {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": None}, "no column 'loss'. A table of curves has the columns run, share/<domain>"),
        ({"parameters": None}, "no column 'parameters'"),
        ({"share/x": None, "share/y": None}, "no column 'share/<domain>'"),
        (
            {"loss": [*range(7), float("nan")]},
            r"row 8 \(run 'b'\), column 'loss': wanted a number, found nan.*diverged",
        ),
        ({"loss": [1.0] * 7 + [None]}, r"row 8 \(run 'b'\), column 'loss': .* found None"),
        ({"loss": ["low"] * 8}, "column 'loss': wanted numbers, found string"),
        ({"share/y": [0.75] * 4 + [0.5] * 4}, r"row 5 \(run 'b'\): the shares sum to 1.5"),
        ({"share/x": [25] * 4 + [100] * 4, "share/y": [75] * 4 + [0] * 4}, "look like percentages"),
        ({"share/x": [1.25] * 4 + [1] * 4, "share/y": [-0.25] * 4 + [0] * 4}, "be negative"),
        (
            {
                "share/x": [0.25] * 3 + [0.75] + [1.0] * 4,
                "share/y": [0.75] * 3 + [0.25] + [0.0] * 4,
            },
            r"row 4 \(run 'a'\): the run has another mixture on an earlier row",
        ),
        ({"parameters": [7] * 7 + [8]}, r"row 8 \(run 'b'\): 'parameters' of the run is another"),
        ({"seed": [0] * 3 + [1] + [0] * 4}, r"row 4 \(run 'a'\): 'seed' of the run is another"),
        ({"parameters": [0] * 8}, "'parameters' must be at least 1"),
        ({"parameters": [7.5] * 8}, "wanted a whole number, found 7.5"),
        (
            {"step": [1, 1, 1, 2] * 2, "tokens": [10, 10, 10, 20] * 2},
            r"row 3 \(run 'a'\): step 1 is there twice for 'x'",
        ),
        (
            {"step": [1, 1, 2, 3] * 2, "tokens": [10, 10, 20, 30] * 2},
            "run 'a' has no loss of 'y' at step 2. Measure every domain",
        ),
        ({"tokens": [15, 15, 20, 20] * 2}, "'tokens' is not in proportion to 'step'"),
        ({"tokens": [0] * 8}, "no 'tokens' read"),
        ({"run": ["a"] * 7 + [None]}, "row 8, column 'run': empty"),
    ],
)
def test_what_is_wrong_is_said_with_the_row(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(rows(**changes), path)
    with pytest.raises(ConfigError, match=said) as caught:
        Curves.read(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_curves(tmp_path: Path, curves: Curves) -> None:
    path = tmp_path / "runs.parquet"
    with pytest.raises(ConfigError, match="is not there"):
        Curves.read(path)
    path.write_text("run,share/a\n")
    with pytest.raises(ConfigError, match="cannot be read as a Parquet file"):
        RunTable.read(path)
    pq.write_table(rows()[:0], path)
    with pytest.raises(ConfigError, match=r"holds no rows\. Did every run diverge"):
        Curves.read(path)


def test_a_wide_parquet_file_is_read_as_csv_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    wide = {"run": ["a", "b"], "share/x": [0.1, 1.0], "share/y": [0.9, 0.0], "loss/t": [1 / 3, 2.0]}
    pq.write_table(pa.table({**wide, "tokens": [5, 6]}), path)
    table = RunTable.read(path)
    assert (table.names, table.losses.tolist()) == (["a", "b"], [[1 / 3], [2]])
    assert table.covariates(["tokens"]).tolist() == [[5], [6]]
    table.write(tmp_path / "runs.csv")
    assert np.array_equal(RunTable.read(tmp_path / "runs.csv").losses, table.losses)
    pq.write_table(pa.table({**wide, "loss/t": [1.0, None]}), path)
    with pytest.raises(ConfigError, match="row 2, column 'loss/t': wanted a number, found ''"):
        RunTable.read(path)
