"""What scoring costs beside the training run it feeds: FLOPs, device-hours, and when it pays.

Scoring is paid once. Every training run on what was kept then saves a share of its own cost.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from .errors import ConfigError
from .registry import did_you_mean

PEAK = {
    "h100": 989.5e12,
    "h200": 989.5e12,
    "b200": 2.25e15,
    "a100": 312e12,
    "l4": 121e12,
    "mi300x": 1307e12,
}
"""FLOP/s of one device for dense bf16 products, without sparsity.

Source: the data sheets of NVIDIA (SXM forms; B200: half of what is given with sparsity) and AMD.
"""
CPU = "cpu"
MFU = 0.4
"""Share of the peak that is reached. For scoring with an engine that batches, 40 to 60 %; below a
billion parameters or with latency limits, less."""
ENCODER = 0.5
"""Share of an encoder-decoder's parameters that its encoder has, about."""

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:e\d+)?)\s*(?P<scale>[KMBGT]?)", re.IGNORECASE)
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_FEWEST_PARAMETERS = 1000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What attention costs depends on: layers, heads, and the width of a head."""

    layers: int
    heads: int
    head_width: int

    def attention_flops(self, length: float) -> float:
        """FLOPs a token of causal attention in a document of that many tokens."""
        return 2.0 * self.layers * self.heads * self.head_width * length


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What some FLOPs take.

    Attributes:
        flops: multiplications and additions.
        device_hours: of all devices together.
        hours: by the clock.
        price: in the currency of the machine; None where it has none.
    """

    flops: float
    device_hours: float
    hours: float
    price: float | None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Devices of one kind.

    Attributes:
        name: of the kind.
        peak: FLOP/s of one device, > 0.
        devices: how many, >= 1.
        mfu: share of the peak that scoring reaches, in (0, 1].
        train_mfu: share that training reaches, in (0, 1].
        price: of a device for an hour, in any currency; None where nobody said.
    """

    name: str
    peak: float
    devices: int = 1
    mfu: float = MFU
    train_mfu: float = MFU
    price: float | None = None

    def __post_init__(self) -> None:
        for field in ("mfu", "train_mfu"):
            value = getattr(self, field)
            if not 0 < value <= 1:
                raise ConfigError(
                    f"'{field}' is the share of the peak that is reached, in (0, 1]: 40 % is 0.4. "
                    f"Got {value:g}."
                )
        if not (0 < self.peak < math.inf and self.devices >= 1):
            raise ConfigError(
                "A machine has at least one device, of more than 0 FLOP/s. "
                f"Got {self.devices} of {self.peak:g}."
            )
        if self.price is not None and not 0 <= self.price < math.inf:
            raise ConfigError(f"'price' must be >= 0, for a device and hour. Got {self.price:g}.")

    @classmethod
    def of(cls, hardware: str, peak: float | None = None, **rest: float | None) -> Machine:
        """A kind of `PEAK`, or another with its FLOP/s given.

        Raises:
            ConfigError: a kind whose FLOP/s nobody said, or values that no machine has.
        """
        name = hardware.strip().lower()
        found = PEAK.get(name) if peak is None else peak
        if found is None and name == CPU:
            raise ConfigError(
                "Processors differ: give the FLOP/s of yours with --peak, such as --peak 2e11. "
                "(Time a product of two 2048 x 2048 matrices, which takes 1.7e10 FLOPs.)"
            )
        if found is None:
            raise ConfigError(
                f"No figures for the hardware {hardware!r}. {did_you_mean(name, [*PEAK, CPU])} For "
                "any other give its FLOP/s (dense bf16) with --peak."
            )
        return cls(name=name, peak=found, **rest)  # type: ignore[arg-type]

    def scoring(self, flops: float) -> Cost:
        """What it takes to score with."""
        return self._cost(flops, self.mfu)

    def training(self, flops: float) -> Cost:
        """What it takes to train with."""
        return self._cost(flops, self.train_mfu)

    def _cost(self, flops: float, mfu: float) -> Cost:
        hours = flops / (self.peak * mfu) / 3600
        price = None if self.price is None else hours * self.price
        return Cost(flops=flops, device_hours=hours, hours=hours / self.devices, price=price)


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training run that scored data feeds.

    Attributes:
        parameters: of its model.
        tokens: it reads; None: those of the dataset.
        machine: it runs on; None where nobody said.
        saves: share of its cost that filtered data saves; None where nobody said.
    """

    parameters: int
    tokens: int | None = None
    machine: Machine | None = None
    saves: float | None = None


