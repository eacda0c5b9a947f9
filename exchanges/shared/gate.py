"""Drives a `Budget` on the event loop: requests go as soon as there is room, or are dropped when their time is over.

gate.submit(wanted)                 calls back at once or later
await gate.enter(priority, costs, what, until_ns)     returns when it may be sent; raises `Dropped`
gate.answered(costs, status, headers)                 after each answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from domain.errors import VenueError
from domain.ports import Clock
from domain.verdict import Reason
from exchanges.shared.budget import Budget, Wanted
from exchanges.shared.meters import NEVER, Costs, Priority

SHORTEST_S = 0.001


class Dropped(VenueError):
    """A request that waited in vain, and was surely not sent; its text begins with the code of `reason`."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason.value}: {text}")
        self.reason = reason


class Gate:
    """The only user of `budget` while the loop runs."""

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.budget = budget
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = NEVER

    def submit(self, wanted: Wanted) -> None:
        """Call `wanted.go` as soon as it may be sent, now if it may, or `wanted.drop`."""
        if self.budget.ask(wanted, self._clock.now_ns()):
            wanted.go()
        else:
            self._serve()

    def withdraw(self, wanted: Wanted) -> bool:
        """Whether it was still waiting; then nothing is called any more."""
        found = self.budget.withdraw(wanted)
        if found:
            self._serve()
        return found

    async def enter(self, priority: Priority, costs: Costs, what: str, until_ns: int = 0) -> None:
        """Return when the request may be sent. Raises `Dropped` when it may not until `until_ns` (0 = whenever)."""
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def go() -> None:
            if not passed.done():
                passed.set_result(None)

        def drop(reason: Reason, text: str) -> None:
            if not passed.done():
                passed.set_exception(Dropped(reason, text))

        wanted = Wanted(priority=priority, costs=costs, what=what, until_ns=until_ns, go=go, drop=drop)
        if self.budget.ask(wanted, self._clock.now_ns()):
            return
        self._serve()
        try:
            await passed
        except asyncio.CancelledError:
            if passed.done() and not passed.cancelled():
                passed.exception()  # nobody is left to hear it
            self.withdraw(wanted)
            raise

    def answered(self, costs: Costs, status: int, headers: Mapping[str, str]) -> None:
        """Learn from the venue's answer to a request that cost this."""
        self.budget.answered(costs, status, headers, self._clock.now_ns())
        self._serve()

    def close(self) -> None:
        """Nothing is called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _serve(self) -> None:
        """Call whoever is due, and come back when the next is."""
        budget = self.budget
        now_ns = self._clock.now_ns()
        while budget.wake_ns <= now_ns:
            due = budget.due(now_ns)
            for wanted in due.go:
                wanted.go()
            for wanted, reason, text in due.dropped:
                wanted.drop(reason, text)
        if self._timer is not None and self._timer_ns == budget.wake_ns:
            return
        self.close()
        if budget.wake_ns != NEVER:
            wait_s = max(SHORTEST_S, (budget.wake_ns - now_ns) / 1e9)
            self._timer_ns = budget.wake_ns
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._serve()
