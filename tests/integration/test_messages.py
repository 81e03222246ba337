"""The usual mistakes, in a directory of a new user: each is told what was wanted and what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from curate.cli import main
from curate.shards import LOG
from tests.conftest import some_text

MADE = """
out: job
corpus: {inputs: [corpus]}
score:
  perplexity: {model: demo}
select: {by: perplexity, method: top-k, budget: 50%}
mix: {}
build: {tokens: 9k}
"""
PERPLEXITY = "score perplexity one.jsonl --model demo --out o"
SELECT = "select random --scores scores/token-prior --budget 50% --out x"
BUILD = "build corpus --selection selection --mixture mixture.json --tokens 900 --out x"
MIX_RUN = "mix run design.csv --corpus corpus --selection selection --out y"

MISTAKES = [
    # a name that is none, an option that is none
    ("scor", 2, ["no command 'scor'", "Did you mean 'score'?"]),
    ("score perplexty corpus", 2, ["no command 'perplexty'", "Did you mean 'perplexity'?"]),
    ("mix fti runs.csv", 2, ["no command 'fti'", "Did you mean 'fit'?"]),
    (f"{PERPLEXITY} --modle demo", 2, ["No such option '--modle'", "--model"]),
    (
        SELECT.replace("random", "topk"),
        2,
        ["'topk' is none of the samplers", "Did you mean 'top-k'?"],
    ),
    (f"{SELECT} --temperature 2", 2, ["random has no option", "It is an option of softmax"]),
    ("mix fit runs.csv --law addtive --out x.json", 2, ["'addtive'", "Did you mean 'additive'?"]),
    ("mix compare runs.csv --law liner", 2, ["'liner'", "Did you mean 'linear'?"]),
    ("mix export mixture.json --format megatro", 2, ["Did you mean 'megatron'?"]),
    ("combine scores/token-prior one --how avg --out x", 2, ["'avg'", "mean-rank"]),
    (f"{PERPLEXITY} --engine-arg foo=1", 2, ["no option 'foo'", "batch_tokens"]),
    ("embed corpus --out o --embedder hashed-ngram", 2, ["Did you mean 'hashed-ngrams'?"]),
    ("completion tcsh", 2, ["'tcsh' is not one of 'bash', 'zsh', 'fish'"]),
    # what is missing
    ("score perplexity --model demo --out o", 2, ["Missing argument 'INPUT...'"]),
    ("score perplexity corpus --model demo", 2, ["Missing option '--out'", "Directory to write"]),
    (MIX_RUN.replace("--corpus corpus ", ""), 2, ["Missing option '--corpus'", "directories"]),
    ("select", 2, ["Choose from: top-k, inverse-propensity, softmax"]),
    ("select random --scores scores/token-prior --out x", 2, ["Give a budget, or a quota"]),
    # nothing where something was named
    ("score perplexity nowhere --model demo --out o", 2, ["nowhere: no such file or directory"]),
    (
        "score perplexity empty --model demo --out o",
        2,
        ["empty: nothing there", ".parquet, .jsonl"],
    ),
    (
        "score density --embeddings empty --out o",
        2,
        ["no embedding tables", "`curate embed` wrote"],
    ),
    (SELECT.replace("scores/token-prior", "nowhere"), 2, ["nor such a directory", "curate score"]),
    (SELECT.replace("scores/token-prior", "scores"), 2, ["Did you mean scores/token-prior?"]),
    ("combine scores/token-prior nowhere --how mean --out x", 2, ["nowhere: no score tables"]),
    (BUILD.replace("--selection selection", "--selection empty"), 2, ["`curate select` wrote"]),
    (BUILD.replace("mixture.json", "nowhere.json"), 2, ["nowhere.json: not there"]),
    (BUILD.replace("corpus", "nowhere"), 2, ["nowhere: no such file or directory"]),
    ("mix fit nowhere.csv --out x.json", 2, ["nowhere.csv is not there"]),
    ("mix optimize law.json --out x.json", 2, ["Give --selection, --available"]),
    ("mix design --selection empty --out x.csv", 2, ["`curate select` wrote"]),
    ("run nowhere.yaml", 2, ["nowhere.yaml: no such file"]),
    ("inspect nowhere", 2, ["nowhere: no such directory"]),
    ("inspect empty", 2, ["nothing that curate wrote", "report.json"]),
    ("inspect empty --errors", 2, ["no tables there", "`curate embed` wrote"]),
    # a directory for a file, and a file for a directory
    ("mix fit empty --out x.json", 2, ["empty is a directory", "a CSV file, or Parquet"]),
    ("mix compare empty", 2, ["empty is a directory", "a CSV file, or Parquet"]),
    ("mix predict law.json empty", 2, ["empty is a directory", "a CSV file"]),
    ("mix predict empty runs.csv", 2, ["empty: is a directory", "JSON file"]),
    ("mix fit runs.csv --out empty", 2, ["empty: is a directory", "Give a file to write to"]),
    ("mix design --selection selection --out empty", 2, ["Give a file to write to"]),
    ("mix schedule mixture.json --end web=.5 --out empty", 2, ["Give a file to write to"]),
    ("mix export empty --format json", 2, ["empty: is a directory", "JSON file"]),
    ("mix curves empty", 2, ["empty: cannot be read as a Parquet file", "columns run"]),
    ("mix scale runs.csv --size 1B", 2, ["runs.csv: cannot be read as a Parquet file"]),
    (BUILD.replace("mixture.json", "empty"), 2, ["empty: is a directory", "JSON file"]),
    (BUILD.replace("mixture.json", "runs.csv"), 2, ["runs.csv: not JSON", "wrote as JSON"]),
    ("run empty", 2, ["empty: a directory. Name the YAML file in it."]),
    (PERPLEXITY.replace("out o", "out one.jsonl"), 2, ["is a file", "Give a directory"]),
    (SELECT.replace("out x", "out one.jsonl"), 2, ["is a file. Give a directory"]),
    (BUILD.replace("out x", "out one.jsonl"), 2, ["is a file. Give a directory"]),
    (MIX_RUN.replace("out y", "out one.jsonl"), 2, ["is a file. Give a directory"]),
    ("demo one.jsonl", 2, ["one.jsonl: is a file. Give a directory"]),
    (SELECT.replace("scores/token-prior", "one.jsonl"), 2, ["no score tables there"]),
    # models and devices
    (PERPLEXITY.replace("model demo", "model no/such"), 2, ["'no/such' cannot be loaded"]),
    (PERPLEXITY.replace("model demo", "model ./no"), 2, ["./no is not there", "or demo"]),
    (
        PERPLEXITY.replace("model demo", "model one.jsonl"),
        2,
        ["one.jsonl is a file", "config.json"],
    ),
    (PERPLEXITY.replace("model demo", "model empty"), 2, ["no model in it", "config.json"]),
    ("score token-prior corpus --tokenizer empty --out o", 2, ["no model in it", "a tokenizer"]),
    ("score kenlm corpus --model empty --out o", 2, ["must be an ARPA file or a KenLM binary"]),
    (f"{PERPLEXITY} --device gpu", 2, ["cannot be put on device 'gpu'", "such as cpu"]),
    (f"{PERPLEXITY} --dtype fp16", 2, ["float32, bfloat16 or float16", "Got 'fp16'"]),
    (f"{PERPLEXITY} --backend openai", 2, ["needs the option 'base_url' (--base-url)"]),
    (f"{MIX_RUN} --tokenizer no/such", 2, ["The tokenizer 'no/such' cannot be loaded", "demo"]),
    (f"{MIX_RUN} --device gpu", 2, ["must be cpu, cuda or cuda:N"]),
    # columns, amounts and domains of other names
    (f"{PERPLEXITY} --text-column content", 2, ["no column 'content'", "'id', 'text'"]),
    (f"{PERPLEXITY} --id-column key", 2, ["no column 'key'", "--id-column"]),
    (f"{PERPLEXITY} --domain-column lang", 2, ["no column 'lang'", "--domain-column"]),
    ("embed corpus --out o --vector-column v", 2, ["no column 'v'", "--vector-column"]),
    (f"{SELECT.replace('random', 'band')} --column nope", 2, ["no column 'nope'", "'score'"]),
    (SELECT.replace("50%", "lots"), 2, ["'lots' is not a budget", "30%tok"]),
    (f"{SELECT} --quota wbe=50%", 2, ["no domain 'wbe'", "'web'"]),
    (BUILD.replace("900", "many"), 2, ["Wanted a number of tokens", "5M", "'many'"]),
    (BUILD.replace("mixture.json", "typo.json"), 2, ["'wbe'", "Kept: code, web"]),
    ("mix fit runs.csv --loss y --out x.json", 2, ["no column 'y'", "loss/x"]),
    ("mix scale runs.csv --size big", 2, ["--size wants a number", "1B"]),
    ("mix design --selection selection --tokens 9M --out d.csv", 2, ["9,000,000", "--max-epochs"]),
    # an output of another configuration; a place that cannot be
    (SELECT.replace("50%", "40%").replace("out x", "out selection"), 2, ["'50%' → '40%'"]),
    ("score token-prior corpus --tokenizer demo --chunk-rows 9 --out scores", 2, ["1024 → 9"]),
    (BUILD.replace("out x", "out scores/token-prior"), 2, ["holds tables or runs"]),
    (f"{MIX_RUN.replace('out y', 'out half')}", 2, ["half holds an unfinished dataset"]),
    (PERPLEXITY.replace("out o", "out /proc/x"), 1, ["/proc/x: No such file", "Check that"]),
    ("mix fit runs.csv --out /proc/x.json", 1, ["/proc/x.json: No such file", "Check that"]),
    # a pipeline file with a mistake
    ("run typo.yaml", 2, ["'perplexty' is none of the scorers", "Did you mean 'perplexity'?"]),
    ("run key.yaml", 2, ["select.budgt: there is no such key", "Did you mean 'budget'?"]),
    ("run broken.yaml", 2, ["broken.yaml: not YAML", "line 2"]),
    ("run made.yaml --set nothing", 2, ["--set wants key=value", "build.tokens=5M"]),
    ("run made.yaml --set corpus.inputs=[nowhere]", 2, ["nowhere: no such file or directory"]),
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody has who scored, selected and fitted once."""
    room = tmp_path_factory.mktemp("new")
    for domain in ("web", "code"):
        (room / "corpus" / domain).mkdir(parents=True)
        lines = [{"id": f"{domain}{i}", "text": some_text(i, 60)} for i in range(30)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (room / "corpus" / domain / "a.jsonl").write_text(text)
    (room / "empty").mkdir()
    (room / "half").mkdir()
    (room / "half/_config.json").write_text('"of a build that was stopped"')
    (room / "one.jsonl").write_text('{"id": "1", "text": "a b c"}\n')
    (room / "runs.csv").write_text(
        "run,share/a,share/b,loss/x\n0,.5,.5,2.0\n1,.2,.8,2.1\n2,.9,.1,2.2\n3,.4,.6,2.3\n"
    )
    (room / "design.csv").write_text("run,share/code,share/web\n0,.5,.5\n")
    (room / "mixture.json").write_text('{"mixture": {"code": 0.5, "web": 0.5}}')
    (room / "typo.json").write_text('{"mixture": {"code": 0.5, "wbe": 0.5}}')
    (room / "made.yaml").write_text(MADE)
    (room / "typo.yaml").write_text(MADE.replace("perplexity: {", "perplexty: {"))
    (room / "key.yaml").write_text(MADE.replace("budget", "budgt"))
    (room / "broken.yaml").write_text("out: job\n  corpus: [\n")
    before = Path.cwd()
    os.chdir(room)
    try:
        for command in (
            "score token-prior corpus --tokenizer demo --out scores",
            "select random --scores scores/token-prior --budget 50% --out selection",
            "mix fit runs.csv --law linear --out law.json",
        ):
            assert _code(command) == 0
    finally:
        os.chdir(before)
    return room


def _code(command: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("command", "code", "wanted"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_what_to_do(
    room: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    code: int,
    wanted: list[str],
) -> None:
    monkeypatch.chdir(room)
    assert _code(command) == code
    printed = capsys.readouterr()
    said = " ".join(printed.err.split())
    assert not printed.out
    assert "Error: " in said
    assert "Errno" not in said
    assert "Traceback" not in said
    for words in wanted:
        assert words in said, said


def test_no_gpu(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.chdir(room)
    assert _code(f"{PERPLEXITY} --device cuda") == 2
    assert "Give another 'device', such as cpu" in " ".join(capsys.readouterr().err.split())
    assert _code(f"{MIX_RUN} --device cuda") == 2
    assert "PyTorch sees no GPU" in capsys.readouterr().err


def test_mistakes_leave_nothing_but_logs(room: Path) -> None:
    """Directories that were made for nothing hold no tables that a later run would trip over."""
    left = [p for p in (room / "o").rglob("*") if p.is_file() and p.name not in (".lock", LOG)]
    assert left == []
