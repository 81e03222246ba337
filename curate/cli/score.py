"""`curate score`: give every document a score."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..errors import ShardError
from . import options
from .console import errors, output, printable, progress

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..stages.score import ScoreReport


@click.group()
def command() -> None:
    """Give every document of INPUT a score.

    INPUT is a file, a directory, a glob or an fsspec URL of Parquet, JSON lines (plain, .gz, .zst)
    or Arrow shards. Tables go to OUT/<scorer>/; a run that was stopped goes on where it was.
    """


def _model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--batch-tokens", default=8192, show_default=True, help="Tokens in a batch."),
        click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 …"),
        click.option(
            "--dtype",
            default="auto",
            show_default=True,
            type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
            help="Of the model's body; the head is float32 always.",
        ),
        click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a model."),
        click.option(
            "--model", required=True, help="Directory, hub name, or demo (a toy that ships along)."
        ),
    ):
        function = option(function)
    return function


_chunk_rows = click.option(
    "--chunk-rows", default=1024, show_default=True, help="Documents in one checkpoint."
)


@command.command("ask-llm")
@options.reads_corpus
@options.out_directory
@_model_options
@click.option("--max-tokens", default=512, show_default=True, help="Longest prompt.")
@click.option("--prompt-file", type=click.Path(exists=True), help="A prompt with one {text} slot.")
@click.option("--yes", default="yes", show_default=True, help="The answer that counts; one token.")
@click.option("--no", default="no", show_default=True, help="The other answer; one token.")
@click.option("--chat/--no-chat", default=None, help="Ask in the model's chat format or not.")
@_chunk_rows
def ask_llm(corpus: Corpus, out: str, chunk_rows: int, prompt_file: str | None, **kw: Any) -> None:
    """Probability that a model answers "yes, good training data" (arXiv 2402.09668)."""
    if prompt_file is not None:
        with click.open_file(prompt_file, encoding="utf-8") as file:
            kw["prompt"] = file.read()
    _score("ask-llm", corpus, out, chunk_rows, kw)


@command.command("perplexity")
@options.reads_corpus
@options.out_directory
@_model_options
@click.option("--window", type=int, help="Longest window, in tokens.  [default: the context]")
@click.option("--context", type=int, help="Tokens a later window repeats.  [default: a quarter]")
@_chunk_rows
def perplexity(corpus: Corpus, out: str, chunk_rows: int, **kw: Any) -> None:
    """Mean negative log-likelihood, in nats per token."""
    _score("perplexity", corpus, out, chunk_rows, kw)


@command.command("density")
@options.reads_corpus
@options.out_directory
@click.option("--n-reference", default=2000, show_default=True, help="Texts in the sample.")
@click.option("--bandwidth", type=float, help="Of the kernel.  [default: by --bandwidth-ratio]")
@click.option(
    "--bandwidth-ratio",
    default=0.3,
    show_default=True,
    help="Of the median distance in the sample.",
)
@click.option("--embedder", help="A sentence-transformers model.  [default: hashed n-grams]")
@options.seed
@_chunk_rows
def density(corpus: Corpus, out: str, chunk_rows: int, **kw: Any) -> None:
    """Log of the mean kernel between a document and the others."""
    _score("density", corpus, out, chunk_rows, kw)


def _score(name: str, corpus: Corpus, out: str, chunk_rows: int, kw: dict[str, Any]) -> None:
    from ..registry import make_scorer
    from ..stages.score import score

    with progress() as say:
        report = score(corpus, make_scorer(name, **kw), out, chunk_rows=chunk_rows, progress=say)
    print_report(report, f"{out}/{name}")
    if report.failed:
        sys.exit(ShardError.exit_code)


def print_report(report: ScoreReport, where: str) -> None:
    """Documents in = scored + without a score, and which shards failed."""
    without = report.documents - report.scored
    output.print(
        f"{report.scorer}: {report.documents:,} documents in = {report.scored:,} scored + "
        f"{without:,} without a score → {printable(where)}"
    )
    for reason, n in sorted(report.reasons.items()):
        output.print(f"  {n:,} {printable(reason)} (first: {printable(report.first[reason])})")
    for why in report.failed.values():
        errors.print(f"Shard left out: {printable(why)}", soft_wrap=True)
