"""Bad shards, made the same each time: cut short, flipped, of wrong types, oversized, mangled.

Each case is one small file. What must come of it is a row for each document, with a text or a
reason, or an error that curate raises on purpose.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

N_ROWS = 5
TEXTS = ["one text", "zwei Texte ☃", "", "three " * 5, "last"]


@dataclass(frozen=True)
class Case:
    """One bad shard.

    Attributes:
        about: what is wrong with it.
        name: of the file.
        data: the file.
        n_rows: documents that must come out where it can be read; None: nobody can know.
        must_fail: whether there must be an error.
        options: of the corpus.
    """

    about: str
    name: str
    data: bytes
    n_rows: int | None = None
    must_fail: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def cases(seed: int = 0) -> Iterator[Case]:
    """Every case, the kinds of them in turn; those that are drawn at random go on for ever."""
    rng = random.Random(seed)
    kinds = [_types(), _columns(), _lines(), _sizes(), cuts(), _flips(rng), _mutations(rng)]
    for row in zip_longest(*kinds):
        yield from (case for case in row if case is not None)


def sound() -> dict[str, bytes]:
    """A small good shard of each format, of the same documents."""
    table = pa.table({"id": [f"d{i}" for i in range(N_ROWS)], "text": TEXTS})
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
    return {
        "a.parquet": parquet(table),
        "b.jsonl": lines,
        "c.jsonl.gz": gzip.compress(lines, mtime=0),
        "d.jsonl.zst": zstandard.ZstdCompressor(write_checksum=True).compress(lines),
        "e.arrow": arrow(table, pa.ipc.new_file),
        "f.arrow": arrow(table, pa.ipc.new_stream),
        "g.parquet": parquet(table, compression="zstd", use_dictionary=False, row_group_size=2),
        "h.arrow": arrow(table, pa.ipc.new_file, pa.ipc.IpcWriteOptions(compression="zstd")),
    }


def parquet(table: Any, **options: Any) -> bytes:
    """A table as Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "none", "store_schema": True, **options})
    return sink.getvalue()


def arrow(table: Any, new: Callable[..., Any], options: Any = None) -> bytes:
    """A table as an Arrow file or stream."""
    sink = io.BytesIO()
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def bomb(n_bytes: int, kind: str = "gzip") -> bytes:
    """JSON lines of spaces and one document, compressed: small, and large once read."""
    made = gzip.compress if kind == "gzip" else zstandard.ZstdCompressor(level=1).compress
    packed: bytes = made(b'{"text": "' + b" " * n_bytes + b'"}\n')
    return packed


def long_line(n_bytes: int) -> bytes:
    """A document, a line of so many bytes, and another document."""
    return b'{"text": "a"}\n{"text": "' + b"x" * n_bytes + b'"}\n{"text": "b"}\n'


def cuts() -> Iterator[Case]:
    """Every way to cut the sound shards short."""
    for name, data in sound().items():
        for at in range(len(data)):
            lines = n_lines(data[:at]) if name.endswith(".jsonl") else None
            yield Case(f"cut at {at}", name, data[:at], lines, must_fail=lines is None)


def _flips(rng: random.Random) -> Iterator[Case]:
    shards = sound()
    places = [(name, at) for name, data in shards.items() for at in range(len(data))]
    rng.shuffle(places)
    for name, at in places:
        data = bytearray(shards[name])
        data[at] ^= 1 << rng.randrange(8)
        yield Case(f"flip at {at}", name, bytes(data), _knowable(name, bytes(data)))


