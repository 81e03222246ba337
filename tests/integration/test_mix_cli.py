"""`curate mix` on tables of runs as researchers keep them, without a corpus or a selection."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import yaml

from curate.cli import main
from curate.cli.mix.runs import run as mix_run
from curate.curves import Curves
from curate.stages.mix.exporting import exact
from curate.stages.proxies import Swarm
from mixing.proxies import SIZES
from tests.conftest import WriteShard, some_text

DOMAINS = ("arxiv", "code", "web", "wiki")
TARGETS = ("arxiv_val", "web_val")
REGMIX = ("--share-prefix", "train_", "--loss-prefix", "metric/")


def curate(*arguments: object) -> None:
    """Run a command that should succeed."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert not ended.value.code


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that should end with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert ended.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def losses_of(mixtures: np.ndarray) -> np.ndarray:
    """A law convex in each share: text of the target's own domain and of the web helps."""
    own = np.array([[0, 2], [2, 0]])
    return 2 + 0.5 / (0.1 + mixtures[:, own]).mean(axis=2)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """RegMix's form: mixtures and losses apart, joined on index, rounded shares."""
    rng = np.random.default_rng(0)
    mixtures = rng.dirichlet(np.ones(len(DOMAINS)), 40).round(3)
    losses = losses_of(mixtures) + rng.normal(0, 0.002, (40, 2))
    for part, rows in (("train", range(24)), ("test", range(24, 40))):
        order = rng.permutation(rows)
        write(tmp_path / f"{part}.csv", ("index", *(f"train_{d}" for d in DOMAINS)), {
            i: mixtures[i] for i in rows
        })  # fmt: skip
        write(tmp_path / f"{part}_losses.csv", ("index", *(f"metric/{t}" for t in TARGETS)), {
            i: losses[i] for i in order
        })  # fmt: skip
    return tmp_path


def write(path: Path, header: tuple[str, ...], rows: dict[int, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *((i, *values) for i, values in rows.items())])


@pytest.fixture
def law(tables: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    runs, losses = tables / "train.csv", tables / "train_losses.csv"
    out = tables / "law.json"
    curate("mix", "fit", runs, "--losses", losses, *REGMIX, "--law", "additive", "--out", out)
    capsys.readouterr()
    return out


@pytest.fixture
def selection(write_shard: WriteShard, tmp_path: Path, tiny_model: str) -> tuple[object, ...]:
    """Options of a corpus in two places, and of what was kept of it."""
    for place, domain in (("one", "code"), ("two", "web")):
        ids = [f"{domain}{i}" for i in range(60)]
        texts = [some_text(i + len(domain), 60) for i in range(60)]
        write_shard(f"{place}/{domain}/a.jsonl", texts, id=ids)
    inputs = [tmp_path / "corpus" / place for place in ("one", "two")]
    scores, out = tmp_path / "scores", tmp_path / "selection"
    curate("score", "token-prior", *inputs, "--tokenizer", tiny_model, "--out", scores)
    curate("select", "random", "--scores", scores / "token-prior", "--budget", "90%", "--out", out)
    return ("--corpus", inputs[0], "--corpus", inputs[1], "--selection", out)


def test_runs_are_trained_and_fitted(
    tmp_path: Path, selection: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    out, design = tmp_path / "runs", tmp_path / "design.csv"
    design.write_text("run,share/code,share/web\n000,0.3,0.7\n001,1,0\n002,0,1\n")
    swarm = ("--size", "0.1M", "--tokens", "1.6K", "--batch", 1, "--length", 32)
    swarm = (*swarm, "--tokenizer", "corpus", "--vocabulary", 300, "--held-out", 0.2)
    run = ("mix", "run", design, *selection, *swarm, "--measures", 3, "--workers", 1)
    capsys.readouterr()
    curate(*run, "--seeds", 2, "--out", out)
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:7]] == [
        "000", "000-s1", "001", "001-s1", "002", "002-s1",
    ]  # fmt: skip
    assert "6 runs of 106,816 parameters without the embedding, 1,600 tokens each" in said
    assert "model-steps per second" in said
    assert "Warning" not in said
    assert f"→ {out}/runs.parquet" in " ".join(said.split())
    curves = Curves.read(out / "runs.parquet")
    assert curves.steps(0).tolist() == [5, 16, 50]
    curate("mix", "fit", out / "runs.parquet", "--law", "linear", "--out", tmp_path / "law.json")
    assert "linear: 6 runs" in capsys.readouterr().out
    # What is repeated is said.
    curate(*run[:-4], "--tokens", "32K", "--measures", 1, "--workers", 1, "--out", tmp_path / "x")
    said = " ".join(capsys.readouterr().out.split())
    assert "Warning: text was read more than once: code up to" in said
    assert "another configuration (measures: 3 → 2)" in refused(
        capsys, *run, "--measures", 2, "--out", out
    )
    assert "give it or 'steps', not both" in refused(capsys, *run, "--steps", 3, "--out", out)
    assert "No proxy has the size '7M'" in refused(capsys, *run, "--size", "7M", "--out", out)
    design.write_text("run,share/code,share/wiki\n000,0.3,0.7\n")
    assert "mixes ['code', 'wiki']" in refused(capsys, *run, "--out", out)


