"""`curate plan`: what it prints, and what it says of usual mistakes."""

from __future__ import annotations

import json

import pytest

from curate.cli import main

ASK = ("--scorer", "ask-llm=7B", "--tokens", "180B", "--hardware", "h200")
TRAIN = ("--train", "7B", "--train-tokens", "1T")


def plan(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["plan", *arguments])
    assert (ended.value.code or 0) == code
    told = capsys.readouterr()
    return " ".join((told.err if code else told.out).split())


def test_a_table_of_passes_and_training(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--scorer", "perplexity=0.5B", *TRAIN, "--devices", "8", "--saves", "0.3")
    said = plan(capsys, *ASK, *more, "--price", "3.5")
    assert "parameters FLOPs device-hours hours on 8 price of training" in said
    # 2 x 7e9 x 180e9 FLOPs at 0.4 x 989.5e12 FLOP/s: 1,769 hours, by the clock an eighth.
    assert "ask-llm 7B 2.5e+21 1,769 221 6,190 6% perplexity 500M 1.8e+20 126 15.8 442" in said
    assert "training 7B 4.2e+22 29,476 3,685 103,167 100%" in said
    assert "Scoring costs 6.43% of one training run, and filtering saves 30% of each: it" in said
    assert "it pays in the first run." in said
    assert "saves more than that" in plan(capsys, *ASK, *TRAIN)
    assert "pays" not in plan(capsys, *ASK)
    assert "after 2 runs" in plan(capsys, *ASK, *TRAIN, "--saves", "5%")
    assert "never pays" in plan(capsys, *ASK, *TRAIN, "--saves", "0")


def test_json_holds_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(plan(capsys, *ASK, *TRAIN, "--saves", "0.03", "--json"))
    assert found["scoring"]["flops"] == 2 * 7e9 * 180e9
    assert found["training"]["flops"] == 6 * 7e9 * 1e12
    assert found["scoring"]["share_of_training"] == pytest.approx(0.06)
    assert (found["runs_until_it_pays"], found["never_pays"]) == (pytest.approx(2.0), False)
    never = json.loads(plan(capsys, *ASK, *TRAIN, "--saves", "0", "--json"))
    assert (never["runs_until_it_pays"], never["never_pays"]) == (None, True)
    alone = json.loads(plan(capsys, *ASK, "--json"))
    assert alone["training"] is alone["saves"] is alone["scoring"]["share_of_training"] is None


def test_what_is_shared_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    embedded = ("--scorer", "density=110M", "--scorer", "semdedup=110M", "--scorer", "coverage=1B")
    found = json.loads(plan(capsys, *ASK, *embedded, "--scorer", "kenlm", "--json"))
    passes = [(one["scorers"], one["parameters"]) for one in found["scorers"]]
    assert passes == [
        (["ask-llm"], 7_000_000_000),
        (["density", "semdedup"], 110_000_000),
        (["coverage"], 1_000_000_000),
        (["kenlm"], None),
    ]
    assert found["scoring"]["flops"] == pytest.approx(2 * 180e9 * (7e9 + 1.1e8 + 1e9))
    assert any("kenlm: no model, so no FLOPs here, but not free" in note for note in found["notes"])


def test_an_encoder_decoder_passes_documents_through_its_encoder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    half = plan(capsys, *ASK, "--encoder-decoder", "ask-llm")
    assert "ask-llm 3.5B 1.3e+21" in half
    assert "A document passes the encoder alone, taken as 50% of the parameters" in half


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scorer", "asklm=7B"), "no scorer 'asklm'. Did you mean 'ask-llm'?"),
        (("--scorer", "perplexity"), "how large is its model? Write --scorer perplexity=7B."),
        (("--scorer", "kenlm=7B"), "kenlm runs no model. Leave out =7B."),
        (("--scorer", "rubric=7X"), "--scorer rubric=7X: Wanted a number of parameters"),
        (("--hardware", "h20"), "Did you mean 'h200'?"),
        (("--hardware", "cpu"), "give the FLOP/s of yours with --peak"),
        (("--tokens", "1X"), "Wanted a number of tokens, such as 5M or 5Mtok. Got '1X'."),
        (("--train", "7B"), "give both or neither"),
        (("--saves", "0.3"), "--saves is a share of a training run: give --train"),
        ((*TRAIN, "--saves", "30"), "such as 0.3 or 30%. Got '30'."),
        (("--encoder-decoder", "askllm"), "is planned. Did you mean 'ask-llm'?"),
        (("--devices", "0"), "'--devices'"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in plan(capsys, *ASK, *arguments, code=2)
