"""Cards: what waits for votes and what is loosened, sent once and kept up to date on every channel.

A request's card goes to the alert chats and privately to those who may approve, never to who asked; when it is decided
its buttons go, everywhere. The time that is left counts down on it, and at half of its time a reminder goes the same
way. An override's card goes to everybody and counts down until the limit holds again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from bot.buttons import Bot
from bot.message import Message, Text, age_text, stamp
from bot.outbox import Outbox
from bot.votes import override_blocks, request_blocks
from domain.facts import OverrideChanged, RequestChanged, RequestStatus, Severity
from domain.settings import MINUTE_NS, SECOND_NS, RoleName
from domain.views import OverrideView, RequestView

if TYPE_CHECKING:
    from engine.desk import Desk

SLOWLY_MIN = 10
"""With more minutes left than that the countdown goes on in steps of five, so that a chat is not flooded by edits."""
Room = Bot
STEP_MIN = 5
LOOK_S = 5.0
FINE_MIN = 2
FINE_NS = 30 * SECOND_NS
"""In the last minutes of a request its countdown goes on in steps of this."""


class Cards:
    """Keeps the cards: `rooms` are the bots by channel, `recipients` the alert chats, `private` a person's own."""

    def __init__(
        self,
        desk: Desk,
        outbox: Outbox,
        *,
        recipients: Iterable[str],
        rooms: Mapping[str, Bot],
        private: Callable[[str], Iterable[str]],
    ) -> None:
        self._desk = desk
        self._outbox = outbox
        self._recipients = tuple(recipients)
        self._rooms = rooms
        self._private = private
        self._counted: dict[str, int] = {}
        """Minutes left that an override's card shows."""
        self._left: dict[str, int] = {}
        """Time left that a request's card shows."""
        self._counted_s = float("-inf")

    async def show_all(self) -> None:
        """What a new run begins with: every open request, every override."""
        for request in self._desk.pending():
            await self.show_request(request)
        await self.count_down()

    async def on_request(self, fact: RequestChanged) -> None:
        """A request was opened, voted on, decided, or has half of its time left."""
        view = RequestView(
            id=fact.request,
            what=fact.what,
            text=fact.text,
            requester=fact.requester,
            votes=fact.votes,
            votes_needed=fact.votes_needed,
            status=fact.status,
            expires_ns=fact.expires_ns,
            digest=fact.digest,
        )
        if fact.reminder:
            await self._remind(view)
        else:
            await self.show_request(view)

    async def show_request(self, view: RequestView) -> None:
        """Send the card of a request, or bring the one that was sent up to date."""
        first = f"request:{view.id}:{view.digest}"
        open_now = view.status == RequestStatus.PENDING
        self._left[view.id] = _left_of(view, self._desk.status().ts_ns)
        for recipient in self._approvers(view.requester):
            card = self._card(view, recipient, open_now=open_now)
            if open_now and await self._outbox.post(first, [recipient], card):
                continue
            update = f"{first}:{view.status}:{len(view.votes)}:{len(view.text)}"
            await self._outbox.post(update, [recipient], card, replaces=first)

    async def _remind(self, view: RequestView) -> None:
        left = age_text((view.expires_ns - self._desk.status().ts_ns) / 1e9)
        text = f"{view.id} still waits: {len(view.votes)} of {view.votes_needed} votes, {left} left. {view.text}"
        reminder = Message(
            title=f"{view.what} {view.id} expires in {left}",
            blocks=(
                Text(text),
                Text(f"/approve {view.id} or /deny {view.id}; without votes nothing happens."),
            ),
            severity=Severity.WARNING,
            stamp=self._stamp(),
        )
        await self._outbox.post(f"remind:{view.id}:{view.digest}", self._approvers(view.requester), reminder)

    def _approvers(self, requester: str) -> list[str]:
        approvers = [
            chat
            for view in self._desk.persons()
            if view.id != requester and (person := self._desk.person(view.id)) and person.role >= RoleName.RISK
            for chat in self._private(view.id)
        ]
        return list(dict.fromkeys([*self._recipients, *approvers]))

    def everybody(self) -> list[str]:
        """Every alert chat, and each person alone who can do something about it."""
        alone = [
            chat
            for view in self._desk.persons()
            if (person := self._desk.person(view.id)) and person.role >= RoleName.TRADER
            for chat in self._private(view.id)
        ]
        return list(dict.fromkeys([*self._recipients, *alone]))

    def _card(self, view: RequestView, recipient: str, *, open_now: bool) -> Message:
        status = self._desk.status()
        room = self._rooms.get(recipient.partition(":")[0])
        buttons = room.signer.buttons(view.id, view.digest) if open_now and room is not None and room.signer else ()
        code = " CODE" if self._desk.codes_needed else ""
        hint = (Text(f"/approve {view.id}{code} or /deny {view.id} works too."),) if open_now else ()
        return Message(
            title=f"Approve? {view.what} {view.id}" if open_now else f"{view.what} {view.id}: {view.status}",
            blocks=(*request_blocks(view, status.ts_ns), *hint),
            severity=Severity.WARNING if open_now else Severity.INFO,
            stamp=self._stamp(),
            buttons=buttons,
        )

    async def on_override(self, fact: OverrideChanged) -> None:
        """A limit is loosened, or holds again."""
        first = _first(fact.request, fact.since_ns)
        if not fact.ended:
            await self.count_down()
            return
        self._counted.pop(first, None)
        text = f"{fact.rule} of {fact.scope} was {fact.value}: {fact.ended}. The limit holds again."
        over = Message(title=f"Override over: {fact.rule}", blocks=(Text(text),), stamp=self._stamp())
        await self._outbox.post(f"{first}:over", self.everybody(), over, replaces=first)

    async def count_down_slowly(self) -> None:
        """As `count_down`, but no oftener than a countdown of minutes needs."""
        if time.monotonic() - self._counted_s > LOOK_S:
            await self.count_down()

    async def count_down(self) -> None:
        """Bring the cards of overrides up to date with the time that is left."""
        self._counted_s = time.monotonic()
        status = self._desk.status()
        await self._count_requests_down(status.ts_ns)
        for view in status.overrides:
            first = _first(view.request, view.since_ns)
            left = -(-max(0, view.until_ns - status.ts_ns) // MINUTE_NS)
            shown = left if left <= SLOWLY_MIN else -(-left // STEP_MIN) * STEP_MIN
            if self._counted.get(first) == shown:
                continue
            self._counted[first] = shown
            card = self._override_card(view, status.ts_ns)
            if not await self._outbox.post(first, self.everybody(), card):
                await self._outbox.post(f"{first}:{shown}", self.everybody(), card, replaces=first)

    async def _count_requests_down(self, now_ns: int) -> None:
        """Bring the cards of waiting requests up to date with the time that is left."""
        waiting = self._desk.pending()
        self._left = {view.id: self._left[view.id] for view in waiting if view.id in self._left}
        for view in waiting:
            shown = _left_of(view, now_ns)
            if self._left.setdefault(view.id, shown) == shown:
                continue
            self._left[view.id] = shown
            first = f"request:{view.id}:{view.digest}"
            for recipient in self._approvers(view.requester):
                card = self._card(view, recipient, open_now=True)
                await self._outbox.post(f"{first}:left:{shown // SECOND_NS}", [recipient], card, replaces=first)

    def _override_card(self, view: OverrideView, now_ns: int) -> Message:
        blocks = override_blocks(view, now_ns)
        card = Message(title=f"OVERRIDE in force: {view.rule}", blocks=blocks, severity=Severity.WARNING)
        return structs.replace(card, stamp=self._stamp())

    def _stamp(self) -> str:
        return stamp(self._desk.status(), time.time_ns())


def _left_of(view: RequestView, now_ns: int) -> int:
    """The time left of a request in the steps in which it is shown: the less there is, the finer."""
    left_ns = max(0, view.expires_ns - now_ns)
    step_ns = MINUTE_NS if left_ns > FINE_MIN * MINUTE_NS else FINE_NS
    if left_ns > SLOWLY_MIN * MINUTE_NS:
        step_ns = STEP_MIN * MINUTE_NS
    return -(-left_ns // step_ns) * step_ns


def _first(request: str, since_ns: int) -> str:
    return f"override:{request}:{since_ns}"
