"""The scorers of `curate score` that read embeddings."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, ShardError
from ..registry import find
from . import options
from .console import output, printable, progress
from .figures import show, tells

if TYPE_CHECKING:
    from ..corpus import Corpus

_reads_points = options.several(
    options.may_read_corpus,
    options.out_directory,
    click.option(
        "--embeddings",
        type=click.Path(),
        help="What `curate embed` wrote, in place of INPUT and the options of reading.",
    ),
    options.embeds,
    options.name,
    click.option(
        "--chunk-rows",
        type=int,
        help="Documents in one checkpoint.  [default: 1024 to embed, 8192 to score]",
    ),
    tells,
)
_KINDS = {
    "bandwidth": float,
    "width": float,
    "limit": int,
    "n_clusters": int,
    "n_lists": int,
    "target": click.Path(),
}
"""Types of the options that have no default to tell them by."""


def _of(scorer: str, option: str, text: str, **kw: Any) -> options.Command:
    """A field of a scorer's class as an option, with the default that the class has."""
    default = {field.name: field.default for field in fields(find("scorers", scorer))}[option]
    if default is not None:
        text = f"{text}  [default: {default}]"
    kind = kw.pop("type", None) or _KINDS.get(option) or type(default)
    return click.option(f"--{option.replace('_', '-')}", type=kind, help=text, **kw)


def _sums_kernels(scorer: str) -> options.Command:
    """What the densities that sum kernels have in common."""
    kernels = click.Choice(["gaussian", "exponential", "von-mises-fisher"])
    return options.several(
        _of(scorer, "kernel", "How nearness falls with distance.", type=kernels),
        _of(scorer, "bandwidth", "A distance.  [default: by --bandwidth-ratio]"),
        _of(scorer, "bandwidth_ratio", "Of --bandwidth-quantile of the distances."),
        _of(scorer, "bandwidth_quantile", "Of distances in a sample."),
        options.seed,
        click.option("--device", help="cpu, cuda, cuda:1 …  [default: a GPU where there is one]"),
    )


def _clusters(scorer: str) -> options.Command:
    """What the scorers that cluster have in common."""
    return options.several(
        _of(
            scorer,
            "n_clusters",
            "Of k-means.  [default: √n, at most one for 39 sampled]",
        ),
        _of(scorer, "n_sample", "Documents that k-means sees."),
        options.seed,
    )


@click.command("density")
@_reads_points
@_of("density", "n_reference", "Documents in the sample.")
@_sums_kernels("density")
def density(**kw: Any) -> None:
    """Log of the mean kernel between a document and a sample of the corpus."""
    _score("density", **kw)


@click.command("density-exact")
@_reads_points
@_sums_kernels("density-exact")
def density_exact(**kw: Any) -> None:
    """Log of the mean kernel between a document and all documents."""
    _score("density-exact", **kw)


@click.command("density-race")
@_reads_points
@_of(
    "density-race",
    "hash",
    "What makes near documents collide.",
    type=click.Choice(["p-stable", "signed-projection"]),
)
@_of("density-race", "n_rows", "Hashes of the sketch.")
@_of("density-race", "n_buckets", "Counters of a hash.")
@_of("density-race", "concatenation", "Projections in one hash: a narrower kernel.")
@_of("density-race", "width", "Of a cell (p-stable).  [default: by --width-ratio]")
@_of("density-race", "width_ratio", "Of --width-quantile of the distances.")
@_of("density-race", "width_quantile", "Of distances in a sample.")
@_of("density-race", "n_sample", "Documents that the width is set by.")
@click.option(
    "--orthogonal/--independent",
    "orthogonal",
    default=None,
    help="Directions at right angles, or drawn one by one.  [default: orthogonal]",
)
@options.seed
def density_race(**kw: Any) -> None:
    """Log density from a sketch of hashes, for any number of documents (arXiv 2402.09668)."""
    _score("density-race", **kw)


