"""What every engine is: a way to do one piece of work for many items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs functions over items. Functions, items and results travel between processes.

    A function that an engine runs may be run again for an item whose worker died: it writes whole
    files only, and those that it finds it need not write again.
    """

    @property
    def workers(self) -> int:
        """Into how many shares to cut work that can be cut anywhere."""
        ...

    @property
    def piece_bytes(self) -> int | None:
        """Of a shard's file, how much one worker is given; None: shards are never cut.

        Where there is one, what holds a model works in other processes than this.
        """
        ...

    @property
    def models(self) -> int:
        """How many processes that hold a model work side by side, at most."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results, in the order they come."""
        ...

    def merged(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        merge: Callable[[list[Result]], Result],
    ) -> Iterator[Result]:
        """The results, of which some may have been merged already, near to where they arose.

        Args:
            function: gives a result of each item.
            items: what it is given.
            merge: makes one of several, in whatever order.
        """
        ...

    def stream(
        self,
        make: Callable[[], Callable[[Iterable[Item]], Iterator[Result]]],
        items: Iterable[Item],
    ) -> Iterator[Result]:
        """The results of workers that are costly to make, such as one that holds a model.

        Args:
            make: called once in each worker process; its result turns items into results, one
                for one, and may look ahead among those that it is given.
            items: what they are given.
        """
        ...

    def call(self, function: Callable[[], Any]) -> Any:
        """What a function returns where the model can run."""
        ...