def _mutations(rng: random.Random) -> Iterator[Case]:
    """Pieces of sound shards, cut, doubled, swapped, and bytes put in their place."""
    shards = sound()
    while True:
        name = rng.choice([*shards])
        data = bytearray(shards[name])
        for _ in range(rng.randint(1, 4)):
            at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
            match rng.randrange(5):
                case 0:
                    del data[at : min(end, at + 20)]
                case 1:
                    data[at:at] = data[at : min(end, at + 50)]
                case 2:
                    data[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
                case 3:
                    data[at:at] = rng.choice([b"\n", b"\xef\xbb\xbf", b"{", b"\x00", b"\xed\xa0"])
                case 4:
                    data[at : at + 8] = rng.randbytes(8)
        yield Case("mutation", name, bytes(data), n_lines(data) if name[1:] == ".jsonl" else None)


def _knowable(name: str, data: bytes) -> int | None:
    """Rows that can be told of a shard with a flipped byte: by a checksum, or by its lines."""
    if name.endswith(".jsonl"):
        return n_lines(data)
    return N_ROWS if name.endswith((".gz", ".zst", ".parquet")) else None


def n_lines(data: bytes | bytearray) -> int:
    """Lines of JSON that are not blank."""
    lines = bytes(data).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return sum(bool(line.strip()) for line in lines)


def _types() -> Iterator[Case]:
    """Columns called text that hold something else, or text in an odd way."""
    texts = ["a", None, "c"]
    strings = (pa.string(), pa.large_string(), pa.string_view(), pa.json_())
    good: list[Any] = [pa.array(texts, kind) for kind in strings[:3]]
    good += [pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts))]
    good += [pa.array([b"a", None, b"\xff\xfe"], k) for k in (pa.binary(), pa.large_binary())]
    good += [pa.array([b"a", None, b"\xff"], k) for k in (pa.binary_view(), pa.binary(1))]
    good += [pa.array(texts).dictionary_encode(), pa.nulls(3), pa.nulls(3, pa.string())]
    good += [pa.array(["a", "a", None]).dictionary_encode(null_encoding="encode")]
    good += [pa.array(["a", "a", "b"]).cast(pa.dictionary(pa.int8(), pa.large_string()))]
    wrong: list[Any] = [
        pa.array([1, 2, 3]),
        pa.array([1.5, None, 3]),
        pa.array([True, False, None]),
        pa.array([["a"], [], None]),
        pa.array([{"text": "a"}, None, {"text": "b"}]),
        pa.array([1, 2, 3], pa.timestamp("ns")),
        pa.array([1, 2, 3], pa.duration("s")),
        pa.array([1, 2, 3]).dictionary_encode(),
        pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string())),
        pa.array([1, 2, 3], pa.decimal128(10)),
        pa.array([[1.0, 2.0], None, [1.0, 2.0]], pa.list_(pa.float32(), 2)),
    ]
    for column in [*good, *wrong]:
        must_fail, table = any(column is one for one in wrong), pa.table({"text": column})
        about = f"text is {column.type}"
        for new in (pa.ipc.new_file, pa.ipc.new_stream):
            yield Case(about, "t.arrow", arrow(table, new), 3, must_fail)
        try:
            yield Case(about, "t.parquet", parquet(table), 3, must_fail)
        except pa.ArrowNotImplementedError:
            continue
    for column in [*good, *wrong]:
        table = pa.table({"text": ["a", "b", "c"], "id": column})
        for option in ("id_column", "domain_column", "group_column"):
            options = {option: "id"}
            yield Case(
                f"id is {column.type}",
                "i.arrow",
                arrow(table, pa.ipc.new_stream),
                3,
                options=options,
            )


def _columns() -> Iterator[Case]:
    """Columns that are missing, doubled, in another order, or inside another one."""
    text, n = pa.array(["a", "b"]), pa.array([1, 2])
    nested = pa.StructArray.from_arrays([text], ["text"])
    for about, arrays, names, n_rows in (
        ("no text", [n], ["id"], None),
        ("no columns", [], [], None),
        ("two texts", [text, text], ["text", "text"], None),
        ("two ids", [n, n, text], ["id", "id", "text"], None),
        ("another order", [n, text], ["z", "text"], 2),
        ("nested", [nested], ["meta"], None),
        ("nested too", [nested, text], ["meta", "text"], 2),
        ("with a dot", [text, text], ["text.text", "text"], 2),
        ("an empty name", [text, text], ["", "text"], 2),
        ("of no rows", [text.slice(0, 0)], ["text"], 0),
    ):
        table = pa.Table.from_arrays(arrays, names)
        for name, data in (
            ("k.parquet", parquet(table)),
            ("k.arrow", arrow(table, pa.ipc.new_file)),
            ("l.arrow", arrow(table, pa.ipc.new_stream)),
        ):
            yield Case(about, name, data, n_rows, n_rows is None)
    dotted = pa.Table.from_arrays([text, nested], ["meta.text", "meta"])
    options = {"text_column": "meta.text"}
    yield Case("a dotted name", "k.parquet", parquet(dotted), 2, options=options)
    latin = pa.table({"text": pa.array(["a"] * 3), "té": pa.array([b"\xff"] * 3, pa.binary())})
    data = parquet(latin).replace("té".encode(), b"t\xff\xff")
    yield Case("a name that is no UTF-8", "n.parquet", data)


