"""Ways to get log-probabilities out of one causal model: the raw pass, ours, and what others do."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorers import AskLLM, Perplexity
from scorers.backends import Backend, TransformersBackend
from scorers.backends.batching import TokenBudget
from scorers.backends.torch_models import padded
from scorers.tokenizer import Tokenizer

FloatArray = NDArray[np.float64]
_NO_SCORE = -100.0


@dataclass(frozen=True)
class Way:
    """One way to do the work.

    Attributes:
        name: for the table.
        run: does all of it; returns a log-probability or a score per document.
        n_tokens: real tokens it puts through the model.
    """

    name: str
    run: Callable[[], FloatArray]
    n_tokens: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """Documents and a model, and every way to score the ones with the other.

    Attributes:
        model: directory.
        texts: documents.
        dtype, device: as of `TransformersBackend`.
        max_tokens: longest prompt and longest window.
    """

    model: str
    texts: Sequence[str]
    dtype: str
    device: str
    max_tokens: int
    batch_tokens: int | None = None
    compile: bool = False

    @cached_property
    def backend(self) -> TransformersBackend:
        """Ours."""
        return TransformersBackend(
            model=self.model,
            dtype=self.dtype,
            device=self.device,
            batch_tokens=self.batch_tokens,
            compile=self.compile,
        )

    @cached_property
    def raw_model(self) -> Any:
        """The model as transformers gives it."""
        import torch
        from transformers import AutoModelForCausalLM

        dtype = getattr(torch, self.backend.config()["dtype"])
        return AutoModelForCausalLM.from_pretrained(self.model, dtype=dtype).to(self.device).eval()

    def ask_llm(self, backend: Backend | None = None) -> Way:
        """Ask-LLM, from text to score."""
        scorer = self._ask_scorer(backend or self.backend)
        name = (
            "curate ask-llm"
            if backend is None
            else f"curate ask-llm, {backend.config()['backend']}"
        )
        return Way(name, lambda: scorer.score(self.texts).value, sum(map(len, self.prompts)))

    def perplexity(self, backend: Backend | None = None) -> Way:
        """Perplexity, from text to log-likelihood of each document, in the windows of lm-eval."""
        scorer = self._perplexity_scorer(backend or self.backend)

        def run() -> FloatArray:
            scored = scorer.score(self.texts)
            return np.asarray(-scored.value * scored.extra["n_tokens"])

        name = (
            "curate perplexity"
            if backend is None
            else f"curate perplexity, {backend.config()['backend']}"
        )
        return Way(name, run, sum(len(w) - 1 for w in self.windows))

    def forward(self, *, every_token: bool) -> Way:
        """The raw forward pass on ready-made batches, the same that ours are cut into."""
        import torch

        sequences = [w[:-1] for w in self.windows] if every_token else self.prompts
        batches: list[Any] = []
        TokenBudget(self.backend.padded_tokens).run(
            [len(s) for s in sequences],
            lambda b: batches.append(padded([sequences[i] for i in b], self.device)[0]),
        )
        keep = {} if every_token else {"logits_to_keep": 1}

        def run() -> FloatArray:
            with torch.inference_mode():
                for ids in batches:
                    self.raw_model(input_ids=ids, use_cache=False, **keep)
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()
            return np.empty(0)

        what = "logits of every token" if every_token else "logits of the last column"
        return Way(f"forward pass, {what}", run, sum(map(len, sequences)))

    def padded_batches(self, size: int) -> Way:
        """Ask-LLM as public scripts do it.

        Batches of ``size`` in corpus order, padded to the longest; logits of the whole vocabulary
        at every token; a document too long for the model gets no score.
        """
        import torch
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.model)
        tokenizer.pad_token = tokenizer.eos_token
        scorer = self._ask_scorer(self.backend)
        (yes,) = Tokenizer(model=self.model).forms("yes")
        prompts = [scorer.prompt.replace("{text}", text) for text in self.texts]
        limit = self.max_tokens
        lengths = [len(ids) for ids in tokenizer(prompts, verbose=False)["input_ids"]]

        def run() -> FloatArray:
            out = np.full(len(prompts), _NO_SCORE)
            fits = [
                i
                for i, ids in enumerate(tokenizer(prompts, verbose=False)["input_ids"])
                if len(ids) <= limit
            ]
            with torch.inference_mode():
                for start in range(0, len(fits), size):
                    at = fits[start : start + size]
                    batch = tokenizer([prompts[i] for i in at], padding=True, return_tensors="pt")
                    batch = {
                        k: v.to(self.device) for k, v in batch.items() if k != "token_type_ids"
                    }
                    logits = self.raw_model(**batch, use_cache=False).logits
                    last = batch["attention_mask"].sum(1) - 1
                    p = logits[torch.arange(len(at)), last].float().softmax(-1)[:, yes]
                    out[at] = p.double().cpu().numpy()
            return out

        n_tokens = sum(n for n in lengths if n <= limit)
        return Way(f"padded batches of {size}", run, n_tokens)

    def lm_eval(self, size: int) -> Way:
        """Rolling log-likelihood of lm-evaluation-harness."""
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
        from transformers import AutoTokenizer

        harness = HFLM(
            pretrained=self.raw_model,
            tokenizer=AutoTokenizer.from_pretrained(self.model),
            max_length=self.max_tokens - 1,
            batch_size=size,
            device=self.device,
            add_bos_token=False,
            prefix_token_id=Tokenizer(model=self.model).prefix_id,
        )
        requests = [
            Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(self.texts)
        ]

        def run() -> FloatArray:
            with redirect_stderr(io.StringIO()):  # a progress bar for every batch
                return np.array(harness.loglikelihood_rolling(requests, disable_tqdm=True))

        return Way(f"lm-eval, batch {size}", run, sum(len(w) - 1 for w in self.windows))

    @cached_property
    def prompts(self) -> list[list[int]]:
        """Token ids of every prompt."""
        return [p.ids for p in self._ask_scorer(self.backend).prepare(self.texts).prompts]

    @cached_property
    def windows(self) -> list[list[int]]:
        """Token ids of every window."""
        return [w.ids for w in self._perplexity_scorer(self.backend).prepare(self.texts).pieces]

    def _ask_scorer(self, backend: Backend) -> AskLLM:
        return AskLLM(model=self.model, max_tokens=self.max_tokens, chat=False, backend=backend)

    def _perplexity_scorer(self, backend: Backend) -> Perplexity:
        return Perplexity(
            model=self.model,
            window=self.max_tokens,
            context=1,
            full_last_window=True,
            backend=backend,
        )
