"""Names find their classes, and unknown ones what was meant."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from curate import registry
from curate.errors import BackendError, ConfigError
from curate.registry import (
    BUILT_IN,
    find,
    make_embedder,
    make_point_scorer,
    make_scorer,
    measured_by,
    names,
)
from scorers import VLLMEmbedder
from scorers.prompts import PROMPTS


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
    with pytest.raises(ConfigError, match="There is top-k, inverse-propensity, softmax"):
        find("samplers", "zzz")


def test_options_of_scorers() -> None:
    scorer = make_scorer("density", n_reference=7, bandwidth=None)
    assert (scorer.n_reference, scorer.bandwidth) == (7, None)
    with pytest.raises(ConfigError, match=r"no option 'n_referenc'\. Did you mean 'n_reference'"):
        make_scorer("density", n_referenc=7)
    with pytest.raises(ConfigError, match=r"density: 'n_reference' of Ref.* at least 3\. Got 1"):
        make_scorer("density", n_reference=1)
    with pytest.raises(ConfigError, match="density: "):
        make_scorer("density", bandwidth="wide")
    with pytest.raises(ConfigError, match=r"perplexity needs the option 'model' \(--model\)"):
        make_scorer("perplexity")
    with pytest.raises(ConfigError, match="has no option 'unit'"):
        make_scorer("perplexity", model="demo", unit="bits")


def test_scorers_of_points_have_a_seed_for_their_sample_and_may_have_one_themselves() -> None:
    spec, seed = make_point_scorer("density", seed=5, n_reference=7)
    assert (spec.n_reference, seed, hasattr(spec, "seed")) == (7, 5, False)
    spec, seed = make_point_scorer("density-race", seed=5)
    assert (spec.seed, seed) == (5, 5)
    assert make_point_scorer("prototypes")[1] == make_point_scorer("prototypes")[0].seed == 0


@pytest.mark.parametrize("name", BUILT_IN["scorers"])
def test_what_a_scorer_measures_is_known_beforehand(name: str) -> None:
    measured = measured_by(name)
    assert measured.column
    assert measured.higher_is_better in (True, False, None)
    assert (measured.column == "log_density") == name.startswith("density")


def test_options_of_embedders(tmp_path: Path) -> None:
    assert make_embedder(n_max=2, seed=None).config()["n_max"] == 2
    with pytest.raises(ConfigError, match=r"hashed-ngrams has no option 'n_mx'\. .* 'n_max'"):
        make_embedder(n_mx=2)
    with pytest.raises(ConfigError, match=r"'n_max' of HashedNGrams must be at least 1\. Got 0"):
        make_embedder(n_max=0)
    with pytest.raises(ConfigError, match=r"hashed-ngrams runs no model: leave out 'some/model'"):
        make_embedder("some/model", "hashed-ngrams")
    (tmp_path / "config.json").write_text("{}")
    made = make_embedder(str(tmp_path), max_length=64)
    assert (made.name, made.max_length) == ("sentence-transformers", 64)
    with pytest.raises(ConfigError, match="has no option 'max_model_len'"):
        make_embedder(str(tmp_path), max_model_len=64)
    with pytest.raises(ConfigError, match=r"'vlm' is none of the embedders\. Did you mean 'vllm'"):
        make_embedder(str(tmp_path), "vlm")


def test_what_an_engine_behind_an_embedder_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VLLMEmbedder, "config", lambda _: {})
    made = make_embedder(
        "some/model", "vllm", prompt="q: ", max_model_len=64, engine_args={"seed": 1}
    )
    assert (made.model, made.prompt) == ("some/model", "q: ")
    assert made.engine_args == {"max_model_len": 64, "seed": 1}
    with pytest.raises(ConfigError, match=r"must leave out .* itself sets\. Got runn"):
        make_embedder("some/model", "vllm", runner="generate")


def test_options_of_backends() -> None:
    made = make_scorer(
        "perplexity", model="demo", dtype="float32", window=64, engine_args={"batch_tokens": 99}
    )
    assert (made.window, made.backend.dtype, made.backend.batch_tokens) == (64, "float32", 99)
    assert made.model == made.backend.model
    with pytest.raises(
        ConfigError, match=r"on transformers has no option 'windwo'\. Did you mean 'w"
    ):
        make_scorer("perplexity", model="demo", windwo=64)
    with pytest.raises(ConfigError, match=r"on openai needs the option 'base_url' \(--base-url\)"):
        make_scorer("ask-llm", model="demo", backend="openai")
    with pytest.raises(
        ConfigError, match=r"'opnai' is none of the backends\. Did you mean 'openai'"
    ):
        make_scorer("ask-llm", model="demo", backend="opnai")
    url = "http://127.0.0.1:9/v1"
    with pytest.raises(BackendError, match="Check that the server runs"):
        make_scorer(
            "ask-llm", model="demo", backend="openai", base_url=url, engine_args={"retries": 0}
        )


def test_options_that_scorers_and_backends_share() -> None:
    """Another name in common would have two meanings, and an option could set only one."""
    theirs = [options_of("backends", name) for name in BUILT_IN["backends"]]
    asking = [
        mine for name in BUILT_IN["scorers"] if "backend" in (mine := options_of("scorers", name))
    ]
    assert (len(asking), len(theirs)) == (3, 3)
    for mine in asking:
        assert [mine & other for other in theirs] == [{"model", "trust_remote_code"}] * 3


def options_of(kind: str, name: str) -> set[str]:
    return {field.name for field in fields(find(kind, name))}


def test_only_those_reach_both(monkeypatch: pytest.MonkeyPatch) -> None:
    class Backend:
        def __init__(
            self,
            model: str,  # noqa: ARG002
            context: int | None = None,
            trust_remote_code: bool = False,
        ) -> None:
            raise ValueError(f"built with {context} and {trust_remote_code}")

    found = registry.find
    monkeypatch.setattr(
        registry, "find", lambda kind, name: Backend if kind == "backends" else found(kind, name)
    )
    with pytest.raises(ConfigError, match="built with None and True"):
        make_scorer("perplexity", model="demo", context=9, trust_remote_code=True)
    with pytest.raises(ConfigError, match="built with 5 and False"):
        make_scorer("perplexity", model="demo", context=9, engine_args={"context": 5})


@pytest.mark.parametrize("engine_args", [["retries=0"], "retries=0", 3, {1: 2}])
def test_engine_args_are_options_by_name(engine_args: Any) -> None:
    with pytest.raises(ConfigError, match="'engine_args' of perplexity must hold options by name"):
        make_scorer("perplexity", model="demo", engine_args=engine_args)


def test_an_unknown_engine_arg_is_compared_with_those_of_the_backend() -> None:
    with pytest.raises(
        ConfigError, match=r"has no option 'batch_tokns'\. Did you .* 'batch_tokens'"
    ):
        make_scorer("perplexity", model="demo", engine_args={"batch_tokns": 9})
    with pytest.raises(ConfigError, match=r"has no option 'window'\. There is model, ") as caught:
        make_scorer("perplexity", model="demo", engine_args={"window": 9})
    assert "full_last_window" not in str(caught.value)


def test_prompts_by_name_file_or_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Good?\n{text}\n")
    file = str(tmp_path / "mine.txt")
    assert make_scorer("ask-llm", model="demo", prompt=file).prompt == "Good?\n{text}\n"
    assert make_scorer("ask-llm", model="demo", prompt="rubric").prompt == PROMPTS["rubric"]
    assert make_scorer("ask-llm", model="demo", prompt="{text}?").prompt == "{text}?"
    (tmp_path / "mine.txt").write_text("Good? {text}", encoding="utf-8-sig")
    assert make_scorer("ask-llm", model="demo", prompt=file).prompt == "Good? {text}"
    with pytest.raises(ConfigError, match="ask-llm: "):
        make_scorer("ask-llm", model="demo", prompt=5)
    with pytest.raises(ConfigError, match="neither a prompt nor a file with one"):
        make_scorer("ask-llm", model="demo", prompt="askllm")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        make_scorer("perplexity", model=str(tmp_path))
    assert str(tmp_path) in str(caught.value)
