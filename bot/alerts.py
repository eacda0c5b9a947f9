"""The reader of the desk's facts: alerts to the book, requests and overrides to their cards. Fills: `bot.streams`.

Alerted, Refused, TradingStateChanged, StrategyChanged    the book (`bot.alerting`) decides who is told, and when
RequestChanged, OverrideChanged                           a card that is kept up to date

How far it is stands in the operational database, in one transaction with what follows from it. What was raised while
nobody listened (before a crash, while chat was down, faster than it could be read) is read from there on; what was
taken before is not taken twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from msgspec import structs

from bot.alerting.intake import Intake
from bot.alerting.progress import Progress
from bot.alerting.service import AlertRoom
from bot.alerting.tell import at_once
from bot.buttons import Bot
from bot.cards import Cards
from bot.config import AlertConfig
from bot.message import Message, Pairs, Text
from bot.outbox import Outbox
from domain.facts import (
    Alerted,
    Fact,
    FactKey,
    FillBooked,
    OverrideChanged,
    Refused,
    RequestChanged,
    RequestStatus,
    Severity,
    StrategyChanged,
    TradingStateChanged,
)

if TYPE_CHECKING:
    from engine.desk import Desk

log = structlog.get_logger("bot.alerts")

READER = "alerts"
NEWS = (Alerted, Refused, TradingStateChanged, StrategyChanged)
"""Facts that the book takes."""
BATCH = 200
"""Facts that are written down together."""


class Alerts:
    """Turns facts into alerts and cards. `rooms` are the bots by channel, `recipients` the alert chats.

    `private` says where a person can be written to alone.
    """

    def __init__(
        self,
        desk: Desk,
        outbox: Outbox,
        config: AlertConfig,
        alerts: AlertRoom,
        *,
        recipients: Iterable[str],
        rooms: Mapping[str, Bot],
        private: Callable[[str], Iterable[str]],
    ) -> None:
        self._desk = desk
        self._outbox = outbox
        self._config = config
        self._recipients = tuple(recipients)
        self._alerts = alerts
        self._cards = Cards(desk, outbox, recipients=self._recipients, rooms=rooms, private=private)
        self._start = f"start:{time.time_ns()}"

    async def run(self) -> None:
        """Tell what was missed, then listen until cancelled."""
        async with self._desk.facts() as facts, asyncio.TaskGroup() as group:
            seen = self._desk.last_fact
            progress = await self._begin()
            intake = Intake(self._alerts.book, self._desk)
            catching_up = CatchUp(self, intake)
            for hole in progress.holes(seen):
                catching_up.add(*hole)
            intake.begin(self._desk.began, self._alerts.now_ns())
            group.create_task(catching_up.run())
            await self._say_hello()
            group.create_task(self._alerts.run())
            group.create_task(self._count_down_for_ever())
            missed = 0
            async for first in facts:
                batch = [first, *facts.take(BATCH - 1)]
                if facts.missed > missed:
                    missed = facts.missed
                    lost = seen, (first.seq, first.index - 1)
                    catching_up.add(*lost)
                    seen = lost[1]
                    await self._say_missed(first, missed)
                await self.take(intake, batch, seen)
                seen = (batch[-1].seq, batch[-1].index)

    async def _begin(self) -> Progress:
        """How far earlier runs were; a first one begins with this run's facts."""
        progress = self._alerts.progress
        if progress is None:
            until = await self._outbox.store.told(READER) or self._desk.began
            progress = self._alerts.progress = Progress(spans=[((0, 0), until)])
        return progress

    async def take(self, intake: Intake, batch: Sequence[Fact], after: FactKey) -> None:
        """Handle facts that follow each other after a key; they are done, and written down as such, together."""
        for fact in batch:
            await self._show(fact)
        now_ns = self._alerts.now_ns()
        is_news = False
        for fact in batch:
            if isinstance(fact, NEWS):
                intake.take(fact, now_ns)
                at_once(self._alerts.book, now_ns)
                is_news = True
        if self._alerts.progress is not None:
            self._alerts.progress.add(after, (batch[-1].seq, batch[-1].index))
        if is_news:
            await self._alerts.tick()

    async def _show(self, fact: Fact) -> None:
        """What has a card of its own."""
        match fact:
            case RequestChanged():
                await self._cards.on_request(fact)
            case OverrideChanged():
                await self._cards.on_override(fact)
            case _:
                pass

    async def _say_missed(self, fact: Fact, count: int) -> None:
        log.warning("facts missed", count=count)
        text = f"{count} facts came faster than they could be told; they are read again. The dashboard has them all."
        missed = Message(title="Some news was missed", blocks=(Text(text),), severity=Severity.WARNING)
        await self.tell(f"missed:{fact.seq}", missed)

    async def tell(self, event: str, message: Message) -> bool:
        """Send a message to the alert chats, once per event; False when all of them had it already."""
        if not message.stamp:
            message = structs.replace(message, stamp=self._alerts.stamp())
        return await self._outbox.post(event, self._recipients, message)

    async def read(self, intake: Intake, after: FactKey, until: FactKey) -> None:
        """Take what people should have heard of, after one fact up to another."""
        missed = await self._desk.missed(after, until)
        found = [fact for fact in missed if not (_said_at_start(fact) or isinstance(fact, FillBooked))]
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            await self.take(intake, batch, after)
            after = (batch[-1].seq, batch[-1].index)
        if self._alerts.progress is not None:
            self._alerts.progress.add(after, until)
        await self._alerts.commit()

    async def _say_hello(self) -> None:
        status = self._desk.status()
        state = status.trading_state.upper()
        rows = (
            ("trading", f"{state} ({status.trading_reason})" if status.trading_reason else state),
            ("waiting", f"{status.pending_requests} for approval"),
        )
        await self.tell(self._start, Message(title="MoonDev is up", blocks=(Pairs(rows),)))
        await self._cards.show_all()

    async def _count_down_for_ever(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            await self._cards.count_down_slowly()


class CatchUp:
    """Reads what was raised while nobody listened, beside what comes now."""

    def __init__(self, reader: Alerts, intake: Intake) -> None:
        self._reader = reader
        self._intake = intake
        self._holes: asyncio.Queue[tuple[FactKey, FactKey]] = asyncio.Queue()

    def add(self, after: FactKey, until: FactKey) -> None:
        """Facts after one up to another are to be read."""
        if after < until:
            self._intake.is_behind = True
            self._holes.put_nowait((after, until))

    async def run(self) -> None:
        """Read them until cancelled."""
        while True:
            after, until = await self._holes.get()
            try:
                await self._reader.read(self._intake, after, until)
            except Exception:  # what comes now must be told all the same
                log.exception("earlier news cannot be read; the next start tries again")
            if self._holes.empty():
                self._intake.caught_up()


def _said_at_start(fact: Fact) -> bool:
    """True for what every start says anyway: the open requests, and the state that the engine itself has chosen."""
    return (isinstance(fact, RequestChanged) and fact.status is RequestStatus.PENDING) or (
        isinstance(fact, TradingStateChanged) and not fact.by
    )
