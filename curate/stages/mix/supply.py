"""What there is of each domain: a selection, tokens by domain, or just a mixture to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mixing

from ...errors import ConfigError, as_config_error
from ...places import place
from ..selection import Selection
from .files import list_by_name, load_available, load_mixture, named

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What mixtures can be made of.

    Attributes:
        domains: their names.
        available: float64[domains], distinct tokens (bytes where nobody counted tokens); None
            where only a prior is known.
        unfiltered: share of every domain in the corpus as it came; None unless from a selection.
    """

    domains: list[str]
    available: FloatArray | None = None
    unfiltered: dict[str, float] | None = None

    @property
    def proportional(self) -> FloatArray | None:
        """The share of each domain in what is available."""
        return None if self.available is None else mixing.proportional(self.available)

    def check_tokens(self, tokens: int | None) -> None:
        """Raises ConfigError for a size of the dataset where nobody said what there is."""
        if tokens is not None and self.available is None:
            raise ConfigError(
                "--tokens caps repetition by what there is: give --selection or --available."
            )

    def greatest(self, tokens: int | None, max_epochs: float) -> FloatArray:
        """The greatest share of each domain that repeats no token beyond ``max_epochs``."""
        if tokens is None or self.available is None:
            return np.ones(len(self.domains))
        return np.minimum(1, max_epochs * self.available / tokens)

    @classmethod
    def of(
        cls,
        domains: list[str] | None,
        selection: str | Path | None,
        available: str | Path | None,
    ) -> Supply:
        """From a selection or a file of tokens, of these domains in this order if given.

        Raises:
            ConfigError: both, or other domains.
        """
        if selection is not None and available is not None:
            raise ConfigError(
                "A selection says how many tokens there are: leave out --available or --selection."
            )
        if selection is not None:
            return _selected(domains, selection)
        if available is None:
            return cls(domains=domains or [])
        tokens = load_available(available)
        order = domains or list(tokens)
        with as_config_error(str(available)):
            amounts = np.array(
                list_by_name(tokens, order, "domain", where=str(available)), np.float64
            )
            mixing.proportional(amounts)
        return cls(domains=order, available=amounts)


def read_prior(path: str | Path, domains: list[str]) -> FloatArray:
    """A mixture of these domains, float64[domains].

    Raises:
        ConfigError: other domains, or no mixture.
    """
    with as_config_error(str(path)):
        shares = list_by_name(load_mixture(path), domains, "domain", 0.0, str(path))
        prior: FloatArray = mixing.check_mixtures([shares])[0]
    return prior


def _selected(domains: list[str] | None, selection: str | Path) -> Supply:
    chosen = Selection(place(selection))
    if domains is not None and chosen.domains != domains:
        raise ConfigError(
            f"The law or the runs are about the domains {domains}; {selection} kept "
            f"{chosen.domains}."
        )
    before = mixing.proportional(chosen.amounts("before", chosen.all_domains))
    return Supply(
        domains=chosen.domains,
        available=chosen.amounts("kept"),
        unfiltered=named(chosen.all_domains, before),
    )
