"""Durable delivery: what is posted is on disk first, then sent, critical first, within each chat's budget.

A letter is sent until its server took it or refused it for good. A time-out after sending leaves the
outcome unknown: the letter goes again, says so, and carries the same reference. While the disk refuses
writes, letters are still sent, from memory.

    queued       on disk; not sent yet, or surely not arrived and tried again
    sent         the server took it and gave it an id
    unknown      it may have arrived: it is sent again, says so, and keeps its reference
    failed       the server will never take it; it was handed to where its reader is reached instead
    dead         as failed, and there was nowhere else to go: it is kept, and an alert says so
    bundled      it came faster than the chat may be written to, and went out in a file with others
    superseded   an edit that a newer one took the place of before it was sent

Recipients are `telegram:CHAT[:TOPIC]`, `discord:CHANNEL`, for one person alone `discord:@USER`, `email:ADDRESS` and
`sms:+NUMBER`, and for programs `hook:NAME` and `apprise:NAME`; a `Carrier` delivers those with its prefix.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from bot import bundle, store_letters
from bot.budget import Budget, budget_for, channel_budget
from bot.carrier import (
    Carrier,
    ChannelRefused,
    NotSent,
    OutcomeUnknown,
    RefusedForGood,
    RetryAfter,
    channel_of,
    dated,
)
from bot.handover import Others, hand_over
from bot.letters import DIALECTS, letters_of
from bot.line import WINDOW, Line
from bot.message import Message
from bot.reach import Reaches
from bot.store import Letter, OpsStore

log = structlog.get_logger("bot.outbox")

T = TypeVar("T")
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.25, 15.0
CHANNEL_BACKOFF_S = 60.0
"""Between attempts at a channel that takes nothing from anybody until a person mends something."""
POISON_ATTEMPTS = 6
POISON_PAUSE_S = 300.0
"""A letter that fails so often while the channel takes others stands aside for so long, and they pass."""
GIVE_UP_NS = 3 * 86_400_000_000_000
MOST_AT_ONCE = 6
"""Sends of one channel that are not critical: the clients' last connections are kept for those that are."""

NOTE_SENT = """
insert or ignore into outbox (event, part, recipient, replaces, parcel, priority, state, created_ns, provider_id)
values (?, 0, ?, '', x'', 5, 'sent', ?, ?)
"""


