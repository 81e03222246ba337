"""What a selection orders documents by: a sampler, and the column it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from samplers import Sampler

from ..errors import ConfigError, as_config_error
from ..registry import did_you_mean, find, names
from ..tables import ScoreStore


def needs_direction(name: str) -> bool:
    """Whether a sampler must know which end of the score is better: it has such an option."""
    return "higher_is_better" in _options(name)


def make_sampler(name: str, **options: Any) -> Sampler:
    """A sampler from plain options.

    Raises:
        ConfigError: no such sampler, an option it does not have, or one out of range.
    """
    sampler = find("samplers", name)
    known = _options(name)
    for option in options:
        if option not in known:
            owners = [other for other in names("samplers") if option in _options(other)]
            hint = did_you_mean(option, known) if known else "It has none."
            if owners:
                hint = f"It is an option of {' and '.join(owners)}."
            raise ConfigError(f"{name} has no option {option!r}. {hint}")
    with as_config_error(name):
        return sampler(**options)  # type: ignore[no-any-return]


def _options(name: str) -> list[str]:
    sampler = find("samplers", name)
    return [field.name for field in fields(sampler)] if is_dataclass(sampler) else []


def suited(
    name: str, options: Mapping[str, Any], store: ScoreStore, column: str | None = None
) -> Sampler:
    """A sampler that suits what it is to order.

    Args:
        name: from the registry.
        options: of the sampler.
        store: the scores.
        column: one of their columns, in place of the score.

    Raises:
        ConfigError: it does not suit, or see `make_sampler`.
    """
    by = column or store.config["column"]
    if name == "inverse-propensity" and by != "log_density":
        raise ConfigError(
            f"inverse-propensity needs the scores of `curate score density`. {store.root} holds "
            f"{by!r}."
        )
    if not needs_direction(name):
        return make_sampler(name, **options)
    if column is not None:
        raise ConfigError(
            f"{name} on the column {column!r}: which end is better is known of scores alone. Use "
            f"band, with the part lowest or highest."
        )
    if "higher_is_better" in options:
        raise ConfigError(f"{name} takes its direction from the scores. Use band to choose an end.")
    better = store.config["higher_is_better"]
    if better is None:
        raise ConfigError(
            f"{name} on {by!r}: neither end is better. Use inverse-propensity, band or random."
        )
    return make_sampler(name, higher_is_better=better, **options)
