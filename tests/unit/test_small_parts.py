"""Budgets, names, pipeline files, whole files, tables of runs: what is read and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from curate.budget import Budget, parse_tokens
from curate.config import load_pipeline
from curate.errors import ConfigError
from curate.files import claim, only_writer, read_json, whole, write_json
from curate.registry import BUILT_IN, find, make_scorer, names
from curate.runs import RunTable

# Budgets


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("30%", Budget(0.3, "documents", True)),
        ("100%docs", Budget(1.0, "documents", True)),
        (" 0.5 % tok ", Budget(0.005, "tokens", True)),
        ("12.5%bytes", Budget(0.125, "bytes", True)),
        ("20000docs", Budget(20_000, "documents", False)),
        ("1doc", Budget(1, "documents", False)),
        ("5Mtok", Budget(5e6, "tokens", False)),
        ("2 K tokens", Budget(2_000, "tokens", False)),
        ("1.5Gbytes", Budget(1.5e9, "bytes", False)),
        ("3Bdocs", Budget(3e9, "documents", False)),
        ("1Ttok", Budget(1e12, "tokens", False)),
    ],
)
def test_budgets_as_people_write_them(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "30", "%", "-5%", "1e6docs", "5mtok", "5MB", "all", "5%%"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a budget\. Write a share") as caught:
        Budget.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["0%", "0docs", "0.0Gtok", "100.1%", "101%tok"])
def test_budgets_out_of_range(text: str) -> None:
    with pytest.raises(ConfigError, match=f"above 0, and a share at most 100%. Got '{text}'"):
        Budget.parse(text)


def test_numbers_of_tokens() -> None:
    written = (5_000_000, "5000000", " 5M ", "5 Mtok", "0.005B", "5000Ktokens")
    assert {parse_tokens(text) for text in written} == {5_000_000}


@pytest.mark.parametrize("text", ["30%", "5Mbytes", "5docs", "many", -5, 0, "0M", "0.4"])
def test_what_is_no_number_of_tokens(text: str | int) -> None:
    with pytest.raises(ConfigError):
        parse_tokens(text)


# Names


@pytest.mark.parametrize("kind", list(BUILT_IN))
def test_every_built_in_name_is_found(kind: str) -> None:
    for name in BUILT_IN[kind]:
        assert find(kind, name).name == name
        assert name in names(kind)


def test_unknown_names_answer_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"'perplexiti' is none of the scorers\. Did you mean 'per"
    ):
        find("scorers", "perplexiti")
    with pytest.raises(ConfigError, match="There is top-k, inverse-propensity, random"):
        find("samplers", "zzz")


def test_options_of_scorers() -> None:
    scorer = make_scorer("density", n_reference=7, bandwidth=None)
    assert (scorer.n_reference, scorer.bandwidth) == (7, None)
    with pytest.raises(ConfigError, match=r"no option 'n_referenc'\. Did you mean 'n_reference'"):
        make_scorer("density", n_referenc=7)
    with pytest.raises(ConfigError, match=r"density: 'n_reference' of Ref.* at least 2\. Got 1"):
        make_scorer("density", n_reference=1)
    with pytest.raises(ConfigError, match="density: "):
        make_scorer("density", bandwidth="wide")
    with pytest.raises(ConfigError, match=r"perplexity: .*'model'"):
        make_scorer("perplexity")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        make_scorer("perplexity", model=str(tmp_path))
    assert str(tmp_path) in str(caught.value)


# Pipeline files

PIPELINE: dict[str, Any] = {
    "out": "made",
    "corpus": {"inputs": ["shards/*.parquet"]},
    "score": {"density": {"n_reference": 50}, "perplexity": {"model": "demo"}},
    "select": {"by": "density", "method": "inverse-propensity", "budget": "40%"},
    "build": {"tokens": "5M"},
}


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(PIPELINE))
    return path


def test_what_a_pipeline_file_says_and_leaves_out(pipeline_file: Path) -> None:
    pipeline = load_pipeline(pipeline_file)
    said = pipeline.model_dump(exclude_unset=True)
    assert said == PIPELINE
    assert (pipeline.seed, pipeline.build.format, pipeline.select.by_domain) == (0, "parquet", True)


def test_overrides_replace_and_add(pipeline_file: Path) -> None:
    changes = ("seed=3", "build.tokens=7000", "mix.design.runs=9", "score.density.bandwidth=0.4")
    pipeline = load_pipeline(pipeline_file, (*changes, "corpus.text_column=a=b"))
    assert (pipeline.seed, pipeline.build.tokens, pipeline.mix.design.runs) == (3, 7000, 9)
    assert pipeline.score["density"] == {"n_reference": 50, "bandwidth": 0.4}
    assert pipeline.corpus.text_column == "a=b"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("build.shards=0", "build.shards: Input should be greater than 0"),
        ("build.format=csv", "build.format: Input should be 'parquet' or 'jsonl.zst'"),
        ("build.shard=2", "build.shard: Extra inputs are not permitted"),
        ("corpus.inputs=[]", "corpus.inputs: List should have at least 1 item"),
        ("mix.proxy.held_out=1", "mix.proxy.held_out: Input should be less than 1"),
        ("select.by=ask-llm", r"select.by is 'ask-llm', .* \['density', 'perplexity'\]"),
        ("seed", "--set wants key=value.*Got 'seed'"),
        ("out.deep=1", "--set out.deep=1: 'out' holds no keys"),
        ("build.tokens=[1", r"build.tokens=\[1"),
    ],
)
def test_mistakes_are_named(pipeline_file: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_pipeline(pipeline_file, (override,))


def test_every_mistake_is_named_at_once(pipeline_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(pipeline_file, ("seed=-1", "workers=none", "corpus.colour=red"))
    for part in (str(pipeline_file), "seed: ", "workers: ", "corpus.colour: "):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"- a list", "wanted keys such as corpus"),
        (b"", "wanted keys such as corpus"),
        (b"out: here", "build: Field required"),
    ],
)
def test_files_that_are_no_pipeline(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_pipeline(path)
    assert str(path) in str(caught.value)


def test_no_pipeline_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_pipeline(tmp_path / "nowhere.yaml")


# Files


def test_files_are_whole_or_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.txt"
    with pytest.raises(RuntimeError, match="halfway"), whole(path) as temporary:
        temporary.write_text("ha")
        raise RuntimeError("halfway")
    assert not path.exists()
    with whole(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(RuntimeError), whole(path) as temporary:
        temporary.write_text("sec")
        raise RuntimeError
    assert path.read_text() == "first"
    with whole(path) as temporary:  # whatever the failed ones left behind is no hindrance
        temporary.write_text("second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole(tmp_path / "part.parquet") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_json_survives_the_round_trip(tmp_path: Path) -> None:
    value = {"z": [1, 0.1, None, True], "a": {"Ünïcode": "\u2028 </script>"}}
    write_json(tmp_path / "a.json", value)
    write_json(tmp_path / "b.json", dict(reversed(value.items())))
    assert read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"nan": float("nan")})
    assert read_json(tmp_path / "a.json") == value


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.json: not there\. Was the step before"):
        read_json(tmp_path / "a.json")
    for content in (b"{", b"\xff"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"a\.json: not JSON"):
            read_json(tmp_path / "a.json")


def test_a_directory_is_claimed_by_one_configuration(tmp_path: Path) -> None:
    config = {"model": "a", "prompt": "p", "max_tokens": 512}
    claim(tmp_path, "config.json", config)
    claim(tmp_path, "config.json", dict(reversed(config.items())))
    with pytest.raises(ConfigError) as caught:
        claim(tmp_path, "config.json", {"model": "b", "prompt": "p", "seed": 1})
    said = str(caught.value)
    for part in (str(tmp_path), "model: 'a' → 'b'", "max_tokens: 512 → None", "seed: None → 1"):
        assert part in said
    assert "prompt" not in said
    assert read_json(tmp_path / "config.json") == config


def test_a_long_difference_hides_no_other(tmp_path: Path) -> None:
    claim(tmp_path, "config.json", {"prompt": "long " * 100, "yes": "yes"})
    with pytest.raises(ConfigError, match="yes: 'yes' → 'Yes'") as caught:
        claim(tmp_path, "config.json", {"prompt": "other " * 100, "yes": "Yes"})
    assert len(str(caught.value)) < 1_000


WRITER = """
import sys
from pathlib import Path
from curate.files import only_writer
with only_writer(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holding\n"
        with (
            pytest.raises(ConfigError, match="another run is writing there") as caught,
            only_writer(tmp_path),
        ):
            raise AssertionError("two writers")
        assert str(tmp_path) in str(caught.value)
        other.kill()  # no chance to clean up: the system lets go of the lock
    with only_writer(tmp_path):
        pass
    with pytest.raises(RuntimeError), only_writer(tmp_path):
        raise RuntimeError
    with only_writer(tmp_path):
        pass


# Tables of runs


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
