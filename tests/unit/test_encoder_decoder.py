"""Encoder-decoder models, which the paper asked: P(yes) is that of the first decoded token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scorers import AskLLM, Perplexity
from scorers.backends import TransformersBackend
from scorers.prompts import ASK_LLM
from tests.conftest import some_text
from tests.tiny import make_bart, make_t5

KINDS = ["t5", "t5-tied", "bart"]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "bart":
        return str(make_bart(path))
    return str(make_t5(path, tied=request.param == "t5-tied"))


def test_equals_an_unbatched_reference(model: str) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    texts = [some_text(i, words=8 * (i % 5 + 1)) for i in range(9)]
    backend = TransformersBackend(model=model, batch_tokens=900)
    scored = AskLLM(model=model, max_tokens=240, backend=backend).score(texts)
    reference = AutoModelForSeq2SeqLM.from_pretrained(model).eval()
    tokenizer = AutoTokenizer.from_pretrained(model)
    answers = [tokenizer(a, add_special_tokens=False)["input_ids"][0] for a in ("yes", "no")]
    start = torch.tensor([[reference.config.decoder_start_token_id]])
    for i, text in enumerate(texts):
        ids = torch.tensor([tokenizer(ASK_LLM.replace("{text}", text))["input_ids"]])
        if ids.shape[1] > 240:
            assert scored.extra["truncated"][i]
            continue
        with torch.inference_mode():
            logits = reference(input_ids=ids, decoder_input_ids=start).logits[0, 0].double()
        log_yes, log_no = (logits - logits.logsumexp(-1))[answers].tolist()
        assert np.log(scored.value[i]) == pytest.approx(log_yes, abs=1e-5)
        assert scored.extra["log_p_no"][i] == pytest.approx(log_no, abs=1e-5)
    assert 0 < scored.extra["truncated"].sum() < len(texts)
    assert len(np.unique(scored.value)) == len(texts)


def test_perplexity_wants_a_causal_model(model: str) -> None:
    with pytest.raises(ValueError, match="Name a causal model for perplexity"):
        Perplexity(model=model).score(["some text"])
