"""The report's section on mixing, of real fits, optima and verdicts of a planted law."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixing
from curate.report.blocks import Block, Chart, Note, Section, Table
from curate.report.learning import measured_saving, trained
from curate.report.mixing import section
from curate.report.response import moving
from curate.stages.mix import optimize
from curate.stages.mix.files import StoredLaw, load_law
from curate.stages.mix.verifying import report
from tests.planted_mix import planted_mix
from tests.planted_trial import (
    DOMAINS,
    GOOD,
    SUPPLY,
    losses_of,
    planted_law,
    runs_of,
    trial_of,
)

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A law, an optimum, its verification and a check, of planted losses."""
    path = tmp_path_factory.mktemp("mix") / "of"
    planted_mix(path)
    check = trial_of(("check-proposed", [0.5, 0.02, 0.48], {"code": 1.0}))
    runs = runs_of(replace(check, names=[["check-proposed"], ["check-proportional"], *[
        [f"check-{'unfiltered' if row == 2 else row}"] for row in range(2, len(check.names))
    ]]))  # fmt: skip
    runs.write(path / "check.parquet")
    return path


def blocks(found: Section | None, kind: type[Block] | Any) -> list[Any]:
    assert found is not None
    return [block for block in found.blocks if isinstance(block, kind)]


def only(found: Section | None, title: str) -> Any:
    (one,) = (b for b in blocks(found, (Chart, Table)) if title in b.title)
    return one


def texts(found: Section | None) -> str:
    return " ".join(note.text for note in blocks(found, Note))


def of_law(path: Path, mixture: Path | None = None) -> Section | None:
    return section(path, mixture, None, None, None, None)


def test_nothing_is_shown_of_nothing() -> None:
    assert section(None, None, None, None, None, None) is None


def test_errors_and_predictions_are_held_out(room: Path) -> None:
    found = of_law(room / "law.json", room / "mixture.json")
    law = load_law(room / "law.json").law
    table = only(found, "Held-out error")
    assert [row[0] for row in table.rows] == DOMAINS
    assert [row[1] for row in table.rows] == list(law.report.held_out_error)
    assert [row[4] for row in table.rows] == list(law.report.training_error)
    assert "is no test" in table.caption
    # The objective counts code and web alike: a run's prediction is that of the law without it.
    chart = only(found, "observed, held out: the objective").figure
    (points,) = (trace for trace in chart["data"] if trace["mode"] == "markers")
    weights = np.array([0.5, 0.0, 0.5])
    for run in (0, 7, 23):
        (held,) = {int(law.held_out.fold[run])}
        refit = law.held_out.models[held].predict(law.runs.mixtures[[run]])[0]
        assert points["y"][run] == pytest.approx(float(refit @ weights), rel=1e-5)
        assert points["x"][run] == pytest.approx(float(law.runs.losses[run] @ weights), rel=1e-5)
    assert all(reach > 0 for reach in points["error_y"]["array"])
    assert len(only(found, "every loss").figure["data"]) == 1 + len(DOMAINS)


def test_parameters_have_intervals(room: Path) -> None:
    table = only(of_law(room / "law.json"), "parameters")
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert len(rows) == 3 * 7
    law = load_law(room / "law.json").law
    value, low, high = rows["web", "C[code]"]
    assert value == law.parameters["C"][2, 0]
    assert low < value < high


def test_responses_are_those_of_the_law_around_the_optimum(room: Path) -> None:
    found = of_law(room / "law.json", room / "mixture.json")
    charts = [block for block in blocks(found, Chart) if "Response" in block.title]
    assert len(charts) == 3
    law = load_law(room / "law.json").law
    best = np.array([*json.loads((room / "mixture.json").read_text())["mixture"].values()])
    figure = only(found, "Response to the share of code").figure
    (line,) = (trace for trace in figure["data"] if trace["name"] == "objective")
    seen = law.runs.mixtures[:, 0]
    assert line["x"][0] == pytest.approx(seen.min(), rel=1e-5)
    assert seen.max() - 0.05 < line["x"][-1] <= seen.max() + 1e-6
    assert figure["layout"]["shapes"][-1]["x0"] == pytest.approx(best[0])
    shares = np.array(line["x"])
    wanted = law.predict(moving(best, 0, shares, law.runs.mixtures)) @ [0.5, 0, 0.5]
    base = float(law.predict(best[None])[0] @ [0.5, 0, 0.5])
    assert np.allclose(line["y"], wanted - base, atol=1e-5)
    assert min(line["y"]) > -1e-6  # nothing on the way is better than the optimum
    fills = [trace for trace in figure["data"] if trace.get("fill") == "tonexty"]
    assert len(fills) == 1


