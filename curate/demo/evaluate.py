"""How well the toy tells damaged text from undamaged, on text it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batches import Example, Maker, by_kind
from .damage import DAMAGES
from .material import Passage

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Test:
    """How well P("yes") tells undamaged texts from damaged ones.

    Attributes:
        auc: area under the ROC curve, over all texts, in [0, 1].
        accuracy: share judged rightly with 0.5 as the border.
        by_damage: for each fault, the AUC of all undamaged texts against the texts with it.
        n_clean: number of undamaged texts.
        n_damaged: number of damaged ones.
    """

    auc: float
    accuracy: float
    by_damage: dict[str, float]
    n_clean: int
    n_damaged: int

    @classmethod
    def of(cls, p_yes: Floats, damages: Sequence[str]) -> Test:
        """Test from float64[n] probabilities and the n names of faults, "" for none."""
        from sklearn.metrics import roc_auc_score

        kinds = np.array(damages)
        clean = kinds == ""

        def auc(damaged: NDArray[np.bool_]) -> float:
            of = clean | damaged
            return float(roc_auc_score(clean[of], p_yes[of]))

        return cls(
            auc=auc(~clean),
            accuracy=float(np.mean((p_yes > 0.5) == clean)),
            by_damage={name: auc(kinds == name) for name in DAMAGES if (kinds == name).any()},
            n_clean=int(clean.sum()),
            n_damaged=int((~clean).sum()),
        )

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {auc:.3f}" for name, auc in self.by_damage.items())
        return f"AUC {self.auc:.4f}, accuracy {self.accuracy:.3f} ({kinds})"


def p_yes(network: Any, maker: Maker, prompts: Sequence[Sequence[int]]) -> Floats:
    """float64[n]: probability of "yes" as the next token after each prompt, over all tokens."""
    import torch

    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out = np.empty(len(prompts))
    with torch.inference_mode():
        for at in range(0, len(order), 32):
            rows = order[at : at + 32]
            longest = max(len(prompts[i]) for i in rows)
            ids = torch.tensor([[*prompts[i], *([0] * (longest - len(prompts[i])))] for i in rows])
            hidden = network.model(input_ids=ids, use_cache=False).last_hidden_state
            last = torch.tensor([len(prompts[i]) - 1 for i in rows])
            logits = network.lm_head(hidden[torch.arange(len(rows)), last]).double()
            out[rows] = torch.softmax(logits, dim=-1)[:, maker.yes].numpy()
    return out


def evaluate(
    network: Any,
    maker: Maker,
    held_out: Sequence[Passage],
    *,
    n_pairs: int,
    seed: int,
    disguised: bool = True,
) -> Test:
    """Test on ``n_pairs`` pairs for each fault, of passages the model was not trained on."""
    rng = np.random.default_rng([seed, 2])
    passages = by_kind(held_out)
    examples: list[Example] = []
    for name in DAMAGES:
        for _ in range(n_pairs):
            length = int(rng.integers(64, 400))
            passage = maker.draw(passages, rng)
            clean, damaged = maker.pair(passage, name, length, rng, disguised=disguised)
            examples += [maker.prompt(clean, length, ""), maker.prompt(damaged, length, name)]
    probabilities = p_yes(network, maker, [e.ids for e in examples])
    return Test.of(probabilities, [e.damage for e in examples])


def nll_per_token(network: Any, maker: Maker, texts: Sequence[Sequence[int]]) -> float:
    """Mean negative log-likelihood in nats per token of texts (token ids), each after BOS alone."""
    import torch
    from torch.nn import functional

    total, n_tokens = 0.0, 0
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([[maker.tokenizer.prefix_id, *text]])
            logits = network(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
            n_tokens += len(text)
    return total / n_tokens
