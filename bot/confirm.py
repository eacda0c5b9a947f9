"""Ask first: a preview of exactly one command, and the answer that sends it.

`confirm` shows what would happen, for `FRESH_S` seconds. The press of its button, or `/confirm ID` from any door of the
same person, sends that command in that person's name, once: its request id is made from the question, so the core
itself refuses a second one, after a restart too. What no command is for (`PutSchedules`) is done by the control room,
and is the same when it is done twice. Nobody else's answer counts. Who may is checked when it is sent, like
any command. A decided or expired preview loses its buttons.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import structs

from bot.buttons import PREVIEW, SHOWN_DIGEST, Bot, Subject
from bot.call import Call, Effect, Verb
from bot.letters import DIALECTS
from bot.message import Block, Message, Text, clock_text, refusal, stamp
from bot.outbox import Outbox
from bot.outcome import outcome, worded
from bot.parse import Argument, UsageError
from bot.previews import Act, Answer, Preview, Previews
from bot.reports.schedules import PutSchedules
from bot.store import OpsStore
from domain.commands import Door
from domain.facts import CommandDone, Severity
from domain.security import PressRefused
from domain.verdict import Reason

if TYPE_CHECKING:
    from engine.desk import Desk

FRESH_S: Final = 30
FRESH_NS: Final = FRESH_S * 1_000_000_000
NO: Final = "no"
LOOK_S: Final = 30.0

Recheck: TypeAlias = Callable[[Call, Preview], Awaitable[Message | None]]
"""Looks at a preview once more before its command is sent: None = it still holds, else what is shown instead."""
Told: TypeAlias = Callable[[Call, Preview, CommandDone], Awaitable[Message]]
"""What is said of a command that was sent."""
Done: TypeAlias = Callable[[Call, PutSchedules], Awaitable[Message]]
"""Does what no command is for, and says so; not `ok` = it was not done."""


class Confirms:
    """The previews of a control room. `bots` sign the buttons of their channels; `now_ns` is the wall clock."""

    def __init__(self, desk: Desk, store: OpsStore, outbox: Outbox) -> None:
        self.bots: dict[str, Bot] = {}
        self.now_ns: Callable[[], int] = time.time_ns
        self.previews = Previews(store)
        self.rechecks: dict[type[Act], Recheck] = {}
        self.tellers: dict[type[Act], Told] = {}
        self.put_schedules: Done | None = None
        self._desk = desk
        self._outbox = outbox
        self._asked = asyncio.Event()
        self._doing: set[str] = set()

    async def start(self) -> None:
        """Take up what an earlier run asked. Raises `sqlite3.Error`."""
        await self.previews.start(self.now_ns())

    async def run(self) -> None:
        """Take the buttons off what expires, until cancelled."""
        while True:
            self._asked.clear()
            await self.expire()
            left = [preview.until_ns - self.now_ns() for preview in self.previews.open()]
            pause_s = min([LOOK_S, *(max(ns / 1e9, 0.01) for ns in left)])
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._asked.wait()

    async def expire(self) -> None:
        """End what was not answered in time, and say so where it was asked; forget what is long over."""
        self.previews.forget(self.now_ns())
        for preview in self.previews.open():
            if self._is_over(preview):
                ended = await self._answer(preview, Answer.EXPIRED)
                await self._edit(ended, _over(ended))

    def _is_over(self, preview: Preview) -> bool:
        """Whether its time is over; also where the clock was put far back since it was asked."""
        return not 0 <= preview.until_ns - self.now_ns() <= 2 * FRESH_NS

    def subject(self, preview_id: str) -> Subject | None:
        """What the buttons of a preview are about. One whose yes a crash swallowed takes that press once more."""
        preview = self.previews.get(preview_id)
        if preview is None:
            return None
        return Subject(preview.subject.digest, preview.answer is Answer.OPEN or self._is_unsent(preview))

    async def ask(
        self,
        call: Call,
        *,
        title: str,
        blocks: Sequence[Block],
        command: Act,
        severity: Severity = Severity.INFO,
        shown: dict[str, str] | None = None,
    ) -> Message:
        """Show what a command would do, and how to say yes; a recheck is given the figures `shown`."""
        number, until_ns = self.previews.next_number(), self.now_ns() + FRESH_NS
        message = Message(title=title, blocks=tuple(blocks), severity=severity)
        preview = Preview(
            number=number,
            actor=call.actor,
            verb=call.verb,
            command=command,
            event=call.request_id,
            until_ns=until_ns,
            message=message,
            shown=shown or {},
        )
        await self.previews.put(preview)
        self._asked.set()
        hint = (
            f"Nothing is done yet. /confirm {preview.id} within {FRESH_S} s (until {clock_text(until_ns)} UTC), "
            f"/confirm {preview.id} no to drop it. Digest {preview.digest[:SHOWN_DIGEST]}."
        )
        bot = self.bots.get(call.actor.door.value)
        signer = bot.signer if bot is not None else None
        buttons = signer.buttons(preview.id, preview.subject.digest, PREVIEW) if signer is not None else ()
        return structs.replace(message, blocks=(*message.blocks, Text(hint)), buttons=buttons)

    async def answer(self, call: Call) -> Message:
        """The verb `/confirm`: send the command of a preview, or drop it."""
        preview = self.previews.get(call.arguments["id"])
        if preview is None:
            mine = [one.id for one in self.previews.open() if one.actor.person == call.person.id]
            hint = f"You are asked: {', '.join(mine)}." if mine else "Nothing waits for your answer."
            raise UsageError(f"no preview is called {call.arguments['id']!r}. {hint}")
        if preview.actor.person != call.person.id:
            return self._not_theirs(call, preview)
        if call.actor.door is Door.API and preview.actor.chat != call.actor.chat:
            # else a token for orders would say yes to what its person was asked about the settings
            return refusal("Not yours", f"{preview.id} was asked elsewhere: a token answers only what it asked for.")
        given = call.arguments.get("answer", "").lower()
        if given and given != NO and not preview.digest.startswith(given):
            raise UsageError(f"{given!r} is neither no nor the digest of {preview.id}, {preview.digest[:SHOWN_DIGEST]}")
        if preview.id in self._doing:
            return closed(structs.replace(preview, answer=Answer.CONFIRMED))
        if preview.answer is not Answer.OPEN and not self._is_unsent(preview):
            return await self._closed(preview)
        if self._is_over(preview):
            ended = await self._answer(preview, Answer.EXPIRED)
            return await self._shown(call, ended, _over(ended))
        if given == NO:
            ended = await self._answer(preview, Answer.CANCELLED)
            return await self._shown(call, ended, _over(ended))
        return await self._send(call, preview)

    def _is_unsent(self, preview: Preview) -> bool:
        """Whether a crash came between the yes and the engine."""
        is_command = not isinstance(preview.command, PutSchedules)
        return is_command and preview.answer is Answer.CONFIRMED and not self._desk.has_taken(preview.request_id)

    async def _closed(self, preview: Preview) -> Message:
        """A preview that is decided, with what came of it: a crash may have swallowed that answer."""
        told = closed(preview)
        is_command = not isinstance(preview.command, PutSchedules)
        done = (
            await self._desk.earlier(preview.request_id) if is_command and preview.answer is Answer.CONFIRMED else None
        )
        return (
            told
            if done is None
            else structs.replace(told, blocks=(*told.blocks, Text(f"What came of it: {worded(done)}")))
        )

    async def _send(self, call: Call, preview: Preview) -> Message:
        """Send it: the answer is on disk first, so that a repetition of this press finds what it began."""
        recheck = self.rechecks.get(type(preview.command))
        instead = await recheck(call, preview) if recheck is not None else None
        if instead is not None:
            ended = await self._answer(preview, Answer.REPLACED)
            return await self._shown(call, ended, instead)
        if isinstance(preview.command, PutSchedules):
            return await self._do(call, preview, preview.command)
        command = preview.command
        preview = await self._answer(preview, Answer.CONFIRMED)
        done = await self._desk.submit(command, call.actor, request_id=preview.request_id, sent_ts_ns=call.sent_ts_ns)
        if done.reason is Reason.REPEATED:  # another press was quicker
            return closed(preview)
        teller = self.tellers.get(type(preview.command), _told)
        return await self._shown(call, preview, await teller(call, preview, done))

    async def _do(self, call: Call, preview: Preview, act: PutSchedules) -> Message:
        """Do what the engine has no part in. The answer is on disk last: after a crash before it, it is done again."""
        if self.put_schedules is None:
            raise RuntimeError("nobody here puts schedules")
        self._doing.add(preview.id)
        try:
            told = await self.put_schedules(call, act)
            if told.ok:
                preview = await self._answer(preview, Answer.CONFIRMED)
        finally:
            self._doing.discard(preview.id)
        return await self._shown(call, preview, told)

    async def _answer(self, preview: Preview, answer: Answer) -> Preview:
        decided = structs.replace(preview, answer=answer)
        await self.previews.put(decided)
        return decided

    async def _shown(self, call: Call, preview: Preview, message: Message) -> Message:
        """The reply takes the place of the question; when it was asked elsewhere, that message is edited too."""
        if call.actor.chat == preview.actor.chat:
            return structs.replace(message, replaces=preview.event)
        await self._edit(preview, structs.replace(message, buttons=()))
        return message

    async def _edit(self, preview: Preview, message: Message) -> None:
        chat = preview.actor.chat
        if chat.partition(":")[0] not in DIALECTS:
            return
        stamped = structs.replace(message, stamp=stamp(self._desk.status(), time.time_ns()))
        await self._outbox.post(f"{preview.event}:{preview.answer.name.lower()}", [chat], stamped, preview.event)

    def _not_theirs(self, call: Call, preview: Preview) -> Message:
        text = f"{preview.actor.person}'s preview was answered by somebody else"
        self._desk.report(PressRefused(source=call.actor.door.value, who=call.person.id, request=preview.id, text=text))
        who = preview.actor.person
        return refusal("Not yours", f"{preview.id} is what {who} was asked: only {who} answers it. It still waits.")


async def _told(_call: Call, preview: Preview, done: CommandDone) -> Message:
    told = outcome(preview.verb, done)
    foot = Text(f"{preview.id}, digest {preview.digest[:SHOWN_DIGEST]}.")
    return structs.replace(told, blocks=(*told.blocks, foot))


def _over(preview: Preview) -> Message:
    """What is left of a preview that was dropped."""
    why = f"not confirmed within {FRESH_S} s" if preview.answer is Answer.EXPIRED else "cancelled"
    blocks = (*preview.message.blocks, Text(f"{preview.id} is {why}. Nothing was done."))
    return structs.replace(preview.message, title=f"{preview.verb}: {why}", blocks=blocks, severity=Severity.INFO)


def closed(preview: Preview) -> Message:
    """A preview that is decided."""
    hint = "It was carried out once." if preview.answer is Answer.CONFIRMED else "Ask again if you still want it."
    return refusal("Closed", f"{preview.id} is {preview.answer.value}. {hint}")


async def confirm(
    call: Call, *, title: str, blocks: Sequence[Block], command: Act, severity: Severity = Severity.INFO
) -> Message:
    """Ask the caller first: the reply shows `blocks` with Confirm and Cancel, and their yes sends `command` once."""
    return await call.room.confirms.ask(call, title=title, blocks=blocks, command=command, severity=severity)


async def answer(call: Call) -> Message:
    """The handler of `/confirm`."""
    return await call.room.confirms.answer(call)


VERBS: Final = (
    Verb(
        name="confirm",
        help="Say yes to what you were asked, or no",
        handler=answer,
        arguments=(
            Argument(name="id", help="what you were asked, for example C12"),
            Argument(name="answer", help="no drops it; or the digest you saw", required=False),
        ),
        effect=Effect.ADDS,
        examples=("/confirm C12", "/confirm C12 no"),
    ),
)
