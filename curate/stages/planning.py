"""What scoring will cost, before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..costs import ENCODER, Cost, Machine, Payoff, forward_flops, parse_parameters, training_flops
from ..errors import ConfigError
from ..registry import did_you_mean, names, reads_points

_WITHOUT_MODEL = ("kenlm", "token-prior")
_WITH_MODEL = ("ask-llm", "rubric", "perplexity")


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass of all documents through a model, or through none.

    Attributes:
        scorers: that need it; several where they read the same embeddings.
        parameters: that a document passes; None where there is no model.
        cost: of the model; nothing where there is none.
    """

    scorers: list[str]
    parameters: int | None
    cost: Cost

    @property
    def name(self) -> str:
        """For people."""
        said = ", ".join(self.scorers)
        return f"embeddings ({said})" if reads_points(self.scorers[0]) else said


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What scoring costs, and the training run beside it.

    Attributes:
        tokens: of all documents.
        machine: that does both.
        passes: one for each model.
        scoring: all of them.
        training: None where nobody said what will be trained.
        train_parameters: of the model trained.
        train_tokens: it reads.
        payoff: in device-hours; None without training.
        notes: what the figures leave out, in sentences.
    """

    tokens: int
    machine: Machine
    passes: list[Pass]
    scoring: Cost
    training: Cost | None
    train_parameters: int | None
    train_tokens: int | None
    payoff: Payoff | None
    notes: list[str]

    def share(self, cost: Cost) -> float | None:
        """Of the training run, in device-hours."""
        return None if self.training is None else cost.device_hours / self.training.device_hours

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        runs = None if self.payoff is None else self.payoff.runs
        never = runs is not None and runs == float("inf")
        return {
            "tokens": self.tokens,
            "machine": asdict(self.machine),
            "scorers": [
                {
                    "scorers": one.scorers,
                    "parameters": one.parameters,
                    **asdict(one.cost),
                    "share_of_training": self.share(one.cost),
                }
                for one in self.passes
            ],
            "scoring": {**asdict(self.scoring), "share_of_training": self.share(self.scoring)},
            "training": None
            if self.training is None
            else {
                "parameters": self.train_parameters,
                "tokens": self.train_tokens,
                **asdict(self.training),
            },
            "saves": None if self.payoff is None else self.payoff.saves,
            "runs_until_it_pays": None if never else runs,
            "never_pays": never,
            "said": [] if self.payoff is None else [self.payoff.said()],
            "notes": self.notes,
        }


def plan(
    scorers: Sequence[str],
    tokens: int,
    machine: Machine,
    *,
    train: tuple[int, int] | None = None,
    saves: float | None = None,
    encoder_decoder: Sequence[str] = (),
) -> Plan:
    """FLOPs, device-hours and price of scoring, and after how many training runs it pays.

    Args:
        scorers: "NAME=SIZE" for those with a model, "NAME" for those without.
        tokens: of all documents.
        machine: that scores and trains.
        train: parameters and tokens of the training run.
        saves: share of its cost that filtered data saves.
        encoder_decoder: names of scorers whose document passes an encoder alone.

    Raises:
        ConfigError: no such scorer, a size that is missing or is none.
    """
    if not scorers:
        raise ConfigError("Which scorers? Give --scorer NAME=SIZE, such as --scorer ask-llm=7B.")
    asked = [_read(text) for text in scorers]
    unknown = [name for name in encoder_decoder if name not in {n for n, _ in asked}]
    if unknown:
        known = dict.fromkeys(name for name, _ in asked)
        raise ConfigError(
            f"--encoder-decoder: no scorer {unknown[0]!r} is planned. "
            f"{did_you_mean(unknown[0], known)}"
        )
    passes: list[Pass] = []
    shared: dict[int | None, Pass] = {}
    for name, size in asked:
        passed = size
        if size is not None and name in encoder_decoder:
            passed = round(ENCODER * size)
        if reads_points(name) and passed in shared:
            shared[passed].scorers.append(name)
            continue
        cost = machine.scoring(forward_flops(passed or 0, tokens))
        passes.append(Pass(scorers=[name], parameters=passed, cost=cost))
        if reads_points(name):
            shared[passed] = passes[-1]
    scoring = machine.scoring(sum(one.cost.flops for one in passes))
    training = None if train is None else machine.training(training_flops(*train))
    payoff = None
    if training is not None:
        payoff = Payoff(share=scoring.device_hours / training.device_hours, saves=saves)
    return Plan(
        tokens=tokens,
        machine=machine,
        passes=passes,
        scoring=scoring,
        training=training,
        train_parameters=None if train is None else train[0],
        train_tokens=None if train is None else train[1],
        payoff=payoff,
        notes=_notes(passes, encoder_decoder),
    )


def _read(text: str) -> tuple[str, int | None]:
    """Name and size of a scorer; no size where it has no model."""
    name, equals, size = (part.strip() for part in text.partition("="))
    known = names("scorers")
    if name not in known:
        raise ConfigError(f"--scorer {text}: no scorer {name!r}. {did_you_mean(name, known)}")
    if name in _WITHOUT_MODEL and equals:
        raise ConfigError(f"--scorer {text}: {name} runs no model. Leave out ={size}.")
    if name in _WITH_MODEL and not equals:
        raise ConfigError(f"--scorer {text}: how large is its model? Write --scorer {name}=7B.")
    if not equals:
        return name, None
    try:
        return name, parse_parameters(size)
    except ConfigError as error:
        raise ConfigError(f"--scorer {text}: {error}") from error


def _notes(passes: Sequence[Pass], encoder_decoder: Sequence[str]) -> list[str]:
    said = []
    if encoder_decoder:
        said.append(
            f"A document passes the encoder alone, taken as {ENCODER:.0%} of the parameters of "
            f"{', '.join(encoder_decoder)}."
        )
    cheap = [name for one in passes if one.parameters is None for name in one.scorers]
    if cheap:
        embedded = [name for name in cheap if reads_points(name)]
        hashed = (
            f" {', '.join(embedded)} would read embeddings of hashed n-grams; if a model "
            f"makes them, give its size: --scorer {embedded[0]}=110M."
            if embedded
            else ""
        )
        said.append(
            f"{', '.join(cheap)}: no model, so no FLOPs here, but not free. They take the time of "
            f"processors and of reading the corpus: score one shard to see it.{hashed}"
        )
    embedding = [one for one in passes if one.parameters and reads_points(one.scorers[0])]
    if embedding:
        said.append(
            "Embeddings are made once for all that read them. Comparing them is not counted: it "
            "grows with the sample they are compared with."
        )
    if any(one.parameters for one in passes):
        said.append(
            "Scoring is taken as 2 FLOPs, training as 6, per parameter and token, without "
            "attention: long documents cost more."
        )
    return said
