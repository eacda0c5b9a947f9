"""freqtrade's hole, closed: its typed commands asked who sent them, its buttons did not.

There anybody in the group could press what an admin had opened, and the bot sold. Here every kind of button of the
registry (`bot.buttons.LINES`) is pressed by people who may not, in places that are allowed; a kind that this file does
not know how to bring about fails it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.budget import Budget
from bot.buttons import ALERT, LINES, ORDER, PAGE, PREVIEW, VOTE
from domain.facts import Alerted, CommandDone, Severity
from tests.bot.servers.discord_objects import CHANNEL
from tests.bot.servers.telegram_server import Sent
from tests.bot.test_confirm import asking_hold as asking_hold  # noqa: PLC0414 - a fixture: /hold asks first here
from tests.bot.test_telegram import trade
from tests.bot.world import DISCORD, GROUP, STRANGER, TELEGRAM, World, order, until, world

OTHER_GROUP = -1999


@dataclass
class Card:
    """A message with buttons that everybody in the group sees, and who may press them."""

    under: Any
    data: dict[str, str]
    """By answer."""
    may: str


class Door:
    """What a person can do at one of the two bots, in the group where everybody is."""

    def __init__(self, w: World, name: str) -> None:
        self.w = w
        self.name = name
        self.is_telegram = name == "telegram"

    @property
    def server(self) -> Any:
        return self.w.telegram if self.is_telegram else self.w.discord

    @property
    def ignored(self) -> int:
        bot = self.w.chat.telegram if self.is_telegram else self.w.chat.discord
        assert bot is not None
        return bot.health.ignored

    async def order(self, qty: str) -> None:
        await order(self.w.desk, "tina", qty)

    async def hold(self) -> None:
        if self.is_telegram:
            self.w.telegram.say(TELEGRAM["tina"], "/hold BTC", chat=GROUP)
        else:
            await self.w.discord.slash(DISCORD["tina"], "hold", symbol="BTC")

    async def card(self, kind: str, but: set[str], may: str) -> Card:
        """The newest message in the group with buttons of a kind, other than those seen."""
        under = await self.server.wait(lambda one: set(self.data(one, kind).values()) - but and self._is_common(one))
        return Card(under, self.data(under, kind), may)

    def _is_common(self, one: Any) -> bool:
        return one.chat == GROUP if self.is_telegram else one["channel_id"] == CHANNEL

    def data(self, one: Any, kind: str) -> dict[str, str]:
        if isinstance(one, Sent):
            found = [button["callback_data"] for button in one.buttons]
        else:
            found = [button["custom_id"] for row in one["components"] for button in row["components"]]
        return {data.split(":")[2]: data for data in found if data.startswith(f"{kind}:")}

    async def press(self, who: int, card: Card, answer: str, chat: int = GROUP) -> None:
        if self.is_telegram:
            press = self.w.telegram.press_of(who, card.under, card.data[answer])
            press["message"]["chat"] = {"id": chat, "type": "supergroup", "title": "desk"}
            self.w.telegram.push({"callback_query": press})
        else:
            await self.w.discord.click_data(who, card.under, card.data[answer])

    async def wait_closed(self, card: Card, answer: str) -> None:
        """Until the one who may has pressed: then the message has no such buttons any more, or says that it is over."""
        kind = card.data[answer].partition(":")[0]
        number = card.under.message_id if self.is_telegram else card.under["id"]

        shown_at = self.server.sent.index(card.under)

        def gone(one: Any) -> bool:
            same = (one.message_id if self.is_telegram else one["id"]) == number
            return same and not self.data(one, kind) and self.server.sent.index(one) > shown_at

        await self.server.wait(gone, 8)

    def user(self, person: str) -> int:
        return (TELEGRAM if self.is_telegram else DISCORD)[person]


async def large_order(door: Door, seen: set[str]) -> Card:
    if seen:
        door.w.engine.play(61)  # approvers are left alone for a minute after a denial
    await door.order("0.15")
    return await door.card(VOTE, seen, "rosa")


async def asked_first(door: Door, seen: set[str]) -> Card:
    await door.hold()
    return await door.card(PREVIEW, seen, "tina")


async def resting_order(door: Door, seen: set[str]) -> Card:
    w, line = door.w, "/order buy BTC 0.01 @ 50000"
    if door.is_telegram:
        w.telegram.say(TELEGRAM["tina"], line, chat=GROUP)
    else:
        await w.discord.slash(DISCORD["tina"], "order", side="buy", symbol="BTC", qty="0.01", price="50000")
    asked = await door.card(PREVIEW, seen, "tina")
    seen.update(asked.data.values())
    await door.press(door.user("tina"), asked, "y")
    return await door.card(ORDER, seen, "tina")


async def alarm(door: Door, seen: set[str]) -> Card:
    fact = Alerted(
        seq=10**12,
        index=len(seen),
        ts_ns=door.w.engine.now_ns(),
        severity=Severity.CRITICAL,
        kind="dead_man",
        text="boo",
    )
    door.w.desk.publish([fact])
    return await door.card(ALERT, seen, "tina")


async def paged(door: Door, seen: set[str]) -> Card:
    door.w.desk.preload([trade(number) for number in range(60)], [])
    if door.is_telegram:
        door.w.telegram.say(TELEGRAM["vera"], "/trades", chat=GROUP)
    else:
        await door.w.discord.slash(DISCORD["vera"], "trades")
    return await door.card(PAGE, seen, "vera")


ANYBODY = frozenset({ALERT, PAGE})
"""Whoever is known may answer these."""
REFUSED = {PREVIEW: "Not yours"}
"""What a person who is known but may not is told, where it is not the verb's refusal."""
MAKERS: dict[str, Callable[[Door, set[str]], Awaitable[Card]]] = {
    VOTE: large_order,
    PREVIEW: asked_first,
    ALERT: alarm,
    ORDER: resting_order,
    PAGE: paged,
}
SHOWS = {PAGE: "Trades: 21 to 40"}
"""What a button shows that closes nothing."""


