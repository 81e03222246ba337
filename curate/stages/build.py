"""Build the dataset: a selection and a mixture in, shuffled shards of text and a manifest out.

    OUT/data/<split>-00000-of-00004.parquet   (or .jsonl.zst) shards of even size
    OUT/manifest.json                         what went in, what came out, counts that add up

This is the only stage that writes text. It goes in four steps, each of jobs that any process may
do and that write whole files or none: passes over the selection decide how often each document
comes; one more counts the copies by their place in the shuffled dataset; shard by shard these are
put into OUT/.spool, sorted roughly; and each file of the dataset is read out of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import interrupts
from ..corpus import Corpus
from ..engines import Engine, Local
from ..errors import ConfigError
from ..files import (
    digest,
    only_writer,
    output_directory,
    read_json,
    refuse_another,
    versions,
    write_json,
)
from ..places import place, remove
from ..progress import Amount, Phase, Progress, Reporter, silent
from ..tables import CONFIG, REPORT, ScoreStore, check_name
from .allocation import allocate
from .selection import Selection
from .shuffled import Shuffled, n_buckets
from .spool import Spool, jobs
from .tally import expected_bytes, summary, tally

MANIFEST = "manifest.json"
DATA, SPOOL = "data", ".spool"
CLAIM = CONFIG
"""What an unfinished dataset is made of; a directory that holds it is no input of any run."""
FORMATS = ("parquet", "jsonl.zst")


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What dataset is wanted.

    Attributes:
        mixture: share of each domain, summing to one.
        tokens: size of the dataset.
        shards: number of files.
        format: "parquet" or "jsonl.zst".
        seed: of the shuffle, and of which documents fill a last, partial epoch.
    """

    mixture: dict[str, float]
    tokens: int
    shards: int = 4
    format: str = "parquet"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"'format' must be one of {FORMATS}. Got {self.format!r}.")
        if self.tokens < 1 or self.shards < 1:
            raise ConfigError(
                f"'tokens' and 'shards' must be at least 1. Got {self.tokens} and {self.shards}."
            )
        total = sum(self.mixture.values())
        if not min(self.mixture.values(), default=-1.0) >= 0 or not abs(total - 1) <= 1e-6:
            raise ConfigError(
                f"The shares of a mixture must be >= 0 and sum to 1, not {total:.6g}."
            )


def build(
    corpus: Corpus,
    selection: str | Path,
    out: str | Path,
    request: BuildRequest,
    *,
    scores: Sequence[str | Path] = (),
    engine: Engine | None = None,
    progress: Reporter = silent,
) -> dict[str, Any]:
    """Write the dataset, going on where an earlier run stopped.

    How often a document comes is decided by `Allocation`; where it stands, by a shuffle with the
    permanent random numbers of its key and epoch. What an unfinished run of another request left
    in ``out`` is removed.

    Memory: does not depend on the corpus, but for a few numbers of each shard and domain.

    Args:
        corpus: the shards that were selected from.
        selection: directory of a selection.
        out: directory, or a URL of an object store; for a cluster one that all nodes see.
        request: mixture, size and form.
        scores: directories of score tables; each becomes a column with the name of its directory.
        engine: does the work; None: this process. The bytes written do not depend on it.
        progress: told how far it is, where shards are the files of the dataset; see
            `curate.progress`.

    Returns:
        The manifest.

    Raises:
        ConfigError: the mixture names a domain of which nothing was kept, two score tables have
            one name or that of a column every dataset has, ``out`` holds another dataset, or the
            corpus has changed since it was scored.
        ShardError: a shard cannot be read.
    """
    chosen = Selection(place(selection))
    stores = [ScoreStore.open(path) for path in scores]
    _check_columns(stores)
    inputs = {
        "request": vars(request),
        "selection": chosen.manifest,
        "scores": {store.name: store.contents() for store in stores},
    }
    target = output_directory(out)
    with only_writer(target):
        if not (target / MANIFEST).exists():
            _claim(target, {"inputs": inputs, "versions": versions()})
            with Progress(progress, target, "build", target.name, request.shards) as heard:
                made = _made(target, corpus, chosen, request, stores, engine or Local(), heard)
            write_json(target / MANIFEST, {"inputs": inputs, "versions": versions(), **made})
        manifest: dict[str, Any] = read_json(target / MANIFEST)
        refuse_another(target, manifest["inputs"], inputs)
        for left in (SPOOL, CLAIM):
            remove(target / left)
    return manifest


def _claim(target: Path, config: dict[str, Any]) -> None:
    """Keep what an earlier run left if it was of this very request, and remove it otherwise."""
    mine = digest(config)
    there = target / CLAIM
    before = read_json(there) if there.exists() else None
    if isinstance(before, dict):
        raise ConfigError(
            f"{target} holds tables or runs (its {CLAIM} says so), and no dataset. Give another "
            f"directory."
        )
    if before != mine:
        for stale in (CLAIM, SPOOL, DATA):
            remove(target / stale)
        write_json(there, mine)


def _made(
    target: Path,
    corpus: Corpus,
    chosen: Selection,
    request: BuildRequest,
    stores: Sequence[ScoreStore],
    engine: Engine,
    progress: Progress,
) -> dict[str, Any]:
    """Write the data, in steps that find what an earlier run did; what the manifest says of it."""
    shards = chosen.shards(corpus)
    names = [shard.name for shard in shards]
    progress.doing("counting what there is")
    allocation = allocate(chosen, names, request.mixture, request.tokens, request.seed, engine)
    n_bytes = expected_bytes(allocation)
    found = tally(allocation, shards, n_buckets(n_bytes, request.shards), engine)
    if not found.n_copies:
        raise ConfigError(f"No document fits into {request.tokens} tokens. Ask for more.")
    parts = jobs([(shard, found.shards[shard.name][1]) for shard in shards])
    phase = Phase(progress, "reading the text", len(parts), "parts")
    spool = Spool(target / SPOOL, replace(corpus), allocation, stores, len(found.buckets), phase)
    written = []
    for number in engine.map(spool, parts):
        written.append(number)
        phase.see(units=1)
        interrupts.check()
    progress.doing(None)
    n_files = min(request.shards, found.n_copies)
    shuffled = Shuffled(
        spool,
        sorted(written),
        found.buckets,
        n_bytes,
        n_files,
        request.format,
        target / DATA,
        progress,
    )
    there = [shuffled.path(number).exists() for number in range(n_files)]
    files = []
    for file in engine.map(shuffled, range(n_files)):
        files.append(file)
        before = there[int(str(file["name"]).split("-")[1])]
        progress.finish(str(file["name"]), before=before, amount=Amount(int(file["rows"])))
        interrupts.check()
    return {
        "shards_read": {name: found.shards[name][0] for name in names},
        "scorers": {s.name: {**s.config, "report": _report(s)} for s in stores},
        "domains": summary(allocation, found, request.mixture),
        "documents": found.n_copies,
        "files": sorted(files, key=lambda file: str(file["name"])),
    }


def _check_columns(stores: Sequence[ScoreStore]) -> None:
    """Each store has a column to itself; a directory may have another name since it was scored."""
    holders: dict[str, ScoreStore] = {}
    for store in stores:
        try:
            check_name(store.name)
        except ConfigError as error:
            raise ConfigError(f"{store.root}: {error}") from error
        other = holders.setdefault(store.name, store)
        if other is not store:
            raise ConfigError(
                f"{other.root} and {store.root} would both be the column {store.name!r} of the "
                f"dataset. Give one of them another --name."
            )


def _report(store: ScoreStore) -> Any:
    return read_json(store.root / REPORT)
