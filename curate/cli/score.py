"""`curate score`: give every document a score."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import ShardError
from ..registry import added, names
from . import options, plugins, points
from .console import errors, output, printable, progress
from .engines import runs_on
from .figures import show, tells
from .groups import Named

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..engines import Engine
    from ..raters import RaterShare
    from ..stages.score import ScoreReport


@click.group(cls=Named)
def command() -> None:
    """Give every document of INPUT a score.

    INPUT is a file, a directory, a glob or an fsspec URL of Parquet, JSON lines (plain, .gz, .zst)
    or Arrow shards. Tables go to OUT/<scorer>/; a run that was stopped goes on where it was.

    The densities, semdedup, prototypes and coverage read embeddings: those that `curate embed`
    wrote, or those of INPUT, which they write to OUT/embeddings/ first.
    """


_faults = options.several(
    options.on_error,
    click.option(
        "--timeout",
        type=click.FloatRange(0, 30 * 86_400, min_open=True),
        help="Most seconds that the scorer may take for --chunk-rows documents.",
    ),
)
_asks_a_model = options.several(
    options.tabulates_corpus,
    options.out_directory,
    click.option(
        "--model", required=True, help="Directory, hub name, or demo (a toy that ships along)."
    ),
    click.option(
        "--backend",
        default="transformers",
        show_default=True,
        type=click.Choice(names("backends")),
        help="What runs the model.",
    ),
    click.option("--dtype", help="auto, float32, bfloat16 or float16.  [default: auto]"),
    click.option("--device", help="cpu, cuda, cuda:1 … (transformers).  [default: auto]"),
    click.option(
        "--batch-tokens", type=int, help="Padded tokens in a batch (transformers).  [default: auto]"
    ),
    click.option("--base-url", help="Of the server (openai), e.g. http://localhost:8000/v1."),
    click.option(
        "--engine-arg",
        "engine_args",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other option of the backend, or of the engine behind it; repeatable.",
    ),
    options.trust_remote_code,
    options.name,
    click.option("--rater", metavar="K/M", help="Score only what falls to rater K of M."),
    click.option(
        "--seed",
        default=0,
        show_default=True,
        type=click.IntRange(0, 2**32 - 1),
        help="Of the draw of raters.",
    ),
    options.chunk_rows,
    _faults,
    runs_on(workers=None),
    tells,
)
_asks_a_question = options.several(
    click.option(
        "--prompt",
        help="ask-llm, instruction-first, rubric, or a file with one {text} slot.  "
        "[default: the scorer's own]",
    ),
    click.option("--max-tokens", default=512, show_default=True, help="Longest prompt."),
    click.option(
        "--truncation",
        default="head",
        show_default=True,
        type=click.Choice(["head", "head-and-tail"]),
        help="What is kept of a passage that does not fit.",
    ),
    click.option(
        "--variants",
        is_flag=True,
        help="Count an answer in every surface form that is one token.",
    ),
    click.option(
        "--chat/--no-chat",
        default=None,
        help="Ask in the model's chat format or not.  [default: where the model has one]",
    ),
)


@command.command("ask-llm")
@_asks_a_model
@_asks_a_question
@click.option("--yes", default="yes", show_default=True, help="The answer that counts; one token.")
@click.option("--no", default="no", show_default=True, help="The other answer; one token.")
def ask_llm(**kw: Any) -> None:
    """Probability that a model answers "yes, good training data" (arXiv 2402.09668)."""
    _ask("ask-llm", **kw)


@command.command("rubric")
@_asks_a_model
@_asks_a_question
@click.option("--points", default=5, show_default=True, help="The best rating.")
def rubric(**kw: Any) -> None:
    """Expected rating, 0 to 5: the sum of k times the probability that a model answers k."""
    _ask("rubric", **kw)


@command.command("perplexity")
@_asks_a_model
@click.option("--window", type=int, help="Longest window, in tokens.  [default: the context]")
@click.option("--context", type=int, help="Tokens a later window repeats.  [default: a quarter]")
@click.option("--full-last-window", is_flag=True, help="Let the last window reach back.")
def perplexity(**kw: Any) -> None:
    """Mean negative log-likelihood, in nats per token."""
    _ask("perplexity", **kw)


@command.command("kenlm")
@options.tabulates_corpus
@options.out_directory
@click.option("--model", required=True, help="An ARPA file, or a KenLM binary.")
@click.option(
    "--sentences",
    default="line",
    show_default=True,
    type=click.Choice(["line", "document"]),
    help="What <s> and </s> enclose.",
)
@click.option("--lowercase", is_flag=True, help="Lower-case the text first.")
@click.option("--tokenizer", help="Whose pieces are the words.  [default: white space]")
@options.trust_remote_code
@options.name
@options.chunk_rows
@_faults
@runs_on(workers=None)
@tells
def kenlm(**kw: Any) -> None:
    """Mean negative log-likelihood under an n-gram model, in nats per word."""
    _score("kenlm", **kw)


@command.command("token-prior")
@options.tabulates_corpus
@options.out_directory
@click.option("--tokenizer", required=True, help="Directory, hub name, or demo.")
@options.trust_remote_code
@options.name
@options.chunk_rows
@_faults
@runs_on(workers=None)
@tells
def token_prior(**kw: Any) -> None:
    """Mean log frequency of a document's tokens in the corpus (arXiv 2509.18577)."""
    _score("token-prior", **kw)


