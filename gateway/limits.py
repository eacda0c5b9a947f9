"""How much each caller and each address may ask, by class of route: token buckets, in the memory of this instance.

A bucket holds some requests and fills up steadily. Classes do not share buckets, so reading too much stops no order,
and `halt` has none at all: what stops trading is never refused for being asked too often.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

BURST_S: Final = 5.0
"""A full bucket is what so many seconds fill in."""
MOST_BUCKETS: Final = 20_000


class Rate(enum.StrEnum):
    """Classes of routes."""

    OPEN = "open"
    """Health checks and files that hold no secret: by address."""
    LOGIN = "login"
    """Spending links, giving codes."""
    READ = "read"
    """Views."""
    HEAVY = "heavy"
    """Views that cost much: stress tests, exports, long histories."""
    WRITE = "write"
    """Verbs that change something."""
    SOCKET = "socket"
    """Opening WebSockets, and tickets for them."""
    HALT = "halt"
    """What stops trading: without a limit."""


PER_SECOND: Final[Mapping[Rate, float]] = MappingProxyType(
    {Rate.OPEN: 100.0, Rate.LOGIN: 1.0, Rate.READ: 50.0, Rate.HEAVY: 4.0, Rate.WRITE: 10.0, Rate.SOCKET: 10.0}
)
"""Of one caller. An address may ask four times that, for callers share one: an office, a tunnel, a proxy."""
ADDRESS_TIMES: Final = 4


class Limits:
    """Buckets by class and name. `per_second` are other rates than the usual ones."""

    def __init__(
        self, per_second: Mapping[Rate, float] = MappingProxyType({}), now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = {**PER_SECOND, **per_second}
        self._now_s = now_s
        self._buckets: dict[tuple[Rate, str], tuple[float, float]] = {}

    def of_caller(self, rate: Rate, caller: str) -> int:
        """Take one of a caller: 0, or after how many seconds there will be one."""
        return self._take(rate, f"caller {caller}", self._per_second.get(rate))

    def of_address(self, rate: Rate, ip: str) -> int:
        """Take one of an address: 0, or after how many seconds there will be one."""
        per_second = self._per_second.get(rate)
        return self._take(rate, f"address {ip}", None if per_second is None else ADDRESS_TIMES * per_second)

    def _take(self, rate: Rate, name: str, per_second: float | None) -> int:
        if rate is Rate.HALT or per_second is None:
            return 0
        now_s = self._now_s()
        most = max(1.0, per_second * BURST_S)
        held, at_s = self._buckets.get((rate, name), (most, now_s))
        held = min(most, held + (now_s - at_s) * per_second)
        if held < 1:
            self._buckets[rate, name] = (held, now_s)
            return max(1, math.ceil((1 - held) / per_second))
        if len(self._buckets) >= MOST_BUCKETS:
            self._forget_full(now_s)
        self._buckets[rate, name] = (held - 1, now_s)
        return 0

    def _forget_full(self, now_s: float) -> None:
        """Take away the buckets that are full by now; if none is, the oldest half."""
        longest_s = 2 * BURST_S
        kept = {key: bucket for key, bucket in self._buckets.items() if now_s - bucket[1] < longest_s}
        if len(kept) >= MOST_BUCKETS:
            kept = dict(sorted(kept.items(), key=lambda item: item[1][1])[MOST_BUCKETS // 2 :])
        self._buckets = kept
