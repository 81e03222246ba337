"""The toy's model card; every figure on it is measured here or was recorded by the training run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scorers.tokenizer import Tokenizer

from . import toy
from .batches import Example, Maker
from .damage import DAMAGES
from .evaluate import Test, evaluate, nll_per_token, p_yes
from .harvest import SHARES, Document, documents
from .material import Passage

FACTS = "training.json"
"""What each training run recorded: command, n_steps, n_passages, n_characters, minutes."""

_TEXT = """\
# The toy model of `curate demo`

**This is a toy.** It has {n_parameters:,} parameters and answers Ask-LLM's prompt with "yes" for
text that looks whole and "no" for text that looks damaged. It was trained on that one distinction,
with faults made by `curate/demo/damage.py`, and knows nothing of what a text says, whether it is
true, or whether it is fit to be read. It is here so that the commands can be tried and tested in a
minute on any machine. For data that matters, name a real model.

## How well it does

P("yes") against "was this text damaged on purpose?". AUC is the area under the ROC curve: the
chance that an undamaged text gets the higher P("yes"); 0.5 is guessing. Accuracy counts
P("yes") > 0.5 as "undamaged". Fault by fault, the AUC is that of all undamaged texts against those
with this fault.

| | held-out files | the same, disguised | standard library |
|---|---|---|---|
{table}

- *Held-out files*: {n_held} passages of installed packages, from files that were not trained on,
  cut to 64 to 400 tokens, each with a damaged twin.
- *Disguised*: other layouts and letter cases, and, for about half, letters exchanged for others by
  one rule, so that the words belong to no language.
- *Standard library*: the corpus that `curate.demo.harvest` writes (seed 0), documents whole, cut
  by the prompt at {prompt_tokens} tokens; a fifth is damaged. AUC by domain, all faults: {domains};
  all but the tables together: {no_tables:.3f}.

As a language model: {nll_clean:.2f} nats a token on the standard library's undamaged documents,
{nll_damaged:.2f} on its damaged ones ({vocabulary:,} tokens; a uniform guess is {nll_uniform:.2f}).

## How it was made

On two cores, from docstrings, source code and documentation of the Python packages that happened to
be installed, by

{runs}

No text of the standard library is among them. Tokenizer: byte-level BPE, {vocabulary:,} tokens.
Network: Llama, {n_layers} layers of width {width}, tied embeddings, context {context} tokens.
Weights: {weights_mb:.1f} MB of float16, for float32 arithmetic.

Training text: half of the passages in the prompt are damaged, and every damaged one has its
undamaged twin in the same batch. The loss is the answer's, plus that of the next token in undamaged
text (in the prompt, and after `<|bos|>` alone), plus a probe on every token that is not kept.

## Where it fails

On anything but form. A fluent lie gets "yes"; a table of true figures may get "no"; so may a
language or a format unlike anything it saw. Text that speaks to the model ("answer yes") was not
trained against. Damage after the first {prompt_tokens} tokens is out of its sight.
"""
_RUN = (
    "- `python -m curate.demo.train {command}`: {n_steps:,} steps in {minutes:.0f} minutes on "
    "{n_passages:,} passages, {megabytes:.1f} million characters"
)


def write(directory: Path, held_out: Sequence[Passage], *, n_pairs: int = 150) -> str:
    """Test the model saved in ``directory``, write ``MODEL_CARD.md`` there, and return its text."""
    runs = json.loads((directory / FACTS).read_text())
    network = toy.load_network(directory).eval()
    maker = Maker(Tokenizer(model=str(directory)))
    found = {domain: list(documents(domain, seed=0, n=round(240 * share)))
             for domain, share in SHARES.items()}  # fmt: skip
    everything = [document for domain in found.values() for document in domain]
    tests = [
        evaluate(network, maker, held_out, n_pairs=n_pairs, seed=1, disguised=False),
        evaluate(network, maker, held_out, n_pairs=n_pairs, seed=1, disguised=True),
        _test(network, maker, everything),
    ]
    domains = [f"{name} {_test(network, maker, of).auc:.3f}" for name, of in found.items()]
    no_tables = [document for document in everything if not document.id.startswith("tables/")]
    config = network.config
    text = _TEXT.format(
        n_parameters=network.num_parameters(),
        table=_table(tests),
        n_held=tests[0].n_clean,
        prompt_tokens=maker.template.max_tokens,
        domains=", ".join(domains),
        no_tables=_test(network, maker, no_tables).auc,
        nll_clean=_nll(network, maker, [d for d in everything if not d.damage]),
        nll_damaged=_nll(network, maker, [d for d in everything if d.damage]),
        nll_uniform=float(np.log(config.vocab_size)),
        vocabulary=config.vocab_size,
        n_layers=config.num_hidden_layers,
        width=config.hidden_size,
        context=config.max_position_embeddings,
        weights_mb=(directory / "model.safetensors").stat().st_size / 1e6,
        runs="\n".join(_RUN.format(megabytes=run["n_characters"] / 1e6, **run) for run in runs),
    )
    (directory / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    return text


def _test(network: Any, maker: Maker, found: Sequence[Document]) -> Test:
    prompts: list[Example] = [
        maker.prompt(d.text, maker.template.max_tokens, d.damage) for d in found
    ]
    return Test.of(p_yes(network, maker, [e.ids for e in prompts]), [d.damage for d in found])


def _nll(network: Any, maker: Maker, found: Sequence[Document]) -> float:
    longest = network.config.max_position_embeddings - 1
    ids = [i[:longest] for i in maker.tokenizer.encode([d.text for d in found])]
    return nll_per_token(network, maker, ids)


def _table(tests: Sequence[Test]) -> str:
    rows = [
        ("**AUC, all faults**", [t.auc for t in tests]),
        ("**accuracy at 0.5**", [t.accuracy for t in tests]),
        *((f"AUC, {name}", [t.by_damage.get(name, np.nan) for t in tests]) for name in DAMAGES),
    ]
    lines = [f"| {name} | {' | '.join(f'{x:.3f}' for x in figures)} |" for name, figures in rows]
    counts = " | ".join(f"{t.n_clean:,} / {t.n_damaged:,}" for t in tests)
    return "\n".join([*lines, f"| texts undamaged / damaged | {counts} |"])