def _lines() -> Iterator[Case]:
    """Lines of JSON that are not as they should be."""
    good = b'{"text": "a"}'
    for about, data in (
        ("a byte-order mark", b"\xef\xbb\xbf" + good + b"\n" + good),
        ("a mark on every line", (b"\xef\xbb\xbf" + good + b"\n") * 3),
        ("CRLF", (good + b"\r\n") * 3),
        ("CR alone", (good + b"\r") * 3),
        ("empty lines", b"\n\n" + good + b"\n  \n\t\r\n" + good),
        ("no newline at the end", good + b"\n" + good),
        ("trailing commas", (good + b",\n") * 3),
        ("an array", b"[\n" + good + b",\n" + good + b"\n]\n"),
        ("pretty", json.dumps({"text": "a"}, indent=1).encode()),
        ("two on a line", good + b" " + good + b"\n" + good),
        ("nothing", b""),
        ("newlines alone", b"\n" * 10),
        ("blanks alone", b" " * 100),
        ("zeros", b"\0" * 100),
        ("UTF-16", '{"text": "a"}\n'.encode("utf-16") * 2),
        ("latin-1", good + '\n{"text": "é"}\n'.encode("latin-1")),
        ("surrogates", b'{"text": "\\ud800", "id": "\\ud800"}\n' + good),
        ("depth", b'{"text": "a", "id": ' + b"[" * 900 + b"]" * 900 + b"}\n" + good),
        ("more depth", good + b"\n" + b"[" * 10**5 + b"\n" + b'{"a":' * 10**5),
        ("a long number", good + b'\n{"text": "b", "id": ' + b"9" * 5000 + b"}\n"),
        ("infinity", b'{"text": "a", "id": 1e999}\n{"text": "b", "id": NaN}\n'),
        ("doubled keys", b'{"text": 1, "text": "b"}\n' + good),
        ("wrong types", b'{"text": 1}\n{"text": []}\n{"text": {"text": "a"}}\n' + good),
        ("scalars", b'1\n"a"\nnull\ntrue\n' + good),
        ("control characters", b'{"text": "a\x07\x1b[31m"}\n{"text": "\\u0000\\u001b"}\n'),
        ("no text at first", b'{"x": 1}\n' * 50 + good),
    ):
        yield Case(about, "j.jsonl", data, n_lines(data))
        yield Case(about, "j.jsonl.gz", gzip.compress(data, mtime=0), n_lines(data))
        yield Case(about, "j.jsonl.zst", zstandard.compress(data), n_lines(data))
    one = gzip.compress(good + b"\n", mtime=0)
    yield Case("two members", "m.jsonl.gz", one * 2, 2)
    yield Case("garbage behind", "m.jsonl.gz", one + b"garbage", None, must_fail=True)
    yield Case("plain as gzip", "m.jsonl.gz", good, None, must_fail=True)
    yield Case("gzip as plain", "m.jsonl", one, None)
    frame = zstandard.compress(good + b"\n")
    yield Case("two frames", "m.jsonl.zst", frame * 2, 2)
    yield Case("garbage behind", "m.jsonl.zst", frame + b"garbage", None, must_fail=True)
    yield Case("base64", "m.jsonl", base64.b64encode(one), 1)
    yield Case("no Parquet", "m.parquet", good, None, must_fail=True)
    yield Case("no Arrow", "m.arrow", good, None, must_fail=True)


def _sizes() -> Iterator[Case]:
    """Documents and lines that are too long, and few bytes that become many."""
    small = {"max_document_bytes": 100}
    yield Case("a long line", "s.jsonl", long_line(10 * 2**20), 3, options=small)
    yield Case("a long line", "s.jsonl.gz", gzip.compress(long_line(10 * 2**20)), 3, options=small)
    yield Case("an endless line", "s.jsonl", b"x" * 9 * 2**20, 1, options=small)
    text = "y" * 2**18
    table = pa.table({"text": pa.array([text] * 3000).dictionary_encode()})
    for name, data in (
        ("p.parquet", parquet(table.slice(0, 2000), compression="zstd")),
        ("p.arrow", arrow(table, pa.ipc.new_stream)),
    ):
        n_rows = 2000 if name == "p.parquet" else 3000
        yield Case("a dictionary of one long text", name, data, n_rows, options=small)
