"""`curate mix autoscale` on mixtures, laws and runs of scales whose best mixture is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.stages import mix
from curate.stages.mix.scales import Search
from tests.curve_tables import DOMAINS, RATE, SIZES, curate, swarm

SHARES = {10**6: (0.50, 0.30, 0.20), 4 * 10**6: (0.40, 0.35, 0.25)}


def mixture_file(path: Path, shares, tokens=None) -> Path:
    stored = {"mixture": dict(zip(DOMAINS, shares, strict=True))}
    path.write_text(json.dumps(stored | ({} if tokens is None else {"tokens": tokens})))
    return path


def test_a_third_scale_from_two_mixtures_by_hand(tmp_path):
    (t1, one), (t2, two) = SHARES.items()
    small = mixture_file(tmp_path / "small.json", one, t1)
    large = mixture_file(tmp_path / "large.json", two)
    found = mix.autoscale(small, large, tmp_path / "out.json", large_tokens=t2)
    amounts = (np.array(two) * t2) ** 2 / (np.array(one) * t1)
    assert [*found["mixture"].values()] == pytest.approx(amounts / amounts.sum())
    assert found["tokens"] == round(amounts.sum())
    assert found["step"] == pytest.approx(2)
    assert found["growth"]["code"] == pytest.approx(0.4 * t2 / (0.5 * t1))
    third = tmp_path / "third.json"
    mixture_file(third, (0.3, 0.4, 0.3), 64 * 10**6)
    judged = mix.autoscale(small, large, tmp_path / "o.json", large_tokens=t2, observed=third)
    assert judged["tokens"] == 64 * 10**6
    shares = np.array([*judged["mixture"].values()])
    compared = judged["observed"]["compared"]
    off = np.abs(shares - [0.3, 0.4, 0.3]).sum() / 2
    assert compared["predicted"]["total_variation"] == pytest.approx(off)
    assert compared["large"]["total_variation"] == pytest.approx(0.1)
    assert compared["own"] == {"total_variation": 0, "loss": None}
    text = mix.export(tmp_path / "out.json", "json")
    assert sum(json.loads(text).values()) == pytest.approx(1)


def scaled_optimum(tokens: float) -> np.ndarray:
    """Amounts that are exponential in the step, AutoScale's own assumption; normalised."""
    step = np.log(tokens / 1e6) / np.log(4)
    amounts = np.array([0.5, 0.2, 0.3]) * np.array([0.8, 1.0, 1.3]) ** step
    return amounts / amounts.sum()


def runs_of(path: Path, tokens: float, seed: int, most: float = 1.0) -> Path:
    """Runs of one scale, whose mean loss is least at `scaled_optimum`: the targets' are equal."""
    best = scaled_optimum(tokens)
    mixtures = np.random.default_rng(seed).dirichlet(np.ones(3), 40)
    mixtures = mixtures[mixtures[:, 0] < most]
    losses = 2 + np.exp(3 * (best - mixtures))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        shares, targets = (f"share/{d}" for d in DOMAINS), (f"loss/{d}" for d in DOMAINS)
        writer.writerow(["run", *shares, *targets, "tokens"])
        for i, values in enumerate(np.hstack([mixtures, losses]).tolist()):
            writer.writerow([i, *map(repr, values), int(tokens)])
    return path


def test_optima_of_runs_are_found_extrapolated_and_judged(tmp_path, capsys):
    scales = {"small": 1e6, "large": 4e6, "observed": 16e6}
    paths = {name: runs_of(tmp_path / f"{name}.csv", n, int(n)) for name, n in scales.items()}
    out = tmp_path / "mixture.json"
    files = [part for name, path in paths.items() for part in (f"--{name}", path)]
    curate("mix", "autoscale", *files, "--law", "exponential", "--out", out)
    printed = " ".join(capsys.readouterr().out.split())
    found = json.loads(out.read_text())

    def shares(of: dict) -> np.ndarray:
        return np.array([of["mixture"][d] for d in DOMAINS])

    for name, tokens in scales.items():
        assert shares(found[name]) == pytest.approx(scaled_optimum(tokens), abs=0.01)
        assert found[name]["at_bounds"] == []
    # The step at which the amounts sum to 16M isn't exactly 2.
    assert shares(found) == pytest.approx(scaled_optimum(16e6), abs=0.02)
    compared = found["observed"]["compared"]
    for name, of in (("predicted", found), ("large", found["large"])):
        off = np.abs(shares(of) - shares(found["observed"])).sum() / 2
        expected = 2 + np.exp(3 * (scaled_optimum(16e6) - shares(of))).mean()
        assert compared[name]["total_variation"] == pytest.approx(off)
        assert compared[name]["loss"] == pytest.approx(expected, abs=0.002)
    assert compared["own"]["loss"] <= compared["predicted"]["loss"] < compared["large"]["loss"]
    assert compared["predicted"]["total_variation"] < compared["large"]["total_variation"] / 3
    assert found["observed"]["outside_runs"] == []
    assert found["objective"] == dict.fromkeys(DOMAINS, 1.0)
    assert "total variation from the best" in printed
    assert "Warning" not in printed
    curate("mix", "export", out, "--format", "yaml")


