"""Files that are whole or not there; directories with one writer and one configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.files import claim, only_writer, output_directory, read_json, whole, write_json


def test_files_are_whole_or_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.txt"
    with pytest.raises(RuntimeError, match="halfway"), whole(path) as temporary:
        temporary.write_text("ha")
        raise RuntimeError("halfway")
    assert not path.exists()
    with whole(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(RuntimeError), whole(path) as temporary:
        temporary.write_text("sec")
        raise RuntimeError
    assert path.read_text() == "first"
    with whole(path) as temporary:  # whatever the failed ones left behind is no hindrance
        temporary.write_text("second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole(tmp_path / "part.parquet") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_json_survives_the_round_trip(tmp_path: Path) -> None:
    value = {"z": [1, 0.1, None, True], "a": {"Ünïcode": "\u2028 </script>"}}
    write_json(tmp_path / "a.json", value)
    write_json(tmp_path / "b.json", dict(reversed(value.items())))
    assert read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"nan": float("nan")})
    assert read_json(tmp_path / "a.json") == value


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.json: not there\. Was the step before"):
        read_json(tmp_path / "a.json")
    for content in (b"{", b"\xff"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"a\.json: not JSON"):
            read_json(tmp_path / "a.json")


def test_a_directory_is_claimed_by_one_configuration(tmp_path: Path) -> None:
    config = {"model": "a", "prompt": "p", "max_tokens": 512}
    claim(tmp_path, "config.json", config)
    claim(tmp_path, "config.json", dict(reversed(config.items())))
    with pytest.raises(ConfigError) as caught:
        claim(tmp_path, "config.json", {"model": "b", "prompt": "p", "seed": 1})
    said = str(caught.value)
    for part in (str(tmp_path), "model: 'a' → 'b'", "max_tokens: 512 → None", "seed: None → 1"):
        assert part in said
    assert "prompt" not in said
    assert read_json(tmp_path / "config.json") == config


def test_a_long_difference_hides_no_other(tmp_path: Path) -> None:
    claim(tmp_path, "config.json", {"prompt": "long " * 100, "yes": "yes"})
    with pytest.raises(ConfigError, match="yes: 'yes' → 'Yes'") as caught:
        claim(tmp_path, "config.json", {"prompt": "other " * 100, "yes": "Yes"})
    assert len(str(caught.value)) < 1_000


WRITER = """
import sys
from pathlib import Path
from curate.files import only_writer
with only_writer(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


_LEAVE_A_ROOM = """
import os, signal, sys
from curate.files import whole
from curate.places import place
with whole(place("memory://bucket/a.bin")) as path:
    path.write_bytes(bytes(1000))
    print(path.parent, flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_upload_left_on_this_machine_is_removed(tmp_path: Path) -> None:
    def run(how: str) -> Path:
        command = [sys.executable, "-c", _LEAVE_A_ROOM, how]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
        )
        assert bool(done.returncode) == (how == "die"), done.stderr
        return Path(done.stdout.strip())

    left = run("die")
    assert (left / "a.bin").exists()
    assert not run("live").exists()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_where_each_file_is_a_commit() -> None:
    with pytest.raises(ConfigError, match="would be a commit"):
        output_directory("hf://datasets/somebody/corpus")


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holding\n"
        with (
            pytest.raises(ConfigError, match="another run is writing there") as caught,
            only_writer(tmp_path),
        ):
            raise AssertionError("two writers")
        assert str(tmp_path) in str(caught.value)
        other.kill()  # no chance to clean up: the system lets go of the lock
    with only_writer(tmp_path):
        pass
    with pytest.raises(RuntimeError), only_writer(tmp_path):
        raise RuntimeError
    with only_writer(tmp_path):
        pass
