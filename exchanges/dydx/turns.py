"""Who may rest an order next: the chain takes so many of an account in so many blocks.

    take ──▶ room in the blocks ──▶ at once
      └───▶ waits: what reduces before what adds, first come first served ──▶ serve, at each block

A tenth of each longer span only what reduces may use, so that a stop finds room behind any number of quotes. These are
spans of blocks and not of time, which is why `exchanges.shared.budget` does not count them.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from domain.order import ClientId
from domain.ports import Clock
from domain.views import BudgetView, WaitingView
from exchanges.dydx.blocks import Blocks
from exchanges.dydx.markets import BlockLimit

RESERVED_OF = 10
"""One in so many of a limit is for what reduces."""


class _Waiter(Struct, order=True):
    """Sorted by what goes first."""

    adds: bool
    number: int
    future: asyncio.Future[None]
    what: str
    since_ns: int
    until_ns: int
    cid: ClientId


class Withdrawn(Exception):
    """What waited was taken back."""


class Turns:
    """Turns of one account.

    The chain counts attempts, whether they succeed or not, and may be one block ahead of what we know: every span is
    taken to be one block longer.
    """

    def __init__(self, limits: Iterable[BlockLimit], blocks: Blocks, clock: Clock) -> None:
        self._limits = tuple(limits)
        self._longest = max((limit.num_blocks for limit in self._limits), default=0) + 1
        self._blocks = blocks
        self._clock = clock
        self._sent: deque[int] = deque()
        self._waiting: list[_Waiter] = []
        self._number = 0

    async def take(self, cid: ClientId, what: str, until_ns: int, *, reduces: bool) -> bool:
        """Wait for a turn, which is counted then; False when none came by `until_ns`. `what` is told to people.

        Raises `Withdrawn`.
        """
        now_ns = self._clock.now_ns()
        self._number += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(not reduces, self._number, future, what, now_ns, until_ns, cid)
        insort(self._waiting, waiter)
        self.serve()
        try:
            async with asyncio.timeout((until_ns - now_ns) / 1e9):
                await future
        except TimeoutError:
            return future.done() and not future.cancelled() and future.exception() is None
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        return True

    def withdraw(self, cid: ClientId) -> bool:
        """Whether an order still waited; then it will not go."""
        waiter = next((each for each in self._waiting if each.cid == cid and not each.future.done()), None)
        if waiter is None:
            return False
        self._waiting.remove(waiter)
        waiter.future.set_exception(Withdrawn())
        return True

    def serve(self) -> None:
        """Let go whoever may, in order; called at each block."""
        while self._waiting and self._may(adds=self._waiting[0].adds):
            waiter = self._waiting.pop(0)
            if not waiter.future.done():
                self._sent.append(self._blocks.height)
                waiter.future.set_result(None)

    def _may(self, *, adds: bool) -> bool:
        height = self._blocks.height
        while self._sent and self._sent[0] <= height - self._longest:
            self._sent.popleft()
        return all(used < limit.limit - (reserved if adds else 0) for limit, used, reserved in self._counted())

    def _counted(self) -> Iterator[tuple[BlockLimit, int, int]]:
        height = self._blocks.height
        for limit in self._limits:
            used = sum(1 for sent in self._sent if sent >= height - limit.num_blocks)
            yield limit, used, limit.limit // RESERVED_OF

    def budgets(self, account: str) -> tuple[BudgetView, ...]:
        """How much is used of what."""
        pace_ns = self._blocks.pace_ns
        return tuple(
            BudgetView(
                name=f"{account} resting orders in {limit.num_blocks} blocks",
                used=used,
                limit=limit.limit,
                reserved=reserved,
                window_ns=limit.num_blocks * pace_ns,
            )
            for limit, used, reserved in self._counted()
        )

    def waiting(self) -> tuple[WaitingView, ...]:
        """What waits, in the order in which it would go."""
        now_ns = self._clock.now_ns()
        return tuple(
            WaitingView(
                priority="add" if waiter.adds else "reduce",
                what=waiter.what,
                waited_ns=now_ns - waiter.since_ns,
                left_ns=max(0, waiter.until_ns - now_ns),
            )
            for waiter in self._waiting
        )
