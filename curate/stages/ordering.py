"""What a selection orders documents by: a sampler, and the column it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from samplers import Sampler

from ..errors import ConfigError, as_config_error
from ..registry import did_you_mean, find, names
from ..tables import ScoreStore


def make_sampler(name: str, **options: Any) -> Sampler[Any]:
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
) -> Sampler[Any]:
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
    if name != "top-k":
        return make_sampler(name, **options)
    if column is not None:
        raise ConfigError(
            f"top-k on the column {column!r}: which end is better is known of scores alone. Use "
            f"band, with the part lowest or highest."
        )
    if "higher_is_better" in options:
        raise ConfigError("top-k takes its direction from the scores. Use band to choose an end.")
    better = store.config["higher_is_better"]
    if better is None:
        raise ConfigError(
            f"top-k on {by!r}: neither end is better. Use inverse-propensity, band or random."
        )
    return make_sampler(name, higher_is_better=better, **options)


@dataclass(frozen=True)
class ByColumn(ScoreStore):
    """Score tables with another of their columns in the place of the score.

    Attributes:
        column: holds numbers.
    """

    column: str

    def tables(
        self, columns: Sequence[str], names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, pa.Table]]:
        """As of any store; null where the column is null or NaN, and where the score is null.

        What has no score has a reason for it, such as an empty text, that holds here as well.

        Raises:
            ConfigError: no such column, or it holds no numbers.
        """
        wanted = list(dict.fromkeys([*columns, "score", self.column]))
        for shard, table in super().tables(wanted, names):
            values = table[self.column]
            if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
                raise ConfigError(
                    f"{self.table_path(shard)}: the column {self.column!r} holds no numbers. "
                    f"Name one that does."
                )
            numbers = values.cast(pa.float64()).to_numpy()
            missing = np.isnan(numbers) | table["score"].is_null().to_numpy()
            at = table.schema.get_field_index("score")
            yield shard, table.set_column(at, "score", pa.array(numbers, mask=missing))
