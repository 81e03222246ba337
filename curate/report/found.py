"""What a run left in its directories: tables, a selection, a law, a mixture, proxies, a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import read_json
from ..places import is_remote, place
from ..schema import EMBEDDING
from ..stages.select import MANIFEST as SELECTION
from ..tables import CONFIG, ScoreStore

_DEPTH = 3
_LARGEST = 64 * 2**20
_RUNS, _VERIFIED, _DATASET, _PIPELINE = (
    "runs.parquet",
    "verify.json",
    "manifest.json",
    "report.json",
)


@dataclass
class Found:
    """Places by what they hold; of what a report shows one of, the first, and how many others.

    Attributes:
        scores, embeddings: tables.
        selections: directories of selections.
        laws, mixtures: files that `mix fit` and `mix optimize` wrote.
        runs: tables of proxies' curves; those of a verification are ``verified``'s own.
        verified: files of `mix verify`.
        datasets: manifests of datasets.
        pipeline: the report of `curate run`.
        check: losses of a pipeline's proxies by mixture, one a seed.
        check_runs: the curves of these.
    """

    scores: list[ScoreStore] = field(default_factory=list)
    embeddings: list[ScoreStore] = field(default_factory=list)
    selections: list[Path] = field(default_factory=list)
    laws: list[Path] = field(default_factory=list)
    mixtures: list[Path] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    verified: list[Path] = field(default_factory=list)
    datasets: list[Path] = field(default_factory=list)
    pipeline: dict[str, Any] | None = None
    check: dict[str, list[float]] | None = None
    check_runs: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report."""
        kinds = (self.scores, self.embeddings, self.selections, self.laws, self.mixtures)
        return not any((*kinds, self.runs, self.verified, self.datasets))

    def add(self, directory: Path) -> None:
        """Take what a directory holds, and those below it."""
        for here in _below(directory, _DEPTH):
            self._add(here)

    def _add(self, here: Path) -> None:
        if (here / CONFIG).exists() and "scorer" in read_json(here / CONFIG):
            store = ScoreStore.open(here, None)
            (self.embeddings if store.measured == EMBEDDING else self.scores).append(store)
        if (here / SELECTION).exists():
            self.selections.append(here)
        if (here / _VERIFIED).exists():
            self.verified.append(here / _VERIFIED)
        elif (here / _RUNS).exists():
            self.runs.append(here / _RUNS)
        if (here / _DATASET).exists() and "domains" in read_json(here / _DATASET):
            self.datasets.append(here / _DATASET)
        for path in sorted(here.glob("*.json")):
            self._add_json(path)

    def _add_json(self, path: Path) -> None:
        if path.name in (CONFIG, SELECTION, _VERIFIED, _DATASET) or path.stat().st_size > _LARGEST:
            return
        try:
            held = read_json(path)
        except ConfigError:
            return  # somebody else's
        keys = {*held} if isinstance(held, dict) else set[str]()
        if path.name == _PIPELINE and {"domains", "scored", "prediction"} <= keys:
            self.pipeline = held
        elif path.name == "check.json" and {"proposed", "proportional"} <= keys:
            self.check = held
            curves = path.with_suffix(".parquet")
            self.check_runs = curves if curves.exists() else None
        elif {"law", "domains", "targets"} <= keys:
            self.laws.append(path)
        elif {"mixture", "predicted_loss"} <= keys:
            self.mixtures.append(path)


def find(given: Sequence[str | Path]) -> Found:
    """All that directories hold, three levels deep.

    Raises:
        ConfigError: no such directory, or nothing in it that curate wrote.
    """
    found = Found()
    for one in given:
        root = place(one)
        if not root.is_dir():
            what = "a file" if root.exists() else "no such directory"
            raise ConfigError(f"{one}: {what}. Name a directory that curate wrote to.")
        found.add(root)
    if found.is_empty:
        raise ConfigError(
            f"{', '.join(map(str, given))}: nothing that curate wrote: no score tables, selection, "
            f"law, mixture, proxy runs or dataset. Name the directory given as --out, or one that "
            f"holds several of these."
        )
    return found


def _below(directory: Path, depth: int) -> Iterator[Path]:
    """The directory and what lies below it; what is inside of tables and datasets is not told."""
    yield directory
    ours = (CONFIG, SELECTION, _DATASET, _RUNS)
    if not depth or any((directory / name).exists() for name in ours):
        return
    for below in sorted(directory.iterdir()):
        hidden = below.name.startswith((".", "_"))
        if not hidden and below.is_dir() and (is_remote(below) or not below.is_symlink()):
            yield from _below(below, depth - 1)
