"""Make the toy model: ``python -m curate.demo.train [--out DIR] [--minutes M] [--seed S]``.

``--resume`` trains a saved model further; the card lists every run that made it.

The number of steps follows from ``--minutes`` and a fixed rate, not from the clock, so that the
same arguments on the same packages give the same model.
"""

from __future__ import annotations

import argparse
import json
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scorers.tokenizer import Tokenizer

from . import MODEL_PATH, card, material, toy
from .batches import Example, Maker, by_kind
from .evaluate import evaluate

_STEPS_A_MINUTE = 100  # measured on two cores
_RATE, _WARM_UP = 3e-3, 100
_LM_WEIGHT, _PROBE_WEIGHT = 0.5, 0.5


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect text, train the tokenizer and the network, test both, write everything to disk."""
    parser = argparse.ArgumentParser(description="Train the toy model of curate.demo.")
    parser.add_argument("--out", type=Path, default=MODEL_PATH)
    parser.add_argument("--minutes", type=float, default=30, help="on two cores; sets the steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="1 where other work needs a core")
    parser.add_argument("--resume", action="store_true", help="train the model in --out further")
    parser.add_argument("--card-only", action="store_true", help="test a trained model again")
    options = parser.parse_args(arguments)
    import torch

    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    started = time.monotonic()
    train, held_out = material.collect(Path(sysconfig.get_path("purelib")), seed=options.seed)
    print(f"{len(train):,} passages to train on, {len(held_out):,} held out", flush=True)
    if not options.card_only:
        path = options.out / card.FACTS
        runs = json.loads(path.read_text()) if options.resume else []
        n_steps = max(10, round(options.minutes * _STEPS_A_MINUTE))
        make(
            options.out, train, held_out,
            n_steps=n_steps, seed=options.seed, resume=options.resume,
        )  # fmt: skip
        run = {
            "command": f"--seed {options.seed} --minutes {options.minutes:g}"
            + " --resume" * options.resume,
            "n_steps": n_steps,
            "n_passages": len(train),
            "n_characters": sum(len(p.text) for p in train),
            "minutes": (time.monotonic() - started) / 60,
        }
        path.write_text(json.dumps([*runs, run], indent=2) + "\n")
    print(card.write(options.out, held_out))


def make(
    out: Path,
    train: Sequence[material.Passage],
    held_out: Sequence[material.Passage],
    *,
    n_steps: int,
    seed: int,
    resume: bool,
) -> None:
    """Train tokenizer and network, or the network saved in ``out`` further, and save to ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        toy.make_tokenizer([p.text for p in train], out)
    maker = Maker(Tokenizer(model=str(out)))
    n_fixed = len(maker.template.head) + len(maker.template.tail)
    print(f"tokenizer: {maker.tokenizer.size} tokens; the prompt takes {n_fixed}", flush=True)
    bos = maker.tokenizer.prefix_id
    if resume:
        network = toy.load_network(out)
    else:
        network = toy.make_network(n_tokens=maker.tokenizer.size, bos=bos, eos=bos + 1)
    fit(network, maker, train, held_out, n_steps=n_steps, seed=seed)
    toy.save_network(network, out)


def fit(
    network: Any,
    maker: Maker,
    train: Sequence[material.Passage],
    held_out: Sequence[material.Passage],
    *,
    n_steps: int,
    seed: int,
) -> None:
    """Train the network in place: AdamW, linear warm-up, then a cosine down to nothing."""
    import torch

    rng = np.random.default_rng([seed, 1])
    passages = by_kind(train)
    # Says "damaged" or "not" after every token of a passage. It teaches the layers below in
    # hundreds of places what the answer teaches in one, and is thrown away at the end.
    probe = torch.nn.Linear(network.config.hidden_size, 1)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim == 1] + list(probe.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=_RATE,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min((s + 1) / _WARM_UP, 0.5 + 0.5 * float(np.cos(np.pi * s / n_steps))),
    )
    reports = {round(x) for x in np.geomspace(50, n_steps, 8)}
    means = np.zeros(3)
    started = time.monotonic()
    for step in range(1, n_steps + 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer, lm, guess = losses(network, probe, maker.batch(passages, rng))
        optimizer.zero_grad()
        (answer + _LM_WEIGHT * lm + _PROBE_WEIGHT * guess).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        share = min(0.98, 1 - 1 / step)
        means = share * means + (1 - share) * np.array([answer.item(), lm.item(), guess.item()])
        if step in reports:
            test = evaluate(network, maker, held_out, n_pairs=15, seed=0)
            print(
                f"step {step}/{n_steps} {time.monotonic() - started:.0f} s: answer {means[0]:.3f} "
                f"lm {means[1]:.3f} probe {means[2]:.3f} nats; held out: {test}",
                flush=True,
            )


def losses(network: Any, probe: Any, examples: Sequence[Example]) -> tuple[Any, Any, Any]:
    """Cross-entropies in nats: of the answer, of the next token in clean text, of the probe.

    Each is a mean: over prompts, over tokens of clean passages, over tokens of passages in prompts.
    """
    import torch
    from torch.nn import functional

    longest = max(len(e.ids) for e in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    next_token = torch.zeros(len(examples), longest, dtype=torch.bool)
    probed = torch.zeros(len(examples), longest, dtype=torch.bool)
    for row, example in enumerate(examples):
        start, stop = example.span
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        next_token[row, start - 1 : stop - 1] = example.clean
        # The first tokens of a passage hold too little to judge by.
        probed[row, min(start + 16, stop) : stop] = example.answer is not None
    # Padding stands at the end, where a causal model does not see it: no mask is needed.
    hidden = network.model(input_ids=ids, use_cache=False).last_hidden_state
    answered = [row for row, e in enumerate(examples) if e.answer is not None]
    last = torch.tensor([len(examples[row].ids) - 1 for row in answered])
    answers = torch.tensor([examples[row].answer for row in answered])
    answer = functional.cross_entropy(network.lm_head(hidden[answered, last]), answers)
    targets = torch.roll(ids, -1, dims=1)[next_token]
    lm = functional.cross_entropy(network.lm_head(hidden[next_token]), targets)
    clean = torch.tensor([float(e.clean) for e in examples])[:, None].expand_as(probed)[probed]
    guesses = probe(hidden[probed])[:, 0].float()
    return answer, lm, functional.binary_cross_entropy_with_logits(guesses, clean)


if __name__ == "__main__":
    main()
