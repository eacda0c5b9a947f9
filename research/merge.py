"""Several streams of market events as one, in order of (ts_ns, rank of the stream, position in it)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace

from domain.errors import DataError
from domain.market import MarketEvent

NEVER = 2**63 - 1


class Merged:
    """The merged stream, read lazily, one event ahead of each.

    It ends with the first stream that ends (what others have for the same instant still comes), or, with `joins`, with
    the last one; never after `end_ns`. `begun_ns` is when every stream has begun. Raises `DataError` for a stream that
    is empty or not in order of time.
    """

    def __init__(
        self, streams: Sequence[Iterator[MarketEvent]], names: Sequence[str], *, joins: bool = False, end_ns: int = 0
    ) -> None:
        self._names, self._joins, self._end_ns = names, joins, end_ns or NEVER
        self._heads: list[tuple[int, int, MarketEvent, Iterator[MarketEvent]]] = []
        for rank, stream in enumerate(streams):
            first = next(stream, None)
            if first is None:
                raise DataError(f"{names[rank]}: no market data in it")
            self._heads.append((first.ts_ns, rank, first, stream))
        times = [head[0] for head in self._heads]
        self.begun_ns = min(times) if joins else max(times)
        heapify(self._heads)

    def __iter__(self) -> Iterator[MarketEvent]:
        """Every event once."""
        heads, end_ns, joins = self._heads, self._end_ns, self._joins
        while heads and heads[0][0] <= end_ns:
            ts_ns, rank, event, stream = heads[0]
            yield event
            following = next(stream, None)
            if following is None:
                heappop(heads)
                if not joins:
                    end_ns = min(end_ns, ts_ns)
            elif following.ts_ns < ts_ns:
                raise DataError(f"{self._names[rank]}: its events are not in order of time after {ts_ns} (ns)")
            else:
                heapreplace(heads, (following.ts_ns, rank, following, stream))