class Outbox:
    """A line per recipient; one task each while there is something to send and a carrier to send it."""

    def __init__(self, store: OpsStore) -> None:
        self.store = store
        self.reach = Reaches()
        self.others: Others | None = None
        """Who gets what a channel refuses."""
        self.lost = 0
        """Letters that neither disk nor memory had room for."""
        self._lines: dict[str, Line] = {}
        self._channels: dict[str, Budget | None] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._carriers: dict[str, Carrier] = {}
        self._aside: dict[int, Letter] = {}
        self._in_delivery = 0

    async def start(self) -> None:
        """Take up what an earlier run left undelivered. Raises `sqlite3.Error`."""
        for waiting in await store_letters.lines(self.store):
            line = Line(waiting.recipient, budget_for(waiting.recipient), waiting.count, waiting.priority)
            self._lines[waiting.recipient] = line
            self._wake(line)

    async def aclose(self) -> None:
        """Stop sending; what is left stays in the database."""
        for channel in list(self._carriers):
            await self.detach(channel)

    def attach(self, channel: str, carrier: Carrier) -> None:
        """A channel is up: send what waits for it."""
        self._carriers[channel] = carrier
        for line in list(self._lines.values()):
            self._wake(line)

    async def detach(self, channel: str) -> None:
        """A channel goes down: break off what is being sent there and keep its letters."""
        self._carriers.pop(channel, None)
        lines = [line for line in self._lines.values() if channel_of(line.recipient) == channel]
        tasks = [line.task for line in lines if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def letters(
        self,
        event: str,
        recipients: Iterable[str],
        message: Message,
        replaces: str = "",
        *,
        priority: int | None = None,
    ) -> list[Letter]:
        """The letters that bring a message to each recipient; `event` makes them unique and is their reference."""
        return letters_of(event, recipients, message, replaces, priority)

    async def post(
        self,
        event: str,
        recipients: Iterable[str],
        message: Message,
        replaces: str = "",
        *,
        priority: int | None = None,
    ) -> bool:
        """Queue a message for each recipient, once per event; returns when it is on disk, not when it arrived.

        With `replaces` it edits that event's message, and takes the place of an earlier edit that has not gone out.
        False when every recipient had it already.
        """
        return await self.queue(self.letters(event, recipients, message, replaces, priority=priority))

    async def note_sent(self, event: str, recipient: str, provider_id: str) -> None:
        """Remember a message that went another way, as one that later ones may take the place of."""
        values = (event, recipient, time.time_ns(), provider_id)

        def work() -> None:
            with self.store.db as db:
                db.execute(NOTE_SENT, values)

        await self._on_disk(self.store.run(work), None, "message not remembered; it cannot be edited")

    async def queue(self, letters: Sequence[Letter]) -> bool:
        """Queue letters, each recipient's once; whether there was one."""
        queued = await self._on_disk(
            self.store.queue(letters), list(letters), "chat message not stored, sending it from memory"
        )
        self.accept(queued)
        return bool(queued)

    def accept(self, letters: Sequence[Letter]) -> None:
        """Send letters that are in the database already."""
        for letter in letters:
            line = self._lines.get(letter.recipient)
            if line is None:
                line = self._lines[letter.recipient] = Line(letter.recipient, budget_for(letter.recipient))
            if letter.replaces:
                line.drop_older(letter)
            if not line.add(letter):
                self.lost += 1
                log.error("chat message lost: the disk refuses it and memory is full", ref=letter.event)
            self._wake(line)

    def waiting(self, channel: str = "") -> int:
        """How many letters are not delivered yet, to everybody or on one channel."""
        lines = [line for line in self._lines.values() if channel in {"", channel_of(line.recipient)}]
        aside = [one for one in self._aside.values() if channel in {"", channel_of(one.recipient)}]
        return sum(map(len, lines)) + len(aside) + (0 if channel else self._in_delivery)

    def lines(self) -> list[Line]:
        """What waits, by recipient."""
        return [line for line in self._lines.values() if len(line)]

    async def probe(self, recipient: str) -> bool:
        """Find out silently whether somebody is reached; False where the channel has no way to. Raises as sending."""
        carrier = self._carriers.get(channel_of(recipient))
        probe: Callable[[str], Awaitable[bool]] | None = getattr(carrier, "probe", None)
        return probe is not None and await probe(recipient)

    def is_connected(self, channel: str) -> bool:
        """Whether letters can be sent there now."""
        return channel in self._carriers

    def _wake(self, line: Line) -> None:
        if channel_of(line.recipient) in self._carriers and (line.task is None or line.task.done()):
            line.task = asyncio.create_task(self._drain(line), name=f"outbox {line.recipient}")

    async def _drain(self, line: Line) -> None:
        while len(line):
            try:
                if not await self._next(line):
                    return
            except Exception:  # a fault of ours in one letter must not silence a recipient
                log.exception("sending failed", recipient=line.recipient)
                await asyncio.sleep(1)

    async def _next(self, line: Line) -> bool:
        """Send the next letter, or wait until it may be sent; False when its channel is down."""
        line.news.clear()
        if line.needs_disk and not await self._fetch(line):
            await asyncio.sleep(1)
            return True
        first = line.first
        if first is None:
            return True
        if pause_s := self._pause_s(line, first):
            if not await self._bundle(line, first):
                await line.wait(min(pause_s, 1.0))
            return True
        carrier = self._carriers.get(channel_of(line.recipient))
        if carrier is None:
            return False
        await self._send(line, carrier, line.pop())
        return True

    def _pause_s(self, line: Line, letter: Letter) -> float:
        """Seconds until the server's wish and the budgets of recipient and channel let it go; 0 takes from both."""
        channel = channel_of(line.recipient)
        if channel not in self._channels:
            self._channels[channel] = channel_budget(channel)
        urgent, now_s = letter.priority == 0, time.monotonic()
        if now_s < line.hold_until_s:
            return line.hold_until_s - now_s
        if pause_s := line.budget.wait_s(now_s, urgent=urgent):
            return pause_s
        whole = self._channels[channel]
        if whole is not None and (pause_s := whole.wait_s(now_s, urgent=urgent)):
            line.budget.give_back()
            return pause_s
        return 0.0

    async def _fetch(self, line: Line) -> bool:
        """Bring the next letters into memory; False when the disk cannot be read."""
        known = line.fetching()
        found = await self._on_disk(
            store_letters.next_letters(self.store, line.recipient, WINDOW, known), None, "letters cannot be read"
        )
        if found is None:
            return False
        letters, left = found
        fresh = [letter for letter in letters if letter.id not in self._aside]
        line.fetched(fresh, left.count, left.priority)
        return True

    async def _bundle(self, line: Line, first: Letter) -> bool:
        """Put what waits beyond the budget into one file, when it is much."""
        now_s = time.monotonic()
        if len(line) <= bundle.LEAST or now_s < line.bundle_after_s or channel_of(line.recipient) in bundle.UNBUNDLED:
            return False
        bundling = store_letters.replace_many(
            self.store,
            line.recipient,
            urgent=first.priority == 0,
            least=bundle.LEAST,
            most=bundle.MOST,
            bundle=partial(bundle.bundled, dialects=DIALECTS),
        )
        made, ids = await self._on_disk(bundling, ([], set()), "messages cannot be bundled")
        if not made:
            line.bundle_after_s = now_s + 10
            return False
        log.info("messages bundled", recipient=line.recipient, count=len(ids))
        line.drop(ids)
        for letter in made:
            line.push(letter)
        line.behind_priority, line.behind = 0, max(1, line.behind)  # how much is left there is looked up anew
        return True

    async def _send(self, line: Line, carrier: Carrier, letter: Letter) -> None:
        letter.tried_s = letter.tried_s or time.monotonic()
        self._in_delivery += 1
        try:
            pause_s = await self._attempt(line, carrier, letter)
        except asyncio.CancelledError:
            line.push(letter)
            raise
        finally:
            self._in_delivery -= 1
        if pause_s:
            await line.wait(pause_s)

    async def _attempt(self, line: Line, carrier: Carrier, letter: Letter) -> float:
        """Try once; returns the seconds until the next letter to this recipient is tried."""
        letter.attempts += 1
        replaces_id = await self._provider_id(letter)
        await self._mark(letter, "unknown")  # killed from here on, nobody knows whether it arrived
        try:
            provider_id = await self._deliver(carrier, letter, replaces_id)
        except RetryAfter as error:
            await self._surely_not(letter)
            line.push(letter)
            line.hold_until_s = time.monotonic() + error.seconds
            return 0.0
        except asyncio.CancelledError:
            letter.unsure = True
            await self._mark(letter, "unknown")
            raise
        except (NotSent, OutcomeUnknown) as error:
            return await self._again(line, letter, error)
        except Exception as error:  # noqa: BLE001 - one bad letter must not hold up the others
            return await self._refused(line, letter, error)
        self.reach.note(letter.recipient, None)
        await self._mark(letter, "sent", provider_id)
        return 0.0

    async def _deliver(self, carrier: Carrier, letter: Letter, replaces_id: str) -> str:
        going = dated(letter, is_edit=bool(replaces_id))
        if letter.priority == 0:
            return await carrier.deliver(going, replaces_id)
        channel = channel_of(letter.recipient)
        slots = self._slots.setdefault(channel, asyncio.Semaphore(MOST_AT_ONCE))
        async with slots:
            return await carrier.deliver(going, replaces_id)

    async def _again(self, line: Line, letter: Letter, error: Exception) -> float:
        """It did not arrive, or nobody knows: it goes again, unless it has for days."""
        self.reach.note(letter.recipient, error)
        if isinstance(error, OutcomeUnknown):
            letter.unsure = True
            await self._mark(letter, "unknown")
        else:
            await self._surely_not(letter)
        if time.time_ns() - letter.created_ns > GIVE_UP_NS:
            return await self._refused(line, letter, RefusedForGood(f"not delivered for days: {error}"))
        works = self.reach.ok_s(channel_of(letter.recipient)) > letter.tried_s
        if letter.attempts >= POISON_ATTEMPTS and works and letter.id and isinstance(error, OutcomeUnknown):
            self._stand_aside(line, letter)
            return 0.0
        line.push(letter)
        return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(letter.attempts, 10))

    async def _surely_not(self, letter: Letter) -> None:
        if not letter.unsure:
            await self._mark(letter, "queued")

    def _stand_aside(self, line: Line, letter: Letter) -> None:
        log.warning("chat message stands aside", recipient=letter.recipient, ref=letter.event)
        self._aside[letter.id] = letter

        def back() -> None:
            self._aside.pop(letter.id, None)
            line.push(letter)
            self._wake(line)

        asyncio.get_running_loop().call_later(POISON_PAUSE_S, back)

    async def _refused(self, line: Line, letter: Letter, error: Exception) -> float:
        """It will never be taken here: whoever should read it is reached elsewhere."""
        self.reach.note(letter.recipient, error)
        why = self.reach.of(letter.recipient).why
        first = error.instead if isinstance(error, RefusedForGood) else ""
        went = await hand_over(self, letter, why, first=first)
        log.warning("chat message given up", recipient=letter.recipient, why=why, ref=letter.event, instead=went)
        if went:
            return 0.0
        if isinstance(error, ChannelRefused):
            await self._surely_not(letter)
            line.push(letter)
            return CHANNEL_BACKOFF_S
        await self._mark(letter, "dead", note=why)
        return 0.0

    async def _provider_id(self, letter: Letter) -> str:
        if not letter.replaces:
            return ""
        return await self._on_disk(
            self.store.provider_id(letter.replaces, letter.recipient), "", "earlier message not found"
        )

    async def _mark(self, letter: Letter, state: str, provider_id: str = "", note: str = "") -> None:
        marking = self.store.mark(letter, state, provider_id, note)
        await self._on_disk(marking, None, "delivery not written down; after a restart it may be sent again")

    async def _on_disk(self, work: Awaitable[T], instead: T, words: str) -> T:
        """What the database does; where it cannot, that is logged and `instead` returned."""
        try:
            return await work
        except sqlite3.Error as error:
            log.error(words, error=type(error).__name__)  # noqa: TRY400
            return instead