def _ask(
    scorer: str, *, rater: str | None, seed: int, engine_args: tuple[str, ...], **kw: Any
) -> None:
    """Run a scorer that asks a model; ``seed`` is that of the draw of raters."""
    from ..raters import RaterShare

    share = None if rater is None else RaterShare.parse(rater, seed)
    handed_on = dict(options.key_value("--engine-arg", text) for text in engine_args)
    _score(scorer, rater=share, engine_args=handed_on or None, **kw)


def _score(
    scorer: str,
    corpus: Corpus,
    out: str,
    *,
    name: str | None,
    chunk_rows: int,
    on_error: str,
    timeout: float | None,
    engine: Engine,
    rater: RaterShare | None = None,
    **kw: Any,
) -> None:
    from ..registry import Recipe
    from ..stages.measuring import Policy
    from ..stages.score import score

    with progress() as heard:
        report = score(
            corpus,
            Recipe(scorer, kw),
            out,
            name=name,
            rater=rater,
            chunk_rows=chunk_rows,
            progress=heard,
            engine=engine,
            policy=Policy(on_error=on_error, timeout=timeout),
        )
    where = f"{out}/{report.scorer}"
    show(report_figures(report, where), print_report, report, where)
    if report.failed or report.n_backend_errors:
        sys.exit(ShardError.exit_code)


def report_figures(report: ScoreReport, where: str) -> dict[str, Any]:
    """What a run that wrote tables counted."""
    return {"directory": where, **report.as_dict()}


def print_report(
    report: ScoreReport, where: str, what: str = "scored", without: str = "a score"
) -> None:
    """Documents in = scored + without a score, and which shards failed."""
    n_without = report.documents - report.scored
    output.print(
        f"{report.scorer}: {report.documents:,} documents in = {report.scored:,} {what} + "
        f"{n_without:,} without {without} → {printable(where)}"
    )
    for reason, n in sorted(report.reasons.items()):
        output.print(f"  {n:,} {printable(reason)} (first: {printable(report.first[reason])})")
    for why in report.failed.values():
        errors.print(f"Shard left out: {printable(why)}", soft_wrap=True)


for _scorer in points.COMMANDS:
    command.add_command(_scorer)
for _name, _package in added("scorers").items():
    command.add_command(plugins.scorer(_name, _package, _faults, _score))
