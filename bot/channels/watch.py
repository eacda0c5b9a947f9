"""Looks after the channels: who cannot be reached is told to those who can be, and silence is broken once an hour.

Alerts raised here   channel_down (for long, or switched off by a wrong token), unreachable (a chat, a mailbox)
Canary               once an hour per recipient, silently; a real message within that hour proves as much
    chats that alerts go to     one message, edited: its time is the last that worked
    a person's Telegram chat    "is typing"; it fails where the bot is blocked or was never written to
    a person on Discord         nothing is silent there: only real messages prove it
    e-mail                      the server is asked whether it takes mail for this address; none is sent
    SMS                         the provider is asked for the account
    webhooks                    a signed `ping`
    apprise                     only that the address can be read; it has no way to ask
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import structlog

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood, RetryAfter, channel_of
from bot.contacts import NAMES
from bot.handover import rescue
from bot.message import Message, Text, utc_text
from bot.reach import Reach
from bot.supervise import Health
from domain.facts import Severity
from domain.settings import MINUTE_NS, SECOND_NS

if TYPE_CHECKING:
    from bot.room import ControlRoom

log = structlog.get_logger("bot.channels")

LOOK_S = 5.0
DOWN_NS = 2 * MINUTE_NS
"""A channel that is down for longer is told elsewhere."""
FAILING_NS = 2 * MINUTE_NS
RESCUE_NS = 20 * SECOND_NS
"""What has waited so long for somebody who cannot be reached is handed on."""
FIRST_CANARY_NS = MINUTE_NS
CANARY_NS = 3600 * SECOND_NS
PROBE_LIMIT_S = 30.0
ABOUT = {"channel_down": "channel", "unreachable": "recipient"}
"""Alerts of this part, and the label that says which channel or recipient each is about."""


class Alarms(Protocol):
    """Where trouble is told."""

    async def raise_alert(
        self, kind: str, labels: dict[str, str], severity: Severity, title: str, text: str, *, lasts: bool = False
    ) -> None:
        """Something on this side is wrong; `lasts` until `resolve`."""
        ...

    async def resolve(self, kind: str, labels: dict[str, str], by: str = "") -> bool:
        """It is over."""
        ...


class Watch:
    """One for all channels; `healths` are their connections by name. `now_ns` is the wall clock."""

    def __init__(
        self,
        room: ControlRoom,
        alarms: Alarms,
        healths: Callable[[], Mapping[str, Health]],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._room = room
        self._outbox = room.outbox
        self._alarms = alarms
        self._healths = healths
        self._now_ns = now_ns
        self._told: set[tuple[str, str]] = set()
        self._canary_ns: dict[str, int] = {}
        self._began_ns = now_ns()

    async def run(self) -> None:
        """Look until cancelled."""
        self.take_up()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sing_for_ever())
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)

    def take_up(self) -> None:
        """Know what an earlier run has raised: it must end, too."""
        for alert in self._room.alerts.open():
            if alert.kind in ABOUT:
                self._told.add((alert.kind, alert.labels[ABOUT[alert.kind]]))

    async def look(self) -> None:
        """Tell what has changed, and hand on what is stuck."""
        now_ns = self._now_ns()
        for name, health in self._healths().items():
            await self._look_at_channel(name, health, now_ns)
        for recipient, reach in self._outbox.reach.all().items():
            await self._look_at_recipient(recipient, reach, now_ns)
        await self._look_at_the_gone()
        try:
            await rescue(self._outbox, self._is_off, RESCUE_NS)
        except sqlite3.Error as error:
            log.error("waiting letters cannot be read", error=type(error).__name__)  # noqa: TRY400

    def _is_off(self, channel: str) -> str:
        health = self._healths().get(channel)
        return health.detail if health is not None and health.state == "disabled" else ""

    async def _look_at_channel(self, name: str, health: Health, now_ns: int) -> None:
        labels = {"channel": name}
        if health.state in {"up", "off"}:
            await self._over("channel_down", labels, f"{NAMES.get(name, name)} is connected again")
            return
        is_off = health.state == "disabled"
        if not is_off and (not health.down_ns or now_ns - health.down_ns < DOWN_NS):
            return
        words = NAMES.get(name, name)
        state = "is switched off" if is_off else f"cannot be reached since {utc_text(health.down_ns)}"
        waits = self._outbox.waiting(name)
        text = (
            f"{health.detail}\n{waits} messages wait there. What is urgent goes to people's other channels, the rest "
            "arrives when it is back."
        )
        await self._raise("channel_down", labels, Severity.ERROR, f"{words} {state}", text)

    async def _look_at_the_gone(self) -> None:
        """A channel that was switched off, or a recipient that nothing goes to any more, is nobody's trouble."""
        known = {*self._healths(), *self._room.directory.everybody(), *self._outbox.reach.all()}
        for kind, name in [key for key in self._told if key[1] not in known]:
            await self._over(kind, {ABOUT[kind]: name}, "nothing is sent there any more")

    async def _look_at_recipient(self, recipient: str, reach: Reach, now_ns: int) -> None:
        labels = {"recipient": recipient}
        name = self._room.directory.name(recipient)
        if not reach.failing_ns:
            await self._over("unreachable", labels, f"{name} is reached again")
            return
        is_long = now_ns - reach.failing_ns > FAILING_NS
        if not (reach.for_good or (is_long and self._outbox.is_connected(channel_of(recipient)))):
            return
        is_person = bool(self._room.directory.owner(recipient))
        severity = Severity.WARNING if is_person and reach.for_good else Severity.ERROR
        text = f"{reach.why}\n{remedy(recipient, reach)}"
        await self._raise("unreachable", labels, severity, f"Cannot reach {name}", text)

    async def _raise(self, kind: str, labels: dict[str, str], severity: Severity, title: str, text: str) -> None:
        key = (kind, next(iter(labels.values())))
        if key not in self._told:
            self._told.add(key)
            log.warning(title, kind=kind, why=text.partition("\n")[0], **labels)
            await self._alarms.raise_alert(kind, labels, severity, title, text, lasts=True)

    async def _over(self, kind: str, labels: dict[str, str], by: str) -> None:
        key = (kind, next(iter(labels.values())))
        if key in self._told:
            self._told.discard(key)
            await self._alarms.resolve(kind, labels, by)

    async def _sing_for_ever(self) -> None:
        while True:
            await self.sing()
            await asyncio.sleep(LOOK_S)

    async def sing(self) -> None:
        """Prove every recipient that is due."""
        now_ns = self._now_ns()
        if now_ns - self._began_ns < FIRST_CANARY_NS:
            return
        for recipient in self._room.directory.everybody():
            reach = self._outbox.reach.of(recipient)
            last_ns = max(self._canary_ns.get(recipient, 0), reach.ok_ns)
            if now_ns - last_ns < CANARY_NS or not self._outbox.is_connected(channel_of(recipient)):
                continue
            self._canary_ns[recipient] = now_ns
            if recipient in self._room.alert_chats:
                await self._edit(recipient, now_ns)
            else:
                await self._probe(recipient)

    async def _edit(self, recipient: str, now_ns: int) -> None:
        """Send the canary's message, or change it; the outbox notices how that goes."""
        first = f"canary:{recipient}"
        text = "Checked once an hour by changing this message, so that silence never has to be trusted."
        message = Message(title="This chat is reached", blocks=(Text(text),), stamp=self._room.stamp())
        try:
            known = await self._outbox.store.provider_id(first, recipient)
        except sqlite3.Error:
            return
        if known:
            await self._outbox.post(f"{first}:{now_ns // SECOND_NS}", [recipient], message, replaces=first)
        else:
            await self._outbox.post(first, [recipient], message)

    async def _probe(self, recipient: str) -> None:
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                if not await self._outbox.probe(recipient):
                    return
        except (NotSent, OutcomeUnknown, RefusedForGood, RetryAfter) as error:
            self._outbox.reach.note(recipient, error)
        except TimeoutError:
            self._outbox.reach.note(recipient, NotSent("no answer"))
        except Exception as error:  # noqa: BLE001 - a library's fault must not stop the canaries of the others
            self._outbox.reach.note(recipient, error)
        else:
            self._outbox.reach.note(recipient, None)


def remedy(recipient: str, reach: Reach) -> str:
    """What a person can do about it."""
    channel, why = channel_of(recipient), reach.why.lower()
    if reach.whole_channel:
        return (
            f"Nothing goes out by {NAMES.get(channel, channel)} until that is mended: see its section in the settings."
        )
    if not reach.for_good:
        return "It is tried again and again; what is urgent goes elsewhere meanwhile."
    if channel == "telegram":
        private = not recipient.startswith("telegram:-")
        if private:
            return "They should write to the bot once, and not block it."
        gone = "kicked" in why or "not found" in why or "not a member" in why
        return (
            "Add the bot to that chat again."
            if gone
            else "Let the bot write there, or take the chat out of alert_chats."
        )
    if channel == "discord":
        if recipient.startswith("discord:@"):
            return "They should allow messages from members of the server."
        return "Give the bot the rights to see the channel, send messages, embed links and attach files there."
    if channel in {"email", "sms"}:
        return "Look at the address in contacts, in the settings file."
    return "Look at its entry in the settings file, and at the receiver."
