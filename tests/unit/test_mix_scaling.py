"""`curate mix scale` on planted laws of step, size and mixture; nothing trains."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.errors import ConfigError
from curate.stages import mix
from curate.stages.mix.grid import Grid, Which
from tests.curve_tables import (
    ALPHA,
    BETA,
    DOMAINS,
    RATE,
    SIZES,
    STEPS,
    TARGETS,
    Table,
    curate,
    design,
    loss,
    rows_of,
    swarm,
    truth,
)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert ended.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_planted_losses_at_a_larger_size_and_a_later_step_are_recovered(tmp_path):
    path = swarm().write(tmp_path / "runs.parquet")
    found = mix.scale([path], size=1e9, tokens=1e8)
    truth_ = truth(1e9, 1e8)
    losses = found.table.losses[rows_of(found.grid)]
    assert np.abs(losses - truth_).max() < 0.01
    assert np.abs(truth(SIZES[-1], STEPS[-1] * RATE) - truth_).mean() > 0.2
    steps, size = found.nested.exponents
    assert np.allclose(steps, BETA, atol=0.03)
    assert size == pytest.approx(ALPHA, abs=0.01)
    assert found.warnings == []
    by_step = mix.scale([path], size=1e9, steps=1e8 / RATE)
    assert np.array_equal(by_step.table.losses, found.table.losses)


def test_noise_and_seeds_are_averaged_and_tables_of_one_size_are_one(tmp_path):
    rng, paths = np.random.default_rng(3), []
    for size in SIZES:
        table = Table()
        for seed in (0, 1):
            for i, mixture in enumerate(design()):
                run = f"{i:03d}-seed{seed}"
                table.add(run, mixture, size, seed=seed, noise=0.003, rng=rng)
        paths.append(table.write(tmp_path / f"{size}.parquet"))
    found = mix.scale(paths, size=1e9, tokens=1e8)
    assert found.grid.losses.shape == (12, 4, 4, 2)
    assert found.grid.n_runs == 2 * 12 * 4
    assert np.isfinite(found.grid.losses).all()
    losses = found.table.losses[rows_of(found.grid)]
    assert np.abs(losses - truth(1e9, 1e8)).mean() < 0.03
    for _, check in found.checks():
        assert (check.error < check.error_constant / 3).all()
        assert (check.order > 0.9).all()


def test_seeds_of_one_cell_are_averaged(tmp_path):
    table, mixture = Table(), design()[0]
    for seed, shift in ((0, 0.0), (1, 0.2)):
        for size in SIZES[:2]:
            table.add(
                f"a{seed}-{size}", mixture, size, seed=seed, of=lambda *at, s=shift: loss(*at) + s
            )
    grid = Grid.read([table.write(tmp_path / "runs.parquet")], Which())
    expected = [[loss(mixture, size, step * RATE) + 0.1 for step in STEPS] for size in SIZES[:2]]
    assert np.allclose(grid.losses[0], expected)


def test_missing_cells_are_left_out_in_words(tmp_path):
    table = swarm()
    kept = []
    for row in table.rows:
        run, _, size, step, *_ = row
        lost = (
            run == f"000-{SIZES[3]}"  # a run that is missing
            or (run == f"001-{SIZES[0]}" and step > STEPS[1])  # one that diverged
            or (run == f"002-{SIZES[2]}" and step > STEPS[0])  # one of one step
            or (run.startswith("003") and size != SIZES[1])  # a mixture of one size
        )
        kept += [] if lost else [row]
    found = mix.scale([Table(kept).write(tmp_path / "r.parquet")], size=1e9, tokens=1e8)
    assert len(found.table) == 11
    assert f"003-{SIZES[1]}" not in found.table.names
    assert found.warnings == [
        "Left out, with one step only: 1 of the curves.",
        f"Left out, for want of two sizes: 003-{SIZES[1]}.",
    ]
    for name, mixture, losses in zip(
        found.table.names, found.table.mixtures, found.table.losses, strict=True
    ):
        assert np.abs(losses - loss(mixture, 1e9, 1e8)).max() < 0.02, name


def test_runs_that_diverged_are_named(tmp_path):
    path = swarm().write(tmp_path / "r.parquet")
    said = {b"diverged": json.dumps({"012-wild": "loss is NaN at step 40"}).encode()}
    pq.write_table(pq.read_table(path).replace_schema_metadata(said), path)
    found = mix.scale([path], size=1e9, tokens=1e8)
    assert found.warnings == ["Left out, as they diverged: 012-wild."]


def test_tokens_that_are_rounded_elsewhere_are_the_same_step(tmp_path):
    rows = pq.read_table(swarm().write(tmp_path / "r.parquet")).to_pylist()
    for row in rows:
        row["tokens"] = round(row["tokens"], -3 if row["parameters"] > SIZES[1] else 0)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rounded.parquet")
    grid = Grid.read([tmp_path / "rounded.parquet"], Which())
    assert list(grid.tokens) == pytest.approx([step * RATE for step in STEPS], rel=0.01)
    assert np.isfinite(grid.losses).all()
    assert grid.tokens_per_step == pytest.approx(RATE, rel=0.01)
    rows = [row | {"tokens": 2 * row["tokens"]} for row in rows if row["parameters"] > SIZES[1]]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "wider.parquet")
    both = [tmp_path / "wider.parquet", swarm(SIZES[:2]).write(tmp_path / "narrow.parquet")]
    assert Grid.read(both, Which()).tokens_per_step is None
    with pytest.raises(ConfigError, match="differ in the tokens they read in a step"):
        mix.scale(both, size=1e9, steps=10**5)
    found = mix.scale(both, size=1e9, tokens=1e8)
    losses = found.table.losses[rows_of(found.grid)]
    assert losses.shape == (12, 2)


def test_tables_of_other_domains_are_refused_and_others_are_put_in_order(tmp_path):
    one = swarm(SIZES[:2]).write(tmp_path / "one.parquet")
    other = pq.read_table(swarm(SIZES[2:]).write(tmp_path / "other.parquet"))
    turned = other.select(other.column_names[::-1])
    pq.write_table(turned.take(np.arange(len(other))[::-1]), tmp_path / "turned.parquet")
    whole = mix.scale([swarm().write(tmp_path / "all.parquet")], size=1e9, tokens=1e8)
    found = mix.scale([one, tmp_path / "turned.parquet"], size=1e9, tokens=1e8)
    assert found.grid.domains == whole.grid.domains
    assert np.allclose(
        found.table.losses[rows_of(found.grid)], whole.table.losses[rows_of(whole.grid)]
    )
    renamed = [name.replace("share/noise", "share/books") for name in other.column_names]
    pq.write_table(other.rename_columns(renamed), tmp_path / "renamed.parquet")
    with pytest.raises(ConfigError, match=r"renamed\.parquet has the domains code, books, web"):
        mix.scale([one, tmp_path / "renamed.parquet"], size=1e9, tokens=1e8)


def test_the_error_report_is_what_one_computes_by_hand(tmp_path):
    rng = np.random.default_rng(5)
    everything = swarm(noise=0.02, seed=5)
    last = STEPS[-1] * RATE
    found = mix.scale([everything.write(tmp_path / "r.parquet")], size=1e9, tokens=1e8)
    smaller = Table([row for row in everything.rows if row[2] < SIZES[-1]])
    again = mix.scale([smaller.write(tmp_path / "s.parquet", rng)], size=SIZES[-1], tokens=last)
    measured = np.array([
        row[5] for row in everything.rows if row[2] == SIZES[-1] and row[3] == STEPS[-1]
    ])  # fmt: skip
    before = np.array([
        row[5] for row in everything.rows if row[2] == SIZES[-2] and row[3] == STEPS[-1]
    ])  # fmt: skip
    predicted = again.table.losses[rows_of(again.grid)]
    check = found.nested.sizes
    assert check.held_out == SIZES[-1]
    assert check.step == last
    assert list(check.n) == [12, 12]
    assert np.allclose(check.error, np.abs(predicted - measured).mean(axis=0))
    assert np.allclose(check.relative, (np.abs(predicted - measured) / measured).mean(axis=0))
    assert np.allclose(check.error_constant, np.abs(before - measured).mean(axis=0))
    assert np.allclose(check.bias, (predicted - measured).mean(axis=0))
    assert np.allclose(check.relative_constant, (np.abs(before - measured) / measured).mean(axis=0))
    for guess, order in ((predicted, check.order), (before, check.order_constant)):
        assert np.allclose(order, [spearman(guess[:, t], measured[:, t]) for t in range(2)])


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Of values without ties: 1 - 6 Σ d² / (n (n² - 1))."""
    ranks = [values.argsort().argsort() for values in (one, other)]
    n = len(one)
    return 1 - 6 * float(((ranks[0] - ranks[1]) ** 2).sum()) / (n * (n**2 - 1))


