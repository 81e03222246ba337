"""Batches of similar length under one budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of items, longest first, in batches of at most ``batch_tokens`` padded tokens.

    Longest first, so that a batch that does not fit in memory shows at once. An item longer than
    the budget is a batch of its own. Ties keep their order, so batches depend on nothing else.

    Example:
        >>> list(by_length([3, 9, 4, 8], batch_tokens=18))
        [[1, 3], [2, 0]]
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
