"""Select documents: score tables and a budget in, a selection out.

    OUT/_selection.json         sampler, budget, and what was kept of each domain
    OUT/<shard name>.parquet    the documents kept: row, key, domain, order, inclusion, n_bytes, …

Passes over fixed-width columns, in memory that does not grow with the corpus: a look at a sample,
to guess where the budget ends; one that finds where it does, and what the sampler needs to know of
the population; and one that writes what comes before. A cap needs one more, before these, and
holds 24 bytes for each document that it leaves. So do designs whose order depends on the budget,
after the cap: budgets and probabilities are those of the documents that it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from samplers import End, Search
from samplers.brackets import ROOM

from ..budget import Budget
from ..engines import Engine, Local
from ..errors import ConfigError
from ..files import only_writer, output_directory, read_json, refuse_another, write_json
from ..progress import Amount, Progress, Reporter, silent
from ..tables import ScoreStore
from .documents import FloatArray
from .grouping import Grouping, Index
from .guessing import guess
from .kept import SHARD_FINGERPRINT, Counts, Writing, write
from .ordering import suited
from .passes import Cuts, Draw, Seen, cap, look, merged
from .population import Population

__all__ = ["MANIFEST", "SHARD_FINGERPRINT", "select"]

MANIFEST = "_selection.json"


def select(
    scores: str | Path,
    out: str | Path,
    *,
    method: str,
    budget: str | None = None,
    by_domain: bool = False,
    quotas: Mapping[str, str] | None = None,
    seed: int = 0,
    sizes_from: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    column: str | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    max_per_group: int | None = None,
    group_by: str = "group",
    engine: Engine | None = None,
    progress: Reporter = silent,
) -> dict[str, Any]:
    """Keep the documents that come first in a method's order, as far as a budget goes.

    Args:
        scores: directory of one scorer's tables.
        out: directory, or a URL of an object store.
        method: a name from the registry.
        budget: see `Budget.parse`; a share is of the documents that have a score, within the
            limits and the cap. May be left out where quotas are given, or a band has ends.
        by_domain: the same share of every domain; an absolute budget is divided in proportion to
            what the domains hold.
        quotas: budgets of single domains. The others have ``budget``, or nothing if there is none.
        seed: of the permanent random numbers.
        sizes_from: another scorer's tables, for their ``n_tokens``.
        options: of the method, such as ``{"part": "middle"}`` of band.
        column: of the score tables, to select by in place of the score. Documents without a
            value there count as those without a score do. Which end is better is known of the
            score alone: other columns go with band.
        at_least: documents whose score (or value in ``column``) is lower are left out, and counted
            apart.
        at_most: and those whose score is higher.
        max_per_group: of the documents with one value in ``group_by`` only so many may be taken;
            those without a value may all. They are the first in the method's order, by other
            random numbers than those of the draw that follows (and for pareto and poisson in the
            order of sequential-poisson). Inclusion probabilities are those of that draw:
            conditional on the documents that the cap leaves. How likely it was to leave them is
            not in them: without a cap, sums weighted with 1 / inclusion estimate those of all
            documents; with one, those of what it leaves.
        group_by: a column of the score tables that holds whole numbers, or "domain".
        engine: does the passes; None: this process. The result does not depend on it.
        progress: told how far it is; see `curate.progress`.

    Returns:
        The manifest: counts by domain that add up.

    Raises:
        ConfigError: the request does not fit the scores; nothing to select from.
    """
    store = ScoreStore.open(scores)
    failed = sorted(store.report["failed"])
    if column in ("score", store.config["column"]):
        column = None
    sizes = store if sizes_from is None else ScoreStore.open(sizes_from)
    sampler = suited(method, dict(options or {}), store, column)
    capped = None if max_per_group is None else group_by
    if max_per_group is not None and max_per_group < 1:
        raise ConfigError(f"At least 1 document of each group must be left. Got {max_per_group}.")
    if any(limit is not None and np.isnan(limit) for limit in (at_least, at_most)):
        raise ConfigError("Limits must be numbers. Got nan.")
    budget = _of_band(getattr(sampler, "ends", None), budget, bool(quotas))
    grouping = Grouping.parse(budget, by_domain, quotas or {})
    in_tokens = grouping.unit == "tokens"
    population = Population(store, sizes, column, at_least, at_most, capped, in_tokens)
    request = {
        "scorer": store.name,
        "scores": store.contents(),
        "sizes": population.sizes.contents(),
        "method": method,
        "options": asdict(sampler) if is_dataclass(sampler) else dict(options or {}),
        "column": column,
        "budget": budget,
        "by_domain": by_domain,
        "quotas": dict(quotas or {}),
        "at_least": at_least,
        "at_most": at_most,
        "max_per_group": max_per_group,
        "group_by": capped,
        "seed": seed,
    }
    target = output_directory(out)
    with only_writer(target):
        if (target / MANIFEST).exists():
            manifest: dict[str, Any] = read_json(target / MANIFEST)
            refuse_another(target, manifest["request"], request)
            return manifest
        n_shards = len(store.shard_names())
        with Progress(progress, target, "select", target.name, n_shards) as heard:
            draw = Draw(population, sampler, grouping, seed, progress=heard)
            counts = _Selection(draw, max_per_group, engine or Local()).write(target)
        n_shared, exact = counts.shared.count()
        manifest = {
            "request": request,
            "column": column or store.config["column"],
            "counts_tokens": population.counts_tokens,
            "reading": store.config["reading"],
            "shards": store.shard_names(),
            "failed": failed,
            "domains": counts.by_domain(),
            "documents_sharing_a_key": n_shared,
            "documents_sharing_a_key_are_counted": exact,
        }
        write_json(target / MANIFEST, manifest)
    return manifest


def _of_band(ends: tuple[float, float] | None, budget: str | None, quotas: bool) -> str | None:
    """The budget; that of a band between two quantiles is the share between them."""
    if ends is None:
        return budget
    share = ends[1] - ends[0]
    given = Budget(share, "documents", True) if budget is None else Budget.parse(budget)
    if quotas or not given.is_share or abs(given.amount - share) > 1e-9:
        raise ConfigError(
            f"A band from {ends[0]:.6g} to {ends[1]:.6g} keeps {100 * share:.6g}%: give no quotas, "
            f"and no other budget than {100 * share:.6g}%, {100 * share:.6g}%tok or "
            f"{100 * share:.6g}%bytes."
        )
    return budget or f"{100 * share:.10g}%"


@dataclass
class _Selection:
    """One selection being made."""

    draw: Draw
    max_per_group: int | None
    engine: Engine
    n_passes: int = 0

    def write(self, out: Path) -> Counts:
        """Find where the budget ends, write what comes before it, and count."""
        population = self.draw.population
        if self.draw.grouping.unit == "tokens" and not population.counts_tokens:
            raise ConfigError(
                f"{population.sizes.root} counts no tokens. Give --sizes-from a directory "
                f"that does (ask-llm or perplexity), or a budget in docs or bytes."
            )
        self.shards = population.scores.shard_names()
        self.n_documents = population.check(self.shards)
        self.index = Index(self.draw.grouping)
        cuts = self._cuts()
        counts = Counts()
        job = Writing(self.draw, self.index, cuts, self.shards, out)
        self.draw.progress.doing(None)
        parts = self.engine.merged(write, job.divided(self.engine.workers), merged)
        for part in parts:
            self.draw.progress.add(Amount(part.unheard))
            counts.merge(part)
        for shard in self.shards:
            self.draw.progress.finish(shard)
        return counts

    def _cuts(self) -> Cuts:
        """Where each group's documents begin and end."""
        draw = self.draw
        if self.max_per_group is not None:
            self.draw = cap(self.draw, self.shards, self.index, self.max_per_group, self.engine)
        if draw.sampler.calibrated_order:
            self._calibrate(self._look([], measure=True))
        if draw.sampler.takes_below is not None:
            below = (float(np.nextafter(draw.sampler.takes_below, -np.inf)), 2**64 - 1)
            n_groups = len(self.index.groups)
            return _cuts([None] * n_groups, [End(below)] * n_groups)
        return self._search()

    def _search(self) -> Cuts:
        """Pass by pass; the second search, where a band does not begin at the first document."""
        upper, lower = Search(0, ROOM), Search(0, ROOM)
        begins = self.draw.sampler.interval(1e12, 5e11)[0] > 0
        searches = [upper, lower] if begins else [upper]
        guess(self.draw, self.shards, self.n_documents, self.index, searches)
        edges: FloatArray | None = None
        while edges is None or not all(search.found for search in searches):
            seen = self._look(searches, measure=edges is None)
            if edges is None:
                edges = self._edges(seen)
            for search, at, found in zip(searches, (1, 0), seen.ends, strict=False):
                search.reach(edges.shape[1])
                search.advance(found, edges[at])
        starts = lower.ends if begins else [End()] * edges.shape[1]
        return _cuts(
            [
                None if skipped <= 0 else start
                for start, skipped in zip(starts, edges[0], strict=True)
            ],
            upper.ends,
            edges[0],
        )

    def _edges(self, seen: Seen) -> FloatArray:
        """float64[2, groups]: the costs between which each group's documents are taken."""
        budgets = self._budgets(seen)
        if not self.draw.sampler.calibrated_order:
            self._calibrate(seen)
        return np.array(
            [
                self.draw.sampler.interval(total, budget)
                for total, budget in zip(seen.totals, budgets, strict=True)
            ]
        ).T

    def _look(self, searches: list[Search], *, measure: bool) -> Seen:
        for search in searches:
            search.reach(len(self.index.groups))
        self.n_passes += 1
        return look(
            self.draw,
            self.shards,
            self.index,
            lambda: [search.gather() for search in searches],
            measure,
            self.engine,
            f"pass {self.n_passes}",
        )

    def _budgets(self, seen: Seen) -> FloatArray:
        return self.draw.grouping.budgets(
            self.index.groups.names,
            seen.totals,
            self.index.domains.names,
            self.draw.population.scores.root,
            self.draw.population.candidates,
        )

    def _calibrate(self, seen: Seen) -> None:
        """The sampler's calibration for each group that has anything."""
        found = {}
        for g, (total, budget) in enumerate(zip(seen.totals, self._budgets(seen), strict=True)):
            score, cost = np.zeros(1), np.array([total])
            if seen.histogram is not None:
                score, cost = seen.histogram.of(g)
            if total:
                name = self.index.groups.names[g]
                found[name] = self.draw.sampler.calibrate(score, cost, max(budget, 0.5))
        self.draw = replace(self.draw, calibrations=found)


def _cuts(starts: list[End | None], ends: list[End], skipped: FloatArray | None = None) -> Cuts:
    """A document that lies across the start is not taken, nor one that lies across the end."""
    nothing = (np.nan, 0)
    lower = []
    for g, start in enumerate(starts):
        whole = start is None or skipped is None or start.cost >= skipped[g] or not start.next
        pair = None if start is None else start.last if whole else start.next
        lower.append(pair or nothing)
    upper = [end.last or nothing for end in ends]
    orders = [np.array([order for order, _ in pairs], float) for pairs in (lower, upper)]
    keys = [np.array([key for _, key in pairs], np.uint64) for pairs in (lower, upper)]
    return Cuts(orders[0], keys[0], orders[1], keys[1])
