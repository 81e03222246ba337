"""Batches of similar length under one budget of tokens, which shrinks where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)


class TokenBudget:
    """How many padded tokens a batch may hold.

    Args:
        tokens: at the start.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def run(
        self,
        lengths: Sequence[int],
        work: Callable[[list[int]], None],
        out_of_memory: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        """Do work on items in batches, longest first, so that too large a batch shows at once.

        An item longer than the budget is a batch of its own. Ties keep their order. Where a batch
        runs out of memory, the budget becomes half of what that batch held, and its items are
        tried again.

        Args:
            lengths: of the items, in tokens.
            work: given the indices of a batch's items, the longest first; done again, after it
                ran out of memory, on fewer.
            out_of_memory: whether an error means that.

        Raises:
            RuntimeError: a single item does not fit into memory.

        Example:
            >>> TokenBudget(18).run([3, 9, 4, 8], print)
            [1, 3]
            [2, 0]
        """
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        done = 0
        while done < len(order):
            longest = max(1, lengths[order[done]])
            batch = order[done : done + max(1, self.tokens // longest)]
            try:
                work(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise RuntimeError(
                        f"A single sequence of {longest} tokens does not fit into memory: choose "
                        f"a smaller 'max_tokens' or 'window', or a smaller model. {error}"
                    ) from error
                self.tokens = len(batch) * longest // 2
                _log.warning("Out of memory: the next batches hold %d tokens.", self.tokens)
                continue
            done += len(batch)
