"""`AlertRoom`: the book with its disk, its clock and its outbox around it.

    await room.alerts.raise_alert(kind, labels, severity, title, text)    something on this side is wrong
    await room.alerts.resolve(kind, labels, by)                           and is over
    room.alerts.open()                                                    what stands now

Facts come in through `bot.alerts`. Whatever changes the book is followed by `commit`, with no `await` between.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import structlog
from msgspec import structs

from bot.alerting import rows, words
from bot.alerting.book import Book, raise_alert, resolve
from bot.alerting.model import Act, Alert, AlertState, News, Say
from bot.alerting.progress import Progress
from bot.alerting.quiet import is_quiet
from bot.alerting.safety import SafeAction
from bot.alerting.tell import on_time
from bot.buttons import ALERT, Bot, Subject
from bot.message import Message, Picture, refusal, stamp
from bot.store import Letter
from domain.facts import Severity
from domain.settings import Person

if TYPE_CHECKING:
    from bot.room import ControlRoom

log = structlog.get_logger("bot.alerts")

LOOK_S = 0.5
"""How often it is seen what is due."""
SAVE_NS = 60_000_000_000
"""How often it is written down how far the facts are read, while they change nothing else."""
CRITICAL_CALLS = "C"


class AlertRoom:
    """Everything about alerts that doors and handlers use. `now_ns` is the wall clock."""

    def __init__(self, room: ControlRoom) -> None:
        self.now_ns: Callable[[], int] = time.time_ns
        self.config = room.config.alerts
        self.bots: dict[str, Bot] = room.confirms.bots
        self.progress: Progress | None = None
        self.look_s = LOOK_S
        self.room = room
        self._saved, self._saved_ns = b"", 0
        self.book = Book(self.config, People(self))
        self._safety = SafeAction(room.desk)

    async def start(self) -> None:
        """Take up what an earlier run left. Raises `sqlite3.Error`."""
        self.book = Book(self.config, People(self))
        saved = await rows.load(self.room.store, self.book, self.now_ns())
        self._saved = saved
        self.progress = msgspec.msgpack.decode(saved, type=Progress) if saved else None

    async def run(self) -> None:
        """See to what is due, until cancelled."""
        try:
            while True:
                await self.tick()
                await asyncio.sleep(self.look_s)
        finally:
            self._safety.cancel()

    async def tick(self) -> None:
        """Whatever is due by now."""
        on_time(self.book, self.now_ns())
        await self.commit()

    async def raise_alert(
        self,
        kind: str,
        labels: dict[str, str],
        severity: Severity,
        title: str,
        text: str,
        pictures: tuple[Picture, ...] = (),
        *,
        lasts: bool = False,
    ) -> None:
        """Something on this side is wrong: a channel, a job. `lasts`: it stands until `resolve` says otherwise."""
        now_ns = self.now_ns()
        news = News(
            kind=kind,
            labels=labels,
            severity=severity,
            text=text,
            ts_ns=now_ns,
            title=title,
            lasts=lasts,
            pictures=pictures,
        )
        raise_alert(self.book, news, now_ns)
        on_time(self.book, now_ns)
        await self.commit()

    async def resolve(self, kind: str, labels: dict[str, str], by: str = "") -> bool:
        """What was raised with these labels is over; False when nothing was."""
        over = resolve(self.book, (kind,), labels, by, self.now_ns())
        await self.commit()
        return bool(over)

    def open(self) -> list[Alert]:
        """What stands now, worst first."""
        return self.book.open_alerts()

    def in_a_line(self) -> str:
        """What stands, for screens; "" when nothing does."""
        found = self.open()
        waits = [alert for alert in found if alert.state is AlertState.FIRING and alert.severity is Severity.CRITICAL]
        return f"{len(found)} stand, {len(waits)} critical that nobody looks after: /alerts" if found else ""

    def recent(self) -> list[Alert]:
        """What is over, newest first."""
        return sorted(self.book.over, key=lambda alert: -alert.ended_ns)

    async def commit(self) -> None:
        """Write down what has changed with the messages that follow from it, then send them and act."""
        book = self.book
        says = [one for one in book.out if isinstance(one, Say)]
        acts = [one for one in book.out if isinstance(one, Act)]
        book.out.clear()
        changed = dict(book.changed)
        taken = rows.taken(book)
        letters = [letter for say in says for letter in self._letters(say)]
        progress = msgspec.msgpack.encode(self.progress) if self.progress is not None else b""
        is_due = bool(taken.bodies or letters) or self.now_ns() - self._saved_ns >= SAVE_NS
        if progress != self._saved and is_due:
            taken.bodies["state", "progress"], taken.ended_ns["state", "progress"] = progress, 0
        if taken.bodies or letters:
            try:
                letters = await rows.commit(self.room.store, taken, letters)
                if ("state", "progress") in taken.bodies:
                    self._saved, self._saved_ns = progress, self.now_ns()
            except sqlite3.Error as error:
                log.error("alerts not written down, told from memory", error=type(error).__name__)  # noqa: TRY400
                book.changed = {**changed, **book.changed}
        self.room.outbox.accept(letters)
        for act in acts:
            self._safety.begin(self, act.numbers)

    def _letters(self, say: Say) -> list[Letter]:
        message, outbox = say.message, self.room.outbox
        if not message.stamp:
            message = structs.replace(message, stamp=self.stamp())
        if not say.ack:
            return outbox.letters(say.event, say.recipients, message, say.replaces)
        return [
            letter
            for recipient in say.recipients
            for letter in outbox.letters(say.event, [recipient], self._signed(message, say, recipient), say.replaces)
        ]

    def stamp(self) -> str:
        """The last line of a message to everybody."""
        return stamp(self.room.desk.status(), self.now_ns())

    def _signed(self, message: Message, say: Say, recipient: str) -> Message:
        bot = self.bots.get(recipient.partition(":")[0])
        signer = bot.signer if bot is not None else None
        buttons = signer.buttons(say.ack, say.digest, ALERT) if signer is not None else ()
        return structs.replace(message, buttons=buttons)

    def subject(self, name: str) -> Subject | None:
        """What an Ack button is about: the alerts of a group, or all critical ones, up to a number."""
        if name.startswith(CRITICAL_CALLS):
            return Subject("calls", bool(self.numbers_of(name)))
        group = next((g for g in self.book.groups.values() if name.startswith(f"G{g.id}.")), None)
        if group is None:
            return None
        return Subject(f"{group.id}:{group.born_ns}", bool(self.numbers_of(name)))

    def closed(self, name: str) -> Message:
        """What is said of a button whose alerts nobody has to acknowledge any more."""
        group = next((g for g in self.book.groups.values() if name.startswith(f"G{g.id}.")), None)
        rows = [f"{a.id} {words.title_of(a)}: {words.status_of(a)}." for a in self.book.members(group)] if group else []
        return refusal("Closed", "\n".join(rows[:10]) or "Somebody looks after it, or it is over. See /alerts list.")

    def numbers_of(self, name: str) -> list[int]:
        """The alerts that nobody looks after yet, by what a button names (`G3.9`, `C.9`), an id (`A7`) or `all`."""
        firing = [alert for alert in self.book.alerts.values() if alert.state is AlertState.FIRING]
        head, _, last = name.upper().partition(".")
        if head == "ALL":
            return sorted(alert.number for alert in firing)
        if not last.isdecimal():
            return [alert.number for alert in firing if alert.id == head]
        newest = int(last) if len(last) < 10 else 0
        if head == CRITICAL_CALLS:
            return sorted(a.number for a in firing if a.severity is Severity.CRITICAL and a.number <= newest)
        groups = {group.name for group in self.book.groups.values() if f"G{group.id}" == head}
        return sorted(alert.number for alert in firing if alert.group in groups and alert.number <= newest)


def is_ack(name: str) -> bool:
    """Whether a button is about alerts, by what it names."""
    return "." in name


class People:
    """The book's directory over the desk's persons and what they have chosen."""

    def __init__(self, alerts: AlertRoom) -> None:
        self._alerts = alerts

    def chats(self) -> tuple[str, ...]:
        """The rooms and programs that get alerts."""
        return (*self._alerts.room.alert_chats, *self._alerts.room.alert_programs)

    def persons(self) -> list[Person]:
        """Everybody who is known."""
        desk = self._alerts.room.desk
        return [person for view in desk.persons() if (person := desk.person(view.id)) is not None]

    def contacts(self, person: str, *, with_sms: bool = False) -> list[str]:
        """Where a person is reached alone."""
        kinds = ("telegram", "discord", "email", *(("sms",) if with_sms else ()))
        return self._alerts.room.contacts(person, *kinds)

    def is_quiet(self, person: str, now_ns: int) -> bool:
        """Whether they do not want to be disturbed now."""
        chosen = self._alerts.room.people.of(person)
        return is_quiet(chosen.quiet, chosen.timezone, now_ns)
