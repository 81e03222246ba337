"""Objects in a store: read by ranges, patiently, and known by what the store says of them.

Faults that pass (time-outs, 500s, requests to slow down, bodies that end early) are tried again
with growing pauses. What will not pass, such as credentials that have expired, stops the run at
once, with nothing lost: no shard is called unreadable for it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import fsspec
import xxhash

from .credentials import redacted
from .errors import ConfigError

Result = TypeVar("Result")
_TRIES = 3
"""Of ours; libraries of stores try several times each."""
_LIBRARIES = ("aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "httpx", "requests")
_FIRST_PAUSE = 0.2
_MOST_AHEAD = 8 * 2**20
_REFUSALS = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError")


@contextmanager
def refusals(about: str) -> Iterator[None]:
    """What a store refuses as an error that says what to do.

    Raises:
        ConfigError: credentials are missing, wrong or expired.
    """
    try:
        yield
    except Exception as error:
        if is_refusal(error):
            raise refusal(about, error) from None
        raise


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that access was refused."""
    return isinstance(error, PermissionError) or type(error).__name__ in _REFUSALS


def refusal(about: str, error: Exception) -> ConfigError:
    """The error that says so."""
    return ConfigError(
        redacted(
            f"{about}: the store refuses access ({error}). Check or renew the credentials, and run "
            f"the same command again; it goes on where it stopped."
        )
    )


def patiently(about: str, work: Callable[[], Result]) -> Result:
    """The result of a request to a store, tried again while the fault may pass.

    Raises:
        ConfigError: access was refused.
        FileNotFoundError: there is no such object.
        OSError: it did not pass.
    """
    pause = _FIRST_PAUSE
    for left in reversed(range(_TRIES)):
        try:
            with refusals(about):
                return work()
        except (ConfigError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            if not isinstance(error, OSError | EOFError | TimeoutError) and not of_a_store(error):
                raise
            if not left:
                said = redacted(f"{type(error).__name__}: {error}")
                raise OSError(f"{redacted(about)}: failed {_TRIES} times ({said})") from None
        time.sleep(pause)
        pause *= 2
    raise AssertionError


def of_a_store(error: BaseException) -> bool:
    """Whether an error comes from the library of a store."""
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def store_of(url: str) -> tuple[Any, str]:
    """The store that a URL names, and the path in it. What is there is never told from memory."""
    fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return fs, str(path)


def content_id(url: str) -> str:
    """``<bytes>:<what the store says of the content>``, so that nothing is read for it.

    That is an entity tag, or a checksum. Where the store says nothing, the content is hashed.
    """
    fs, path = store_of(url)
    told = patiently(url, lambda: fs.info(path))
    for name in ("ETag", "etag", "md5Hash", "sha256", "blob_id", "crc32c"):
        if told.get(name):
            return f"{told['size']}:{str(told[name]).strip(chr(34))}"
    digest = xxhash.xxh3_128()
    with opened(url) as stream:
        while chunk := stream.read(1 << 22):
            digest.update(chunk)
    return f"{told['size']}:{digest.hexdigest()}"


def opened(url: str) -> Ranges:
    """An object as a binary file that can be sought in.

    Raises:
        ConfigError: access was refused.
        OSError: there is no such object, or the store does not answer.
    """
    return Ranges(url)


class Ranges(io.RawIOBase):
    """A file that is read by ranges.

    A read after a seek gets what was asked for and no more, as suits the columns of Parquet. Reads
    that follow each other get more and more ahead, as suits lines.

    Args:
        url: of the object.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, (self._fs, self._path) = url, store_of(url)
        self._size = int(patiently(url, lambda: self._fs.info(self._path))["size"])
        self._at = self._ahead = 0
        self._start, self._held = 0, b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there is something."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        skipped = self._at - self._start
        if not (skipped >= 0 and skipped + wanted <= len(self._held)):
            self._fetch(wanted)
            skipped = self._at - self._start
        buffer[:wanted] = self._held[skipped : skipped + wanted]
        self._at += wanted
        return wanted

    def _fetch(self, wanted: int) -> None:
        end = self._start + len(self._held)
        goes_on = bool(self._held) and self._start <= self._at <= end
        kept = self._held[self._at - self._start :] if goes_on else b""
        self._ahead = min(_MOST_AHEAD, 2 * (self._ahead + wanted)) if goes_on else 0
        first, last = self._at + len(kept), min(self._size, self._at + wanted + self._ahead)
        self._start, self._held = self._at, kept + self._range(first, last)

    def _range(self, first: int, last: int) -> bytes:
        def get() -> bytes:
            found = bytes(self._fs.cat_file(self._path, start=first, end=last))
            if len(found) != last - first:
                raise OSError(f"{len(found)} bytes came in place of {last - first}")
            return found

        return patiently(self._url, get)
