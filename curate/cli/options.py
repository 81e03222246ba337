"""Options that several verbs share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..corpus import Corpus
from ..errors import ConfigError
from ..registry import ALIASES, names

Command = Callable[..., Any]

out_directory = click.option("--out", required=True, type=click.Path(), help="Directory to write.")
out_file = click.option("--out", required=True, type=click.Path(), help="File to write.")
seed = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of every random choice.",
)
max_epochs = click.option(
    "--max-epochs", default=4.0, show_default=True, help="Most repetitions of a domain."
)
selection = click.option(
    "--selection", required=True, type=click.Path(), help="Directory that `select` wrote."
)


name = click.option("--name", help="Of the tables, a directory in --out.  [default: the scorer's]")
chunk_rows = click.option(
    "--chunk-rows", default=1024, show_default=True, help="Documents in one checkpoint."
)
on_error = click.option(
    "--on-error",
    default="skip",
    show_default=True,
    type=click.Choice(["skip", "fail"]),
    help="Record what cannot be read or scored and go on (exit 3), or stop there.",
)
trust_remote_code = click.option(
    "--trust-remote-code", is_flag=True, help="Run code that comes with a model or tokenizer."
)

any_option = click.option(
    "--option",
    "further",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any option of it, as in a pipeline file; repeatable.",
)


def among(known: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """For ``shell_complete``: some words."""

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in known() if name.startswith(begun)]

    return complete


def named(kind: str, *more: str) -> Callable[..., list[CompletionItem]]:
    """For ``shell_complete``: the registered names of a kind, and more."""
    return among(lambda: [*more, *names(kind), *ALIASES.get(kind, {})])


def several(*given: Command) -> Callable[[Command], Command]:
    """Options as one decorator, shown in the order given."""

    def decorate(function: Command) -> Command:
        for option in reversed(given):
            function = option(function)
        return function

    return decorate


def key_value(option: str, text: str) -> tuple[str, Any]:
    """Key and value, the value as YAML says: 8192, true, auto, {"head_dtype": "float32"}.

    Raises:
        ConfigError: neither.
    """
    import yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{option} wants KEY=VALUE, such as max_model_len=4096. Got {text!r}.")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{option} {text}: the value is not YAML: {error}") from error


_READING = (
    "text_column",
    "id_column",
    "domain_column",
    "group_column",
    "max_document_bytes",
    "max_expansion",
)


def _check_not_given(names: tuple[str, ...]) -> None:
    context = click.get_current_context()
    for option in names:
        if context.get_parameter_source(option) == ParameterSource.COMMANDLINE:
            raise ConfigError(
                f"--{option.replace('_', '-')} says how INPUT is read, and there is none: leave "
                f"it out. Embeddings hold what was read for them."
            )


def _reads_corpus(
    command: Command, *, tables: bool, needed: bool, by_option: bool = False
) -> Command:
    """See `reads_corpus`; with groups where tables are written, without INPUT if not needed."""
    group = click.option(
        "--group-column",
        help="Holds what documents are grouped by, such as the problem one solves: the tables "
        "then have a column group.",
    )

    inputs_given = (
        click.option(
            "--corpus",
            "inputs",
            multiple=True,
            required=needed,
            metavar="INPUT",
            help="What was scored: files, directories, globs or URLs; repeatable.",
        )
        if by_option
        else click.argument(
            "inputs", nargs=-1, required=needed, metavar="INPUT..." if needed else None
        )
    )

    @inputs_given
    @click.option("--text-column", default="text", show_default=True, help="Holds the text.")
    @click.option("--id-column", help="Holds the id.  [default: id, where there is one]")
    @click.option("--domain-column", help="Holds the domain.  [default: the first directory]")
    @several(*([group] if tables else []))
    @click.option(
        "--max-document-bytes",
        default=4 * 2**20,
        show_default=True,
        type=click.IntRange(1, 2**31 - 1),
        help="A longer document gets the reason too_long instead of a score.",
    )
    @click.option(
        "--max-expansion",
        default=1000.0,
        show_default=True,
        type=click.FloatRange(min=1),
        help="A compressed shard that becomes more times larger, and more than 1 GiB, is refused.",
    )
    @functools.wraps(command)
    def wrapped(
        inputs: tuple[str, ...],
        text_column: str,
        id_column: str | None,
        domain_column: str | None,
        max_document_bytes: int,
        max_expansion: float,
        group_column: str | None = None,
        **rest: Any,
    ) -> Any:
        if not inputs:
            _check_not_given(_READING)
            return command(corpus=None, **rest)
        corpus = Corpus(
            inputs=inputs,
            text_column=text_column,
            id_column=id_column,
            domain_column=domain_column,
            group_column=group_column,
            max_document_bytes=max_document_bytes,
            max_expansion=max_expansion,
        )
        return command(corpus=corpus, **rest)

    return wrapped


def reads_corpus(command: Command) -> Command:
    """INPUT… and the options that say how to read it, handed on as ``corpus``."""
    return _reads_corpus(command, tables=False, needed=True)


def takes_corpus(command: Command) -> Command:
    """`reads_corpus` with INPUT given by an option, --corpus, for verbs with another argument."""
    return _reads_corpus(command, tables=False, needed=True, by_option=True)


def may_take_corpus(command: Command) -> Command:
    """`takes_corpus`, where it may be left out; ``corpus`` is then None."""
    return _reads_corpus(command, tables=False, needed=False, by_option=True)


def tabulates_corpus(command: Command) -> Command:
    """`reads_corpus`, with the option that gives tables a column of groups."""
    return _reads_corpus(command, tables=True, needed=True)


def may_read_corpus(command: Command) -> Command:
    """`tabulates_corpus`, where INPUT may be left out; ``corpus`` is then None."""
    return _reads_corpus(command, tables=True, needed=False)


embeds = several(
    click.option(
        "--embedder",
        shell_complete=named("embedders"),
        help="hashed-ngrams, or a model: directory or hub name.  [default: hashed-ngrams]",
    ),
    click.option(
        "--backend",
        type=click.Choice(["sentence-transformers", "vllm"]),
        help="What runs the model.  [default: sentence-transformers]",
    ),
    click.option(
        "--embedder-arg",
        "embedder_args",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other option of the embedder, or of the engine behind it; repeatable.",
    ),
    trust_remote_code,
    click.option(
        "--vector-column", help="Holds vectors, lists of numbers, to take in place of an embedder."
    ),
)


def embedding(
    embedder: str | None,
    backend: str | None,
    embedder_args: tuple[str, ...],
    trust_remote_code: bool,
    vector_column: str | None,
) -> Any:
    """What the options of `embeds` say: an embedder, or a column of vectors.

    Raises:
        ConfigError: both.
    """
    from ..registry import make_embedder
    from ..stages.embed import VectorColumn

    if vector_column is not None:
        if embedder or backend or embedder_args or trust_remote_code:
            raise ConfigError(
                "--vector-column is read in place of an embedder: leave out --embedder, "
                "--backend, --embedder-arg and --trust-remote-code."
            )
        return VectorColumn(vector_column)
    given = dict(key_value("--embedder-arg", text) for text in embedder_args)
    if trust_remote_code:
        given["trust_remote_code"] = True
    return make_embedder(embedder or "hashed-ngrams", backend, **given)