def done(w: World) -> list[tuple[str, bool]]:
    return [(fact.verb, fact.ok) for fact in w.engine.facts if isinstance(fact, CommandDone)]


def told(w: World) -> int:
    """Presses of strangers that are on record."""
    return sum(isinstance(fact, Alerted) and fact.kind == "press_refused" for fact in w.engine.facts)


def test_every_kind_of_button_has_a_way_to_be_pressed_here() -> None:
    assert set(MAKERS) == {kind for kind, _ in LINES}


@pytest.mark.parametrize("name", ["telegram", "discord"])
async def test_a_button_pressed_by_an_unlisted_person_in_an_allowed_group_does_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = Budget(per_s=1e6, burst=1e6, tokens=1e6, then_s=0)
    monkeypatch.setattr("bot.outbox.budget_for", lambda _recipient: wide)
    async with world(tmp_path, name) as w:
        door, seen, counts = Door(w, name), set[str](), dict[str, int]()
        for number, (kind, answer) in enumerate(sorted(LINES, key=lambda row: row[1]), 1):
            card = await MAKERS[kind](door, seen)
            seen.update(card.data.values())
            before, ignored = done(w), door.ignored
            await door.press(STRANGER + number, card, answer)
            await until(lambda ignored=ignored: door.ignored == ignored + 1)
            await until(lambda number=number: told(w) >= number)
            if door.is_telegram:
                await door.press(door.user(card.may), card, answer, OTHER_GROUP)
                await until(lambda ignored=ignored: door.ignored == ignored + 2)
            if kind not in ANYBODY:
                await door.press(door.user("vera"), card, answer)
                refused = REFUSED.get(kind, ": refused")
                counts[refused] = counts.get(refused, 0) + 1
                await door.server.text(refused, within_s=8, count=counts[refused])
            assert [ok for _, ok in done(w)[len(before) :] if ok] == [], (kind, answer)
            await door.press(door.user(card.may), card, answer)
            if kind in SHOWS:
                await door.server.text(SHOWS[kind], within_s=8)
            else:
                await door.wait_closed(card, answer)
