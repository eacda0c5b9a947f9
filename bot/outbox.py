"""Durable delivery: what is posted is on disk first, then sent, critical first, within each chat's budget.

A letter is sent until its server took it or refused it for good. A time-out after sending leaves the
outcome unknown: the letter goes again, says so, and carries the same reference. While the disk refuses
writes, letters are still sent, from memory.

Recipients are `telegram:CHAT[:TOPIC]`, `discord:CHANNEL`, for one person alone `discord:@USER`, `email:ADDRESS` and
`sms:+NUMBER`, and for programs `hook:NAME` and `apprise:NAME`; a `Carrier` delivers those with its prefix.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog
from msgspec import Struct, structs

from bot import render
from bot.channels import dialects
from bot.message import Message, clock_text
from bot.render import Parcel
from bot.store import Letter, OpsStore
from domain.facts import Severity

log = structlog.get_logger("bot.outbox")

LATE_NS = 60_000_000_000
MAX_BACKOFF_S = 15.0
_DIGEST = re.compile("([0-9a-f]{8})[0-9a-f]{56}")
"""People are shown the beginning of a SHA-256."""
PRIORITY = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 5, Severity.INFO: 5}
IDLE = 7
"""Goes when nothing else waits: what is watched, not what must be known."""
DIALECTS: dict[str, Callable[[Message], tuple[Parcel, ...]]] = {
    "telegram": render.telegram,
    "discord": render.discord,
    "email": dialects.email,
    "sms": dialects.sms,
    "hook": dialects.hook,
    "apprise": dialects.hook,
}
BUDGETS = {"email": (1 / 30, 5.0), "sms": (1 / 60, 3.0), "hook": (10.0, 50.0), "apprise": (1 / 10, 5.0)}
"""Messages a second and at once for each recipient, where people read or pay for them."""

NOTE_SENT = """
insert or ignore into outbox (event, part, recipient, replaces, parcel, priority, state, created_ns, provider_id)
values (?, 0, ?, '', x'', 5, 'sent', ?, ?)
"""


class RetryAfter(Exception):
    """The server asks to wait `seconds` before the next message to this recipient."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"retry after {seconds:g} s")
        self.seconds = seconds


class NotSent(Exception):
    """It surely did not arrive (no connection); try again."""


class OutcomeUnknown(Exception):
    """It may have arrived; try again and say so."""


class RefusedForGood(Exception):
    """The server will never take it (chat gone, bot removed); the text says why, without secrets.

    `instead` is the recipient that gets it then ("" = nobody).
    """

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.instead = instead


class ChannelRefused(RefusedForGood):
    """The channel as a whole takes nothing until a person changes something (password, token, account)."""


class Carrier(Protocol):
    """One chat channel's way of sending."""

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Send the letter, or edit the message `replaces_id`; return the message's id at the channel.

        Raises the four errors above.
        """
        ...


class Budget(Struct):
    """Token bucket of one chat: `per_s` messages a second, `burst` at once."""

    per_s: float
    burst: float
    tokens: float
    then_s: float

    def wait_s(self, now_s: float) -> float:
        """Seconds until one message may go; 0 takes it."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.then_s) * self.per_s)
        self.then_s = now_s
        if self.tokens > 0.999:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_s


def budget_for(recipient: str) -> Budget:
    """Telegram allows a group 20 messages a minute and a person about one a second; Discord five in five seconds."""
    group = recipient.startswith("telegram:-")
    per_s, burst = BUDGETS.get(recipient.partition(":")[0], (1 / 6, 10.0) if group else (1.0, 4.0))
    return Budget(per_s=per_s, burst=burst, tokens=burst, then_s=time.monotonic())


