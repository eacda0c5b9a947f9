"""What a channel refuses goes to where its reader is reached instead: another channel of that person, another chat."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import structlog
from msgspec import structs

from bot import store_letters
from bot.carrier import channel_of
from bot.harmless import shortened
from bot.message import Message, Text
from bot.store import Letter

if TYPE_CHECKING:
    from bot.outbox import Outbox

log = structlog.get_logger("bot.outbox")


class Others(Protocol):
    """Who else there is; `bot.contacts.Directory` knows."""

    def elsewhere(self, recipient: str, priority: int) -> Sequence[Sequence[str]]:
        """Groups of others: of each group the first that takes it is enough."""
        ...

    def name(self, recipient: str) -> str:
        """A recipient in words, without anybody's address or number."""
        ...


OVER = frozenset({"failed", "dead", "superseded"})
PART_STEP = 16
EVERYTHING = 9
URGENT = 1
_MARK = re.compile(r"^(⚠️|❗|🚨) ")


async def hand_over(outbox: Outbox, letter: Letter, why: str, *, first: str = "", over: bool = True) -> list[str]:
    """Queue a letter for others, `first` before them all; returns who has it already or gets it.

    With `over` it is marked as failed in the same transaction; else it stays, to arrive late as well. A secret goes
    nowhere else.
    """
    if letter.parcel.is_secret:
        return []
    others = outbox.others
    groups = [list(group) for group in others.elsewhere(letter.recipient, letter.priority)] if others else []
    if first:
        groups = [[first, *(groups[0] if groups else [])], *groups[1:]]
    reached: list[str] = []
    made: list[Letter] = []
    for group in groups:
        for recipient in group:
            state = await _state(outbox, letter, recipient) if recipient != letter.recipient else "failed"
            if state in OVER:
                continue
            if not state and recipient not in reached:
                made += _letters(outbox, letter, recipient, why)
            reached.append(recipient)
            break
    if not reached:
        return []
    note = f"{why}; handed to {', '.join(dict.fromkeys(reached))}"
    try:
        made = await store_letters.hand_on(outbox.store, letter, "failed" if over else "", note, made)
    except sqlite3.Error as error:
        log.error("not written down that a letter was handed on", error=type(error).__name__)  # noqa: TRY400
    outbox.accept(made)
    return list(dict.fromkeys(reached))


async def rescue(outbox: Outbox, is_off: Callable[[str], str], waited_ns: int, limit: int = 50) -> None:
    """Hand on what has waited for somebody who cannot be reached.

    `is_off` says of a channel why a person must mend it ("" = not so): all that waits there goes elsewhere. Where it is
    only down, what is urgent goes elsewhere too, and stays to arrive late as well. Raises `sqlite3.Error`.
    """
    before_ns = time.time_ns() - waited_ns
    for line in outbox.lines():
        channel = channel_of(line.recipient)
        reach, off = outbox.reach.of(line.recipient), is_off(channel)
        if not off and not reach.failing_ns and outbox.is_connected(channel):
            continue
        why = off or reach.why or "it is not connected"
        least = EVERYTHING if off else URGENT
        for letter in await store_letters.stuck(outbox.store, line.recipient, least, before_ns, limit):
            if await hand_over(outbox, letter, why, over=bool(off)) and off:
                line.drop({letter.id})


async def _state(outbox: Outbox, letter: Letter, recipient: str) -> str:
    try:
        return await store_letters.state_of(outbox.store, letter, recipient)
    except sqlite3.Error as error:
        log.error("letters cannot be looked up", error=type(error).__name__)  # noqa: TRY400
        return ""


def _letters(outbox: Outbox, letter: Letter, recipient: str, why: str) -> list[Letter]:
    """The same letter for somebody else: as it is on the same channel, else written anew from its plain text."""
    if channel_of(recipient) == channel_of(letter.recipient):
        return [structs.replace(letter, recipient=recipient, id=0, attempts=0, unsure=False, tried_s=0.0)]
    name = outbox.others.name(letter.recipient) if outbox.others else letter.recipient
    made = outbox.letters(letter.event, [recipient], message_of(letter, name, why))
    return [
        structs.replace(
            one,
            part=letter.part + PART_STEP * number,
            priority=letter.priority,
            created_ns=letter.created_ns,
        )
        for number, one in enumerate(made)
    ]


def message_of(letter: Letter, name: str, why: str) -> Message:
    """The message that a letter held, without its buttons: they fit one channel only."""
    parcel = letter.parcel
    title, _, rest = parcel.plain.partition("\n")
    body, _, stamp = rest.rpartition("\n")
    if "ref " not in stamp:
        body, stamp = rest, ""
    note = f"(Meant for {name}, which cannot be reached: {shortened(why, 200)})"
    pictures = parcel.pictures or ((parcel.picture,) if parcel.picture is not None else ())
    return Message(
        title=_MARK.sub("", title),
        blocks=(*((Text(body),) if body else ()), Text(note)),
        severity=parcel.severity,
        stamp=stamp.partition("ref ")[0].removesuffix(" · "),
        pictures=pictures,
        file_name=parcel.file_name,
        file_text=parcel.file_text,
    )
