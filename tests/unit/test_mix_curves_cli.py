"""`curate mix curves` and `schedule` on planted curves and mixtures; nothing trains."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import yaml

import mixing
from curate.cli import main
from curate.curves import Curves
from curate.errors import ConfigError
from curate.stages import mix
from curate.stages.mix.files import StoredLaw
from curate.stages.mix.scheduling import Order

STEPS = np.unique(np.rint(np.geomspace(20, 2000, 15))).astype(np.int64)
RATE = 512.0
MIXTURES = {"usual": [0.5, 0.5], "better": [0.3, 0.7], "worse": [0.7, 0.3]}
SPEEDS = {"usual": 1.0, "better": 0.73, "worse": 1.3}
TARGETS = ["code", "web", "arithmetic"]


def falling(steps: np.ndarray, speed: float) -> np.ndarray:
    return 3 + 8 * (steps / speed) ** -0.4


def one(name: str, seed: int, *, steps=STEPS, noise=0.003) -> np.ndarray:
    """Losses on code and web, half a nat apart, and an accuracy with a step at 400 steps."""
    shift = 0.01 * np.random.default_rng(seed).normal()
    rng = np.random.default_rng([seed, list(SPEEDS).index(name)])
    loss = falling(steps, SPEEDS[name]) + shift
    jump = 0.05 + 0.8 / (1 + np.exp(-np.log(steps / (400 * SPEEDS[name])) / 0.2))
    columns = [loss, loss + 0.5, jump]
    return np.column_stack(columns) + noise * rng.normal(size=(len(steps), 3))


def table(names=tuple(SPEEDS), seeds=(0, 1, 2), *, of=one, parameters=10**6, **rest) -> Curves:
    runs = [(name, seed) for name in names for seed in seeds]
    n = len(runs)
    fields = {
        "runs": [f"{name}-{seed}" for name, seed in runs],
        "domains": ["code", "web"],
        "mixtures": np.array([MIXTURES[name] for name, _ in runs]),
        "targets": TARGETS,
        "parameters": np.full(n, parameters),
        "seeds": np.array([seed for _, seed in runs]),
        "tokens_per_step": np.full(n, RATE),
        "all_steps": (STEPS,) * n,
        "all_losses": tuple(of(name, seed) for name, seed in runs),
    }
    return Curves(**(fields | rest))


def learned(curves: Curves, **options) -> dict:
    found = mix.learn(curves, accuracies=["arithmetic"], **options)
    return {learner.name: learner for learner in found.learners}


def curate(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert not ended.value.code


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert ended.value.code == 2
    return " ".join(capsys.readouterr().err.split())


# Curves


def test_seeds_of_a_mixture_are_taken_together_and_compared_in_pairs():
    found = learned(table(), baseline="usual-1", threshold=3.9, objective={"code": 3, "web": 1})
    assert [*found] == ["usual-0", "better-0", "worse-0"]
    better = found["better-0"]
    assert (better.seeds, better.parameters, better.tokens) == ([0, 1, 2], 10**6, 2000 * 512)
    assert better.measures["final_loss"] == pytest.approx(
        [one("better", s)[-1, :2] @ [0.75, 0.25] for s in range(3)]
    )
    assert better.match.share.n_seeds == 3
    assert better.match.share.value == pytest.approx(0.73, rel=0.05)
    assert better.match.longer.value == pytest.approx(1 / 0.73, rel=0.05)
    assert better.match.share.low < better.match.share.value < better.match.share.high < 1
    assert found["worse-0"].match.share.value == pytest.approx(1.3, rel=0.05)
    assert found["worse-0"].match.share.n_extrapolated == 3
    assert found["usual-0"].match is None
    # Loss 3.9 with 1/8 of nat from web is 3.775 on code: at (8 / .775)^2.5 steps.
    truth = RATE * (8 / 0.775) ** 2.5
    assert found["usual-0"].mean("tokens_to_threshold") == pytest.approx(truth, rel=0.05)
    assert better.mean("tokens_to_threshold") == pytest.approx(0.73 * truth, rel=0.05)
    assert better.mean("slope") > found["usual-0"].mean("slope") > found["worse-0"].mean("slope")
    assert better.mean("code_length") < found["usual-0"].mean("code_length")


def test_pairs_are_of_seeds_whatever_the_order_of_the_rows():
    there = learned(table(), baseline="usual-0")["better-0"].match
    back = table(seeds=(2, 0, 1))
    assert learned(back, baseline="usual-0")["better-2"].match == pytest.approx(there)
    # Only the seeds that both have are pairs.
    few = table(("usual",), (0, 1)), table(("better",), (1, 2))
    both = Curves(
        runs=few[0].runs + few[1].runs,
        domains=few[0].domains,
        targets=TARGETS,
        **{
            name: np.concatenate([getattr(part, name) for part in few])
            for name in ("mixtures", "parameters", "seeds", "tokens_per_step")
        },
        all_steps=few[0].all_steps + few[1].all_steps,
        all_losses=few[0].all_losses + few[1].all_losses,
    )
    found = learned(both, baseline="usual-0")["better-1"]
    assert (found.match.share.n_seeds, found.paired) == (1, True)


def test_runs_without_a_common_seed_have_no_interval():
    seeds = np.array([0, 1, 2, 10, 11, 12, 20, 21, 22])
    better = learned(table_with(seeds=seeds), baseline="usual-0")
    match = better["better-0"].match
    assert not better["better-0"].paired
    assert match.share.value == pytest.approx(0.73, rel=0.05)
    assert (match.share.low, match.share.high) == (0.0, math.inf)


def table_with(**fields) -> Curves:
    from dataclasses import replace

    return replace(table(), **fields)


def test_runs_of_another_size_or_length_are_another_group():
    sizes = np.array([1, 2, 2] * 3) * 10**6
    found = mix.learn(
        table_with(parameters=sizes), accuracies=["arithmetic"], baseline="usual-0"
    ).learners
    assert [(x.parameters, len(x.runs)) for x in found] == [(10**6, 1), (2 * 10**6, 2)] * 3
    # The baseline's mixture at the same size, though its named run has another.
    assert [x.match and x.match.share.n_seeds for x in found] == [None, None, 1, 2, 1, 2]
    short = (STEPS,) * 3 + (STEPS[:-1],) * 3 + (STEPS,) * 3
    losses = tuple(x[: len(s)] for x, s in zip(table().all_losses, short, strict=True))
    cut = learned(table_with(all_steps=short, all_losses=losses), baseline="usual-0")
    assert cut["better-0"].match is None
    assert cut["worse-0"].match is not None


def test_accuracies_are_looked_at_for_steps_and_no_part_of_the_loss():
    found = learned(table())
    assert found["usual-0"].measures["final_loss"] == pytest.approx(
        [one("usual", s)[-1, :2].mean() for s in range(3)]
    )
    for name, speed in SPEEDS.items():
        for change in found[f"{name}-0"].changes["arithmetic"]:
            assert change.kind == "step"
            assert change.step == pytest.approx(400 * speed, rel=0.05)
    only = table_with(
        targets=["arithmetic"], all_losses=tuple(x[:, 2:] for x in table().all_losses)
    )
    assert np.isnan(learned(only)["usual-0"].mean("final_loss"))


def test_what_is_printed_and_written(tmp_path, capsys):
    runs, out = tmp_path / "runs.parquet", tmp_path / "curves.csv"
    table_with(diverged={"lost-0": "loss was NaN at step 25"}).write(runs)
    options = ["--accuracy-like", "arithmetic", "--threshold", 3.9, "--baseline", "usual-0"]
    curate("mix", "curves", runs, *options, "--csv", out)
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["3"]][:3] == ["better-0", "usual-0", "worse-0"]
    assert "Left out: lost-0: loss was NaN at step 25" in printed
    assert "tokens to 3.9" in printed
    assert "not reached" not in printed
    (match,) = [row for row in rows if row[:1] == ["worse-0"] and row[2].endswith("%*")]
    assert 120 < float(match[2].rstrip("%*")) < 140
    assert "undecided" not in printed.replace("Undecided", "")
    with out.open() as file:
        written = list(csv.DictReader(file))
    assert [row["run"] for row in written] == table().runs
    assert [row["mixture_of"] for row in written[3:6]] == ["better-0"] * 3
    found = learned(table(), threshold=3.9, baseline="usual-0")["better-0"]
    assert float(written[4]["slope"]) == found.measures["slope"][1]
    assert float(written[4]["longer_high"]) == found.match.longer.high
    assert written[0]["share"] == ""

    curate("mix", "curves", runs, "--target", "web", "--threshold", 2)
    printed = capsys.readouterr().out
    assert printed.count("not reached") == 3
    assert "Loss: web 1;" in printed
    curate("mix", "curves", runs, "--accuracy-like", ",".join(TARGETS[2:]), "--target", "code,web")
    assert "Loss: code 0.5, web 0.5;" in capsys.readouterr().out


def test_what_is_wrong_with_curves_is_said(tmp_path, capsys):
    runs = tmp_path / "runs.parquet"
    table_with(diverged={"lost-0": "loss was NaN at step 25"}).write(runs)
    command = ("mix", "curves", runs)
    assert "no run 'x'. There are usual-0, " in refused(capsys, *command, "--baseline", "x")
    said = refused(capsys, *command, "--baseline", "lost-0")
    assert "It diverged: loss was NaN at step 25" in said
    assert "No target 'x' was measured" in refused(capsys, *command, "--target", "x")
    both = ("--target", "web", "--accuracy-like", "web")
    assert "an accuracy and a part of the loss" in refused(capsys, *command, *both)
    assert "leave out --target" in refused(capsys, *command, "--target", "x", "--weight", "web=1")
    assert "not all 0" in refused(capsys, *command, "--weight", "web=0")
    said = refused(capsys, *command, "--accuracy-like", "web")
    assert "'web' of run 'usual-0' is no accuracy in [0, 1]" in said


# Schedules

DOMAINS = ("code", "web", "wiki")


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "m.json").write_text('{"mixture": {"code": 0.2, "web": 0.5, "wiki": 0.3}}')
    (tmp_path / "a.json").write_text('{"code": "1M", "web": "2M", "wiki": "300K"}')
    return tmp_path


def phases(path: Path) -> tuple[list[float], np.ndarray]:
    made = mix.load_schedule(path, DOMAINS)
    return list(made.ends), np.array(made.mixtures)


def test_the_end_reads_more_of_a_target(files, capsys):
    out = files / "s.json"
    supply = ("--available", files / "a.json")
    command = ("mix", "schedule", files / "m.json", "--out", out, "--end", "code=0.6")
    curate(*command, "--last", 0.2, *supply, "--tokens", "3M")
    ends, mixtures = phases(out)
    assert ends == pytest.approx([0.8, 1])
    assert mixtures == pytest.approx(np.array([[0.2, 0.5, 0.3], [0.6, 0.25, 0.15]]))
    stored = json.loads(out.read_text())
    assert stored["epochs"] == pytest.approx({"code": 0.84, "web": 0.675, "wiki": 2.7})
    assert mix.load_mixture(out) == pytest.approx({"code": 0.28, "web": 0.45, "wiki": 0.27})
    printed = capsys.readouterr().out
    assert "0 to 0.8" in printed
    assert ["code", "20.0%", "60.0%", "28.0%", "0.84"] in [x.split() for x in printed.splitlines()]
    # The mean of the whole is what other verbs read; --keep-mean makes it the mixture again.
    curate(*command, "--keep-mean")
    assert mix.load_mixture(out) == pytest.approx(mix.load_mixture(files / "m.json"))
    assert phases(out)[1][0] == pytest.approx([0.1, 0.5625, 0.3375])
    # A schedule is a mixture, too: that over all of it.
    again = files / "again.json"
    curate("mix", "schedule", out, "--end", "code=1", "--last", 0.5, "--out", again)
    assert phases(again)[1] == pytest.approx(np.array([[0.2, 0.5, 0.3], [1, 0, 0]]))
    curate("mix", "schedule", *supply, "--start", "uniform", "--end", "wiki=0.5", "--out", out)
    assert phases(out)[1] == pytest.approx(np.array([[1 / 3] * 3, [0.25, 0.25, 0.5]]))
    curate("mix", "schedule", *supply, "--end", "wiki=0", "--out", out)
    assert phases(out)[1] == pytest.approx(np.array([[10, 20, 3], [11, 22, 0]]) / 33)


def test_a_source_before_its_target(files, capsys):
    out = files / "s.json"
    command = ("mix", "schedule", files / "m.json", "--source", "web", "--target", "code")
    curate(*command, "--relation", "dependency", "--out", out)
    ends, mixtures = phases(out)
    assert ends == pytest.approx([5 / 7, 1])
    assert mixtures == pytest.approx(np.array([[0, 0.7, 0.3], [0.7, 0, 0.3]]))
    assert mix.load_mixture(out) == pytest.approx(mix.load_mixture(files / "m.json"))
    assert "web is read first" in capsys.readouterr().out
    curate(*command, "--relation", "transfer", "--out", out)
    assert phases(out) == ([1.0], pytest.approx(np.array([[0.35, 0.35, 0.3]])))
    curate(*command, "--relation", "none", "--out", out)
    assert phases(out)[1] == pytest.approx(np.array([[0.7, 0, 0.3]]))


@pytest.mark.parametrize(
    ("effects", "relation"),
    [
        ([-0.9, 0.3, 0.3], "none"),
        ([-0.9, -0.3, 0.3], "transfer"),
        ([-0.3, -0.9, 0.3], "dependency"),
    ],
)
def test_a_law_of_measured_runs_decides(files, capsys, effects, relation):
    rng = np.random.default_rng(0)
    mixtures = mixing.dirichlet(np.array([0.2, 0.5, 0.3]), 40, rng)
    losses = 3 + mixtures @ np.array([effects]).T + 0.003 * rng.normal(size=(40, 1))
    law = mixing.Linear().fit(mixtures, losses, rng)
    StoredLaw(law=law, domains=list(DOMAINS), targets=["code"]).write(files / "law.json")
    out = files / "s.json"
    command = ("mix", "schedule", files / "m.json", "--law", files / "law.json", "--out", out)
    curate(*command, "--source", "web", "--target", "code", "--move", 0.05)
    stored = json.loads(out.read_text())
    assert stored["relation"] == relation
    assert stored["helps"] == pytest.approx(0.05 * (effects[2] - effects[1]), abs=0.002)
    assert stored["replaces"] == pytest.approx(0.05 * (effects[0] - effects[1]), abs=0.002)
    printed = " ".join(capsys.readouterr().out.split())
    way = "falls" if stored["replaces"] >= 0 else "rises"
    change = f"the loss code {way} by {abs(stored['replaces']):.4f}"
    assert f"5.0% more web in place of code: {change}" in printed
    kept = len(stored["phases"]) == 1 and stored["mixture"]["web"] > 0
    assert kept == (relation in ("none", "transfer"))
    if relation == "none":
        assert "the mixture stays as it is" in printed
        assert stored["mixture"] == pytest.approx(
            json.loads((files / "m.json").read_text())["mixture"]
        )
    said = refused(capsys, *command, "--source", "web", "--target", "wiki")
    assert "has no target 'wiki'" in said
    assert "give --loss" in said


def test_a_schedule_is_exported_phase_by_phase(files, capsys):
    out = files / "s.json"
    command = ("mix", "schedule", files / "m.json", "--source", "web", "--target", "code")
    curate(*command, "--relation", "dependency", "--out", out)
    capsys.readouterr()
    paths = [f"--path={name}=/data/{name}" for name in DOMAINS]
    suffixes = {"megatron": "txt", "datasets": "py", "olmo": "yaml", "json": "json", "yaml": "yaml"}
    texts = {}
    for form, suffix in suffixes.items():
        folder = files / form
        curate("mix", "export", out, "--format", form, "--out", folder, *paths)
        names = [f"phase-1.{suffix}", f"phase-2.{suffix}"]
        assert sorted(path.name for path in folder.iterdir()) == names
        texts[form] = [(folder / name).read_text() for name in names]
    first, second = ({"web": 0.7, "wiki": 0.3}, {"code": 0.7, "wiki": 0.3})
    for form in ("json", "yaml"):
        assert [yaml.safe_load(text) for text in texts[form]] == [first, second]
    assert texts["megatron"][1] == "0.700000 /data/code\n0.300000 /data/wiki\n"
    assert [x["source_name"] for x in yaml.safe_load(texts["olmo"][0])["sources"]] == [*first]
    for text in texts["datasets"]:
        compile(text, "exported", "exec")
    capsys.readouterr()
    curate("mix", "export", out, "--format", "megatron")
    printed = capsys.readouterr().out
    assert printed.startswith("# phase 1 of 2, to 0.714286 of training\n0.700000 web\n")
    # One phase is a mixture like any other.
    curate(*command, "--relation", "transfer", "--out", out)
    capsys.readouterr()
    curate("mix", "export", out, "--format", "json", "--out", files / "one.json")
    plain = json.loads((files / "one.json").read_text(), parse_float=Decimal)
    assert plain == {"code": Decimal("0.35"), "web": Decimal("0.35"), "wiki": Decimal("0.3")}
    said = refused(capsys, "mix", "export", out, "--format", "json", "--out", files / "json")
    assert "wanted a file" in said


def test_schedules_from_elsewhere_are_checked(files):
    path = files / "s.json"

    def wrong(content: object) -> str:
        path.write_text(json.dumps(content))
        with pytest.raises(ConfigError) as caught:
            mix.load_schedule(path, DOMAINS)
        return str(caught.value)

    one = {"until": 0.5, "mixture": {"code": 1}}
    assert "s.json, phase 2: wanted where it ends" in wrong({"phases": [one, {"mixture": {}}]})
    assert "at least one" in wrong({"phases": []})
    assert "end at 1" in wrong({"phases": [one]})
    assert "sum to one" in wrong({"phases": [{"until": 1, "mixture": {"code": 0.5}}]})
    assert "no domain 'law'. There are code" in wrong({"law": 1})
    assert "wanted shares by domain" in wrong([1])
    path.write_text(json.dumps({"phases": [one, {"until": 1, "mixture": {"wiki": 1}}]}))
    assert mix.load_schedule(path, DOMAINS).mean == pytest.approx([0.5, 0, 0.5])
    assert mix.load_mixture(path) == {"code": 0.5, "wiki": 0.5}
    plain = mix.load_schedule(files / "m.json", DOMAINS)
    assert plain.ends == (1.0,)


def test_what_is_wrong_with_a_schedule_is_said(files, capsys):
    out = ("--out", files / "s.json")
    supply = ("--available", files / "a.json")
    command = ("mix", "schedule", files / "m.json", *out)
    assert "What comes when?" in refused(capsys, *command)
    pair = ("--source", "web", "--target", "code")
    assert "What comes when?" in refused(capsys, *command, *pair, "--end", "code=1")
    assert "give both" in refused(capsys, *command, "--source", "web")
    assert "Give --law" in refused(capsys, *command, *pair)
    told = (*pair, "--relation", "none", "--keep-mean")
    assert "--keep-mean goes with --end" in refused(capsys, *command, *told)
    assert "--law, --loss and" in refused(capsys, *command, "--end", "code=1", "--loss", "code")
    assert "Which mixture" in refused(capsys, "mix", "schedule", "--end", "code=1", *out)
    assert "no domain 'law'" in refused(capsys, *command, "--end", "law=1")
    assert "in [0, 1]" in refused(capsys, *command, "--end", "code=1.2")
    said = refused(capsys, *command, "--end", "code=0.7", "--end", "web=0.6")
    assert "sum to 1.3, and cannot exceed one" in said
    three = [part for name in DOMAINS for part in ("--end", f"{name}=0.3")]
    assert "no other domain to share the rest" in refused(capsys, *command, *three)
    said = refused(capsys, *command, "--end", "code=1", "--last", 0.5, "--keep-mean")
    assert "would read 0.5 of all tokens from 'code'" in said
    end = ("--end", "code=0.6")
    said = refused(capsys, *command, *end, *supply, "--tokens", "10M")
    assert "read 2,700,000 tokens of wiki, of which there are 300,000: more than 4 epochs" in said
    assert "--tokens caps repetition" in refused(capsys, *command, *end, "--tokens", "10M")
    assert "leave out one" in refused(capsys, *command, *end, "--start", "uniform")
    curate(*command, *end, *supply, "--tokens", "10M", "--max-epochs", 9)
    with pytest.raises(ConfigError, match="not both"):
        Order(source="web", target="code", relation="none", law=files / "law.json")
