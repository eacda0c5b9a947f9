"""Sends the summaries that are due: each once, what was missed together, after a restart too.

Give the time to `step`, or let `run` do it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from msgspec import structs

from bot.message import Message, Text, stamp
from bot.reports.calendar import Span, due_span, next_run
from bot.reports.compose import compose
from bot.reports.schedules import DESK, Schedule
from bot.reports.words import run_text
from bot.times import zone_info
from domain.facts import Severity
from domain.settings import SECOND_NS

if TYPE_CHECKING:
    from bot.room import ControlRoom

log = structlog.get_logger("bot.reports")

LOOK_S = 15.0
TRIES_NS = 300 * SECOND_NS
"""How long a summary that cannot be made is tried again before that is said instead."""
FIRST_VERIFIED_S = 120.0
VERIFY_EVERY_S = 86_400.0


class Reports:
    """The summaries of a control room."""

    def __init__(self, room: ControlRoom, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._room = room
        self._now_ns = now_ns
        self._made: dict[tuple[str, Span, str], Message] = {}
        """Of this look: what several people get is made once."""

    async def run(self) -> None:
        """Send what is due, and verify the audit chain once a day, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._verify_for_ever())
            while True:
                await self.step(self._now_ns())
                await asyncio.sleep(LOOK_S)

    async def step(self, now_ns: int) -> None:
        """Send every summary that is due by now."""
        self._made.clear()
        for one in self._room.schedules.all():
            looked_ns = min(one.looked_ns, now_ns)  # the clock may have been put back
            covered_ns = one.covered_ns if one.covered_ns <= now_ns else 0
            if one.owner != DESK and self._room.desk.person(one.owner) is None:
                continue
            due = due_span(one.timing, self.zone_of(one), looked_ns, covered_ns, now_ns)
            if due is not None:
                await self._send(one, *due, now_ns)

    def zone_of(self, one: Schedule) -> str:
        """The zone in which its time of day is meant, and its times are shown."""
        zone = one.zone or self._room.zone(one.owner)
        return str(zone_info(zone))

    def next_ns(self, one: Schedule, now_ns: int) -> int:
        """When it is sent next."""
        return next_run(one.timing, self.zone_of(one), one.covered_ns, now_ns)

    def recipients(self, one: Schedule) -> list[str]:
        """Where it goes: the alert chats, or the person alone, each chosen kind of contact or the best chat."""
        if one.owner == DESK:
            return list(self._room.alert_chats)
        contacts = self._room.contacts
        return contacts(one.owner, *one.where) if one.where else contacts(one.owner)[:1]

    async def _send(self, one: Schedule, run_ns: int, span: Span, now_ns: int) -> None:
        recipients = self.recipients(one)
        if not recipients:
            log.warning("summary not sent: its owner cannot be reached", owner=one.owner or "alert chats")
        letters = []
        if recipients:
            message = await self._message(one, run_ns, span, now_ns)
            if message is None:
                return
            event = f"report:{one.timing.kind}:{one.owner}:{run_ns // SECOND_NS}"
            letters = self._room.outbox.letters(event, recipients, message)
        self._room.outbox.accept(await self._room.schedules.told(one, run_ns, span, letters))

    async def _message(self, one: Schedule, run_ns: int, span: Span, now_ns: int) -> Message | None:
        """The summary with what is said to its reader alone; None = it cannot be made yet, try again."""
        kind, zone = one.timing.kind, self.zone_of(one)
        key = (kind.value, span, zone)
        try:
            made = self._made.get(key) or await compose(self._room, kind, span, zone, now_ns)
        except Exception as error:
            log.exception("summary cannot be made", kind=kind.value)
            if now_ns - run_ns < TRIES_NS:
                return None
            text = f"It cannot be made ({type(error).__name__}); the log says why. /report {kind} tries it again."
            status = self._room.desk.status()
            return Message(
                title=f"{kind.value.capitalize()} summary", blocks=(Text(text),), stamp=stamp(status, now_ns, zone)
            )
        self._made[key] = made
        after = next_run(one.timing, zone, span.until_ns, now_ns)
        foot = Text(f"Next: {run_text(after, zone)}. /schedule changes it, /report shows one now.")
        return structs.replace(made, blocks=(*made.blocks, foot))

    async def _verify_for_ever(self) -> None:
        """Some time after the start and then once a day; a process of its own does it."""
        await asyncio.sleep(FIRST_VERIFIED_S)
        while True:
            await self.verify()
            await asyncio.sleep(VERIFY_EVERY_S)

    async def verify(self) -> None:
        """Verify the audit chain; one that is not whole is told at once, as loudly as anything."""
        verifier = self._room.desk.records.verifier
        if verifier is None:
            return
        try:
            found = await verifier.verify()
        except OSError as error:  # no process could be started; tomorrow there may be one
            log.error("audit chain not verified", error=type(error).__name__)  # noqa: TRY400
            return
        if found.verified_ns and not found.is_sound:
            text = f"{found.detail} Keep a copy of the data folder; the runbook goes on: The journal is damaged."
            await self._room.alerts.raise_alert("audit", {}, Severity.CRITICAL, "The audit chain is NOT WHOLE", text)