def test_the_step_check_is_that_of_one_size_fitted_without_its_last_step(tmp_path):
    runs = swarm(SIZES[:1], noise=0.02, seed=6)
    found = mix.scale([runs.write(tmp_path / "r.parquet")], tokens=1e8)
    shorter = Table([row for row in runs.rows if row[3] < STEPS[-1]])
    again = mix.scale([shorter.write(tmp_path / "s.parquet")], tokens=STEPS[-1] * RATE)
    measured = np.array([row[5] for row in runs.rows if row[3] == STEPS[-1]])
    before = np.array([row[5] for row in runs.rows if row[3] == STEPS[-2]])
    check = found.nested.steps
    off = np.abs(again.table.losses[rows_of(again.grid)] - measured)
    assert np.allclose(check.error, off.mean(axis=0))
    assert np.allclose(check.error_constant, np.abs(before - measured).mean(axis=0))
    assert found.nested.sizes is None


def test_one_size_is_a_step_law_and_one_step_a_size_law(tmp_path):
    one_size = swarm(SIZES[:1]).write(tmp_path / "size.parquet")
    found = mix.scale([one_size], tokens=1e8)
    assert found.size == SIZES[0]
    assert np.isnan(found.nested.exponents[1])
    losses = found.table.losses[rows_of(found.grid)]
    assert np.abs(losses - truth(SIZES[0], 1e8)).max() < 0.005
    one_step = swarm(steps=STEPS[-1:]).write(tmp_path / "step.parquet")
    found = mix.scale([one_step], size=1e9)
    assert found.tokens == STEPS[-1] * RATE
    assert np.isnan(found.nested.exponents[0]).all()
    losses = found.table.losses[rows_of(found.grid)]
    assert np.abs(losses - truth(1e9, STEPS[-1] * RATE)).max() < 0.005
    assert found.nested.steps is None
    assert found.nested.sizes is not None


