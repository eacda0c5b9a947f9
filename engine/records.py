"""What is on record, for summaries: what happened in a period, and how the audit chain is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.ports import Clock, Journal
from domain.reports import Happened
from engine.chain import Chain


async def nothing(since_ns: int, until_ns: int) -> Happened:
    """There is no projection here that could be asked."""
    return Happened(since_ns=since_ns, until_ns=until_ns, problem="nothing is recorded here")


class Records:
    """`happened` tells what happened in [since, until) and never raises; whoever has a projection says it here."""

    def __init__(self, journal: Journal | None, clock: Clock) -> None:
        self.chain = Chain(journal, clock)
        self.happened: Callable[[int, int], Awaitable[Happened]] = nothing
