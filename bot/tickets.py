"""Tickets: confirmed orders whose message is kept up to date, by editing it, until there is nothing more to tell.

Kept in the operational database, so that a restart goes on with them. What they show is read from the desk each time,
never added up here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec import Struct, structs

from bot.buttons import Bot, cancel_buttons
from bot.letters import DIALECTS
from bot.message import Button, Message
from bot.order_words import Placed, name_of, progress_blocks
from bot.outbox import Outbox
from bot.store import OpsStore
from domain import codec
from domain.facts import (
    Alerted,
    CommandDone,
    Fact,
    OrderChanged,
    RequestChanged,
    RequestStatus,
    Severity,
    TradingStateChanged,
)
from domain.order_views import OrderProgress

if TYPE_CHECKING:
    from engine.desk import Desk

log = structlog.get_logger("bot.tickets")

PACE_S: Final = 1.5
"""Between two edits of the same message, at least."""
LOOK_S: Final = 10.0
LONGEST_NS: Final = 600 * 1_000_000_000
"""An order at the market that has not filled by then is no longer followed."""
KEEP_NS: Final = 91 * 86_400_000_000_000


class Ticket(Struct, frozen=True, kw_only=True):
    """One confirmed order. `event` is its message at `chat`; `entry` is what the engine calls it ("" = not yet)."""

    event: str
    chat: str
    person: str
    placed: Placed
    entry: str
    made_ns: int
    request: str = ""
    """The request that it waits for, or waited for."""


class Shown(Struct, frozen=True):
    """What a ticket's message says; `is_over`: it will not change any more."""

    message: Message
    is_over: bool


_decode: Callable[[bytes], Ticket] = msgspec.msgpack.Decoder(Ticket).decode


class Tickets:
    """Every ticket that is open. `bots` sign the button that cancels; `stamp` is the last line for a person."""

    def __init__(self, desk: Desk, store: OpsStore, outbox: Outbox, bots: dict[str, Bot]) -> None:
        self.stamp: Callable[[str], str] = lambda _: ""
        self._desk = desk
        self._store = store
        self._outbox = outbox
        self._bots = bots
        self._open: dict[str, Ticket] = {}
        self._told: dict[str, Message] = {}

    async def start(self) -> None:
        """Go on with what an earlier run followed. Raises `sqlite3.Error`."""
        now_ns = time.time_ns()

        def work() -> list[bytes]:
            with self._store.db as db:
                db.execute("delete from tickets where made_ns < ?", (now_ns - KEEP_NS,))
                return [row[0] for row in db.execute("select body from tickets order by made_ns")]

        for body in await self._store.run(work):
            with suppress(msgspec.DecodeError):
                ticket = _decode(body)
                self._open.setdefault(ticket.event, ticket)

    async def follow(self, ticket: Ticket) -> Shown:
        """Keep a message up to date from now on, where messages can be edited; what it says now."""
        if ticket.chat.partition(":")[0] not in DIALECTS:
            return self.shown(ticket)
        self._open[ticket.event] = ticket
        await self._put(ticket)
        shown = self.shown(ticket)
        self._told[ticket.event] = shown.message
        if shown.is_over:
            await self._end(ticket)
        return shown

    async def run(self) -> None:
        """Edit what has changed, until cancelled."""
        async with self._desk.facts() as facts:
            while True:
                await self.update()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        while not await self._concerns(await anext(facts)):
                            pass
                await asyncio.sleep(PACE_S if self._open else 0)

    async def _concerns(self, fact: Fact) -> bool:
        """Whether a fact may change what a ticket says."""
        if isinstance(fact, RequestChanged):
            for ticket in list(self._open.values()):
                if ticket.request == fact.request and fact.status is RequestStatus.APPROVED and ticket.placed.limit:
                    await self._put(structs.replace(ticket, entry=f"manual-{fact.seq}"))
            return bool(self._open)
        if isinstance(fact, OrderChanged):
            return any(ticket.entry == fact.entry for ticket in self._open.values())
        return bool(self._open) and isinstance(fact, Alerted | CommandDone | TradingStateChanged)

    async def update(self) -> None:
        """Edit every message that says something else than before."""
        for ticket in list(self._open.values()):
            shown = self.shown(ticket)
            if self._told.get(ticket.event) != shown.message:
                self._told[ticket.event] = shown.message
                message = structs.replace(shown.message, stamp=self.stamp(ticket.person))
                await self._outbox.post(f"{ticket.event}:{time.time_ns()}", [ticket.chat], message, ticket.event)
            if shown.is_over:
                await self._end(ticket)

    def shown(self, ticket: Ticket) -> Shown:
        """What the message of a ticket says now."""
        placed, entry = ticket.placed, ticket.entry
        request = self._desk.request(ticket.request) if ticket.request else None
        if request is not None and request.status == RequestStatus.PENDING:
            note = f"{request.id}: {len(request.votes)} of {request.votes_needed} votes."
            return Shown(_message(placed, "waits for a vote", None, note), is_over=False)
        if request is not None and request.status != RequestStatus.APPROVED:
            why = f"{request.text}. Nothing was sent; /order asks again."
            return Shown(_message(placed, request.status, None, why, Severity.WARNING), is_over=True)
        age_ns = self._desk.clock.now_ns() - ticket.made_ns
        if not entry:  # who was approved while nobody here listened is told no more than that
            note = "It is on its way; see /orders and /trades."
            return Shown(_message(placed, "approved", None, note), is_over=age_ns > LONGEST_NS)
        seen = self._desk.by_hand.progress(placed.account, placed.instrument, entry)
        if seen.filled >= abs(placed.qty):
            return Shown(_message(placed, "filled", seen, ""), is_over=True)
        if not seen.is_wanted or (not placed.limit and age_ns > LONGEST_NS):
            why = "The rest is not wanted any more." if not seen.is_wanted else "See /orders for the rest."
            note = f"{why} {seen.trouble}".strip()
            return Shown(_message(placed, "partly filled" if seen.filled else "over", seen, note), is_over=True)
        words = "works" if seen.working else "waits"
        shown = _message(placed, words, seen, f"In its way: {seen.trouble}." if seen.trouble else "")
        return Shown(structs.replace(shown, buttons=self._cancel_buttons(ticket)), is_over=False)

    def _cancel_buttons(self, ticket: Ticket) -> tuple[Button, ...]:
        if not ticket.placed.limit or not self._desk.by_hand.is_open(ticket.entry):
            return ()
        return cancel_buttons(self._bots.get(ticket.chat.partition(":")[0]), [(ticket.entry, "Cancel order")])

    async def _end(self, ticket: Ticket) -> None:
        self._open.pop(ticket.event, None)
        self._told.pop(ticket.event, None)
        await self._write("delete from tickets where event = ?", (ticket.event,))

    async def _put(self, ticket: Ticket) -> None:
        self._open[ticket.event] = ticket
        row = (ticket.event, ticket.made_ns, codec.encode(ticket))
        await self._write("insert or replace into tickets values (?, ?, ?)", row)

    async def _write(self, sql: str, values: tuple[object, ...]) -> None:
        def work() -> None:
            with self._store.db as db:
                db.execute(sql, values)

        try:
            await self._store.run(work)
        except sqlite3.Error as error:
            log.warning("ticket not stored; a restart forgets it", error=type(error).__name__)


def _message(
    placed: Placed, state: str, seen: OrderProgress | None, note: str, severity: Severity = Severity.INFO
) -> Message:
    return Message(title=f"{name_of(placed)}: {state}", blocks=progress_blocks(placed, seen, note), severity=severity)