def test_steps_that_follow_no_power_law_are_left_out_by_option(tmp_path):
    def scheduled(mixture, size, tokens):
        step = tokens / RATE
        decay = 0.3 if step > 1000 else 0.0
        warm_up = 2.0 if step < 400 else 0.0
        return loss(mixture, size, tokens) + warm_up - decay

    steps = (100, 250, 400, 550, 700, 850, 1000, 2000)
    path = swarm(steps=steps, of=scheduled).write(tmp_path / "r.parquet")
    errors = []
    for which in (Which(), Which(first=400, last=1000)):
        found = mix.scale([path], size=1e9, tokens=1e8, which=which)
        losses = found.table.losses[rows_of(found.grid)]
        errors.append(np.abs(losses - truth(1e9, 1e8)).mean())
    assert errors[1] < 0.02
    assert errors[0] > 0.2
    assert not found.warnings
    bent = mix.scale([path], size=1e9, tokens=1e8, which=Which(first=400))
    assert any("the learning rate decays" in said for said in bent.warnings)
    with pytest.raises(ConfigError, match="Steps from 400 to 300 are none"):
        Which(first=400, last=300)
    with pytest.raises(ConfigError, match="no run has a step that counts"):
        mix.scale([path], size=1e9, tokens=1e8, which=Which(first=5000))


