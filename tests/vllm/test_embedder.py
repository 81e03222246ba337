"""The vLLM embedder: the vectors that transformers and a mean or the last token give."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from scorers.embedders import Embedder, VLLMEmbedder
from tests.vllm.conftest import SMALL, stop

TEXTS = [
    "The quick brown fox.",
    "def main(argv): return {'a': 1}",
    "Über die Straße " * 200,
    "What spells </s> in a text is text.",
]


@pytest.fixture(scope="module", params=["LAST", "MEAN"])
def embedder(vllm_model: str, request: pytest.FixtureRequest) -> Any:
    pooling = {"pooler_config": {"pooling_type": request.param}}
    arguments = {**SMALL, "enforce_eager": True, **pooling}
    made = VLLMEmbedder(model=vllm_model, engine_args=arguments)
    yield made
    stop(made)


def pooled(embedder: VLLMEmbedder, text: str) -> np.ndarray:
    import torch
    from transformers import AutoModel

    start, end = embedder._tokenizer.special_ends
    ids = (start + embedder._tokenizer.encode([text])[0] + end)[: embedder._longest]
    model = AutoModel.from_pretrained(embedder.model)
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0].numpy()
    mean = embedder.engine_args["pooler_config"]["pooling_type"] == "MEAN"
    vector = states.mean(0) if mean else states[-1]
    return np.asarray(vector / np.linalg.norm(vector))


def test_agrees_with_transformers(embedder: VLLMEmbedder) -> None:
    assert isinstance(embedder, Embedder)
    found = embedder.embed(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), embedder.dimension)
    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, pooled(embedder, text), rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(TEXTS[1:2])[0], found[1], rtol=0, atol=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_the_configuration_is_plain_and_starts_no_engine(vllm_model: str) -> None:
    made = VLLMEmbedder(model=vllm_model, prompt="q: ", engine_args=SMALL)
    config = json.loads(json.dumps(made.config()))
    assert config["model"].startswith("xxh3:")
    assert (config["dtype"], config["prompt"]) == ("float32", "q: ")
    assert "_engine" not in vars(made)
    with pytest.raises(ValueError, match="vLLM has no engine argument 'max_modl_len'"):
        VLLMEmbedder(model=vllm_model, engine_args={"max_modl_len": 64}).config()


def test_a_length_that_is_asked_for(vllm_model: str) -> None:
    assert VLLMEmbedder(model=vllm_model, max_length=8)._longest == 8
    assert VLLMEmbedder(model=vllm_model, max_length=10_000)._longest == 256
    assert VLLMEmbedder(model=vllm_model, engine_args={"max_model_len": 64})._longest == 64