def test_help_of_run_shows_the_defaults_of_swarms() -> None:
    default = Swarm.of()
    known = {**vars(default), **vars(default.proxy), "size": "0.1M"}
    known |= {"vocabulary": Swarm.of(tokenizer="corpus").vocabulary}
    assert Swarm.of(size="0.1M") == default
    shown = {}
    for parameter in mix_run.params:
        if parameter.name in known:
            text = getattr(parameter, "help", "")
            shown[parameter.name] = text.rpartition("[default: ")[2].rstrip("]")
            if parameter.name == "size":
                assert all(name in text for name in SIZES)
    apart = {"learning_rate": "0.5 over the width", "stack": "by size and device"}
    assert len(shown) == 16
    assert shown == {name: apart.get(name, str(known[name])) for name in shown}


def test_a_law_is_fitted_with_its_parameters_and_warnings(
    tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, losses = tables / "train.csv", tables / "train_losses.csv"
    lines = runs.read_text().splitlines()
    again = "99," + lines[1].partition(",")[2]
    runs.write_text("\n".join([*lines, again]) + "\n")
    losses.write_text(losses.read_text() + "99,4,4\n98,4,4\n")
    fit = ("mix", "fit", runs, "--losses", losses, *REGMIX, "--loss", "web_val", "--parameters")
    curate(*fit, "--law", "m4", "--out", tables / "law.json")
    said = capsys.readouterr().out
    assert "exponential: 25 runs, 5 parameters a target" in said
    assert f"Warning: {runs}: lines 2 and 26 hold the same mixture." in said
    assert f"Warning: {losses}: line 27 without a row in {runs}, left out." in said
    assert "t[code]" in said
    assert "arxiv_val" not in said
    stored = json.loads((tables / "law.json").read_text())
    assert (stored["domains"], stored["targets"]) == ([*DOMAINS], ["web_val"])


def test_auto_says_which_law_and_why(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, losses = tables / "train.csv", tables / "train_losses.csv"
    curate("mix", "fit", runs, "--losses", losses, *REGMIX, "--out", tables / "law.json")
    said = " ".join(capsys.readouterr().out.split())
    assert "Chosen by held-out error, as a share of the mean's" in said
    chosen = json.loads((tables / "law.json").read_text())["law"]["law"]
    assert f"over the targets: {chosen} 0." in said
    assert "constant 1.000." in said


def test_laws_are_compared_best_first(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, losses, out = tables / "train.csv", tables / "train_losses.csv", tables / "compared.csv"
    laws = ("--law", "constant,linear,additive", "--law", "d-cpt")
    curate("mix", "compare", runs, "--losses", losses, *REGMIX, *laws, "--out", out)
    said = capsys.readouterr().out
    assert "Not fitted: d-cpt: the runs have no column" in said
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["law"] for row in rows] == ["additive", "linear", "constant", "d-cpt"]
    assert float(rows[0]["relative"]) < 0.2 < float(rows[1]["relative"]) < 1
    assert float(rows[0]["spearman"]) > 0.95
    assert float(rows[2]["relative"]) == pytest.approx(1)
    assert (rows[2]["spearman"], rows[3]["relative"]) == ("", "")


def test_a_law_is_judged_on_runs_it_has_not_seen(
    tables: Path, law: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tables / "predicted.csv"
    test = (tables / "test.csv", "--losses", tables / "test_losses.csv")
    curate("mix", "predict", law, *test, "--out", out)
    said = capsys.readouterr().out
    judged = [line.split() for line in said.splitlines() if line.startswith(TARGETS)]
    assert [line[0] for line in judged] == [*TARGETS]
    assert all(float(line[1]) < 0.1 and float(line[2]) > 0.95 for line in judged)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [str(i) for i in range(24, 40)]
    for row in rows:
        ends = [float(row[f"{end}/web_val"]) for end in ("low", "loss", "high")]
        assert ends == sorted(ends)
    assert "are no test of it" not in " ".join(said.split())
    curate("mix", "predict", law, tables / "train.csv", "--losses", tables / "train_losses.csv")
    said = " ".join(capsys.readouterr().out.split())
    assert "24 of 24 mixtures are those of runs the law was fitted to" in said


def test_a_law_of_size_and_mixture_predicts_at_a_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    mixtures = np.repeat(rng.dirichlet(np.ones(4), 12), 2, axis=0)
    sizes = np.tile([[7e7, 2e9], [4e8, 8e9]], (12, 1))
    losses = losses_of(mixtures) + 400 / np.sqrt(sizes[:, :1])
    header = ("run", *(f"share/{d}" for d in DOMAINS), "parameters", "tokens")
    rows = np.hstack([mixtures, sizes, losses])
    runs, law = tmp_path / "runs.csv", tmp_path / "law.json"
    write(runs, (*header, *(f"loss/{t}" for t in TARGETS)), dict(enumerate(rows)))
    curate("mix", "fit", runs, "--law", "additive", "--out", law)
    said = capsys.readouterr().out
    assert "The runs differ in parameters and tokens, which this law does not read." in said
    assert "hold the same mixture" not in said
    curate("mix", "fit", runs, "--law", "joint-additive", "--out", law)
    assert "Warning: The runs differ" not in capsys.readouterr().out
    curate("mix", "predict", law, runs, "--out", tmp_path / "by_row.csv")
    new = tmp_path / "new.csv"
    write(new, header[:5], {0: mixtures[0]})
    assert "give --at parameters=VALUE --at tokens=VALUE" in refused(
        capsys, "mix", "predict", law, new
    )
    at = ("--at", "parameters=400M", "--at", "tokens=8e9")
    curate("mix", "predict", law, new, *at, "--out", tmp_path / "at.csv")
    by_row = (tmp_path / "by_row.csv").read_text().splitlines()
    at_size = (tmp_path / "at.csv").read_text().splitlines()
    assert at_size[1].split(",")[1:] == by_row[2].split(",")[1:]


def test_an_optimum_from_tokens_by_domain(
    tables: Path, law: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    available, out = tables / "available.csv", tables / "mixture.json"
    available.write_text("domain,tokens\nwiki,1B\nweb,40B\ncode,30B\narxiv,3B\n")
    prior = tables / "prior.json"
    prior.write_text(json.dumps(dict.fromkeys(DOMAINS, 0.25)))
    bounds = ("--floor", "code,wiki=0.4", "--upper", "code=.39", "--kl-strength", "0.01")
    supply = ("--available", available, "--prior", prior, "--tokens", "20B", "--max-epochs", 2)
    curate("mix", "optimize", law, *supply, *bounds, "--weight", "web_val=1", "--out", out)
    said = capsys.readouterr().out
    found = json.loads(out.read_text())
    mixture = found["mixture"]
    assert sum(mixture.values()) == pytest.approx(1)
    assert mixture["code"] + mixture["wiki"] >= 0.4 - 1e-9
    assert mixture["code"] <= 0.39 + 1e-9
    assert all(epochs <= 2 + 1e-6 for epochs in found["epochs"].values())
    assert {*found["compared"]} == {"proportional", "prior", "uniform", "unimax"}
    assert found["proportional"]["web"] == pytest.approx(40 / 74)
    for name in ("proportional", "prior", "uniform", "unimax", "proposed"):
        assert f"\n{name} " in said
    assert "Predicted gain over the prior mixture" in said
    assert "The prior mixture does not meet 'wiki': repetition cap" in said
    assert any("cap" in bound or "bound" in bound for bound in found["binding"])
    assert f"The proposal is at a bound: {'; '.join(found['binding'])}." in " ".join(said.split())


def test_an_interval_that_holds_zero_is_said_in_words(
    tables: Path, law: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, prior = tables / "best.json", tables / "prior.json"
    prior.write_text(json.dumps(dict.fromkeys(DOMAINS, 0.25)))
    curate("mix", "optimize", law, "--prior", prior, "--out", best)
    capsys.readouterr()
    again = tables / "again.json"
    curate("mix", "optimize", law, "--prior", best, "--method", "simulate", "--out", again)
    said = capsys.readouterr().out
    assert "The interval holds zero: there may be no gain." in said
    assert ", holds zero" in said
    assert json.loads(again.read_text())["gain_holds_zero"]


@pytest.mark.parametrize("method", ["dirichlet", "double-diminishing", "regmix", "d-optimal"])
def test_designs_from_tokens_by_domain(tables: Path, method: str) -> None:
    available, out = tables / "available.json", tables / "design.csv"
    available.write_text(json.dumps({"web": "4B", "code": 3e9, "wiki": 2_000_000_000}))
    design = ("mix", "design", "--available", available, "--method", method, "--runs", 6)
    curate(*design, "--tokens", "6B", "--max-epochs", 2, "--out", out)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [f"{i:03d}" for i in range(6)]
    shares = np.array([[float(row[f"share/{d}"]) for d in ("web", "code", "wiki")] for row in rows])
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares[:, 2] <= 2 * 2 / 6 + 1e-9).all()
    first = out.read_bytes()
    curate(*design, "--tokens", "6B", "--max-epochs", 2, "--out", out)
    assert out.read_bytes() == first


def test_runs_that_exist_are_extended(tables: Path, law: Path) -> None:
    runs = (tables / "train.csv", "--losses", tables / "train_losses.csv", *REGMIX)
    for source in ((law,), runs):
        out = tables / "more.csv"
        curate("mix", "design", "--extend", *source, "--runs", 3, "--out", out)
        with out.open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 3
        assert not {row["run"] for row in rows} & {str(i) for i in range(24)}
        assert {*rows[0]} == {"run", *(f"share/{d}" for d in DOMAINS)}


def test_exports_sum_to_one_as_written(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixture = tables / "mixture.json"
    shares = {"web": 1 / 3, "code": 1 / 3, "wiki": 1 / 3 - 1e-9, "none": 1e-9}
    mixture.write_text(json.dumps({"mixture": shares, "max_epochs": 2.5}))
    paths = [f"--path={d}=/data/{d}_text" for d in ("web", "code", "wiki")]

    def exported(form: str, *options: str) -> str:
        curate("mix", "export", mixture, "--format", form, *options)
        return capsys.readouterr().out

    blend = exported("megatron", *paths).split()
    assert sum(map(Decimal, blend[::2])) == 1
    assert blend[1::2] == ["/data/web_text", "/data/code_text", "/data/wiki_text"]
    plain = json.loads(exported("json"), parse_float=Decimal)
    assert (sum(plain.values()), [*plain]) == (1, ["web", "code", "wiki"])
    assert yaml.safe_load(exported("yaml")) == {k: float(v) for k, v in plain.items()}
    sources = yaml.safe_load(exported("olmo", *paths, "--path=web=/data/more"))["sources"]
    assert sources[0] == {
        "source_name": "web",
        "target_ratio": 0.333334,
        "paths": ["/data/web_text", "/data/more"],
        "max_repetition_ratio": 2.5,
    }
    code = exported("datasets", "--path=web=org/web")
    assert "load_dataset('org/web', split=\"train\", streaming=True)" in code
    compile(code, "exported", "exec")
    named: dict[str, list[float]] = {}
    exec(code[code.index("probabilities = [") : code.index("mixed =")], named)
    assert named["probabilities"] == [float(v) for v in plain.values()]
    curate("mix", "export", mixture, "--format", "json", "--out", tables / "weights.json")
    assert json.loads((tables / "weights.json").read_text(), parse_float=Decimal) == plain


def test_rounding_by_largest_remainder() -> None:
    weights = exact({str(i): share for i, share in enumerate((0.5, 0.1234565, 0.3765435))}, "x")
    assert sum(weights.values()) == 1
    assert [str(w) for w in weights.values()] == ["0.500000", "0.123457", "0.376543"]


def test_what_is_wrong_is_said_with_what_to_do(
    tables: Path, law: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", tables / "x.json")
    train, losses = tables / "train.csv", tables / "train_losses.csv"
    said = refused(capsys, "mix", "fit", train, *out)
    assert "no column starts with 'share/'" in said and "--share-prefix" in said
    said = refused(capsys, "mix", "fit", train, *REGMIX, *out)
    assert "holds no losses" in said and "--losses" in said
    said = refused(
        capsys, "mix", "fit", train, "--losses", losses, *REGMIX, "--law", "aditive", *out
    )
    assert "Did you mean 'additive'?" in said
    few = tables / "few.csv"
    few.write_text("run,share/x,share/y,loss/t\na,1,0,3\nb,0,1,2\n")
    assert "holds 2 runs. A law needs at least 3" in refused(capsys, "mix", "fit", few, *out)
    assert "Give --selection, --available" in refused(capsys, "mix", "optimize", law, *out)
    prior = tables / "prior.json"
    prior.write_text(json.dumps({"arxiv": 0.5, "law": 0.5}))
    said = refused(capsys, "mix", "optimize", law, "--prior", prior, *out)
    assert "'law' is no domain of the law. It has arxiv, code, web, wiki." in said
    prior.write_text(json.dumps(dict.fromkeys(DOMAINS, 0.25)))
    optimize = ("mix", "optimize", law, "--prior", prior, *out)
    assert "reads no covariates: give no --at" in refused(capsys, *optimize, "--at", "tokens=1B")
    said = refused(capsys, *optimize, "--tokens", "1B")
    assert "--tokens caps repetition by what there is: give --selection or --available" in said
    assert "--lower wants NAME=NUMBER" in refused(capsys, *optimize, "--lower", "web")
    said = refused(capsys, *optimize, "--floor", "code,wiki=0.9", "--lower", "web=0.2")
    assert "No mixture meets the constraints" in said and "group 'code+wiki'" in said
    scarce = tables / "scarce.json"
    scarce.write_text(json.dumps(dict.fromkeys(DOMAINS, 10**9)))
    optimize = ("mix", "optimize", law, "--available", scarce, *out)
    said = refused(capsys, *optimize, "--tokens", "40B")
    assert "repetition cap" in said and "--extrapolate lifts them" in said
    scarce.write_text(json.dumps(dict.fromkeys(DOMAINS[1:], 10**9)))
    assert f"{scarce}: no value for the domain 'arxiv'." in refused(capsys, *optimize)
    said = refused(capsys, "mix", "predict", law, few)
    assert "no column 'arxiv' or 'train_arxiv'" in said
    said = refused(capsys, "mix", "export", prior, "--format", "olmo")
    assert "give --path arxiv=FILES" in said
    said = refused(capsys, "mix", "export", prior, "--format", "json", "--path", "law=x")
    assert "has no domain 'law'" in said
    prior.write_text(json.dumps({"a": 0.5, "b": 0.4}))
    said = refused(capsys, "mix", "export", prior, "--format", "json")
    assert "sum to one within 1%. Found a sum of 0.9" in said
