"""What a corpus is: shards, their domains, and documents in batches of (row, key, text).

A *shard* is one file. Its *name* is its path below the directory (or the fixed part of the glob)
that was given, and is what every table written about it is called. A *domain* comes from a column,
or is the first directory of the shard's name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import xxhash

from .errors import CorpusError
from .shards import FORMATS, NO_DOMAIN, Shard, check_apart, found_in

__all__ = ["FORMATS", "NO_DOMAIN", "Corpus", "Shard", "document_key"]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Where the shards are, and which columns hold what.

    Attributes:
        inputs: files, directories (searched to any depth), globs, or fsspec URLs of these.
        text_column: holds the text of a document.
        id_column: holds its id. None: "id" where a shard has such a column, else documents are
            known by shard name and row.
        domain_column: holds its domain. None: the first directory of the shard's name.
        group_column: holds what documents are grouped by, such as the problem that one is a
            solution of. Tables then have a column "group". None: they have none.
        max_document_bytes: a longer document is not scored; its reason is "too_long".
        max_expansion: how many times its own size a compressed shard may become, once past 1 GiB;
            a larger one is taken for a bomb, and is a shard that cannot be read.
        leave_out: names of shards that are there and not to be read.
    """

    inputs: tuple[str, ...]
    text_column: str = "text"
    id_column: str | None = None
    domain_column: str | None = None
    group_column: str | None = None
    max_document_bytes: int = 4 * 2**20
    max_expansion: float = 1000.0
    leave_out: frozenset[str] = frozenset()

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard, sorted by name. What curate itself wrote is no shard.

        Raises:
            CorpusError: nothing found, two shards of one name, or one file under two names.
            ConfigError: a shard has a name that no table below another directory can have.
        """
        if not self.inputs:
            raise CorpusError("No input was given. Name a file, a directory, a glob or a URL.")
        by_table: dict[str, Shard] = {}
        by_url: dict[str, Shard] = {}
        for shard in (shard for given in self.inputs for shard in found_in(given)):
            other = by_table.setdefault(shard.name.removesuffix(".parquet"), shard)
            if other.url != shard.url:
                raise CorpusError(
                    f"Two shards have the name {shard.name!r}, with or without .parquet: "
                    f"{other.url} and {shard.url}. Their tables would overwrite each other. Give "
                    f"their common parent directory as one input, or rename one."
                )
            other = by_url.setdefault(shard.url, shard)
            if other.name != shard.name:
                raise CorpusError(
                    f"{shard.url} comes in twice, as {other.name!r} and as {shard.name!r}. Name "
                    f"inputs that do not hold each other."
                )
        check_apart(by_url.values())
        found = sorted(by_url.values(), key=lambda shard: shard.name)
        return [shard for shard in found if shard.name not in self.leave_out]

    @property
    def max_line_bytes(self) -> int:
        """A longer line of JSON is not looked into: its document is "too_long".

        Six bytes for each of a document's, as escapes take, and 8 MiB for what is beside it.
        """
        return 6 * self.max_document_bytes + 8 * 2**20

    def without(self, names: Collection[str]) -> Corpus:
        """The same corpus, some shards left out."""
        return replace(self, leave_out=self.leave_out | set(names))

    def reading(self) -> dict[str, Any]:
        """How documents are read, as plain JSON values; where they are does not matter.

        Nor do groups: tables with and without them describe the same documents; nor how large a
        shard may become, as one beyond it has no documents at all.
        """
        beside = ("inputs", "leave_out", "group_column", "max_expansion")
        return {key: value for key, value in asdict(self).items() if key not in beside}

    def grouping(self) -> dict[str, str]:
        """What else a table's configuration says of the reading: the group column, if any."""
        return {} if self.group_column is None else {"group_column": self.group_column}


def document_key(document_id: str) -> int:
    """The 64-bit key of a document: xxh3 of its id, whatever file it is in."""
    return xxhash.xxh3_64_intdigest(document_id.encode("utf-8", "surrogatepass"))