def test_only_the_ends_of_runs_of_several_lengths(tmp_path):
    table = Table()
    for size in SIZES:
        for i, mixture in enumerate(design()):
            for length in STEPS:

                def annealed(m, n, tokens, end=length):
                    return loss(m, n, tokens) + 0.4 * (1 - tokens / RATE / end)

                steps = np.linspace(length / 5, length, 5).astype(int)
                table.add(f"{i}-{size}-{length}", mixture, size, steps, of=annealed)
    path = table.write(tmp_path / "r.parquet")
    ends = mix.scale([path], size=1e9, tokens=1e8, which=Which(ends=True))
    assert list(ends.grid.tokens) == [step * RATE for step in STEPS]
    assert ends.warnings == []
    losses = ends.table.losses[rows_of(ends.grid)]
    assert np.abs(losses - truth(1e9, 1e8)).max() < 0.01
    mixed_up = mix.scale([path], size=1e9, tokens=1e8)
    assert any("--ends" in said for said in mixed_up.warnings)


def test_what_cannot_be_predicted_is_refused_in_words(tmp_path):
    one = swarm(SIZES[:1], STEPS[:1]).write(tmp_path / "one.parquet")
    with pytest.raises(ConfigError, match=r"one size .* and one step .* nothing to extrapolate"):
        mix.scale([one], size=1e9, tokens=1e8)
    runs = swarm().write(tmp_path / "runs.parquet")
    with pytest.raises(ConfigError, match=r"from 1,000,000 to 64,000,000 parameters: .* --size"):
        mix.scale([runs], tokens=1e8)
    with pytest.raises(ConfigError, match=r"--steps or --tokens which to predict at"):
        mix.scale([runs], size=1e9)
    with pytest.raises(ConfigError, match="say the same"):
        mix.scale([runs], size=1e9, tokens=1e8, steps=10)
    with pytest.raises(ConfigError, match="give --out"):
        mix.scale([runs], size=1e9, tokens=1e8, law="additive")
    single = swarm(SIZES[:1]).write(tmp_path / "single.parquet")
    with pytest.raises(ConfigError, match=r"one size, 1,000,000 parameters, .* leave out --size"):
        mix.scale([single], size=1e9, tokens=1e8)
    diagonal = Table()
    for size, step in zip(SIZES, STEPS, strict=True):
        for i, mixture in enumerate(design()):
            diagonal.add(f"{i}-{size}", mixture, size, (step,))
    with pytest.raises(ConfigError, match="one step only at each size, and these differ"):
        mix.scale([diagonal.write(tmp_path / "d.parquet")], size=1e9, tokens=1e8)


def test_two_sizes_leave_no_check_and_are_said_to(tmp_path):
    found = mix.scale([swarm(SIZES[:2]).write(tmp_path / "r.parquet")], size=1e9, tokens=1e8)
    assert found.nested.sizes is None
    assert any(said.startswith("Two sizes do not determine an exponent") for said in found.warnings)


def test_scale_on_the_command_line_writes_a_table_that_fit_reads(tmp_path, capsys):
    runs = swarm(noise=0.001).write(tmp_path / "runs.parquet")
    out = tmp_path / "predicted.csv"
    arguments = ("--size", "1B", "--tokens", "100M", "--out", out, "--law", "additive")
    curate("mix", "scale", runs, *arguments)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Predicted at 1B parameters and 100M tokens" in printed
    assert "4 sizes (1M to 64M parameters)" in printed
    assert "largest size that was trained, 64M parameters, after 1.02M tokens" in printed
    assert "mean absolute error relative Spearman" in printed
    with out.open() as file:
        header = next(csv.reader(file))
    assert header == ["run", *(f"share/{d}" for d in DOMAINS), *(f"loss/{t}" for t in TARGETS)]
    law = mix.load_law(tmp_path / "predicted.law.json")
    assert law.targets == [*TARGETS]
    predicted = law.law.predict(design())
    assert np.abs(predicted - truth(1e9, 1e8)).mean() < 0.05
    curate("mix", "fit", out, "--law", "linear", "--out", tmp_path / "again.json")
    capsys.readouterr()
    assert "--size wants a number, such as 1B" in refused(
        capsys, "mix", "scale", runs, "--size", "large", "--tokens", "1B"
    )