@click.command("density-faiss")
@_reads_points
@_of("density-faiss", "n_neighbours", "Counted exactly.")
@_of("density-faiss", "n_reference", "Documents in the sample of the rest.")
@_of("density-faiss", "n_lists", "Of the index; 1 compares all.  [default: 2√n]")
@_of("density-faiss", "n_probe", "Lists that are searched.")
@_sums_kernels("density-faiss")
def density_faiss(**kw: Any) -> None:
    """Log density from the nearest neighbours, and a sample of the rest."""
    _score("density-faiss", **kw)


@click.command("semdedup")
@_reads_points
@_of("semdedup", "threshold", "Cosine above which a document is a duplicate.")
@_clusters("semdedup")
def semdedup(**kw: Any) -> None:
    """Largest cosine to the documents of its cluster that are preferred (arXiv 2303.09540)."""
    _score("semdedup", **kw)


@click.command("prototypes")
@_reads_points
@_clusters("prototypes")
def prototypes(**kw: Any) -> None:
    """Cosine to the nearest k-means centroid (arXiv 2206.14486)."""
    _score("prototypes", **kw)


@click.command("coverage")
@_reads_points
@_of("coverage", "n_neighbours", "Documents that can cover a text.")
@_of(
    "coverage",
    "target",
    "Embedding tables of the texts to cover, by the same model or --vector-column; hashed-ngrams "
    "are fitted to one corpus and cannot be compared.  [default: the corpus]",
)
@_of("coverage", "limit", "Documents to rank.  [default: until nothing is gained]")
@options.seed
def coverage(**kw: Any) -> None:
    """Rank in a greedy choice of documents, so that every text has one like it."""
    _score("coverage", **kw)


COMMANDS = (density, density_exact, density_race, density_faiss, semdedup, prototypes, coverage)


def _score(
    scorer: str,
    corpus: Corpus | None,
    out: str,
    *,
    embeddings: str | None,
    embedder: str | None,
    backend: str | None,
    embedder_args: tuple[str, ...],
    trust_remote_code: bool,
    vector_column: str | None,
    name: str | None,
    chunk_rows: int | None,
    **kw: Any,
) -> None:
    from ..registry import make_point_scorer
    from ..stages.describe import weights_note
    from ..stages.embed import embed
    from ..stages.points import check_score_name, score_points
    from ..tables import EMBEDDINGS
    from .score import print_report, report_figures

    told = (embedder, backend, embedder_args, trust_remote_code, vector_column)
    if (corpus is None) == (embeddings is None):
        raise ConfigError(
            f"{scorer} wants one of INPUT... and --embeddings, not "
            f"{'both' if embeddings else 'neither'}: documents to embed, or what `curate embed` "
            f"wrote."
        )
    if corpus is None and any(told):
        raise ConfigError(
            "The documents of --embeddings are embedded already: leave out --embedder, "
            "--backend, --embedder-arg, --trust-remote-code and --vector-column."
        )
    if name is not None:
        check_score_name(name)
    rows: dict[str, Any] = {} if chunk_rows is None else {"chunk_rows": chunk_rows}
    target = kw.get("target")
    with progress() as heard:
        spec, seed = make_point_scorer(scorer, **kw)
        if corpus is not None:
            embedding = options.embedding(*told)
            embed(corpus, embedding, out, progress=heard, **rows)
            embeddings = f"{out}/{EMBEDDINGS}"
        assert embeddings is not None
        report = score_points(
            embeddings, spec, out, name=name, target=target, seed=seed, progress=heard, **rows
        )
    where = f"{out}/{report.scorer}"
    note = weights_note(where)

    def print_points() -> None:
        print_report(report, where)
        if note is not None:
            output.print(f"  {printable(note)}")

    show({**report_figures(report, where), "note": note}, print_points)
    if report.failed:
        sys.exit(ShardError.exit_code)
