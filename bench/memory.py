"""Peak memory of `score`, `select` and `build` on a corpus, on 4 and on 16 times as much.

    python -m bench.memory [--size MB] [--rows N] [--only build]

Each verb runs in a process of its own, on copies of one shard under more and more names, and on
one shard that grows. `select` reads no text but 28 bytes a document: its score tables are made, of
as many documents as a corpus has where memory could matter. A peak is what the system says
(VmHWM). Growth is the peak at 16 times the size over that at once the size, the greater of the two
ways; flat is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from bench.io import Nothing
from bench.report import finish, peak_mb
from bench.select import make
from bench.texts import write_shard
from curate.corpus import Corpus
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select

_TIMES = (1, 4, 16)
_SHARDS = 4
"""Of the corpus at once its size, where there are more and more of them."""
_VERBS = ("score", "select", "build")


def run(verb: str, room: Path) -> None:
    """Do one verb on ``room``/corpus; print the peak of this process, in MB."""
    corpus = Corpus(inputs=(str(room / "corpus"),))
    if verb == "score":
        score(corpus, Nothing(), room / "scores")
    elif verb == "select":
        select(room / "scores/nothing", room / "sel", method="random", budget="90%")
    elif verb == "select tables":
        select(
            room / "tables",
            room / "sel",
            method="inverse-propensity",
            budget="30%tok",
            by_domain=True,
        )
    else:
        found = json.loads((room / "sel/_selection.json").read_text())["domains"]["all"]
        request = BuildRequest(mixture={"all": 1.0}, tokens=int(found["tokens_kept"] * 1.1))
        build(corpus, room / "sel", room / "out", request, scores=[room / "scores/nothing"])
    print(peak_mb())


def measured(verb: str, room: Path) -> float:
    """The peak of a verb in a fresh process, in MB.

    A child's `ru_maxrss` starts at its parent's; VmHWM is its own.
    """
    command = [sys.executable, "-m", "bench.memory", "--run", verb, "--room", str(room)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout.splitlines()[-1])


def more_shards(room: Path, shard: Path, times: int) -> None:
    """A corpus of ``times`` as many shards, all links to one file: no ids, so no shared keys."""
    (room / "corpus").mkdir(parents=True)
    for i in range(_SHARDS * times):
        os.link(shard, room / f"corpus/{i:03d}.parquet")


def larger_shard(room: Path, shard: Path, times: int) -> None:
    """A corpus of one shard with ``times`` as many row groups, all alike."""
    (room / "corpus").mkdir(parents=True)
    with pq.ParquetFile(shard) as file:
        path = room / "corpus/one.parquet"
        with pq.ParquetWriter(path, file.schema_arrow, compression="lz4") as out:
            for _ in range(_SHARDS * times):
                for group in range(file.num_row_groups):
                    out.write_table(file.read_row_group(group))


_WAYS = {"more shards": more_shards, "larger shard": larger_shard}


def main() -> None:
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=160, help="MB of text, at once the size")
    parser.add_argument("--only", choices=_VERBS, help="count this verb alone")
    parser.add_argument("--rows", type=float, default=1e6, help="documents, for select")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--room", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run(given.run, given.room)
        return
    verbs = [given.only] if given.only else list(_VERBS)
    with tempfile.TemporaryDirectory() as room:
        shard = Path(room) / "shard.parquet"
        write_shard(shard, int(given.size * 1e6 / _SHARDS))
        rows: list[list[object]] = [
            [name, verb, *peaks, peaks[-1] / peaks[0]]
            for name in _WAYS
            for verb, peaks in _peaks(name, Path(room), shard).items()
            if verb in verbs and verb != "select"
        ]
        if "select" in verbs:
            peaks = _of_tables(Path(room), int(given.rows))
            rows.append(["score tables", "select", *peaks, peaks[-1] / peaks[0]])
    columns = ["corpus", "verb", *(f"{n}x, MB" for n in _TIMES), "growth"]
    figures = {
        f"{v}_growth": max(float(f"{row[-1]}") for row in rows if row[1] == v) for v in verbs
    }
    finish(columns, rows, figures)


def _of_tables(room: Path, n_rows: int) -> list[float]:
    """The peaks of `select` on made score tables."""
    found = []
    for times in _TIMES:
        make(room / "made/tables", n_rows * times)
        found.append(measured("select tables", room / "made"))
        print(f"tables, {times}x: select {found[-1]:.0f} MB", file=sys.stderr, flush=True)
        shutil.rmtree(room / "made")
    return found


def _peaks(name: str, room: Path, shard: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {verb: [] for verb in _VERBS}
    for times in _TIMES:
        made = room / "made"
        _WAYS[name](made, shard, times)
        for verb in _VERBS:
            found[verb].append(measured(verb, made))
            print(f"{name}, {times}x: {verb} {found[verb][-1]:.0f} MB", file=sys.stderr, flush=True)
        shutil.rmtree(made)
    return found


if __name__ == "__main__":
    main()
