"""What can be wrong with a model server's answer."""

from __future__ import annotations


class ServerError(RuntimeError):
    """The server gave no usable answer; the message says what to do."""


class RejectedError(ServerError):
    """The server understood the request and refuses it (HTTP 400 or 422)."""


class ReplyError(Exception):
    """What is wrong with one reply; `JsonApi` adds the address and turns it into a ServerError."""

    def __init__(
        self, message: str, *, advice: str = "", retry: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.retry = retry
        self.wait = wait
