"""The pipeline file: one YAML document that says the whole job, validated before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .budget import Budget, parse_tokens
from .errors import ConfigError
from .registry import did_you_mean, find, measured_by, names, reads_points
from .stages.mix.fitting import AUTO
from .stages.ordering import make_sampler, needs_direction
from .stages.proxies import Swarm
from .tables import EMBEDDINGS, check_name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSection(_Strict):
    """What is read. See `curate.corpus.Corpus`."""

    inputs: list[str] = Field(min_length=1)
    text_column: str = "text"
    id_column: str | None = None
    domain_column: str | None = None
    group_column: str | None = None
    max_document_bytes: int = Field(4 * 2**20, gt=0)


class EmbedSection(BaseModel):
    """How documents are embedded, for scorers that read embeddings.

    Further keys are options of the embedder; see `curate.registry.make_embedder`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    embedder: str = "hashed-ngrams"
    backend: str | None = None
    vector_column: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Of the embedder."""
        return dict(self.model_extra or {})


class ScoreSection(BaseModel):
    """One scorer: its options, and ``scorer``, its registered name where the key is another.

    So one scorer may stand there twice, with different models.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    scorer: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the scorer itself is given."""
        return dict(self.model_extra or {})


class SelectSection(_Strict):
    """Which documents. ``by`` and ``sizes_from`` are keys of the section ``score``.

    ``part`` is an option of band, and ``options`` holds those of any method, such as
    ``{temperature: 0.5}``; the others are those of `curate.stages.select.select`. Where nothing
    says how much, it is 50 % of the documents.
    """

    by: str
    method: str = "top-k"
    part: Literal["lowest", "middle", "highest"] | None = None
    options: dict[str, Any] = {}
    column: str | None = None
    budget: str | None = None
    by_domain: bool = True
    quotas: dict[str, str] = {}
    at_least: float | None = None
    at_most: float | None = None
    max_per_group: int | None = Field(None, ge=1)
    group_by: str = "group"
    sizes_from: str | None = None

    @property
    def sampler_options(self) -> dict[str, Any]:
        """All options of the sampler."""
        return {**self.options, **({} if self.part is None else {"part": self.part})}

    @property
    def amount(self) -> str | None:
        """The budget; None where quotas or the ends of a band say how much."""
        said = self.quotas or {"lower", "upper"} & {*self.options}
        return self.budget or (None if said else "50%")


class DesignSection(_Strict):
    """Which mixtures the proxies are trained on; ``law`` is that of a D-optimal design."""

    method: Literal["dirichlet", "double-diminishing", "regmix", "d-optimal"] = "dirichlet"
    law: str = "additive"
    runs: int = Field(14, ge=2)


class MixSection(_Strict):
    """How much of each domain.

    ``proxy`` holds options of `curate.stages.proxies.Swarm.of`. ``law`` may be "auto": the one of
    least held-out error.
    """

    design: DesignSection = DesignSection()
    proxy: dict[str, Any] = {}
    law: str = "additive"
    objective: dict[str, float] | None = None
    max_epochs: float = Field(4.0, gt=0)
    kl_strength: float = Field(0.0, ge=0)
    check_seeds: int = Field(3, ge=1)


class BuildSection(_Strict):
    """The dataset."""

    tokens: int | str
    format: Literal["parquet", "jsonl.zst"] = "parquet"
    shards: int = Field(4, gt=0)


class Pipeline(_Strict):
    """The whole job.

    Attributes:
        out: directory of everything that is written.
        seed: of the selection, the design, the fit and the dataset. A scorer's own is among its
            options.
        workers: processes that train proxies side by side.
        chunk_rows: texts scored or embedded together.
        embed: what scorers of embeddings read; not used where there is none of these.
        score: the scorers, by the names of their tables.
    """

    out: str
    seed: int = Field(0, ge=0, lt=2**32)
    workers: int = Field(2, gt=0)
    chunk_rows: int = Field(1024, gt=0)
    corpus: CorpusSection
    embed: EmbedSection = EmbedSection()
    score: dict[str, ScoreSection] = Field(min_length=1)
    select: SelectSection
    mix: MixSection = MixSection()
    build: BuildSection

    def scorer(self, key: str) -> str:
        """The registered name of the scorer under a key of the section ``score``."""
        return self.score[key].scorer or key

    @property
    def embeds(self) -> bool:
        """Whether any scorer reads embeddings."""
        return any(reads_points(self.scorer(key)) for key in self.score)


def load_pipeline(path: str | Path, overrides: tuple[str, ...] = ()) -> Pipeline:
    """Read and check a pipeline file.

    Args:
        path: YAML file.
        overrides: ``dotted.key=value``, the value as YAML, in place of what the file says.

    Raises:
        ConfigError: no such file, no YAML, or a key or value that makes no sense; names each.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: a directory. Name the YAML file in it.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: wanted keys such as corpus, score, select. Found {content!r}.")
    for override in overrides:
        _override(content, override)
    try:
        pipeline = Pipeline.model_validate(content)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {_said(e)}" for e in error.errors()]
        raise ConfigError(f"{path}:\n" + "\n".join(lines)) from error
    try:
        _check_names(pipeline)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return pipeline