def test_tables_of_curves_are_scales_too(tmp_path):
    paths = {
        steps: swarm(SIZES[:1], (steps // 2, steps)).write(tmp_path / f"{steps}.parquet")
        for steps in (500, 2000)
    }
    found = mix.autoscale(paths[500], paths[2000], tmp_path / "o.json", tokens=4e6)
    for name, steps in (("small", 500), ("large", 2000)):
        assert found[name]["tokens"] == steps * RATE
    assert found["tokens"] == 4 * 10**6
    amounts = {
        name: np.array([found[name]["mixture"][d] for d in DOMAINS]) * found[name]["tokens"]
        for name in ("small", "large")
    }
    reached = amounts["small"] * (amounts["large"] / amounts["small"]) ** found["step"]
    assert reached.sum() == pytest.approx(4e6)
    assert [*found["mixture"].values()] == pytest.approx(reached / 4e6)


def test_an_optimum_at_a_bound_is_reported(tmp_path, capsys):
    small = runs_of(tmp_path / "small.csv", 1e6, 0, most=0.42)
    large = runs_of(tmp_path / "large.csv", 4e6, 1)
    out = tmp_path / "o.json"
    arguments = ("--small", small, "--large", large, "--law", "exponential", "--out", out)
    curate("mix", "autoscale", *arguments)
    (said,) = json.loads(out.read_text())["small"]["at_bounds"]
    assert said.startswith("code has 39.5%")
    assert said.endswith("the most of all runs")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"small scale is at a bound, so its growth is that of the bound: {said}." in printed
    curate("mix", "autoscale", *arguments, "--extrapolate")
    assert json.loads(out.read_text())["small"]["at_bounds"] == []
    curate("mix", "autoscale", *arguments, "--extrapolate", "--weight", "web=1", "--floor", "0.01")
    at_bounds = json.loads(out.read_text())["small"]["at_bounds"]
    assert json.loads(out.read_text())["objective"] == {"web": 1.0}
    assert at_bounds == ["code has 1.0%, the floor", "noise has 1.0%, the floor"]


def test_laws_and_runs_of_several_scales_are_refused_in_words(tmp_path):
    runs, large = runs_of(tmp_path / "r.csv", 1e6, 0), runs_of(tmp_path / "l.csv", 4e6, 1)
    mix.fit(runs, tmp_path / "law.json", law="exponential")
    out = tmp_path / "o.json"
    with pytest.raises(ConfigError, match=r"law\.json does not say .* give --small-tokens"):
        mix.autoscale(tmp_path / "law.json", large, out)
    of_law = mix.autoscale(tmp_path / "law.json", large, out, small_tokens=1e6)
    of_runs = mix.autoscale(runs, large, out, search=Search(law="exponential"))
    assert of_law["small"]["mixture"] == pytest.approx(of_runs["small"]["mixture"], abs=1e-6)
    both = tmp_path / "both.csv"
    both.write_text(runs.read_text() + "".join(large.read_text().splitlines(True)[1:]))
    with pytest.raises(ConfigError, match="from 1,000,000 to 4,000,000 tokens"):
        mix.autoscale(both, large, out)
    with pytest.raises(ConfigError, match="from 1,000,000 to 64,000,000 parameters, and those of"):
        mix.autoscale(runs, swarm().write(tmp_path / "sizes.parquet"), out)
    with pytest.raises(ConfigError, match=r"--floor must be above 0 and below 1\. Got 0"):
        Search(floor=0)


def test_a_domain_that_both_scales_leave_out_stays_out_and_others_are_refused(tmp_path):
    zero = mixture_file(tmp_path / "a.json", (0.6, 0.0, 0.4), 10**6)
    also = mixture_file(tmp_path / "b.json", (0.5, 0.0, 0.5), 4 * 10**6)
    found = mix.autoscale(zero, also, tmp_path / "o.json")
    assert found["mixture"]["noise"] == 0
    assert found["growth"]["noise"] == 1
    assert found["mixture"]["code"] == pytest.approx((0.25 / 0.6) / (0.25 / 0.6 + 0.25 / 0.4))
    some = mixture_file(tmp_path / "c.json", (0.5, 0.1, 0.4), 4 * 10**6)
    with pytest.raises(ConfigError, match=r"a\.json gives 'noise' no share"):
        mix.autoscale(zero, some, tmp_path / "o.json")
    with pytest.raises(ConfigError, match="more tokens than the small one"):
        mix.autoscale(also, zero, tmp_path / "o.json")
    unsaid = mixture_file(tmp_path / "d.json", (0.5, 0.1, 0.4))
    with pytest.raises(ConfigError, match="give --large-tokens"):
        mix.autoscale(some, unsaid, tmp_path / "o.json")
    with pytest.raises(ConfigError, match=r"runs have 4,000,000 tokens. The option says 5,000,000"):
        mix.autoscale(some, also, tmp_path / "o.json", small_tokens=5e6)
    (tmp_path / "e.json").write_text('{"mixture": {"other": 1.0}, "tokens": 8000000}')
    with pytest.raises(ConfigError, match=r"has the domains other\. Wanted code"):
        mix.autoscale(some, tmp_path / "e.json", tmp_path / "o.json")