def test_a_share_moves_and_the_others_keep_their_proportions() -> None:
    optimum, seen = np.array([0.2, 0.6, 0.2]), np.eye(3)
    moved = moving(optimum, 0, np.array([0.0, 0.2, 0.6]), seen)
    assert np.allclose(moved, [[0, 0.75, 0.25], optimum, [0.6, 0.3, 0.1]])
    alone = moving(np.array([1.0, 0.0, 0.0]), 0, np.array([0.5]), seen)
    assert np.allclose(alone, [[0.5, 0.25, 0.25]])
    # The last domain never had less than 0.15: it stays there, and the second gives way.
    seen = np.array([[0.1, 0.1, 0.8], [0.8, 0.05, 0.15], [0.1, 0.75, 0.15]])
    assert np.allclose(moving(optimum, 0, np.array([0.6]), seen), [[0.6, 0.25, 0.15]])


def test_the_proposal_its_bounds_and_gains(room: Path) -> None:
    mixture = json.loads((room / "mixture.json").read_text())
    manifest = {
        "domains": {
            name: {"share": share, "share_wanted": wanted, "epochs": 1.0}
            for name, share, wanted in (("code", 0.4, 0.45), ("noise", 0.1, 0.1), ("web", 0.5, 0.5))
        }
    }
    found = section(None, room / "mixture.json", None, None, None, manifest)
    bars = only(found, "Proportions").figure["data"]
    assert [trace["name"] for trace in bars] == ["kept, proportional", "proposed", "built"]
    assert bars[0]["y"] == [0.2, 0.5, 0.3]
    assert bars[1]["y"] == pytest.approx([*mixture["mixture"].values()], rel=1e-5)
    epochs = only(found, "Epochs").figure
    assert epochs["data"][0]["y"] == pytest.approx([*mixture["epochs"].values()], rel=1e-5)
    assert epochs["layout"]["shapes"][0]["y0"] == 4.0
    said = texts(found)
    assert mixture["binding"]  # noise is of no use, so it is at the least share of the runs
    assert f"The proposal is at a bound: {'; '.join(mixture['binding'])}." in said
    assert "'noise': lower bound" in said
    assert f"Certificate: {mixture['certificate']}" in said
    assert "code has 40.0% of the tokens built instead of 45.0%" in said
    gains = only(found, "Predicted gain").figure["data"][0]
    assert gains["x"][0] == pytest.approx(mixture["compared"]["proportional"]["gain"], rel=1e-5)
    assert (
        gains["y"] == ["proportional = prior", "uniform", "unimax"]
        or "uniform = unimax" in (gains["y"])
    )
    assert "holds zero" not in said


def test_a_gain_that_may_be_none_is_a_warning(room: Path, tmp_path: Path) -> None:
    mixture = json.loads((room / "mixture.json").read_text())
    best = tmp_path / "best.json"
    best.write_text(json.dumps(mixture["mixture"]))
    optimize(room / "law.json", None, tmp_path / "again.json", prior=best)
    found = section(None, tmp_path / "again.json", None, None, None, None)
    (warning,) = (note for note in blocks(found, Note) if note.tone == "warning")
    assert "predicted gain over prior" in warning.text
    assert "holds zero: there may be no gain" in warning.text


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ([4.1, 4.11, 4.09], None),
        ([3.9, 3.91, 3.89], "Trained, the proposal is WORSE than the proportional mixture"),
        ([4.1, 3.8, 4.05], "is not shown to be better than the proportional mixture: observed"),
        ([4.1], "one seed says nothing of the noise (observed gain 0.1000)"),
    ],
)
def test_a_check_is_judged_seed_by_seed(check: list[float], said: str | None) -> None:
    own = [4.0, 4.011, 3.991][: len(check)]
    found = section(None, None, None, None, {"proportional": check, "proposed": own}, None)
    first, row = only(found, "trained beside").rows
    assert first[0] == "proposed"
    assert row[3] == pytest.approx(np.mean(check) - np.mean(own))
    warnings = [note.text for note in blocks(found, Note) if note.tone == "warning"]
    assert (said is None) == (warnings == [])
    assert said is None or said in warnings[0]


