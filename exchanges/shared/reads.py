"""The read path of a venue: questions about accounts and orders, apart from the road of orders.

Few are asked at once. An account that is being read is read once more afterwards, however often that is wanted; an
order that is being asked about is not asked about again. What fails is logged: the engine asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import OrderReport, VenueEvent, VenueSnapshot
from domain.instrument import AccountId
from domain.order import ClientId, Query
from exchanges.shared.tasks import Tasks

log = logging.getLogger(__name__)

MAX_READS = 4
"""Questions about accounts and orders at the same time."""
FAILURES = (VenueError, DataError, Unrepresentable, msgspec.MsgspecError, ArithmeticError, KeyError, ValueError)
"""What a question comes to when the venue does not answer, or answers nonsense."""


class AccountReader(Protocol):
    """One account at a venue; both raise `FAILURES`."""

    async def snapshot(self) -> VenueSnapshot:
        """Everything of the account."""
        ...

    async def report(self, query: Query) -> OrderReport | None:
        """What the venue knows of an order; None while it cannot be known."""
        ...


class Reads:
    """Asks the `readers` of a venue's accounts; answers go to `emit`."""

    def __init__(
        self, readers: Mapping[AccountId, AccountReader], tasks: Tasks, emit: Callable[[VenueEvent], None]
    ) -> None:
        self.room = asyncio.Semaphore(MAX_READS)
        self._readers = readers
        self._tasks = tasks
        self._emit = emit
        self._again: dict[AccountId, bool] = {}
        """Accounts that are being read; True = once more afterwards."""
        self._asked: set[tuple[AccountId, ClientId]] = set()

    @property
    def is_reading(self) -> bool:
        """Whether an account is being read."""
        return bool(self._again)

    def look(self, account: AccountId) -> None:
        """Read an account."""
        if account in self._again:
            self._again[account] = True
        elif account in self._readers:
            self._again[account] = False
            self._tasks.spawn(self._snapshot(account))

    def look_at_all(self) -> None:
        """Read every account: something was not understood."""
        for account in self._readers:
            self.look(account)

    def ask(self, query: Query) -> None:
        """Ask about an order."""
        key = query.account, query.cid
        if query.account in self._readers and key not in self._asked:
            self._asked.add(key)
            self._tasks.spawn(self._report(query))

    async def _snapshot(self, account: AccountId) -> None:
        try:
            async with self.room:
                told = await self._readers[account].snapshot()
            self._emit(told)
        except FAILURES as error:
            log.warning("%s could not be read: %s", account, str(error) or type(error).__name__)
        finally:
            again = self._again.pop(account)
        if again:
            self.look(account)

    async def _report(self, query: Query) -> None:
        try:
            async with self.room:
                told = await self._readers[query.account].report(query)
            if told is not None:
                self._emit(told)
        except FAILURES as error:
            log.warning("the order %s could not be asked about: %s", query.cid, str(error) or type(error).__name__)
        finally:
            self._asked.discard((query.account, query.cid))
