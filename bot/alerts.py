"""Facts that people should know about, to the chats that are configured for them.

Alerted                what the engine warns of; the same kind again within minutes is counted, not repeated
TradingStateChanged    always told
RequestChanged         a card with buttons, to the alert chats and privately to who may approve; edited when decided
StrategyChanged        when a strategy is quarantined
Refused                when a person's own order meets a limit after it was accepted

How far it is stands in the operational database. What was raised while nobody listened (before a crash and not yet
queued, while chat was down) is read from there on at the next start; what was queued before is not queued twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import structlog
from msgspec import Struct, structs

from bot.cards import Cards, Room
from bot.config import AlertConfig
from bot.message import Message, Pairs, Text, stamp, utc_text
from bot.outbox import Outbox
from domain.facts import (
    Alerted,
    Fact,
    FactKey,
    OverrideChanged,
    Refused,
    RequestChanged,
    RequestStatus,
    Severity,
    StrategyChanged,
    StrategyStatus,
    TradingState,
    TradingStateChanged,
)
from domain.verdict import Reason
from domain.views import BY_HAND

if TYPE_CHECKING:
    from engine.desk import Desk

log = structlog.get_logger("bot.alerts")

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2, Severity.CRITICAL: 3}
STATE_SEVERITY = {
    TradingState.ACTIVE: Severity.INFO,
    TradingState.REDUCING: Severity.WARNING,
    TradingState.HALTED: Severity.CRITICAL,
}
EMERGENCY = frozenset({"incident", "break_glass", "review_due", "code_lock"})
"""Alerts of this kind are never held back: they go to every alert chat and to each person alone."""
ON_CARDS = frozenset({"override"})
"""Told by a card that is kept up to date."""


Key: TypeAlias = tuple[str, Severity]
READER = "alerts"
NEWS = (Alerted, Refused, TradingStateChanged, StrategyChanged, RequestChanged)
LATE_NS = 60_000_000_000


class Held(Struct, kw_only=True):
    """Alerts of one kind that are counted and not yet told: the first and the last of them."""

    first: FactKey
    count: int = 0
    text: str = ""


class Alerts:
    """Turns facts into outbox letters. `rooms` are the bots by channel, `recipients` the alert chats.

    `private` says where a person can be written to alone.
    """

    def __init__(
        self,
        desk: Desk,
        outbox: Outbox,
        config: AlertConfig,
        *,
        recipients: Iterable[str],
        rooms: Mapping[str, Room],
        private: Callable[[str], Iterable[str]],
    ) -> None:
        self._desk = desk
        self._outbox = outbox
        self._config = config
        self._recipients = tuple(recipients)
        self._cards = Cards(desk, outbox, recipients=self._recipients, rooms=rooms, private=private)
        self._told_s: dict[Key, float] = {}
        self._untold: dict[Key, Held] = {}
        self._start = f"start:{time.time_ns()}"
        self._seen: FactKey = (0, 0)
        self._behind: FactKey | None = None
        """Facts after it are being caught up with."""
        self._saved: FactKey = (0, 0)

    async def run(self) -> None:
        """Tell what was missed, then listen until cancelled."""
        async with self._desk.facts() as facts, asyncio.TaskGroup() as group:
            self._seen = self._desk.last_fact
            self._saved = self._behind = await self._outbox.store.told(READER) or self._desk.began
            group.create_task(self._catch_up(self._behind, self._seen))
            await self._say_hello()
            group.create_task(self._flush_for_ever())
            missed = 0
            async for fact in facts:
                await self._on_fact(fact)
                if isinstance(fact, NEWS):
                    self._seen = (fact.seq, fact.index)
                if facts.missed > missed:
                    missed = facts.missed
                    log.warning("facts missed", count=missed)
                    text = f"{missed} facts came faster than they could be told; the dashboard has them all."
                    await self.tell(f"missed:{fact.seq}", self._alert("Some news was missed", text, Severity.WARNING))

    async def _catch_up(self, after: FactKey, until: FactKey) -> None:
        """Tell what was raised while nobody listened."""
        try:
            for fact in await self._desk.missed(after, until):
                if not _said_at_start(fact):
                    await self._on_fact(fact)
        except Exception:  # what comes now must be told all the same
            log.exception("earlier news cannot be read; the next start tries again")
        else:
            self._behind = None

    async def _save(self) -> None:
        """Write down up to where everything is told or queued: what is held back comes after it."""
        waiting = [held.first for held in self._untold.values()]
        seq, index = min([(seq, index - 1) for seq, index in waiting], default=self._seen)
        told = self._behind or (seq, index)
        if told == self._saved:
            return
        try:
            await self._outbox.store.set_told(READER, *told)
            self._saved = told
        except sqlite3.Error as error:
            log.error("not written down what was told; a restart may repeat it", error=type(error).__name__)  # noqa: TRY400

    async def tell(self, event: str, message: Message) -> bool:
        """Send a message to the alert chats, once per event; False when all of them had it already."""
        if not message.stamp:
            message = structs.replace(message, stamp=self._stamp())
        return await self._outbox.post(event, self._recipients, message)

    async def _say_hello(self) -> None:
        status = self._desk.status()
        state = status.trading_state.upper()
        rows = (
            ("trading", f"{state} ({status.trading_reason})" if status.trading_reason else state),
            ("waiting", f"{status.pending_requests} for approval"),
        )
        await self.tell(self._start, Message(title="MoonDev is up", blocks=(Pairs(rows),)))
        await self._cards.show_all()

    async def _on_fact(self, fact: Fact) -> None:
        match fact:
            case Alerted():
                await self._on_alert(fact, fact.kind, fact.text, fact.severity)
            case Refused() if fact.strategy.startswith(BY_HAND) and fact.reason is not Reason.NEEDS_APPROVAL:
                detail = f": {fact.detail}" if fact.detail else ""
                kind = f"A person's order is refused ({fact.reason.value})"
                await self._on_alert(fact, kind, f"{fact.instrument}: {fact.reason.words}{detail}.", Severity.WARNING)
            case TradingStateChanged():
                by = f"By {fact.by or 'the engine'}"
                text = f"{by}: {fact.reason}" if fact.reason else f"{by}."
                title = f"Trading is {fact.state.upper()}"
                await self.tell(_event(fact), self._alert(title, text + _late(fact), STATE_SEVERITY[fact.state]))
            case StrategyChanged(status=StrategyStatus.QUARANTINED):
                text = f"{fact.detail}\nIts quotes are pulled, its protections stay. /strategies show {fact.strategy}"
                alert = self._alert(f"{fact.strategy} is quarantined", text + _late(fact), Severity.ERROR)
                await self.tell(_event(fact), alert)
            case RequestChanged():
                await self._cards.on_request(fact)
            case OverrideChanged():
                await self._cards.on_override(fact)
            case _:
                pass

    async def _on_alert(self, fact: Fact, kind: str, text: str, severity: Severity) -> None:
        if kind in ON_CARDS or (RANK[severity] < RANK[self._config.min_severity] and kind not in EMERGENCY):
            return
        key = (kind, severity)
        now_s = time.monotonic()
        recently = now_s - self._told_s.get(key, float("-inf")) < self._config.repeat_s
        if recently and severity is not Severity.CRITICAL and kind not in EMERGENCY:
            held = self._untold.setdefault(key, Held(first=(fact.seq, fact.index)))
            held.count, held.text = held.count + 1, text
            return
        alert = self._alert(kind, text + _late(fact), severity)
        if kind in EMERGENCY:
            await self._outbox.post(_event(fact), self._cards.everybody(), structs.replace(alert, stamp=self._stamp()))
        elif await self.tell(_event(fact), alert):
            self._told_s[key] = now_s

    def _stamp(self) -> str:
        return stamp(self._desk.status(), time.time_ns())

    async def _flush_for_ever(self) -> None:
        pause_s = min(1.0, self._config.repeat_s / 2)
        while True:
            await asyncio.sleep(pause_s)
            now_s = time.monotonic()
            for key, held in list(self._untold.items()):
                if now_s - self._told_s[key] >= self._config.repeat_s:
                    self._told_s[key] = now_s
                    kind, severity = key
                    event = f"again:{kind}:{time.time_ns()}"
                    del self._untold[key]
                    await self.tell(
                        event, self._alert(f"{kind}: {held.count} more", f"The last: {held.text}", severity)
                    )
            await self._cards.count_down_slowly()
            await self._save()

    def _alert(self, title: str, text: str, severity: Severity) -> Message:
        return Message(title=title, blocks=(Text(text),), severity=severity)


def _event(fact: Fact) -> str:
    return f"fact:{fact.seq}:{fact.index}"


def _said_at_start(fact: Fact) -> bool:
    """True for what every start says anyway: the open requests, and the state that the engine itself has chosen."""
    return (isinstance(fact, RequestChanged) and fact.status is RequestStatus.PENDING) or (
        isinstance(fact, TradingStateChanged) and not fact.by
    )


def _late(fact: Fact) -> str:
    """When it was, for something that is told late."""
    return f"\nThat was at {utc_text(fact.ts_ns)}." if time.time_ns() - fact.ts_ns > LATE_NS else ""