def test_a_verified_proposal(room: Path, tmp_path: Path) -> None:
    found = section(None, None, None, room / "verify" / "verify.json", None, None)
    (one,) = json.loads((room / "verify" / "verify.json").read_text())["proposals"]
    assert all(sentence in texts(found) for sentence in one["said"])
    assert not [
        note for note in blocks(found, Note) if note.tone == "warning" and "WORSE" in note.text
    ]
    table = only(found, "Losses of proposed")
    assert "It ranks 1 of 6" in table.caption
    verdicts = {row[0]: row[-1] for row in table.rows}
    assert verdicts["proposed"] == "on trial"
    assert verdicts["proportional"] == "better"
    predicted, observed = only(found, "Gain of proposed").figure["data"]
    assert (predicted["name"], observed["name"]) == ("predicted", "observed")
    assert observed["y"] == list(one["gains"])
    curves = [block for block in blocks(found, Chart) if "Learning curves" in block.title]
    assert len(curves) == 1 + len(DOMAINS)
    assert [trace["name"] for trace in curves[0].figure["data"]][:2] == ["proposed", "proportional"]
    speed = {row[0]: row for row in only(found, "Speed").rows}
    steps = one["steps_to_match"]
    assert speed["proposed"][4] == pytest.approx(steps["share"])
    assert speed["proposed"][5:7] == pytest.approx(steps["share_interval"])
    assert speed["proposed"][7] == pytest.approx(steps["longer"])
    assert speed["proportional"][4] is None
    trial = trial_of(GOOD)
    report(planted_law(), trial, runs_of(trial, turn=-1), tmp_path, limits=(6_000_000, 4.0))
    bad = section(None, None, None, tmp_path / "verify.json", None, None)
    warnings = [note.text for note in blocks(bad, Note) if note.tone == "warning"]
    worse = [text for text in warnings if "proposed is WORSE than proportional" in text]
    assert len(worse) == 1
    assert "interval predicted" not in worse[0]  # the verdict alone, not all that was said


def test_curves_of_a_check_tell_what_filtering_saves(room: Path) -> None:
    found = section(None, None, None, None, None, None, room / "check.parquet")
    rows = {row[0]: row for row in only(found, "Speed").rows}
    assert rows["unfiltered"][4] is None
    saving = measured_saving(room / "check.parquet")
    assert saving is not None
    assert saving[0] == pytest.approx(1 - rows["proposed"][4])
    assert "with 3 seeds" in saving[1]
    assert measured_saving(room / "verify" / "runs.parquet") is None


def test_doubts_are_about_the_proposal_alone(tmp_path: Path) -> None:
    trial = trial_of(GOOD)
    runs_of(trial, noise=0.05).write(tmp_path / "check.parquet")
    found = section(None, None, None, None, None, None, tmp_path / "check.parquet")
    assert not any("steps to match holds 1" in text for text in _warned(found))
    told = trained(
        tmp_path / "check.parquet", None, "all", "proportional", False,
        on_trial=[row[0] for row in only(found, "Speed").rows],
    )  # fmt: skip
    warned = [block.text for block in told if isinstance(block, Note)]
    assert any("they may learn no faster than proportional" in text for text in warned)


def test_every_figure_is_one_that_plotly_knows(room: Path) -> None:
    from plotly.graph_objects import Figure

    verified = room / "verify"
    found = section(
        room / "law.json", room / "mixture.json", verified / "runs.parquet",
        verified / "verify.json", {"proposed": [4.0], "proportional": [4.1]}, None,
        room / "check.parquet",
    )  # fmt: skip
    charts = blocks(found, Chart)
    assert len(charts) > 12
    for chart in charts:
        Figure(chart.figure)  # refuses a property that there is not
    assert len({block.title for block in blocks(found, (Chart, Table))}) == len(
        blocks(found, (Chart, Table))
    )


