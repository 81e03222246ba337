"""The vLLM backend: the numbers of the transformers backend, whatever vLLM is asked beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import scorers.backends.vllm_engine as module
from scorers.ask_llm import AskLLM
from scorers.backends import Backend, TransformersBackend
from scorers.backends.vllm import VLLMBackend
from scorers.perplexity import Perplexity

CONTEXT = 256
LENGTHS = (1, 2, 7, 30, 31, CONTEXT, 200, CONTEXT - 1, 3)
TEXTS = ["The quick brown fox.", "", "def main(argv): return {'a': 1}", "Über die Straße " * 200]


def sequences(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(2, 300, n).tolist() for n in lengths]


def on_the_same_engine(backend: VLLMBackend, **changes: Any) -> VLLMBackend:
    other = replace(backend, **changes)
    vars(other)["_engine"] = backend._engine
    return other


def assert_agree(ours: Backend, theirs: Backend, atol: float) -> None:
    asked = [5, 9, 11]
    np.testing.assert_allclose(
        ours.next_token_logprobs(sequences(), asked).logprobs,
        theirs.next_token_logprobs(sequences(), asked).logprobs,
        rtol=0,
        atol=atol,
    )
    found, expected = ours.sequence_logprobs(sequences()), theirs.sequence_logprobs(sequences())
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_float32_agrees_with_transformers(vllm_float32: VLLMBackend) -> None:
    theirs = TransformersBackend(model=vllm_float32.model, dtype="float32")
    assert vllm_float32.max_length == theirs.max_length == CONTEXT
    assert_agree(vllm_float32, theirs, atol=2e-5)


def test_bfloat16_agrees_with_transformers(vllm_bfloat16: VLLMBackend) -> None:
    theirs = TransformersBackend(model=vllm_bfloat16.model, dtype="bfloat16")
    assert_agree(vllm_bfloat16, theirs, atol=1e-2)


def test_the_head_is_float32_under_a_bfloat16_body(vllm_bfloat16: VLLMBackend) -> None:
    prompts = sequences((20,) * 500)
    found = vllm_bfloat16.next_token_logprobs(prompts, [5]).logprobs
    assert len(np.unique(found)) > 490


def test_neighbours_order_and_chunks_change_nothing(vllm_float32: VLLMBackend) -> None:
    some = sequences()
    chunked = on_the_same_engine(vllm_float32, chunk_tokens=64)
    alone = np.concatenate([vllm_float32.next_token_logprobs([s], [5, 9]).logprobs for s in some])
    for together in (
        vllm_float32.next_token_logprobs(some, [5, 9]).logprobs,
        vllm_float32.next_token_logprobs(some[::-1], [5, 9]).logprobs[::-1],
        chunked.next_token_logprobs(some, [5, 9]).logprobs,
    ):
        np.testing.assert_allclose(together, alone, rtol=0, atol=2e-5)
    each = [vllm_float32.sequence_logprobs([s])[0] for s in some]
    for found in (vllm_float32.sequence_logprobs(some), chunked.sequence_logprobs(some)):
        for one, other in zip(found, each, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


def test_the_answers_come_in_the_order_asked(vllm_float32: VLLMBackend) -> None:
    a, b, c = vllm_float32.next_token_logprobs(sequences((9,)), [7, 5, 7]).logprobs[0]
    d = vllm_float32.next_token_logprobs(sequences((9,)), [5]).logprobs[0, 0]
    assert a == c != b
    assert b == pytest.approx(d, abs=1e-6)


def test_more_answers_than_vllm_takes_at_once(vllm_float32: VLLMBackend) -> None:
    vocabulary = range(vllm_float32._model_config.vocab_size)
    found = vllm_float32.next_token_logprobs(sequences((4, 60)), vocabulary)
    np.testing.assert_allclose(np.exp(found.logprobs).sum(1), 1, atol=1e-5)
    assert found.missing_mass.tolist() == [0, 0]


def test_ask_llm_agrees_with_transformers(vllm_float32: VLLMBackend) -> None:
    path = vllm_float32.model
    ours = AskLLM(model=path, backend=vllm_float32)
    theirs = AskLLM(model=path)
    assert ours.config()["backend"] == "vllm"
    one, other = ours.score(TEXTS), theirs.score(TEXTS)
    assert one.reason == other.reason
    np.testing.assert_allclose(one.value, other.value, rtol=1e-4)


def test_perplexity_agrees_with_transformers(vllm_float32: VLLMBackend) -> None:
    path = vllm_float32.model
    ours, theirs = Perplexity(model=path, backend=vllm_float32), Perplexity(model=path)
    assert ours.config()["window"] == theirs.config()["window"]
    np.testing.assert_allclose(ours.score(TEXTS).value, theirs.score(TEXTS).value, rtol=1e-5)


def test_nothing_to_ask_starts_no_engine(vllm_model: str) -> None:
    backend = VLLMBackend(model=vllm_model)
    assert backend.next_token_logprobs([], [5, 9]).logprobs.shape == (0, 2)
    assert backend.next_token_logprobs([[3]], []).logprobs.shape == (1, 0)
    assert backend.sequence_logprobs([]) == []
    assert [len(found) for found in backend.sequence_logprobs([[5], [6]])] == [0, 0]
    assert "_engine" not in vars(backend)


def test_the_configuration_is_plain_and_starts_no_engine(vllm_model: str) -> None:
    arguments = {"quantization": "fp8", "hf_overrides": {"head_dtype": "model"}}
    backend = VLLMBackend(model=vllm_model, engine_args=arguments)
    config = json.loads(json.dumps(backend.config()))
    assert config["model"].startswith("xxh3:")
    assert {k: config[k] for k in ("backend", "dtype", "engine_args")} == {
        "backend": "vllm",
        "dtype": "float32",
        "engine_args": arguments,
    }
    assert "_engine" not in vars(backend)


def test_a_model_that_is_not_there(vllm_model: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="model_type"):
        VLLMBackend(model=str(tmp_path)).config()


class Recorder:
    """Stands for `vllm.LLM`; keeps what it was built with."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.model_config = SimpleNamespace(head_dtype="torch.float32")


