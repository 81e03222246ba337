"""What curate makes of bad shards (see `bench.bad_shard_cases`): nothing lost, nothing crashed.

    python -m bench.bad_shards [N_CASES] [SEED]

The first 19,000 cases hold every place to cut a shard of each format.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .bad_shard_cases import Case, cases


@dataclass
class Outcome:
    """What came of a case: documents, or why there are none; ``fault`` where that is wrong."""

    documents: int = 0
    lost: int = 0
    refused: str | None = None
    fault: str | None = None


def outcome(case: Case, directory: Path) -> Outcome:
    """What curate makes of a case, read as `score` reads it."""
    from curate.corpus import Corpus
    from curate.errors import CurateError
    from curate.readers import read, row_counts

    path = directory / case.name
    path.write_bytes(case.data)
    found = Outcome()
    try:
        corpus = Corpus(inputs=(str(path),), **case.options)
        (shard,) = corpus.shards
        counts = row_counts(shard)
        for batch in read(shard, corpus, 3):
            found.documents += len(batch)
            for text, why in zip(batch.texts, batch.reasons, strict=True):
                if why is not None and text:
                    found.fault = f"a text beside the reason {why}"
                text.encode()
        if counts is not None and sum(counts) != found.documents:
            found.fault = f"{sum(counts)} rows told, {found.documents} read"
        if case.n_rows is not None and found.documents != case.n_rows:
            found.lost = abs(case.n_rows - found.documents)
        if case.must_fail:
            found.lost += 1
    except CurateError as error:
        found.refused = str(error)
    except Exception as error:
        found.fault = f"{type(error).__name__}: {error}"
    finally:
        path.unlink()
    return found


def run(n_cases: int = 1200, seed: int = 0) -> dict[str, Any]:
    """Try so many cases, in a process of their own, as a bad file may take it down.

    Returns:
        inputs_tried, documents_lost, crashed, refused, and what went wrong under "faults".
    """
    context = multiprocessing.get_context("spawn")
    told: dict[str, Any] = {"inputs_tried": 0, "documents_lost": 0, "crashed": 0, "refused": 0}
    faults: list[str] = []
    while told["inputs_tried"] < n_cases:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_try, args=(told["inputs_tried"], n_cases, seed, theirs))
        child.start()
        theirs.close()
        at = ""
        while True:
            try:
                message = ours.recv()
            except EOFError:
                break
            if isinstance(message, str):
                at = message
                told["inputs_tried"] += 1
                continue
            told["documents_lost"] += message.lost
            told["refused"] += message.refused is not None
            if message.fault or message.lost:
                faults.append(f"{at}: {message.fault or f'{message.lost} lost'}")
            told["crashed"] += message.fault is not None
            at = ""
        child.join()
        if at or child.exitcode:
            told["crashed"] += 1
            faults.append(f"{at}: the process ended with {child.exitcode}")
            told["inputs_tried"] += not at
    return {**told, "faults": faults}


def _try(start: int, stop: int, seed: int, told: Any) -> None:
    with TemporaryDirectory() as directory:
        for number, case in enumerate(islice(cases(seed), start, stop), start):
            told.send(f"{number} {case.name} {case.about}")
            told.send(outcome(case, Path(directory)))
    told.close()


if __name__ == "__main__":
    found = run(*map(int, sys.argv[1:]))
    print(*found.pop("faults"), sep="\n")
    print(json.dumps(found))