def test_a_few_of_the_runs_fitted_are_drawn(room: Path) -> None:
    runs = room / "verify" / "runs.parquet"
    found = section(None, None, runs, None, None, None)
    chart = only(found, "the runs the law was fitted to: the objective")
    names = [trace["name"] for trace in chart.figure["data"]]
    assert [name.split(":")[0] for name in names] == ["best", "better quarter", "median", "worst"]
    ends = [trace["y"][-1] for trace in chart.figure["data"]]
    assert ends == sorted(ends)


def test_names_from_a_corpus_stay_text(tmp_path: Path) -> None:
    stored = replace(planted_law(), domains=[HOSTILE, "b", "c"], targets=[HOSTILE, "b", "c"])
    stored.write(tmp_path / "law.json")
    prior = tmp_path / "prior.json"
    prior.write_text(json.dumps({HOSTILE: 0.2, "b": 0.5, "c": 0.3}))
    optimize(tmp_path / "law.json", None, tmp_path / "mixture.json", prior=prior)
    found = of_law(tmp_path / "law.json", tmp_path / "mixture.json")
    drawn = json.dumps([chart.figure for chart in blocks(found, Chart)], allow_nan=False)
    assert "<img" not in drawn
    assert "&lt;img" in drawn


def test_what_cannot_be_read_is_a_warning_and_the_rest_is_shown(room: Path, tmp_path: Path) -> None:
    broken = tmp_path / "law.json"
    broken.write_text('{"law": 3}')
    found = section(broken, room / "mixture.json", None, None, None, None)
    assert "not a law that this `curate mix fit` wrote" in texts(found)
    assert only(found, "Proportions")
    missing = section(tmp_path / "none.json", None, tmp_path / "none.parquet", None, None, None)
    assert [note.tone for note in blocks(missing, Note)] == ["warning"] * 2


def test_few_runs_have_no_intervals(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixtures = mixing.dirichlet(SUPPLY.proportional, 6, rng)
    law = mixing.Linear().fit(mixtures, losses_of(mixtures), rng)
    StoredLaw(law=law, domains=DOMAINS, targets=DOMAINS).write(tmp_path / "law.json")
    found = of_law(tmp_path / "law.json")
    chart = only(found, "held out: the objective")
    assert "too few for 90% intervals" in chart.caption
    assert "error_y" not in chart.figure["data"][-1]
    assert any("too few for a finite interval" in text for text in _warned(found))


def test_a_law_of_size_needs_to_know_where_it_was_optimised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixtures = np.repeat(mixing.dirichlet(SUPPLY.proportional, 16, rng), 2, axis=0)
    sizes = np.tile([1e6, 4e6], 16)
    covariates = np.stack([sizes, np.full(32, 1e7)], axis=1)
    losses = losses_of(mixtures) + 0.3 * (sizes[:, None] / 1e6) ** -0.3
    law = mixing.laws.JointAdditive(n_starts=1).fit(mixtures, losses, rng, covariates=covariates)
    StoredLaw(law=law, domains=DOMAINS, targets=DOMAINS).write(tmp_path / "law.json")
    prior, out = tmp_path / "prior.json", tmp_path / "mixture.json"
    prior.write_text(json.dumps(dict(zip(DOMAINS, [0.2, 0.5, 0.3], strict=True))))
    at = {"parameters": 4e6, "tokens": 1e7}
    optimize(tmp_path / "law.json", None, out, prior=prior, at=at)
    found = of_law(tmp_path / "law.json", out)
    assert only(found, "Response to the share of code")
    told = json.loads(out.read_text())
    assert told.pop("at") == at
    out.write_text(json.dumps(told))
    assert "does not say at which values" in texts(of_law(tmp_path / "law.json", out))


def _warned(found: Section | None) -> Sequence[str]:
    return [note.text for note in blocks(found, Note) if note.tone == "warning"]
