"""The HTML report: what a run holds, as sections of one page that needs nothing else."""

from __future__ import annotations

from .writing import Written, report

__all__ = ["Written", "report"]
