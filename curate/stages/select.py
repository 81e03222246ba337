"""Select documents: score tables and a budget in, a selection out.

    OUT/_selection.json         sampler, budget, and what was kept of each domain
    OUT/<shard name>.parquet    the documents kept: row, key, domain, order, inclusion, n_bytes, …

Three streaming passes over fixed-width columns: how much there is, where the budget ends, and
which documents are on the near side. Between the first two a sampler sees all scores and costs at
once (16 bytes a document), to learn what its order and inclusion probabilities need to know of
the population.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from samplers import Cutoff, Sampler, Take, permanent_random

from ..budget import Budget
from ..errors import ConfigError
from ..files import (
    local_directory,
    only_writer,
    read_json,
    refuse_another,
    whole,
    write_json,
)
from ..tables import ScoreStore, table_metadata, table_path
from .ordering import ByColumn, suited
from .population import Documents, Population

MANIFEST = "_selection.json"
SHARD_FINGERPRINT = b"shard_fingerprint"
_EVERYTHING = ""


@dataclass
class DomainCount:
    """What became of one domain: documents in = without a score + not selected + kept."""

    documents: int = 0
    without_score: int = 0
    kept: int = 0
    tokens: int = 0
    tokens_kept: int = 0
    bytes: int = 0
    bytes_kept: int = 0


def select(
    scores: str | Path,
    out: str | Path,
    *,
    method: str,
    budget: str,
    by_domain: bool = False,
    seed: int = 0,
    sizes_from: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    column: str | None = None,
) -> dict[str, Any]:
    """Keep the documents that come first in a method's order, as far as a budget goes.

    Args:
        scores: directory of one scorer's tables.
        out: local directory.
        method: a name from the registry.
        budget: see `Budget.parse`; a share is of the documents that have a score.
        by_domain: the same share of every domain; an absolute budget is divided in proportion to
            what the domains hold.
        seed: of the permanent random numbers.
        sizes_from: another scorer's tables, for their ``n_tokens``.
        options: of the method, such as ``{"part": "middle"}`` of band.
        column: of the score tables, to select by in place of the score. Documents without a
            value there count as those without a score do. Which end is better is known of the
            score alone: other columns go with band.

    Returns:
        The manifest: counts by domain that add up.

    Raises:
        ConfigError: the request does not fit the scores; nothing to select from.
    """
    store, parsed = ScoreStore.open(scores), Budget.parse(budget)
    if column in ("score", store.config["column"]):
        column = None
    sizes = store if sizes_from is None else ScoreStore.open(sizes_from)
    ordered = store if column is None else ByColumn(store.root, store.config, column)
    population = Population(ordered, sizes)
    sampler = suited(method, dict(options or {}), store, column)
    request = {
        "scorer": store.name,
        "scores": store.contents(),
        "sizes": population.sizes.contents(),
        "method": method,
        "options": asdict(sampler) if is_dataclass(sampler) else dict(options or {}),
        "column": column,
        "budget": budget,
        "by_domain": by_domain,
        "seed": seed,
    }
    target = local_directory(out)
    with only_writer(target):
        if (target / MANIFEST).exists():
            manifest: dict[str, Any] = read_json(target / MANIFEST)
            refuse_another(target, manifest["request"], request)
            return manifest
        selection = _Selection(population, sampler, parsed, by_domain, seed)
        manifest = {
            "request": request,
            "column": column or store.config["column"],
            "counts_tokens": population.counts_tokens,
            "reading": store.config["reading"],
            "shards": store.shard_names(),
            "failed": sorted(store.report["failed"]),
            **selection.write(target),
        }
        write_json(target / MANIFEST, manifest)
    return manifest


@dataclass
class _Selection:
    """One selection being made; a *group* is a domain, or everything."""

    population: Population
    sampler: Sampler[Any]
    budget: Budget
    by_domain: bool
    seed: int

    def write(self, out: Path) -> dict[str, Any]:
        """Find where the budget ends, write what comes before it, and count."""
        if self.budget.unit == "tokens" and not self.population.counts_tokens:
            raise ConfigError(
                f"{self.population.sizes.root} counts no tokens. Give --sizes-from a directory "
                f"that does (ask-llm or perplexity), or a budget in docs or bytes."
            )
        counts, budgets, calibrations = self._measure()
        takes = {group: Take(amount) for group, amount in budgets.items()}
        for documents in self.population:
            for group, part in self._groups(documents):
                order = self._order(part, calibrations[group])
                takes[group].add(order, part.key, part.cost(self.budget.unit))
        cutoffs = {group: take.cutoff() for group, take in takes.items()}
        n_shared = _n_shared_keys(self.population)
        for documents in self.population:
            self._write_shard(out, documents, cutoffs, calibrations, counts)
        domains = {name: vars(counts[name]) for name in sorted(counts)}
        return {"domains": domains, "documents_sharing_a_key": n_shared}

    def _measure(self) -> tuple[dict[str, DomainCount], dict[str, float], dict[str, Any]]:
        """What each domain holds; each group's budget; and its sampler's calibration."""
        counts: dict[str, DomainCount] = defaultdict(DomainCount)
        scores: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
        costs: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
        for documents in self.population:
            for name, mask in documents.by_domain():
                part, count = documents.where(mask), counts[name]
                count.documents += len(part.row)
                count.without_score += int(np.isnan(part.score).sum())
                count.tokens += int(part.n_tokens.sum())
                count.bytes += int(part.n_bytes.sum())
            for group, part in self._groups(documents):
                scores[group].append(part.score)
                costs[group].append(part.cost(self.budget.unit))
        totals = {group: float(sum(c.sum() for c in cost)) for group, cost in costs.items()}
        everything = sum(totals.values())
        if not everything:
            raise ConfigError(
                f"{self.population.scores.root}: no document has a score to select by."
            )
        share = self.budget.amount if self.budget.is_share else self.budget.amount / everything
        if share > 1 + 1e-9:
            raise ConfigError(
                f"The budget is {self.budget.amount:,.0f} {self.budget.unit}, the documents with a "
                f"score hold {everything:,.0f}. Ask for at most that, or for 100%."
            )
        budgets = self._divide(share, totals)
        calibrations = {
            group: self.sampler.calibrate(
                np.concatenate(scores[group]), np.concatenate(costs[group]), budgets[group]
            )
            for group in budgets
        }
        return counts, budgets, calibrations

    def _divide(self, share: float, totals: dict[str, float]) -> dict[str, float]:
        """Each group's budget; whole documents go to the largest remainders."""
        exact = {group: share * total for group, total in totals.items()}
        if self.budget.unit != "documents":
            return {group: max(amount, 0.5) for group, amount in exact.items()}
        whole = {group: math.floor(amount + 1e-9) for group, amount in exact.items()}
        left = round(sum(exact.values())) - sum(whole.values())
        for group in sorted(exact, key=lambda g: whole[g] - exact[g])[:left]:
            whole[group] += 1
        return {group: max(amount, 0.5) for group, amount in whole.items()}

    def _groups(self, documents: Documents) -> list[tuple[str, Documents]]:
        """The documents that have a score, by group."""
        scored = documents.where(~np.isnan(documents.score))
        if not self.by_domain:
            return [(_EVERYTHING, scored)]
        return [(name, scored.where(mask)) for name, mask in scored.by_domain()]

    def _order(self, documents: Documents, calibration: Any) -> NDArray[np.float64]:
        u = permanent_random(self.seed, documents.key)
        return self.sampler.order(documents.score, u, calibration)

    def _write_shard(
        self,
        out: Path,
        documents: Documents,
        cutoffs: dict[str, Cutoff],
        calibrations: dict[str, Any],
        counts: dict[str, DomainCount],
    ) -> None:
        tables = [_selection_table(documents.where(np.zeros(0, int)), np.empty(0), np.empty(0))]
        for group, part in self._groups(documents):
            order = self._order(part, calibrations[group])
            taken = cutoffs[group].taken(order, part.key)
            kept = part.where(taken)
            for name, mask in kept.by_domain():
                mine, count = kept.where(mask), counts[name]
                count.kept += len(mine.row)
                count.tokens_kept += int(mine.n_tokens.sum())
                count.bytes_kept += int(mine.n_bytes.sum())
            inclusion = self.sampler.inclusion(kept.score, calibrations[group])
            tables.append(_selection_table(kept, order[taken], inclusion))
        table = pa.concat_tables(tables).unify_dictionaries().sort_by("row")
        with whole(table_path(out, documents.shard)) as temporary:
            pq.write_table(
                table.replace_schema_metadata(self._stamp(documents.shard)),
                temporary,
                compression="zstd",
            )

    def _stamp(self, shard: str) -> dict[bytes, bytes]:
        """Which shard, with which content, a table selects from."""
        scored = table_metadata(self.population.scores.table_path(shard))
        return {SHARD_FINGERPRINT: str(scored["shard_fingerprint"]).encode()}


def _selection_table(
    kept: Documents, order: NDArray[np.float64], inclusion: NDArray[np.float64]
) -> pa.Table:
    domain = pa.DictionaryArray.from_arrays(
        pa.array(kept.domain, pa.int32()), pa.array(kept.domains, pa.string())
    )
    columns = {"row": kept.row, "key": kept.key, "domain": domain, "order": order}
    columns |= {"inclusion": inclusion, "n_bytes": kept.n_bytes, "n_tokens": kept.n_tokens}
    return pa.table(columns)


def _n_shared_keys(population: Population) -> int:
    """Documents whose key another document has as well: such documents share a fate."""
    keys = [documents.key for documents in population]
    _, counts = np.unique(np.concatenate(keys), return_counts=True)
    return int(counts[counts > 1].sum())