@dataclass(frozen=True, kw_only=True)
class Payoff:
    """After how many training runs scoring has paid.

    Attributes:
        share: cost of scoring over that of one training run, >= 0.
        saves: share of a training run's cost that filtered data saves; None where nobody said.
    """

    share: float
    saves: float | None

    @property
    def runs(self) -> float | None:
        """Training runs whose savings make up for scoring; inf where none do, None if unknown."""
        if self.saves is None:
            return None
        if self.share <= 0:
            return 0.0
        return self.share / self.saves if self.saves > 0 else math.inf

    def said(self) -> str:
        """In a sentence or two."""
        part = f"{percent(self.share)} of" if self.share < 10 else percent(self.share)
        costs = f"Scoring costs {part} one training run"
        if self.saves is None or self.runs is None:
            beyond = "" if self.share < 1 else ", which no single run can"
            return f"{costs}: it pays in the first run if filtering saves more than that{beyond}."
        if math.isinf(self.runs):
            return f"{costs}, and filtering saves none of it: scoring never pays."
        saved = f"{costs}, and filtering saves {percent(self.saves)} of each"
        if self.runs <= 1:
            return f"{saved}: it pays in the first run."
        return f"{saved}: it pays after {math.ceil(self.runs - 1e-9):,} runs ({self.runs:,.3g})."


def forward_flops(
    parameters: float, tokens: float, *, shape: Shape | None = None, length: float = 0.0
) -> float:
    """FLOPs of passing tokens through a model once: 2 N T, and attention where it is known.

    Every scorer passes every document once. Attention adds a per cent or so at 512 tokens a
    document to models of billions of parameters, and counts where documents are long.

    Args:
        parameters: N, those that a token passes: without the input embedding, and of an
            encoder-decoder the encoder's alone, as a document passes nothing else.
        tokens: T, of all documents.
        shape: of the model.
        length: mean tokens of a document, weighted by tokens.
    """
    attention = 0.0 if shape is None else shape.attention_flops(length)
    return (2.0 * parameters + attention) * tokens


def training_flops(parameters: float, tokens: float) -> float:
    """FLOPs of training: 6 N D (Kaplan et al., arXiv 2001.08361, without attention)."""
    return 6.0 * parameters * tokens


def parse_parameters(text: str | float) -> int:
    """A model's size: 7615616512, "7B", "0.5B", "800M" or "7e9".

    Raises:
        ConfigError: not a size.
    """
    found = _SIZE.fullmatch(str(text).strip())
    if found is None:
        raise ConfigError(f"Wanted a number of parameters, such as 7B or 800M. Got {text!r}.")
    number = float(found["number"]) * _SCALES[found["scale"].upper()]
    if not _FEWEST_PARAMETERS <= number < 1e15:
        raise ConfigError(f"A model of {number:g} parameters? Write 7B or 800M. Got {text!r}.")
    return round(number)


def parse_share(text: str, what: str) -> float:
    """A share below one: "0.3" or "30%".

    Raises:
        ConfigError: not a share.
    """
    number, is_percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if is_percent else 1)
    except ValueError:
        value = math.nan
    if rest.strip() or not 0 <= value < 1:
        raise ConfigError(
            f"{what} wants a share from 0 to below 1, such as 0.3 or 30%. Got {text!r}."
        )
    return value


def percent(share: float) -> str:
    """A share as people read it, however small or large."""
    return f"{share:,.3g} times" if share >= 10 else f"{100 * share:.3g}%"


def amount(number: float) -> str:
    """Hours or money: whole where there are many, three digits of few, never a power of ten."""
    if number >= 100:
        return f"{number:,.0f}"
    return format(Decimal(f"{number:.3g}"), "f")


def short(number: float) -> str:
    """7000000000 as 7B."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.4g}{letter}"
    return f"{number:g}"