def _said(error: Any) -> str:
    """What is wrong with a key or its value."""
    if error["type"] == "missing":
        return "is missing. Add this key; examples/ has whole files."
    if error["type"] != "extra_forbidden":
        return f"{error['msg']}. Got {error['input']!r}."
    section: Any = Pipeline
    for key in error["loc"][:-1]:
        field = getattr(section, "model_fields", {}).get(key)
        section = None if field is None else field.annotation
    known = [*getattr(section, "model_fields", {})]
    hint = did_you_mean(str(error["loc"][-1]), known) if known else "Leave it out."
    return f"there is no such key. {hint}"


def _check_names(pipeline: Pipeline) -> None:
    """Names, budgets and their fit, before hours of scoring."""
    for key in pipeline.score:
        check_name(key)
        find("scorers", pipeline.scorer(key))
    _check_embed(pipeline)
    section = pipeline.select
    for key in ("by", "sizes_from"):
        name = getattr(section, key)
        if name is not None and name not in pipeline.score:
            known = sorted(pipeline.score)
            raise ConfigError(f"select.{key} is {name!r}, not among the scorers {known}.")
    make_sampler(section.method, **section.sampler_options)
    _check_mix(pipeline.mix)
    Swarm.of(**pipeline.mix.proxy)
    for budget in (section.amount, *section.quotas.values()):
        if budget is not None:
            Budget.parse(budget)
    if section.max_per_group and section.group_by == "group" and not pipeline.corpus.group_column:
        raise ConfigError("select.max_per_group needs corpus.group_column, or select.group_by.")
    parse_tokens(pipeline.build.tokens)
    by = measured_by(pipeline.scorer(section.by))
    better = getattr(by, "higher_is_better", None)
    is_density = getattr(by, "column", None) == "log_density"
    fits = {"inverse-propensity": is_density}
    if needs_direction(section.method):
        fits[section.method] = better is not None
    if section.column is not None and section.method in fits:
        raise ConfigError(
            f"select.method {section.method} does not go with select.column: it reads the scores "
            f"themselves. Use band or random, or leave select.column out."
        )
    if not fits.get(section.method, True):
        raise ConfigError(
            f"select.method {section.method} does not go with the scores of {section.by}: "
            f"inverse-propensity needs density; top-k and softmax need scores of which one end is "
            f"better. Band and random take any."
        )


def _check_mix(section: MixSection) -> None:
    reads = "" if section.law == AUTO else ", ".join(find("laws", section.law).covariates)
    if reads:
        raise ConfigError(
            f"mix.law {section.law} reads {reads} of every run; proxies of a pipeline are all of "
            "one size. Name a law of mixtures alone, or auto."
        )
    find("laws", section.design.law)


def _check_embed(pipeline: Pipeline) -> None:
    section = pipeline.embed
    if EMBEDDINGS in pipeline.score:
        raise ConfigError(f"score.{EMBEDDINGS}: that is where the embeddings are. Rename it.")
    if section.vector_column is not None and section.model_fields_set - {"vector_column"}:
        raise ConfigError("embed.vector_column is read in place of an embedder: leave out others.")
    if section.backend is not None and section.backend not in names("embedders"):
        find("embedders", section.backend)


def _override(content: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set wants key=value, such as build.tokens=5M. Got {text!r}.")
    *parents, last = key.split(".")
    for parent in parents:
        inner = content.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {text}: {parent!r} holds no keys.")
        content = inner
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML: {error}") from error
