"""Options of verbs that train proxies, and what is said of the training."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from ..console import output, printable
from ..engines import runs_on
from ..options import Command, several

if TYPE_CHECKING:
    from ...stages.proxies import ProxyRuns

_FEW = 8

_OF_SWARM = {
    "size": click.option(
        "--size",
        help="Parameters of a proxy without its embedding: 0.1M, 0.4M, 1M, 4M, 10M, 30M or 100M, "
        "in place of --hidden, --layers and --heads.  [default: 0.1M]",
    ),
    "tokens": click.option(
        "--tokens", help="Tokens a run reads, such as 20M, in place of --steps."
    ),
    "tokenizer": click.option(
        "--tokenizer",
        help="Directory or hub name; demo is the toy's; corpus trains one on the documents that "
        "are not held out.  [default: demo]",
    ),
    "vocabulary": click.option(
        "--vocabulary", type=int, help="Tokens of the tokenizer corpus.  [default: 2048]"
    ),
    "held_out": click.option(
        "--held-out", type=float, help="Share of the documents to judge on.  [default: 0.1]"
    ),
    "hidden": click.option("--hidden", type=int, help="Width of a proxy.  [default: 64]"),
    "layers": click.option("--layers", type=int, help="Depth of a proxy.  [default: 2]"),
    "heads": click.option("--heads", type=int, help="Attention heads.  [default: 2]"),
    "length": click.option("--length", type=int, help="Tokens in a sequence.  [default: 64]"),
    "batch": click.option("--batch", type=int, help="Sequences in a step.  [default: 8]"),
    "steps": click.option("--steps", type=int, help="Steps of training.  [default: 500]"),
    "learning_rate": click.option(
        "--learning-rate", type=float, help="Peak, of AdamW.  [default: 0.5 over the width]"
    ),
    "schedule": click.option(
        "--schedule",
        type=click.Choice(["cosine", "wsd", "constant"]),
        help="Of the learning rate, after a warm-up: falling to zero, constant and falling at the "
        "end, or constant.  [default: cosine]",
    ),
    "precision": click.option(
        "--precision",
        type=click.Choice(["float32", "bfloat16"]),
        help="Of matrix products.  [default: float32]",
    ),
    "measures": click.option(
        "--measures", type=int, help="Times that held-out losses are measured.  [default: 10]"
    ),
    "device": click.option("--device", help="cpu or cuda.  [default: cpu]"),
    "stack": click.option(
        "--stack",
        type=int,
        help="Most models trained side by side in one process.  [default: by size and device]",
    ),
}


def trains_proxies(command: Command) -> Command:
    """Options of proxies and their training, handed on as ``swarm`` and ``engine``."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        from ...stages.proxies import Swarm

        told = {name: given.pop(name) for name in _OF_SWARM}
        swarm = Swarm.of(**{name: value for name, value in told.items() if value is not None})
        return command(swarm=swarm, **given)

    return several(*_OF_SWARM.values(), runs_on(workers=2))(wrapped)


def trained_figures(runs: ProxyRuns) -> dict[str, Any]:
    """Size and length of the runs, how often text was read, what diverged, and the time."""
    return {
        "n_runs": len(runs.jobs),
        "parameters": runs.parameters,
        "tokens": int(runs.steps[-1]) * runs.tokens_per_step,
        "most_epochs": dict(zip(runs.domains, runs.epochs.max(axis=0).tolist(), strict=True)),
        "diverged": runs.diverged,
        "model_steps": runs.model_steps,
        "seconds": runs.seconds,
    }


def print_trained(runs: ProxyRuns) -> None:
    """Size and length of the runs, what was repeated or diverged, and the speed."""
    tokens = int(runs.steps[-1]) * runs.tokens_per_step
    output.print(
        f"{len(runs.jobs):,} runs of {runs.parameters:,} parameters without the embedding, "
        f"{tokens:,} tokens each; losses in nats per token of held-out text."
    )
    repeated = [
        f"{domain} up to {most:.1f} times"
        for domain, most in zip(runs.domains, runs.epochs.max(axis=0).tolist(), strict=True)
        if most > 1
    ]
    if repeated:
        output.print(
            printable(
                f"Warning: text was read more than once: {', '.join(repeated[:_FEW])}"
                f"{' …' if len(repeated) > _FEW else ''}. Keep more documents, or give "
                f"fewer --tokens, if the final training repeats less."
            )
        )
    for name, reason in runs.diverged.items():
        output.print(f"Left out: {printable(name)} diverged: {printable(reason)}")
    if runs.model_steps:
        speed = runs.model_steps / max(runs.seconds, 1e-9)
        shown = f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"
        output.print(f"{shown} model-steps per second, {runs.seconds:,.0f} s of training")
