"""Reads the facts and sends what people have subscribed to: once, whatever was missed, and after a restart too.

What was counted, how far the facts were read and the letters that tell it are written in one transaction: a run that is
killed anywhere tells the same as one that was not.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import structlog
from msgspec import structs

from bot.config import AlertConfig
from bot.letters import IDLE
from bot.message import stamp
from bot.store import Letter
from bot.streams import fills
from bot.streams.fills import FillCards, Pace
from bot.streams.subscriptions import FILLS, Subscription
from bot.streams.ticker import Ticker
from bot.times import clock_in
from domain.facts import Fact, FactKey, FillBooked, OrderChanged

if TYPE_CHECKING:
    from bot.room import ControlRoom

log = structlog.get_logger("bot.streams")

READER = "fills"
LOOK_S = 1.0
TERMINAL = frozenset({"filled", "cancelled", "rejected", "expired", "dropped", "absent"})


class Streams:
    """Fills to the alert chats and to who subscribed, and the tickers. Give the time to `step`, or let `run` do it."""

    def __init__(self, room: ControlRoom, config: AlertConfig, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._room = room
        self._now_ns = now_ns
        self._to_chats = config.fills
        self._pace = Pace(wait_ns=int(config.fill_wait_s * 1e9), interval_ns=int(config.fill_interval_s * 1e9))
        self.ticker = Ticker(room, self.reach)
        self._cards: dict[str, FillCards] = {}
        self._seen: FactKey = (0, 0)
        self._behind: FactKey | None = None
        """Fills after it are being caught up with."""
        self._holes = 0
        """Spans of facts that are being read."""
        self._is_dirty = False
        self._wanted: frozenset[str] = frozenset()
        """Strategies whose fills somebody wants to see; "" = all of them."""

    async def run(self) -> None:
        """Tell what was missed, then listen until cancelled."""
        desk = self._room.desk
        async with desk.facts() as facts, asyncio.TaskGroup() as group:
            await self.resume(group)
            group.create_task(self._step_for_ever())
            missed = 0
            async for fact in facts:
                if facts.missed > missed:
                    missed = facts.missed
                    await self.fill_gap((fact.seq, fact.index), group)
                self.take(fact)

    async def resume(self, group: asyncio.TaskGroup | None = None) -> None:
        """Take up what an earlier run left; what it missed is told in `group`, for it may have to be waited for."""
        self._seen = self._room.desk.last_fact
        self._behind = await self._room.store.told(READER) or self._room.desk.began
        self._holes = 0
        await self._load()
        self._look_who_reads()
        await self._read(self._behind, self._seen, group)

    async def fill_gap(self, until: FactKey, group: asyncio.TaskGroup | None = None) -> None:
        """Read again what came faster than it could be taken; in `group`, where one goes on listening meanwhile."""
        seq, index = until
        self._behind = self._behind or self._seen
        await self._read(self._seen, (seq, index - 1), group)

    async def _read(self, after: FactKey, until: FactKey, group: asyncio.TaskGroup | None) -> None:
        self._holes += 1
        work = self._catch_up(after, until)
        if group is None:
            await work
        else:
            group.create_task(work)

    async def step(self, now_ns: int) -> None:
        """Send what is due by now."""
        self._look_who_reads()
        letters = [letter for name, cards in self._cards.items() for letter in self._due(name, cards, now_ns)]
        if letters or self._is_dirty:
            await self._save(letters)
        if 0 < self.ticker.next_ns() <= now_ns:
            await self.ticker.step(now_ns)

    def reach(self, one: Subscription) -> str:
        """Where a subscription goes: by the door where it was asked for, else the best; "" = nowhere."""
        contacts = self._room.contacts
        found = (contacts(one.person, one.door) if one.door else []) or contacts(one.person)
        return found[0] if found else ""

    async def _step_for_ever(self) -> None:
        while True:
            await self.step(self._now_ns())
            await asyncio.sleep(LOOK_S)

    async def _catch_up(self, after: FactKey, until: FactKey) -> None:
        """Tell what filled while nobody listened, and what became of the orders."""
        try:
            for fact in await self._room.desk.missed(after, until):
                self.take(fact, is_news=False)
            self._look_for_ends()
        except Exception:  # what comes now must be told all the same
            log.exception("earlier fills cannot be read; the next start tries again")
        else:
            self._holes -= 1
            self._behind = self._behind if self._holes else None

    def _look_for_ends(self) -> None:
        """Orders may have ended without a word of it: orders as they are now."""
        if not any(cards.cards for cards in self._cards.values()):
            return
        views = {view.cid: view for view in self._room.desk.orders(recent=True)}

        def found(cid: str) -> tuple[Decimal, str] | None:
            view = views.get(cid)
            return None if view is None else (view.qty, view.status if view.status in TERMINAL else "")

        for cards in self._cards.values():
            cards.catch_up(found, self._now_ns())

    def take(self, fact: Fact, *, is_news: bool = True) -> None:
        """Count a fact; `is_news` False = it is caught up with."""
        if not isinstance(fact, FillBooked | OrderChanged):
            return
        contract = self._room.desk.contract(fact.instrument)
        if contract is None:
            return
        now_ns = self._now_ns()
        for name in dict.fromkeys(("", fact.owner)):
            if isinstance(fact, OrderChanged):
                if (cards := self._cards.get(name)) is not None:
                    cards.follow(fact, contract, now_ns)
            elif name in self._wanted:
                self._cards.setdefault(name, FillCards(name=name)).book(fact, contract, self._pace, now_ns)
                self._is_dirty = True
        if is_news and isinstance(fact, FillBooked):
            self._seen = (fact.seq, fact.index)
            self._is_dirty = True

    def _look_who_reads(self) -> None:
        streams = [one.strategy for one in self._room.subscriptions.all() if one.stream == FILLS]
        self._wanted = frozenset([*streams, ""] if self._to_chats and self._room.alert_chats else streams)

    def _readers(self, strategy: str) -> list[tuple[str, str]]:
        """Who is told of the fills of a strategy ("" = of all): recipient and zone."""
        found = [(chat, "UTC") for chat in self._room.alert_chats] if self._to_chats and not strategy else []
        wanted = [one for one in self._room.subscriptions.all() if (one.stream, one.strategy) == (FILLS, strategy)]
        return [*found, *((where, self._room.zone(one.person)) for one in wanted if (where := self.reach(one)))]

    def _due(self, name: str, cards: FillCards, now_ns: int) -> list[Letter]:
        """Letters of one audience, each reader's in his zone."""
        letters: list[Letter] = []
        due = cards.due(self._pace, now_ns)
        if not due:
            return letters
        names, status = [*self._room.desk.instruments()], self._room.desk.status()
        zones: dict[str, list[str]] = {}
        for recipient, zone in self._readers(name):
            zones.setdefault(zone, []).append(recipient)
        for card in due:
            unsaved = f":{now_ns // 10**9}" if self._behind else ""  # after a kill the same version may come again
            event, replaces = card.event, ""
            if card.version > 1:
                event, replaces = f"{card.event}:{card.version}{unsaved}", card.event
            for zone, recipients in zones.items():
                message = fills.message(card, names, lambda ts_ns, zone=zone: clock_in(ts_ns, zone))  # type: ignore[misc]
                message = structs.replace(message, stamp=stamp(status, now_ns, zone))
                letters += self._room.outbox.letters(event, recipients, message, replaces, priority=IDLE)
        return letters

    async def _load(self) -> None:
        def work() -> list[bytes]:
            return [body for (body,) in self._room.store.db.execute("select body from fill_cards")]

        self._cards = {}
        for body in await self._room.store.run(work):
            try:
                cards = msgspec.msgpack.decode(body, type=FillCards)
            except msgspec.DecodeError as error:
                log.error("fills of the last run cannot be read", error=str(error))  # noqa: TRY400
            else:
                self._cards[cards.name] = cards

    async def _save(self, letters: list[Letter]) -> None:
        """Letters, what was counted and how far the facts were read, in one transaction."""
        store, outbox = self._room.store, self._room.outbox
        bodies = [(name, msgspec.msgpack.encode(cards)) for name, cards in self._cards.items()]
        (seq, index), is_behind = self._seen, self._behind is not None
        self._is_dirty = is_behind

        def work() -> list[Letter]:
            with store.db as db:
                queued = store.insert(letters)
                if not is_behind:  # what is being caught up with is counted anew when that is broken off
                    db.execute("delete from fill_cards")
                    db.executemany("insert into fill_cards values (?, ?)", bodies)
                    db.execute("insert or replace into told values (?, ?, ?)", (READER, seq, index))
                return queued

        try:
            queued = await store.run(work)
        except sqlite3.Error as error:
            log.error("fills not stored; a restart may repeat them", error=type(error).__name__)  # noqa: TRY400
            queued, self._is_dirty = letters, True
        self._cards = {name: cards for name, cards in self._cards.items() if cards.cards or name in self._wanted}
        outbox.accept(queued)
