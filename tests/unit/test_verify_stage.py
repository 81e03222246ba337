"""`mix verify` without training: what is trained, and what finished runs are said to show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mixing
from curate.cli.mix.verify import print_verified
from curate.curves import Curves
from curate.errors import ConfigError
from curate.stages.mix.files import StoredLaw
from curate.stages.mix.scheduling import Ending, schedule
from curate.stages.mix.trial import (
    PROPORTIONAL,
    Trial,
    dataset_limits,
    read_proposals,
    references,
)
from curate.stages.mix.verifying import report
from curate.stages.proxies import ProxyRuns
from tests.planted_trial import (
    DOMAINS,
    GOOD,
    N_SEEDS,
    SUPPLY,
    losses_of,
    planted_law,
    runs_of,
    trial_of,
    weigh,
)


@pytest.fixture(scope="module")
def stored() -> StoredLaw:
    return planted_law()


def judged(stored: StoredLaw, trial: Trial, runs: ProxyRuns, out: Path) -> dict:
    return report(stored, trial, runs, out, limits=(6_000_000, 4.0))


def test_a_law_that_is_right_is_borne_out(
    stored: StoredLaw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = trial_of(GOOD)
    assert trial.labels == [
        "proposed", "proportional", "uniform = unimax", "random 1", "random 2", "random 3"
    ]  # fmt: skip
    found = judged(stored, trial, runs_of(trial), tmp_path)
    assert found == json.loads((tmp_path / "verify.json").read_text())
    (one,) = found["proposals"]
    true = losses_of(trial.mixtures)[:, [0, 2]].mean(axis=1)
    over = one["gains"][PROPORTIONAL]
    assert one["default"] == PROPORTIONAL
    assert over["verdict"] == "better"
    assert over["observed"] == pytest.approx(true[1] - true[0], abs=0.004)
    assert over["against_prediction"] == "inside"
    assert (one["rank"], one["n_ranked"]) == (1, 6)
    assert one["spearman"] > 0.9
    assert 0.25 < one["steps_to_match"]["share"] < 1
    assert one["steps_to_match"]["share_interval"][0] > 0.25
    assert found["tokens"] == 40 * 512
    assert len(Curves.read(tmp_path / "runs.parquet").runs) == 6 * N_SEEDS
    said = " ".join(one["said"])
    assert "proposed is better than proportional: observed gain" in said
    assert "is inside the interval predicted for one run" in said
    assert "of the steps for the final loss of proportional; proportional would need" in said
    assert one["steps_to_match"]["longer"] > 1
    assert "WORSE" not in said
    assert "scale" not in said
    assert "no test" not in said
    print_verified(found, "out")
    printed = capsys.readouterr().out
    assert "Spearman's rank correlation" in printed
    assert "→ out/verify.json" in printed
    assert all(sentence in printed for sentence in one["said"])


def test_a_law_that_is_wrong_is_found_out(
    stored: StoredLaw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = trial_of(GOOD)
    found = judged(stored, trial, runs_of(trial, turn=-1), tmp_path)
    (one,) = found["proposals"]
    assert one["gains"][PROPORTIONAL]["verdict"] == "worse"
    assert one["gains"][PROPORTIONAL]["against_prediction"] == "below"
    assert one["rank"] == 6
    assert one["spearman"] < -0.9
    print_verified(found, "out")
    printed = capsys.readouterr().out
    assert "proposed is WORSE than proportional" in printed
    share = one["steps_to_match"]["share"]
    assert share is None or share > 1
    assert "was missed: observed was less" in printed


def test_a_gain_within_the_noise_is_called_so(stored: StoredLaw, tmp_path: Path) -> None:
    trial = trial_of(GOOD)
    (one,) = judged(stored, trial, runs_of(trial, noise=1.0), tmp_path)["proposals"]
    assert "proposed is not shown to be better than proportional" in " ".join(one["said"])
    assert "holds zero" in " ".join(one["said"])


def test_losses_of_another_scale_are_not_compared_in_level(
    stored: StoredLaw, tmp_path: Path
) -> None:
    trial = trial_of(GOOD)
    (one,) = judged(stored, trial, runs_of(trial, off=-0.7), tmp_path)["proposals"]
    assert any("below the predicted ones" in s and "gains and ranks" in s for s in one["said"])
    assert one["gains"][PROPORTIONAL]["against_prediction"] == "inside"


def test_proposals_share_the_others_and_keep_their_objectives(
    stored: StoredLaw, tmp_path: Path
) -> None:
    trial = trial_of(
        ("for code", [0.9, 0.02, 0.08], {"code": 1.0}), ("for web", [0.08, 0.02, 0.9], {"web": 1.0})
    )
    assert len(trial.mixtures) == 2 + 5
    code, web = judged(stored, trial, runs_of(trial), tmp_path)["proposals"]
    assert code["rank"] == web["rank"] == 1
    assert code["gains"]["for web"]["verdict"] == web["gains"]["for code"]["verdict"] == "better"
    assert code["losses"]["for web"]["observed"] > web["losses"]["for web"]["observed"]


def test_a_proposal_that_is_the_proportional_mixture(stored: StoredLaw, tmp_path: Path) -> None:
    trial = trial_of(("proposed", [0.2, 0.5, 0.3 + 1e-9], weigh(code=1)))
    assert trial.labels[0] == "proposed = proportional"
    (one,) = judged(stored, trial, runs_of(trial), tmp_path)["proposals"]
    assert (one["default"], one["steps_to_match"]) == (None, None)
    assert any("nothing to verify" in sentence for sentence in one["said"])


def test_diverged_runs_are_reported_and_left_out(
    stored: StoredLaw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = trial_of(GOOD)
    runs = runs_of(trial)
    lost = [0, *range(3 * N_SEEDS, 4 * N_SEEDS)]
    runs.curves[lost] = np.nan
    runs.diverged.update({f"run {i}": "loss was NaN at step 25" for i in lost})
    found = judged(stored, trial, runs, tmp_path)
    (one,) = found["proposals"]
    assert one["losses"]["proposed"]["n_seeds"] == one["gains"]["uniform = unimax"]["n_seeds"] == 2
    assert one["losses"]["proposed"]["observed_by_seed"][0] is None
    assert one["gains"]["random 1"]["verdict"] == "not measured"
    assert (one["rank"], one["n_ranked"]) == (1, 5)
    print_verified(found, "out")
    printed = capsys.readouterr().out
    assert "Left out: run 0: loss was NaN at step 25" in printed
    assert "All runs of random 1 diverged" in printed
    assert "Two seeds make wide intervals" in printed
    runs.curves[:N_SEEDS] = np.nan
    (one,) = judged(stored, trial, runs, tmp_path)["proposals"]
    assert (one["rank"], one["steps_to_match"]) == (None, None)
    assert any("All runs of proposed diverged" in sentence for sentence in one["said"])


def test_mixtures_of_the_laws_own_runs_are_no_test(stored: StoredLaw, tmp_path: Path) -> None:
    trial = trial_of(("proposed", stored.law.runs.mixtures[3].tolist(), weigh(code=1)))
    (one,) = judged(stored, trial, runs_of(trial), tmp_path)["proposals"]
    assert "The law was fitted to a run of proposed: what it says of it is no test." in one["said"]


def test_random_mixtures_are_seedable_new_and_within_what_can_be_repeated() -> None:
    tokens, epochs = 9_000_000, 1.5
    first, again, other = (
        dict(references(SUPPLY, tokens, epochs, n_random=3, seed=seed)) for seed in (0, 0, 1)
    )
    most = epochs * SUPPLY.available / tokens
    for number in (1, 2, 3):
        drawn = first[f"random {number}"]
        assert drawn.tolist() == again[f"random {number}"].tolist()
        assert drawn.tolist() != other[f"random {number}"].tolist()
        assert (drawn <= most + 1e-9).all()
    design = mixing.dirichlet(SUPPLY.proportional, 3, np.random.default_rng(0), maximum=most)
    assert not np.isclose(design[0], first["random 1"]).all()
    assert (first["unimax"] <= most + 1e-9).all()
    assert "random 1" not in dict(references(SUPPLY, tokens, epochs, n_random=0, seed=0))
    with pytest.raises(ConfigError, match="1 epochs at most"):
        references(SUPPLY, 90_000_000, 1.0, n_random=3, seed=0)


def written(path: Path, **content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_proposals_and_their_objectives_are_read(stored: StoredLaw, tmp_path: Path) -> None:
    shares = {"code": 0.5, "web": 0.5}
    own = written(
        tmp_path / "a.json", mixture=shares, objective={"web": 2}, tokens=7, max_epochs=2.0
    )
    plain = written(tmp_path / "uniform.json", **shares)
    (one,) = read_proposals([own], stored, DOMAINS, None)
    assert (one.name, one.objective) == ("proposed", {"web": 1.0})
    assert one.shares.tolist() == [0.5, 0, 0.5]
    first, second = read_proposals([own, plain], stored, DOMAINS, None)
    assert (first.name, second.name) == ("a", "uniform'")
    assert second.objective == pytest.approx(dict.fromkeys(DOMAINS, 1 / 3))
    (one,) = read_proposals([own], stored, DOMAINS, {"code": 1, "web": 3})
    assert one.objective == {"code": 0.25, "web": 0.75}
    assert dataset_limits([own, plain], 99, None) == (7, 2.0)
    assert dataset_limits([own, plain], 99, 3.0) == (7, 3.0)
    assert dataset_limits([plain], 99, None) == (99, 4.0)


def test_what_can_not_be_verified(stored: StoredLaw, tmp_path: Path) -> None:
    path = written(tmp_path / "m.json", code=0.5, web=0.5)
    with pytest.raises(ConfigError, match="Give --mixture"):
        read_proposals([], stored, DOMAINS, None)
    with pytest.raises(ConfigError, match="'c' is no target of the law"):
        read_proposals([path], stored, DOMAINS, {"c": 1})
    with pytest.raises(ConfigError, match="not all 0"):
        read_proposals([path], stored, DOMAINS, {"code": 0})
    with pytest.raises(ConfigError, match="'noise', which proxies don't measure"):
        read_proposals([path], stored, ["code", "web"], None)


def test_a_schedule_is_trained_by_its_phases(stored: StoredLaw, tmp_path: Path) -> None:
    """It is judged by its mean, and is no duplicate of a mixture that equals that."""
    phases = [
        {"until": 0.8, "mixture": {"code": 0.25, "noise": 0.25, "web": 0.5}},
        {"until": 1.0, "mixture": {"code": 1.0, "noise": 0.0, "web": 0.0}},
    ]
    names = dict(zip(("code", "noise", "web"), DOMAINS, strict=True))
    for phase in phases:
        phase["mixture"] = {names[k]: v for k, v in phase["mixture"].items()}  # type: ignore[attr-defined]
    (tmp_path / "schedule.json").write_text(json.dumps({"phases": phases}))
    mean = {DOMAINS[0]: 0.4, DOMAINS[1]: 0.2, DOMAINS[2]: 0.4}
    (tmp_path / "mean.json").write_text(json.dumps(mean))
    paths = [tmp_path / "schedule.json", tmp_path / "mean.json"]
    made = read_proposals(paths, stored, DOMAINS, None)
    trial = Trial.of(made, [("the same", np.array([0.4, 0.2, 0.4]))])
    assert trial.names == [["schedule"], ["mean", "the same"]]
    assert trial.mixtures == pytest.approx(np.array([[0.4, 0.2, 0.4]] * 2))
    first, second = trial.schedules
    assert second is None
    assert first is not None
    assert first.ends == (0.8, 1.0)
    assert first.mixtures[1] == (1.0, 0.0, 0.0)


def test_a_schedule_is_judged_as_its_mixture_is(tmp_path: Path) -> None:
    """The objective of `optimize` goes along; a plain object of shares has none."""
    mixture = {"code": 0.4, "web": 0.6}
    files = {"plain.json": mixture, "found.json": {"mixture": mixture, "objective": {"code": 1.0}}}
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
        rule = Ending(shares={"code": 0.8})
        found = schedule(tmp_path / "s.json", rule, mixture=tmp_path / name)
        assert found.get("objective") == ({"code": 1.0} if name == "found.json" else None)
