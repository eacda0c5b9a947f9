"""Profit now, for who wants to watch it: one message each, edited at the chosen cadence.

A new message is begun every day of the reader's zone, because one that is edited far above is not seen; and by itself
when the old one was deleted. Who cannot be reached any more is taken off the list.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

import structlog
from msgspec import structs

from bot.letters import IDLE
from bot.message import Message, Pairs, Text, money, refusal, stamp
from bot.streams.subscriptions import PNL, Key, Subscription
from bot.times import clock_in, zone_info
from domain.facts import TradingState
from domain.settings import SECOND_NS

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

log = structlog.get_logger("bot.streams")

LEAST_S = 15
USUAL_S = 60
MOST_S = 86_400
REFUSED = """
select state from outbox where (event = ? or replaces = ?) and recipient = ? and state <> 'superseded'
order by id desc limit 1
"""


class Ticker:
    """Sends what is due; asleep while nobody has subscribed. `reach` says where a subscription goes ("" = nowhere)."""

    def __init__(self, room: ControlRoom, reach: Callable[[Subscription], str]) -> None:
        self._room = room
        self._reach = reach
        self._due_ns: dict[Key, int] = {}

    def next_ns(self) -> int:
        """When the next one is due; 0 = nobody wants any."""
        wanted = [one for one in self._room.subscriptions.all() if one.stream == PNL]
        return min((self._due_ns.get(one.key, 1) for one in wanted), default=0)

    async def step(self, now_ns: int) -> None:
        """Send every one that is due by now."""
        wanted = {one.key: one for one in self._room.subscriptions.all() if one.stream == PNL}
        self._due_ns = {key: due for key, due in self._due_ns.items() if key in wanted}
        for key, one in wanted.items():
            every_ns = one.every_s * SECOND_NS
            if not 0 < self._due_ns.get(key, 0) - now_ns <= every_ns:  # the clock may have been put back
                self._due_ns[key] = now_ns + every_ns
                await self._tell(one, now_ns)

    async def _tell(self, one: Subscription, now_ns: int) -> None:
        recipient = self._reach(one)
        if not recipient:
            return
        outbox, zone = self._room.outbox, self._room.zone(one.person)
        day = datetime.fromtimestamp(now_ns // SECOND_NS, zone_info(zone)).date()
        whose = f"{one.person}:{one.strategy}:{one.since_ns}:{day}"
        first = f"{PNL}:{sha256(whose.encode()).hexdigest()[:10]}"  # people see it as the reference
        if await self._is_refused(first, recipient):
            log.warning("subscription ended: its messages are refused", person=one.person, what=one.words)
            await self._room.subscriptions.drop(one)
            return
        message = profit_now(self._room.desk, one, clock_in(now_ns, zone))
        message = structs.replace(message, stamp=stamp(self._room.desk.status(), now_ns, zone))
        if not await outbox.post(first, [recipient], message, priority=IDLE):
            await outbox.post(f"{first}:{now_ns // SECOND_NS}", [recipient], message, replaces=first, priority=IDLE)

    async def _is_refused(self, first: str, recipient: str) -> bool:
        """Whether the last of today's was given up: the chat is gone, or the bot is blocked."""
        store = self._room.store

        def work() -> bool:
            row = store.db.execute(REFUSED, (first, first, recipient)).fetchone()
            return row is not None and row[0] == "failed"

        try:
            return await store.run(work)
        except sqlite3.Error:
            return False


def profit_now(desk: Desk, one: Subscription, clock: str) -> Message:
    """The message: of everything, or of one strategy."""
    return _of_strategy(desk, one, clock) if one.strategy else _of_all(desk, one, clock)


def _of_all(desk: Desk, one: Subscription, clock: str) -> Message:
    accounts = desk.pnl()
    equity = sum((view.equity for view in accounts), Decimal(0))
    opening = sum((view.day_start_equity for view in accounts), Decimal(0))
    today = sum((view.day_pnl for view in accounts), Decimal(0))
    share = f" ({today / opening:+.2%})" if opening else ""
    held = sum(1 for view in desk.positions() if view.qty)
    unrealised = sum((view.unrealised for view in accounts), Decimal(0))
    rows = [
        ("equity", money(equity)),
        ("open", f"{money(unrealised, sign=True)} in {held} position{'' if held == 1 else 's'}"),
        ("ever", money(sum((view.total_pnl for view in accounts), Decimal(0)), sign=True)),
        ("at", f"{clock}, {one.words}"),
    ]
    state = desk.status().trading_state
    if state != TradingState.ACTIVE:
        rows.insert(0, ("trading", state.upper()))
    return Message(title=f"PNL today {money(today, sign=True)}{share}", blocks=(Pairs(tuple(rows)),))


def _of_strategy(desk: Desk, one: Subscription, clock: str) -> Message:
    view = next((view for view in desk.strategies() if view.id == one.strategy), None)
    if view is None:
        gone = refusal(f"PNL of {one.strategy}", f"It is not loaded (any more). To end this: /unsubscribe {one.words}")
        return structs.replace(gone, blocks=(*gone.blocks, Text(clock)))
    net = view.realised + view.unrealised - view.fees
    rows = (
        ("realised", money(view.realised, sign=True)),
        ("open", money(view.unrealised, sign=True)),
        ("fees", money(view.fees)),
        ("fills", str(view.fills)),
        ("status", view.status),
        ("at", f"{clock}, {one.words}"),
    )
    return Message(title=f"PNL of {view.id} {money(net, sign=True)} since it was loaded", blocks=(Pairs(rows),))
