"""The transformers backend: batching changes nothing, and logits it cannot follow are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorers.backends import TransformersBackend
from scorers.backends.batching import TokenBudget
from scorers.backends.fingerprint import fingerprint
from scorers.backends.torch_models import CausalModel, context_of
from tests.tiny import make_model


def batches_of(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    TokenBudget(tokens).run(lengths, batches.append)
    return batches


def test_batches_hold_every_item_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 200).tolist()
    batches = batches_of(lengths, 100)
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(b) * max(lengths[i] for i in b) <= 100 for b in batches)


def test_an_item_over_the_budget_is_a_batch_of_its_own() -> None:
    assert batches_of([500, 3], 100) == [[0], [1]]


def test_out_of_memory_makes_batches_smaller(
    tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    rng = np.random.default_rng(1)
    prompts = [rng.integers(2, 300, n).tolist() for n in rng.integers(20, 60, 40)]
    expected = TransformersBackend(model=tiny_model).sequence_logprobs(prompts)
    plain, tried = CausalModel.all_states, []

    def small_memory(self: CausalModel, sequences: Sequence[Sequence[int]]) -> Any:
        tried.append(len(sequences) * len(sequences[0]))
        if tried[-1] > 400:
            raise torch.OutOfMemoryError("CUDA out of memory (not really).")
        return plain(self, sequences)

    monkeypatch.setattr(CausalModel, "all_states", small_memory)
    backend = TransformersBackend(model=tiny_model, batch_tokens=3000)
    found = backend.sequence_logprobs(prompts)
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5)
    n_failed = sum(n > 400 for n in tried)
    assert 0 < n_failed < 5
    again = backend.sequence_logprobs(prompts)
    assert sum(n > 400 for n in tried) == 2 * n_failed  # a call depends on none before it
    for one, other in zip(again, found, strict=True):
        assert one.tobytes() == other.tobytes()
    monkeypatch.setattr(CausalModel, "all_states", lambda *_: small_memory(*_)[:0])
    with pytest.raises(RuntimeError, match=r"single sequence of 449 tokens does not fit"):
        backend.sequence_logprobs([[5] * 450])


def test_other_errors_are_not_taken_for_a_full_memory(tiny_model: str) -> None:
    with pytest.raises((IndexError, RuntimeError), match="range"):
        TransformersBackend(model=tiny_model).next_token_logprobs([[10**6]], [3])


@pytest.mark.parametrize("batch_tokens", [1, 64, 100_000])
def test_batch_size_and_neighbours_change_nothing(tiny_model: str, batch_tokens: int) -> None:
    rng = np.random.default_rng(1)
    prompts = [rng.integers(2, 300, n).tolist() for n in (1, 7, 30, 31, 200, 2)]
    alone = TransformersBackend(model=tiny_model)
    together = TransformersBackend(model=tiny_model, batch_tokens=batch_tokens)
    expected = np.concatenate(
        [alone.next_token_logprobs([p], [5, 9, 11]).logprobs for p in prompts]
    )
    found = together.next_token_logprobs(prompts, [5, 9, 11])
    np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=1e-5)
    assert found.missing_mass.tolist() == [0.0] * len(prompts)
    for ours, p in zip(together.sequence_logprobs(prompts), prompts, strict=True):
        assert ours.shape == (len(p) - 1,)
        np.testing.assert_allclose(ours, alone.sequence_logprobs([p])[0], rtol=0, atol=1e-5)


def test_probabilities_sum_to_one_over_the_vocabulary(tiny_model: str) -> None:
    backend = TransformersBackend(model=tiny_model)
    told = backend.next_token_logprobs([[3, 4, 5]], range(_vocabulary(tiny_model)))
    assert np.exp(told.logprobs).sum() == pytest.approx(1.0, abs=1e-6)


def _vocabulary(path: str) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(path).vocab_size)


def test_a_float32_head_tells_apart_what_a_bfloat16_head_cannot(tiny_model: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rng = np.random.default_rng(3)
    prompts = rng.integers(2, 300, (600, 12)).tolist()
    backend = TransformersBackend(model=tiny_model, dtype="bfloat16")
    ours = backend.next_token_logprobs(prompts, [5]).logprobs[:, 0]
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).eval()
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor(prompts)).logits[:, -1]
    assert len(np.unique(logits[:, 5].float().numpy())) < 500
    assert len(np.unique(ours)) == 600
    theirs = logits.float().log_softmax(-1)[:, 5].numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.3)


def test_the_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    one = make_model(tmp_path / "a", seed=0)
    same = make_model(tmp_path / "b", seed=0)
    other = make_model(tmp_path / "c", seed=1)
    assert fingerprint(str(one)) == fingerprint(str(same)) != fingerprint(str(other))


def test_unknown_logits_are_refused(tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TransformersBackend(model=tiny_model)
    from transformers import LlamaForCausalLM

    plain = LlamaForCausalLM.forward

    def doubled(self: Any, *args: Any, **kw: Any) -> Any:
        out = plain(self, *args, **kw)
        out.logits = 2 * out.logits
        return out

    monkeypatch.setattr(LlamaForCausalLM, "forward", doubled)
    with pytest.raises(ValueError, match="changes its logits after the head"):
        backend.next_token_logprobs([[1, 2]], [3])


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="'dtype' of TransformersBackend must be"):
        TransformersBackend(model="x", dtype="int8")
    with pytest.raises(ValueError, match="'batch_tokens' of TransformersBackend"):
        TransformersBackend(model="x", batch_tokens=0)


FAMILIES: dict[str, dict[str, Any]] = {
    "gemma2": {"final_logit_softcapping": 3.0, "head_dim": 8},
    "granite": {"logits_scaling": 3.0},
    "cohere": {"logit_scale": 0.3, "pad_token_id": 0},
    "phi": {},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_scale_cap_or_shift_their_logits(family: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        family,
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        **FAMILIES[family],
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    if family == "phi":
        torch.nn.init.normal_(model.lm_head.bias)
    model.save_pretrained(tmp_path)
    backend = TransformersBackend(model=str(tmp_path))
    ids = np.random.default_rng(0).integers(2, 300, 20).tolist()
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    found = backend.next_token_logprobs([ids], [5, 9]).logprobs[0]
    np.testing.assert_allclose(found, expected[-1, [5, 9]], rtol=0, atol=1e-5)
    (told,) = backend.sequence_logprobs([ids])
    np.testing.assert_allclose(told, expected[np.arange(19), ids[1:]], rtol=0, atol=1e-5)


def test_a_model_that_overflows_is_refused(tiny_model: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.model.norm.weight.data *= float("nan")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="it overflows"):
        _ = TransformersBackend(model=str(tmp_path)).max_length


def test_the_context_of_a_model_whose_text_part_is_nested(tiny_model: str) -> None:
    from transformers import AutoConfig

    assert context_of(AutoConfig.for_model("gemma3")) == 131_072
    assert context_of(AutoConfig.for_model("gpt2")) == 1024
    assert context_of(AutoConfig.from_pretrained(tiny_model)) == 256
