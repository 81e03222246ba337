"""Is the whole job repeatable? Runs it whole, again, and killed and resumed; compares the bytes.

The job is `examples/quickstart.yaml` on another corpus: a directory of domains, each a directory of
Parquet shards. The third run is killed (SIGKILL, children included) once in every stage.

    python -m bench.pipeline --corpus DIR [--runs 20] [--tokens 2M]
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import xxhash

from curate.shards import LOG

from .report import finish

_RUNS = ("whole", "again", "killed")
_JOB = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
_KILL_WHEN = [
    "scores/embeddings/*/*.parquet",
    "scores/ask-llm/.parts/*/*/00000000.parquet",
    "scores/perplexity/*/*.parquet",
    "scores/density/*/*.parquet",
    "selection/*/*.parquet",
    "mix/proxies/stacks/plan.json",
    "mix/proxies/runs/00[3-9].json",
    "mix/proxies/runs/check-*.json",
    "dataset/.spool",
]


@click.command()
@click.option("--corpus", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--work", default="work/bench-pipeline", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--runs", default=20, show_default=True, help="Of the design.")
@click.option("--tokens", default="2M", show_default=True, help="Of the dataset.")
@click.option(
    "--dtype", default="float32", show_default=True, help="Of the toy; bfloat16 is faster."
)
@click.option("--jobs", default=1, show_default=True, help="Runs side by side.")
def main(corpus: Path, work: Path, runs: int, tokens: str, dtype: str, jobs: int) -> None:
    """Print the job's own report, and whether three runs left the same bytes."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    settings = [f"corpus.inputs=[{corpus}/*/*.parquet]", f"mix.design.runs={runs}"]
    settings += [f"build.tokens={tokens}"]
    settings += [f"score.{scorer}.dtype={dtype}" for scorer in ("ask-llm", "perplexity")]
    with ThreadPoolExecutor(jobs) as pool:
        finished = pool.map(lambda name: _run(work / name, settings), _RUNS)
        done = dict(zip(_RUNS, finished, strict=True))
    print(done["whole"].printed)
    same = {name: run.files == done["whole"].files for name, run in done.items()}
    finish(
        ("run", "files", "same bytes", "seconds"),
        [[n, len(run.files), "yes" if same[n] else "no", run.seconds] for n, run in done.items()],
        {
            "same_again": float(same["again"]),
            "same_after_kills": float(same["killed"]),
            "n_kills": float(len(_KILL_WHEN)),
            "seconds": done["whole"].seconds,
        },
    )


@dataclass(frozen=True)
class _Run:
    """What a run printed and wrote (name -> hash), and how long it took."""

    printed: str
    files: dict[str, str]
    seconds: float


def _run(out: Path, settings: list[str]) -> _Run:
    """Run the job to its end; the one called "killed" is killed on the way, once in every stage."""
    command = [sys.executable, "-m", "curate", "run", str(_JOB)]
    for setting in (*settings, f"out={out}"):
        command += ["--set", setting]
    start = time.perf_counter()
    for pattern in _KILL_WHEN if out.name == "killed" else ():
        _kill_when(command, out, pattern)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return _Run(done.stdout, _contents(out), time.perf_counter() - start)


def _kill_when(command: list[str], out: Path, pattern: str) -> None:
    """Start the job, and kill it and its children once a file is there."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        while not any(out.glob(pattern)):
            if process.poll() is not None:
                raise click.ClickException(f"The job ended before it wrote {pattern}.")
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _contents(root: Path) -> dict[str, str]:
    every = (path for path in sorted(root.rglob("*")) if path.is_file())
    files = [path for path in every if path.name != LOG]
    return {str(f.relative_to(root)): xxhash.xxh3_128_hexdigest(f.read_bytes()) for f in files}


if __name__ == "__main__":
    main()
