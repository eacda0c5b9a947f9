"""The durable inbox of a chat channel and its lanes.

A raw update is committed before its channel is told that we have it, then read, then carried out in the lane of
its person in that chat, in order: who asks for a hundred charts holds up nobody else. A halt waits for nobody, not
even for the disk: it runs at once, and what was sent before it but is not yet carried out no longer adds risk. While
the disk refuses writes, everything but halts waits.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from msgspec import Struct, structs

from bot import confirm, links
from bot.alerting.service import is_ack
from bot.call import Effect
from bot.message import Message, Text, failure, refusal
from bot.parse import words_of
from bot.room import ControlRoom
from bot.store import OpsStore, Update
from bot.verbs import effect_of, is_urgent, run_line
from domain.commands import Actor
from domain.facts import Severity
from domain.security import SecurityBreach
from domain.settings import Person, RoleName

if TYPE_CHECKING:
    from engine.desk import Desk

log = structlog.get_logger("bot.sessions")

HANDLING_LIMIT_S = 30.0
POISON_ALERT_EVERY_S = 60.0


class Ask(Struct, frozen=True, kw_only=True):
    """A line that a known person sent; "" for a button whose request is closed.

    `callback_id` is set for a button press, to be answered at once; `request` is what it was about, and `forged` says
    that nobody here made that button. `erase` is the id of a message that holds a code: it is deleted, and not kept.
    """

    actor: Actor
    person: Person
    text: str
    recipient: str
    callback_id: str = ""
    request: str = ""
    forged: bool = False
    erase: int = 0


class Claim(Struct, frozen=True, kw_only=True):
    """A link code from an account that nobody knows: `actor.person` is its number. Deleted like a one-time code."""

    actor: Actor
    name: str
    code: str
    recipient: str
    erase: int


class Ignored(Struct, frozen=True):
    """An update that gets no answer: why, and whose it was; never its content. `press`: the request of a button."""

    why: str
    user_id: int = 0
    press: str = ""


Reader: TypeAlias = Callable[[bytes], Ask | Claim | Ignored]
"""Reads a raw update; may raise anything for one that cannot be read."""


class Sessions:
    """One channel's inbox. `answer` closes a button's spinner and must not raise."""

    def __init__(
        self,
        channel: str,
        room: ControlRoom,
        reader: Reader,
        *,
        answer: Callable[[str], Coroutine[Any, Any, None]],
        ignored: Callable[[Ignored], None],
        erase: Callable[[Ask | Claim], Coroutine[Any, Any, None]],
    ) -> None:
        self._channel = channel
        self._room = room
        self._desk = room.desk
        self._outbox = room.outbox
        self._store: OpsStore = room.store
        self._read = reader
        self._answer = answer
        self._ignored = ignored
        self._erase = erase
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_halt = -1
        self._early: set[int] = set()
        self._unstored: set[int] = set()
        self._poison_told_s = float("-inf")

    async def start(self) -> None:
        """Take up updates that an earlier run committed but did not finish."""
        self._dispatch(await self._store.new_updates(self._channel))

    async def take(self, updates: Sequence[Update]) -> None:
        """Commit a batch and hand it to the lanes.

        Raises `sqlite3.Error` when it could not be committed; its halts were carried out all the same.
        """
        early = [one for one in updates if one.update_id not in self._early and self._is_halt(one)]
        self._early.update(one.update_id for one in early)
        self._dispatch(early)
        try:
            fresh = await self._store.put_updates(self._channel, updates)
        except sqlite3.Error:
            self._unstored.update(one.update_id for one in early)
            raise
        for update in fresh:
            if update.update_id in self._unstored:
                self._spawn(self._finish(update, "done"))
        self._dispatch([one for one in fresh if one.update_id not in self._early])

    def look(self, updates: Sequence[Update]) -> None:
        """Carry out the halts among updates that wait behind a batch which the disk has not taken yet."""
        early = [one for one in updates if one.update_id not in self._early and self._is_halt(one)]
        self._early.update(one.update_id for one in early)
        self._unstored.update(one.update_id for one in early)
        self._dispatch(early)

    async def aclose(self) -> None:
        """Stop; what is not finished is taken up by the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _dispatch(self, updates: Sequence[Update]) -> None:
        asks: list[tuple[Update, Ask]] = []
        for update in updates:
            try:
                read = self._read(update.body)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the next one must be read
                self._spawn(self._poison(update, type(error).__name__))
                continue
            if isinstance(read, Ignored):
                self._ignored(read)
                self._spawn(self._finish(update, "ignored"))
                continue
            if isinstance(read, Claim):
                self._enter(read.recipient, partial(self._claim, update, read))
                continue
            asks.append((update, read))
        halts = [update.update_id for update, ask in asks if _halts(ask)]
        self._last_halt = max([self._last_halt, *halts])
        for update, ask in asks:
            if ask.callback_id:
                self._spawn(self._answer(ask.callback_id))
            lane = f"halt {update.update_id}" if update.update_id in halts else f"{ask.recipient} {ask.person.id}"
            self._enter(lane, partial(self._handle, update, ask))

    def _is_halt(self, update: Update) -> bool:
        try:
            read = self._read(update.body)
        except Exception:  # noqa: BLE001 - not readable, so not a halt
            return False
        return isinstance(read, Ask) and _halts(read)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _enter(self, lane: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a job after what is already in its lane."""
        task = self._spawn(_after(self._tails.get(lane), job))
        self._tails[lane] = task

        def leave(done: asyncio.Task[None]) -> None:
            if self._tails.get(lane) is done:
                del self._tails[lane]

        task.add_done_callback(leave)

    async def _handle(self, update: Update, ask: Ask) -> None:
        state = "done"
        try:
            async with asyncio.timeout(HANDLING_LIMIT_S):
                reply = await self._reply(update, ask)
        except Exception as error:  # noqa: BLE001 - told to the person; the next command must be handled
            state = "failed"
            log.error("chat command failed", ref=self._event(update), error=type(error).__name__)  # noqa: TRY400
            reply = failure(type(error).__name__)
        if not reply.stamp:
            reply = structs.replace(reply, stamp=self._room.stamp(ask.person.id))
        if ask.erase:
            self._spawn(self._erase(ask))
        await self._finish(update, state, ask.recipient, reply, forget=bool(ask.erase))

    async def _claim(self, update: Update, sent: Claim) -> None:
        try:
            reply = await links.claim(self._desk, self._outbox, sent.actor, sent.name, sent.code)
        except Exception as error:  # noqa: BLE001 - a stranger gets no answer, and the next one must be handled
            log.error("link code failed", ref=self._event(update), error=type(error).__name__)  # noqa: TRY400
            reply = None
        self._spawn(self._erase(sent))
        await self._finish(update, "done", sent.recipient, reply, forget=True)
        if reply is None:
            self._ignored(Ignored("a link code that is not right", int(sent.actor.person)))

    async def _reply(self, update: Update, ask: Ask) -> Message:
        if ask.forged:
            return forged(self._desk, self._channel.partition(":")[0], ask.person.id, ask.request)
        if not ask.text:
            return closed(self._room, ask.request, ask.person.id)
        superseded = update.update_id < self._last_halt and effect_of(words_of(ask.text)) is Effect.ADDS
        if superseded:
            return refusal("Not executed", "A halt was sent after it. Send it again if you still want it.")
        return await run_line(self._room, ask.actor, ask.text, self._event(update), update.sent_ns)

    async def _finish(
        self, update: Update, state: str, recipient: str = "", reply: Message | None = None, *, forget: bool = False
    ) -> None:
        letters = []
        if reply is not None:
            letters = self._outbox.letters(self._event(update), [recipient], reply, reply.replaces)
        try:
            letters = await self._store.finish(self._channel, update.update_id, state, letters, forget=forget)
        except sqlite3.Error as error:
            log.error("chat command not marked as handled", ref=self._event(update), error=type(error).__name__)  # noqa: TRY400
        self._outbox.accept(letters)

    async def _poison(self, update: Update, error: str) -> None:
        log.warning("unreadable update skipped", ref=self._event(update), error=error)
        await self._finish(update, "poison")
        if time.monotonic() - self._poison_told_s > POISON_ALERT_EVERY_S:
            self._poison_told_s = time.monotonic()
            text = f"Update {update.update_id} could not be read ({error}) and was skipped; it is kept in the inbox."
            labels = {"channel": self._channel.partition(":")[0]}
            title = "A chat message was unreadable"
            await self._room.alerts.raise_alert("unreadable", labels, Severity.WARNING, title, text)

    def _event(self, update: Update) -> str:
        return f"{self._channel}:{update.update_id}"


async def _after(before: asyncio.Task[None] | None, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if before is not None:
        await asyncio.wait([before])
    await job()


def forged(desk: Desk, source: str, person: str, request: str) -> Message:
    """A button that nobody here made: it is on record, counted and told, and does nothing."""
    text = f"a forged button for {request} was pressed by {person}"
    desk.report(SecurityBreach(source=source, text=text))
    return refusal("Refused", "This service did not make that button. It is on record, and everybody is told.")


def closed(room: ControlRoom, request: str, person: str) -> Message:
    """A button of a request or preview that is decided, or that is not known any more; `person` has pressed it."""
    preview = room.confirms.previews.get(request)
    if preview is not None:
        return confirm.closed(preview)
    if is_ack(request):
        return room.alerts.closed(request)
    if "-" in request:
        return refusal("Closed", "That order is not open any more. See /orders recent.")
    view = room.desk.request(request)
    if view is not None and person in view.votes:
        return Message(title="Counted already", blocks=(Text(f"{request} is {view.status}, with your vote."),))
    what = f"{request} is {view.status}" if view is not None else "That request is decided, expired or has changed"
    return refusal("Closed", f"{what}. See /pending.")


def _halts(ask: Ask) -> bool:
    """True for a halt or flatten by somebody who may: only that overtakes other people's commands."""
    return is_urgent(words_of(ask.text)) and ask.person.role >= RoleName.TRADER
