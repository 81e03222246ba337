"""Which mixtures to train proxy models on, one way to choose them a file."""

from __future__ import annotations

from .dirichlet import dirichlet
from .double_diminishing import double_diminishing
from .optimal import d_optimal, extend
from .regmix import regmix

__all__ = ["d_optimal", "dirichlet", "double_diminishing", "extend", "regmix"]
