"""What proxy runs have in common, and what one run is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mixing.proxies import SIZES, ProxySpec
from mixing.schedule import Schedule

from ..budget import parse_tokens
from ..errors import ConfigError
from ..registry import did_you_mean
from .selection import Selection

OWN_TOKENIZER = "corpus"
"""The tokenizer that is trained on the training documents."""

_SHAPE = ("hidden", "layers", "heads")
_SMALLEST_VOCABULARY = 258  # every byte, and two control tokens
_VOCABULARY = 2048


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """What all runs of a directory have in common.

    Attributes:
        proxy: the model and its training; its vocabulary is set by the tokenizer.
        tokenizer: model directory or hub name; "demo" is the toy's, "corpus" one that is trained
            on the training documents (a directory of that name is "./corpus").
        vocabulary: tokens of the tokenizer "corpus", at most; None for any other.
        held_out: share of the documents that proxies are judged on, in (0, 1).
        measures: how often the held-out losses of a run are measured, see `measured_steps`.
        device: "cpu", or "cuda" with or without a number.
        stack: most members of a stack; by `mixing.proxies.stack_size` if None. It changes no loss
            by more than rounding, and may differ between calls.
    """

    proxy: ProxySpec
    tokenizer: str = "demo"
    vocabulary: int | None = None
    held_out: float = 0.1
    measures: int = 10
    device: str = "cpu"
    stack: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"'held_out' must be in (0, 1). Got {self.held_out}.")
        for name in ("measures", "stack"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name!r} must be at least 1. Got {value}.")
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ValueError(f"'device' must be cpu, cuda or cuda:N. Got {self.device!r}.")
        own = self.tokenizer == OWN_TOKENIZER
        if self.vocabulary is not None and not own:
            raise ValueError(
                f"'vocabulary' is that of the tokenizer {OWN_TOKENIZER!r}; {self.tokenizer!r} has "
                f"its own. Leave it out."
            )
        if own and self.vocabulary is None:
            object.__setattr__(self, "vocabulary", _VOCABULARY)
        if self.vocabulary is not None and not _SMALLEST_VOCABULARY <= self.vocabulary <= 2**20:
            raise ValueError(
                f"'vocabulary' must be at least {_SMALLEST_VOCABULARY}: every byte is a token. "
                f"Got {self.vocabulary}."
            )

    @classmethod
    def of(
        cls,
        *,
        tokenizer: str = "demo",
        vocabulary: int | None = None,
        held_out: float = 0.1,
        size: str | float | None = None,
        tokens: str | int | None = None,
        measures: int = 10,
        device: str = "cpu",
        stack: int | None = None,
        **proxy: Any,
    ) -> Swarm:
        """A swarm from plain options; those of the proxy and their defaults are `ProxySpec`'s.

        ``size`` is a name of `mixing.proxies.SIZES` in place of a shape, or as many parameters;
        ``tokens`` what a run reads, such as "20M", in place of its steps.

        Raises:
            ConfigError: an option it does not have, two that contradict each other, or a value
                out of range.
        """
        known = [name for name in ProxySpec.__dataclass_fields__ if name != "n_vocabulary"]
        for name in proxy:
            if name not in known:
                near = did_you_mean(name, [*_OWN_OPTIONS, *known])
                raise ConfigError(f"A proxy has no option {name!r}. {near}")
        try:
            if size is not None:
                proxy |= _shape(size, proxy)
            if tokens is not None:
                proxy["steps"] = _steps(tokens, proxy)
            return cls(
                proxy=ProxySpec(n_vocabulary=1, **proxy),
                tokenizer=tokenizer,
                vocabulary=vocabulary,
                held_out=held_out,
                measures=measures,
                device=device,
                stack=stack,
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"proxy: {error}") from error

    def config(self) -> dict[str, Any]:
        """Everything that decides the runs' losses, as plain values."""
        shared = {**asdict(self), **asdict(self.proxy)}
        for name in ("proxy", "stack", "n_vocabulary"):
            del shared[name]
        return shared

    def spec(self, n_vocabulary: int) -> ProxySpec:
        """The proxy with the vocabulary of the tokenizer."""
        return replace(self.proxy, n_vocabulary=n_vocabulary)


_OWN_OPTIONS = [*(n for n in Swarm.__dataclass_fields__ if n != "proxy"), "size", "tokens"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run.

    Attributes:
        run: its name, and that of its file.
        text: what it is trained on: `proxy_text.KEPT`, or `BEFORE` for the corpus as it came.
        schedule: shares of all domains of the corpus.
        seed: of its initial weights, and of where each domain is read from first.
    """

    run: str
    text: str
    schedule: Schedule
    seed: int = 0

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "run": self.run,
            "text": self.text,
            "mixtures": [list(mixture) for mixture in self.schedule.mixtures],
            "ends": list(self.schedule.ends),
            "seed": self.seed,
        }


def over_all(chosen: Selection, mixture: Mapping[str, float]) -> Schedule:
    """A mixture as shares of every domain of the corpus; 0 for those it does not name."""
    return Schedule.constant([mixture.get(domain, 0.0) for domain in chosen.all_domains])


def measured_steps(spec: ProxySpec, n: int) -> tuple[int, ...]:
    """The steps after which held-out losses are measured.

    They are evenly spaced in the logarithm from the end of the warm-up to the last step, which is
    always there, and fewer than ``n`` where steps would coincide.
    """
    first = max(1, round(spec.warm_up * spec.steps))
    spaced = np.geomspace(first, spec.steps, n) if n > 1 else [spec.steps]
    return tuple(sorted({*np.rint(spaced).astype(int).tolist(), spec.steps}))


def _shape(size: str | float, proxy: Mapping[str, Any]) -> dict[str, int]:
    """hidden, layers and heads of a size."""
    both = [name for name in _SHAPE if name in proxy]
    if both:
        raise ConfigError(f"'size' sets {', '.join(_SHAPE)}: leave out {both[0]!r}, or 'size'.")
    wanted = _count(str(size))
    found = next((name for name in SIZES if _count(name) == wanted), None)
    if found is None:
        raise ConfigError(
            f"No proxy has the size {size!r}. Sizes are {', '.join(SIZES)}; any other shape is set "
            f"by {', '.join(_SHAPE)}."
        )
    return dict(zip(_SHAPE, SIZES[found], strict=True))


def _count(size: str) -> float | None:
    text = size.strip().upper()
    scale = {"K": 1e3, "M": 1e6, "B": 1e9}.get(text[-1:], 1.0)
    try:
        return round(float(text.rstrip("KMB")) * scale)
    except (ValueError, OverflowError):
        return None


def _steps(tokens: str | int, proxy: Mapping[str, Any]) -> int:
    """Whole steps that read at most so many tokens."""
    if "steps" in proxy:
        raise ConfigError("'tokens' sets the steps of a run: give it or 'steps', not both.")
    default = ProxySpec(n_vocabulary=1)
    batch, length = (int(proxy.get(name, getattr(default, name))) for name in ("batch", "length"))
    wanted = parse_tokens(tokens)
    if batch < 1 or length < 1 or wanted < batch * length:
        raise ConfigError(
            f"'tokens' must be at least one step of {batch} sequences of {length} tokens. "
            f"Got {tokens!r}."
        )
    return wanted // (batch * length)
