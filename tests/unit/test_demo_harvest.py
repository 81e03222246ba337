"""The demo corpus: four domains, unique ids, and a true list of what was damaged."""

import json
import sys
from pathlib import Path

import pytest
import zstandard

from curate.demo import MODEL_PATH, chunks
from curate.demo.damage import DAMAGES
from curate.demo.harvest import SHARES, documents, harvest
from curate.demo.tables import tables

N = 20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "corpus"
    harvest(out, seed=1, documents_per_domain=N)
    return out


def read(domain: Path) -> list[dict[str, str]]:
    records = []
    for part in sorted(domain.iterdir()):
        packed = zstandard.ZstdDecompressor().decompressobj().decompress(part.read_bytes())
        records += [json.loads(line) for line in packed.split(b"\n") if line]
    return records


def planted(corpus: Path) -> list[dict[str, str]]:
    lines = (corpus.parent / "planted.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_four_domains_of_uneven_size(corpus: Path) -> None:
    assert {p.name for p in corpus.iterdir()} == set(SHARES)
    sizes = {domain: len(read(corpus / domain)) for domain in SHARES}
    assert sizes == {domain: round(N * share) for domain, share in SHARES.items()}
    assert len(set(sizes.values())) == 4


def test_ids_are_unique_and_texts_not_empty(corpus: Path) -> None:
    records = [r for domain in SHARES for r in read(corpus / domain)]
    assert all(set(r) == {"id", "text"} for r in records)
    assert len({r["id"] for r in records}) == len(records)
    assert all(len(r["text"]) >= 50 for r in records)


def test_the_planted_list_is_true(corpus: Path) -> None:
    """Without the damage, the same documents come out, and only the listed ones differ."""
    listed = {p["id"]: p["damage"] for p in planted(corpus)}
    assert set(listed.values()) <= set(DAMAGES)
    found = {d.id: d for domain, s in SHARES.items()
             for d in documents(domain, seed=1, n=round(N * s))}  # fmt: skip
    assert {id_: d.damage for id_, d in found.items() if d.damage} == listed
    for domain in SHARES:
        for record in read(corpus / domain):
            assert record["text"] == found[record["id"]].text
    assert {p["domain"] for p in planted(corpus)} <= set(SHARES)
    undamaged = dict(tables())
    for id_, document in found.items():
        if id_.startswith("tables/"):
            original = undamaged[id_.removeprefix("tables/")]
            assert (document.text != original) == (id_ in listed)


def test_about_a_fifth_is_damaged() -> None:
    found = list(documents("tables", seed=3, n=200))
    assert 0.1 < sum(bool(d.damage) for d in found) / len(found) < 0.3


def test_same_seed_same_bytes_and_no_stale_parts(corpus: Path, tmp_path: Path) -> None:
    stale = tmp_path / "corpus" / "modules" / "part-0007.jsonl.zst"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    counts = harvest(tmp_path / "corpus", seed=1, documents_per_domain=N)
    assert tree(tmp_path) == tree(corpus.parent)
    assert sum(c.damaged for c in counts.values()) == len(planted(corpus))
    assert all(c.documents and c.bytes for c in counts.values())


def test_another_seed_takes_other_documents() -> None:
    a = {d.id for d in documents("tables", seed=1, n=20)}
    b = {d.id for d in documents("tables", seed=2, n=20)}
    assert a != b


def test_harvested_modules_are_not_imported() -> None:
    before = set(sys.modules)
    list(documents("docstrings", seed=5, n=5))
    list(documents("modules", seed=5, n=5))
    assert not {m.split(".")[0] for m in set(sys.modules) - before} & {"lib2to3", "idlelib", "this"}


def test_size_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 1\. Got 0"):
        harvest(tmp_path / "corpus", documents_per_domain=0)


def test_chunks_keep_the_text() -> None:
    text = "\n\n".join(f"def f{k}():\n    return {k}" + "  # why" * 40 for k in range(60))
    found = chunks.code(text)
    assert "\n\n".join(found) == text
    assert all(500 < len(c) <= 4000 for c in found)


def test_a_block_without_line_ends_is_cut() -> None:
    assert [len(c) for c in chunks.prose("x" * 9000)] == [3000, 3000, 3000]


def test_html_loses_its_tags() -> None:
    page = "<html><head><title>T</title></head><body><p>a &lt; b</p><li>c<b>d</b></body></html>"
    assert chunks.strip_tags(page) == "a < b\n\ncd"


def test_the_model_is_small_and_says_what_it_is() -> None:
    weights = list(MODEL_PATH.glob("*.safetensors"))
    assert len(weights) == 1
    assert weights[0].stat().st_size <= 4_000_000
    assert "This is a toy" in (MODEL_PATH / "MODEL_CARD.md").read_text(encoding="utf-8")
    for file in MODEL_PATH.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert "/home" not in text
        assert "/tmp" not in text


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
