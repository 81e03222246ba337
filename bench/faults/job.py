"""A small job of every stage, and what an undisturbed run of each leaves behind."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from curate.shards import LOG

from .child import USUAL, Run, World

Left = dict[str, str]
_DOMAINS = ("books", "code", "web")
_WORDS = [f"word{i}" for i in range(20)] + [chr(i) for i in range(97, 123)]


@dataclass
class Tally:
    """What is counted over all faults.

    Attributes:
        rows: name, faults, survived, what more there is to say; of each section.
        faults, survived: how many were made, and after how many everything was as it should be.
        bytes_differ: files that are not those of the undisturbed run, or are too many or missing.
        documents_lost: rows that are missing.
        inputs_tried: bad shards.
        problems: in words.
    """

    rows: list[list[object]] = field(default_factory=list)
    faults: int = 0
    survived: int = 0
    bytes_differ: int = 0
    documents_lost: int = 0
    inputs_tried: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, section: str, found: list[Outcome], note: str = "") -> None:
        """Add the outcomes of one section."""
        survived = sum(not one.problems for one in found)
        self.rows.append([section, len(found), survived, note])
        self.faults += len(found)
        self.survived += survived
        self.bytes_differ += sum(one.bytes_differ for one in found)
        self.documents_lost += sum(one.documents_lost for one in found)
        self.problems += [f"{section}, {one.name}: {p}" for one in found for p in one.problems]


@dataclass
class Outcome:
    """What came of one fault."""

    name: str
    problems: list[str] = field(default_factory=list)
    bytes_differ: int = 0
    documents_lost: int = 0

    def expect(self, is_so: bool, otherwise: str) -> None:
        """Note a problem, if there is one."""
        if not is_so:
            self.problems.append(otherwise)


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        name: of the stage.
        arguments: of `curate`, but for the place to write to.
        world: what makes it worth being disturbed.
    """

    name: str
    arguments: list[str]
    world: World = USUAL

    def to(self, out: Path) -> list[str]:
        """The arguments of a run that writes there."""
        return [*self.arguments, "--out", str(out)]


class Job:
    """A corpus, the stages, and their undisturbed runs.

    Args:
        room: an empty directory.
        documents: in each shard, of which there are nine.
        only: names of stages; None: all.
    """

    def __init__(self, room: Path, documents: int, only: Collection[str] | None = None) -> None:
        self.room, self.corpus = room, room / "corpus"
        self.n_documents = write_corpus(self.corpus, documents)
        self.seconds: dict[str, float] = {}
        self._left: dict[str, Left] = {}
        self.stages: dict[str, Stage] = {}
        for stage in self._planned():
            if only is not None and stage.name not in only:
                continue
            self.stages[stage.name] = stage
            self._run_undisturbed(stage)

    def reference(self, stage: str) -> Path:
        """Where the undisturbed run wrote."""
        return self.room / "undisturbed" / stage

    def judge(self, outcome: Outcome, stage: str, out: Path) -> None:
        """Compare what a disturbed run left with the undisturbed one."""
        left, expected = contents(out), self._left[stage]
        differing = sorted(
            name for name in {*left, *expected} if left.get(name) != expected.get(name)
        )
        outcome.bytes_differ = len(differing)
        outcome.expect(not differing, f"not as undisturbed: {', '.join(differing[:4])}")
        outcome.documents_lost = max(0, n_rows(self.reference(stage)) - n_rows(out))

    def _planned(self) -> list[Stage]:
        corpus, ref = str(self.corpus), self.reference
        (self.room / "mixture.json").write_text(
            json.dumps({"mixture": {name: 1 / len(_DOMAINS) for name in _DOMAINS}})
        )
        runs = [
            f"{i:03d},{a},{b},{1 - a - b}"
            for i, (a, b) in enumerate([(0.25, 0.25), (0.5, 0.25), (0.25, 0.5), (0.5, 0.5)])
        ]
        header = "run," + ",".join(f"share/{name}" for name in _DOMAINS)
        (self.room / "design.csv").write_text("\n".join([header, *runs]) + "\n")
        each_chunk = World(seconds_a_part=0.0)
        tables = str(ref("token-prior") / "token-prior")
        sizes = {"hidden": 16, "steps": 60, "length": 16, "batch": 4, "measures": 6, "stack": 2}
        tiny = [word for key, n in sizes.items() for word in (f"--{key}", str(n))]
        selection = ["--selection", str(ref("select"))]
        return [
            Stage("token-prior", ["score", "token-prior", corpus, "--tokenizer", "demo",
                                  "--chunk-rows", "16"], each_chunk),
            Stage("perplexity", ["score", "perplexity", f"{corpus}/books", "--model", "demo",
                                 "--device", "cpu", "--chunk-rows", "16"], each_chunk),
            Stage("select", ["select", "random", "--scores", tables, "--budget", "60%",
                             "--by-domain"]),
            Stage("mix run", ["mix", "run", str(self.room / "design.csv"), "--corpus", corpus,
                              *selection, "--workers", "1", *tiny]),
            Stage("build", ["build", corpus, *selection, "--mixture",
                            str(self.room / "mixture.json"), "--tokens",
                            str(40 * self.n_documents), "--scores", tables]),
        ]  # fmt: skip

    def _run_undisturbed(self, stage: Stage) -> None:
        out = self.reference(stage.name)
        out.parent.mkdir(exist_ok=True)
        run = Run(stage.to(out), self.room / f"{stage.name}.log", stage.world)
        code = run.wait()
        self.seconds[stage.name] = time.monotonic() - run.started
        if code != 0:
            raise RuntimeError(f"{stage.name} ended with {code}: {run.printed}")
        self._left[stage.name] = contents(out)


def write_corpus(root: Path, documents: int) -> int:
    """Three domains of three shards each; gives the number of documents."""
    rng = random.Random(0)
    for domain in _DOMAINS:
        (root / domain).mkdir(parents=True)
        for number in range(3):
            texts = [" ".join(rng.choices(_WORDS, k=rng.randint(5, 120))) for _ in range(documents)]
            texts[1] = ""
            ids = [f"{domain}-{number}-{i}" for i in range(documents)]
            if number == 0:
                lines = (json.dumps({"id": i, "text": t}) for i, t in zip(ids, texts, strict=True))
                (root / domain / "0.jsonl").write_text("\n".join(lines) + "\n")
            else:
                table = pa.table({"id": ids, "text": texts})
                pq.write_table(table, root / domain / f"{number}.parquet", row_group_size=64)
    return 9 * documents


def contents(root: Path) -> Left:
    """Hash of every file but locks and logs, which are no results, and the empty directories."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.name in (".lock", LOG):
            continue
        if path.is_file():
            found[str(path.relative_to(root))] = xxhash.xxh3_128_hexdigest(path.read_bytes())
        elif not any(path.iterdir()):
            found[str(path.relative_to(root))] = "empty directory"
    return found


def n_rows(root: Path) -> int:
    """Rows of all Parquet files that can be read."""
    found = 0
    for path in root.rglob("*.parquet"):
        try:
            found += int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowInvalid):
            continue
    return found
