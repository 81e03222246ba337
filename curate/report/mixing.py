"""The report's section on mixing: what the law knows, what it proposes, what training showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from ..errors import ConfigError
from ..files import read_json
from ..stages.mix.files import at_covariates, load_law
from ..stages.mix.trial import run_label
from . import laws, learning, response, shares, verdicts
from .blocks import Block, Note, Section


def section(
    law: Path | None,
    mixture: Path | None,
    runs: Path | None,
    verified: Path | None,
    check: Mapping[str, Sequence[float]] | None,
    manifest: Mapping[str, Any] | None,
    check_runs: Path | None = None,
) -> Section | None:
    """What there is of mixing; None where there is nothing.

    A file that cannot be read is a warning on the page, and the rest is shown.

    Args:
        law: written by `mix fit`.
        mixture: written by `mix optimize`.
        runs: curves of the runs the law was fitted to, written by `mix run`.
        verified: verify.json of `mix verify`; the curves lie beside it.
        check: a pipeline's mix/check.json.
        manifest: of a dataset.
        check_runs: a pipeline's mix/check.parquet.
    """
    if all(x is None for x in (law, mixture, runs, verified, check, manifest, check_runs)):
        return None
    made = _Parts()
    proposed = None if mixture is None else made.read(mixture)
    objective = (proposed or {}).get("objective")
    made.add(lambda: shares.proportions(proposed, manifest))
    if proposed is not None and "predicted_loss" in proposed:
        made.add(lambda: shares.proposal(proposed))
    if check is not None:
        made.add(lambda: verdicts.checked(check))
    found = None if verified is None else made.read(verified)
    if found is not None:
        made.add(lambda: verdicts.verified(found))
        objective = objective or next((one["objective"] for one in found["proposals"]), None)
    if law is not None:
        made.add(lambda: laws.blocks(load_law(law), objective))
        if proposed is not None:
            made.add(lambda: _response(law, proposed))
    made.learning(runs, verified, check_runs, objective, (found or {}).get("proposals", ()))
    return Section(
        name="mixing",
        title="Mixing",
        lead="What share each domain has, what a law of small runs expects of it, and what "
        "training showed.",
        blocks=made.blocks,
    )


class _Parts:
    """Blocks as they are made; what cannot be made is said in their place."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def add(self, make: Callable[[], Sequence[Block]]) -> None:
        try:
            with threadpool_limits(1):  # sums must not depend on the number of cores
                self.blocks += make()
        except ConfigError as error:
            self.blocks.append(Note(str(error), tone="warning"))

    def read(self, path: Path) -> dict[str, Any] | None:
        """A file that holds a JSON object; None, and said so, where it does not."""
        try:
            found = read_json(path)
        except ConfigError as error:
            self.blocks.append(Note(str(error), tone="warning"))
            return None
        if isinstance(found, dict):
            return found
        self.blocks.append(Note(f"{path}: wanted a JSON object.", tone="warning"))
        return None

    def learning(
        self,
        runs: Path | None,
        verified: Path | None,
        check_runs: Path | None,
        objective: Mapping[str, float] | None,
        proposals: Sequence[Mapping[str, Any]],
    ) -> None:
        """Curves of named mixtures first; each loss has charts of its own once."""
        beside = None if verified is None else verified.parent / "runs.parquet"
        tried = beside if beside is not None and beside.exists() else None
        if tried is not None:
            steps = [one["steps_to_match"] or {} for one in proposals]
            last = next((told["fitted_until"] for told in steps if "fitted_until" in told), None)
            names = {run_label(one["name"]) for one in proposals} or {"proposed"}
            title = "the mixtures verified"
            self.add(
                lambda: learning.trained(
                    tried, objective, title, "proportional", True, on_trial=names, last=last
                )
            )
        if check_runs is not None:
            first = tried is None
            title_checked = "the proposal and what it replaces"
            self.add(
                lambda: learning.trained(check_runs, objective, title_checked, "unfiltered", first)
            )
        if runs is not None:
            alone = tried is None and check_runs is None
            self.add(lambda: learning.designed(runs, objective, alone))


def _response(law: Path, proposed: Mapping[str, Any]) -> list[Block]:
    stored = load_law(law)
    reads = stored.law.law.covariates
    at = proposed.get("at", {})
    if {*reads} != {*at}:
        return [
            Note(
                f"The law reads {', '.join(reads) or 'no covariates'}, and the mixture's file does "
                "not say at which values it was optimised: the response to each share is not shown."
            )
        ]
    return response.blocks(
        stored, at_covariates(stored.law, at), proposed["mixture"], proposed.get("objective")
    )