def test_what_the_user_gives_the_engine_wins(
    vllm_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vllm.LLM", Recorder)
    given = {"max_model_len": 64, "enable_prefix_caching": True, "hf_overrides": {"x": 1}}
    plain = VLLMBackend(model=vllm_model)._engine.arguments
    backend = VLLMBackend(model=vllm_model, engine_args=given)
    custom = backend._engine.arguments
    assert (plain["max_model_len"], plain["enable_prefix_caching"]) == (CONTEXT + 1, False)
    assert (custom["max_model_len"], custom["enable_prefix_caching"]) == (64, True)
    assert backend.max_length == 63
    assert custom["hf_overrides"] == {"head_dtype": "float32", "x": 1}


def test_a_vllm_without_a_float32_head_is_refused(
    vllm_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old(Recorder):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.model_config.head_dtype = "torch.bfloat16"

    monkeypatch.setattr("vllm.LLM", Old)
    with pytest.raises(RuntimeError, match=r"computes the head in bfloat16.*0\.26"):
        _ = VLLMBackend(model=vllm_model)._engine
    coarse = {"hf_overrides": {"head_dtype": "model"}}
    _ = VLLMBackend(model=vllm_model, engine_args=coarse)._engine


class TakesIds:
    """Stands for an engine that takes `prompt_logprob_token_ids`: answers -id for each."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def generate(
        self, prompts: list[dict[str, list[int]]], requests: list[Any], use_tqdm: bool
    ) -> list[Any]:
        ids = [request.prompt_logprob_token_ids for request in requests]
        assert [i[:, 0].tolist() for i in ids] == [p["prompt_token_ids"][1:] for p in prompts]
        assert not use_tqdm
        return [
            SimpleNamespace(prompt_token_id_logprobs=-i[self.shift :].astype(np.float32))
            for i in ids
        ]


def test_an_engine_that_takes_ids_is_given_them(vllm_model: str) -> None:
    backend = VLLMBackend(model=vllm_model)
    vars(backend)["_engine"] = TakesIds()
    found = backend.sequence_logprobs([[3, 4], [5], [6, 7, 8]])
    assert [f.tolist() for f in found] == [[-4], [], [-7, -8]]
    assert all(f.dtype == np.float64 for f in found)


def test_answers_about_other_tokens_are_refused(vllm_model: str) -> None:
    backend = VLLMBackend(model=vllm_model)
    vars(backend)["_engine"] = TakesIds(shift=1)
    with pytest.raises(RuntimeError, match="other tokens than it was asked for"):
        backend.sequence_logprobs([[3, 4]])


class Confused:
    """Stands for an engine that answers about token 99, whatever it is asked."""

    def generate(self, prompts: list[Any], *_: Any, **__: Any) -> list[Any]:
        flat = SimpleNamespace(token_ids=[99], logprobs=[-1.0])
        output = SimpleNamespace(logprobs=flat)
        return [SimpleNamespace(prompt_logprobs=flat, outputs=[output]) for _ in prompts]


def test_the_token_of_each_answer_is_compared(vllm_model: str) -> None:
    backend = VLLMBackend(model=vllm_model)
    vars(backend).update(_engine=Confused(), _takes_ids=False)
    with pytest.raises(RuntimeError, match="other tokens than it was asked for"):
        backend.sequence_logprobs([[3, 4]])
    with pytest.raises(RuntimeError, match="other tokens than it was asked for"):
        backend.next_token_logprobs([[3, 4]], [5])


def test_a_missing_vllm_is_named_before_anything_heavy(
    tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    backend = VLLMBackend(model=tiny_model)
    for use in (
        backend.config,
        lambda: backend.max_length,
        lambda: backend.next_token_logprobs([[1]], [2]),
        lambda: backend.sequence_logprobs([[1, 2]]),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'curate-lm\[vllm\]'"):
            use()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="'dtype' of VLLMBackend must be"):
        VLLMBackend(model="x", dtype="int8")
    with pytest.raises(ValueError, match="'chunk_tokens' of VLLMBackend"):
        VLLMBackend(model="x", chunk_tokens=0)
    with pytest.raises(ValueError, match="must leave out what the backend itself sets"):
        VLLMBackend(model="x", engine_args={"dtype": "half"})
    with pytest.raises(ValueError, match="'engine_args' of VLLMBackend must be plain JSON"):
        VLLMBackend(model="x", engine_args={"hf_overrides": print})