class Outbox:
    """Queues per recipient; one task each while there is something to send and a carrier to send it."""

    def __init__(self, store: OpsStore) -> None:
        self.store = store
        self._queues: dict[str, list[tuple[tuple[int, int, int, int], Letter]]] = {}
        self._budgets: dict[str, Budget] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._carriers: dict[str, Carrier] = {}
        self._count = self._in_delivery = 0

    async def start(self) -> None:
        """Take up what an earlier run left undelivered."""
        self.accept(await self.store.open_letters())

    async def aclose(self) -> None:
        """Stop sending; what is left stays in the database."""
        for channel in list(self._carriers):
            await self.detach(channel)

    def attach(self, channel: str, carrier: Carrier) -> None:
        """A channel is up: send what waits for it."""
        self._carriers[channel] = carrier
        for recipient in list(self._queues):
            self._wake(recipient)

    async def detach(self, channel: str) -> None:
        """A channel goes down: break off what is being sent there and keep its letters."""
        self._carriers.pop(channel, None)
        tasks = [task for recipient, task in self._tasks.items() if recipient.partition(":")[0] == channel]
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
        reference = _DIGEST.sub(r"\1", event)
        stamped = structs.replace(message, stamp=f"{message.stamp} · ref {reference}".removeprefix(" · "))
        return [
            Letter(
                event=event,
                part=part,
                recipient=recipient,
                parcel=parcel,
                replaces=replaces,
                priority=PRIORITY[message.severity] if priority is None else priority,
                created_ns=time.time_ns(),
            )
            for recipient in dict.fromkeys(recipients)
            for part, parcel in enumerate(DIALECTS[recipient.partition(":")[0]](stamped))
        ]

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
        return await self._queue(self.letters(event, recipients, message, replaces, priority=priority))

    async def note_sent(self, event: str, recipient: str, provider_id: str) -> None:
        """Remember a message that went another way, as one that later ones may take the place of."""
        values = (event, recipient, time.time_ns(), provider_id)

        def work() -> None:
            with self.store.db as db:
                db.execute(NOTE_SENT, values)

        try:
            await self.store.run(work)
        except sqlite3.Error as error:
            log.warning("message not remembered; it cannot be edited", error=type(error).__name__)

    async def _queue(self, letters: Sequence[Letter]) -> bool:
        """Queue letters, each recipient's once; whether there was one."""
        try:
            queued = await self.store.queue(letters)
        except sqlite3.Error as error:
            log.error("chat message not stored, sending it from memory", error=type(error).__name__)  # noqa: TRY400
            queued = list(letters)
        self.accept(queued)
        return bool(queued)

    def accept(self, letters: Sequence[Letter]) -> None:
        """Send letters that are in the database already."""
        for letter in letters:
            if letter.replaces:
                self._drop_older(letter)
            self._push(letter)
            self._wake(letter.recipient)

    def waiting(self) -> int:
        """How many letters are not delivered yet."""
        return sum(len(queue) for queue in self._queues.values()) + self._in_delivery

    def _drop_older(self, edit: Letter) -> None:
        """Take out edits of the same message that have not gone out: nobody needs to see them any more."""
        queue = self._queues.setdefault(edit.recipient, [])
        left = [
            item for item in queue if item[1].replaces != edit.replaces or item[1].event == edit.event or item[1].unsure
        ]
        if len(left) < len(queue):
            queue[:] = left
            heapq.heapify(queue)

    def _push(self, letter: Letter) -> None:
        self._count += 1
        rank = (letter.priority, letter.created_ns, letter.part, self._count)
        heapq.heappush(self._queues.setdefault(letter.recipient, []), (rank, letter))

    def _wake(self, recipient: str) -> None:
        task = self._tasks.get(recipient)
        if recipient.partition(":")[0] in self._carriers and (task is None or task.done()):
            self._tasks[recipient] = asyncio.create_task(self._drain(recipient), name=f"outbox {recipient}")

    async def _drain(self, recipient: str) -> None:
        queue = self._queues[recipient]
        budget = self._budgets.setdefault(recipient, budget_for(recipient))
        while queue:
            if queue[0][1].priority > 0 and (pause := budget.wait_s(time.monotonic())):
                await asyncio.sleep(min(pause, 1.0))  # a critical letter may come meanwhile
                continue
            carrier = self._carriers.get(recipient.partition(":")[0])
            if carrier is None:
                return
            letter = heapq.heappop(queue)[1]
            try:
                await self._send(carrier, letter)
            except RetryAfter as error:
                self._push(letter)
                await asyncio.sleep(error.seconds)
            except (NotSent, OutcomeUnknown):
                self._push(letter)
                await asyncio.sleep(min(MAX_BACKOFF_S, 0.25 * 2 ** min(letter.attempts, 10)))
            except asyncio.CancelledError:
                self._push(letter)
                raise

    async def _send(self, carrier: Carrier, letter: Letter) -> None:
        self._in_delivery += 1
        try:
            await self._attempt(carrier, letter)
        finally:
            self._in_delivery -= 1

    async def _attempt(self, carrier: Carrier, letter: Letter) -> None:
        letter.attempts += 1
        replaces_id = await self._provider_id(letter)
        await self._mark(letter, "unknown")  # killed from here on, nobody knows whether it arrived
        try:
            provider_id = await carrier.deliver(dated(letter, is_edit=bool(replaces_id)), replaces_id)
        except (RetryAfter, NotSent):
            if not letter.unsure:
                await self._mark(letter, "queued")
            raise
        except (OutcomeUnknown, asyncio.CancelledError):
            letter.unsure = True
            await self._mark(letter, "unknown")
            raise
        except Exception as error:  # noqa: BLE001 - one bad letter must not hold up the others
            why = str(error) if isinstance(error, RefusedForGood) else type(error).__name__
            instead = error.instead if isinstance(error, RefusedForGood) else ""
            log.warning("chat message given up", recipient=letter.recipient, why=why, ref=letter.event, instead=instead)
            if instead and not letter.parcel.is_secret:
                await self._queue([structs.replace(letter, recipient=instead, id=0, attempts=0, unsure=False)])
            await self._mark(letter, "failed", note=why)
        else:
            await self._mark(letter, "sent", provider_id)

    async def _provider_id(self, letter: Letter) -> str:
        if not letter.replaces:
            return ""
        try:
            return await self.store.provider_id(letter.replaces, letter.recipient)
        except sqlite3.Error:
            return ""

    async def _mark(self, letter: Letter, state: str, provider_id: str = "", note: str = "") -> None:
        try:
            await self.store.mark(letter, state, provider_id, note)
        except sqlite3.Error as error:
            log.error("delivery not written down; after a restart it may be sent again", error=type(error).__name__)  # noqa: TRY400


def dated(letter: Letter, *, is_edit: bool = False) -> Letter:
    """The letter as it goes out: says when it is late or may be a repetition (an edit twice is an edit)."""
    notes = []
    if time.time_ns() - letter.created_ns > LATE_NS:
        notes.append(f"late, from {clock_text(letter.created_ns)} UTC")
    if letter.unsure and not is_edit:
        notes.append("sent again, it may have arrived before")
    if not notes:
        return letter
    front = f"({'; '.join(notes)})\n"
    if letter.recipient.startswith("sms:"):
        short = ["late, " + clock_text(letter.created_ns)[:5] + "Z"] * (len(notes) - letter.unsure)
        front = f"({', '.join([*short, *(['again'] * letter.unsure)])}) "
    parcel = structs.replace(letter.parcel, text=front + letter.parcel.text, plain=front + letter.parcel.plain)
    return structs.replace(letter, parcel=parcel)
