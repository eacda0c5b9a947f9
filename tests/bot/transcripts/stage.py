"""The stage of the transcripts: a real run, written down as people see it; time stands still unless it is moved.

Everything is as in `tests.bot.world` (engine, both bots, local servers); the clock begins at three in the morning, so
that prices, digests and times are the same in every run.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.budget import Budget
from tests.bot.servers.discord_objects import CHANNEL, dm_of
from tests.bot.servers.discord_server import shown
from tests.bot.world import DISCORD, GROUP, STRANGER, TELEGRAM, Engine, World, until, world

THREE_AM_NS = 1_767_582_000_000_000_000
"""2026-01-05 03:00:00 UTC, a Monday."""
VARYING = (
    (re.compile(r" · ref \S+"), ""),
    (re.compile(r"data \S+ m?s old"), "data 120 ms old"),
    (re.compile(r"(source +)[0-9a-f]{12}"), r"\1of this build"),
)


class Clock:
    """The wall clock of a scene: it stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = THREE_AM_NS
        monkeypatch.setattr(time, "time_ns", lambda: self.now_ns)
        monkeypatch.setattr(time, "time", lambda: self.now_ns / 1e9)


class Stage:
    """A scene being played: what people do, and what they are shown, line by line."""

    def __init__(self, w: World, clock: Clock) -> None:
        self.w = w
        self.clock = clock
        self.lines: list[str] = []
        self._said: list[int] = []
        """The updates of what people did on Telegram: each must be in the inbox, and done."""
        self._shown = 0
        self._shown_discord = 0
        self._numbers: dict[tuple[str, str], int] = {}

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip() + "\n"

    async def says(self, person: str, line: str, chat: int = 0) -> None:
        """A person writes on Telegram: alone with the bot, or in the group."""
        user = TELEGRAM.get(person, STRANGER)
        self._acts(person, "Telegram, the group" if chat else "Telegram, alone", line)
        self._said.append(self.w.telegram.say(user, line, chat=chat))
        await self.settle()

    async def presses(self, person: str, label: str, chat: int = 0) -> None:
        """A person presses a button under the newest message that has it, in the group or alone."""
        where = chat or TELEGRAM[person]
        latest = {one.message_id: one for one in self.w.telegram.sent if one.chat == where}
        under = next(one for one in reversed(latest.values()) if any(b["text"] == label for b in one.buttons))
        self._acts(person, "Telegram, the group" if chat else "Telegram, alone", f"[{label}]")
        self._said.append(self.w.telegram.press(TELEGRAM[person], under, label))
        await self.settle()

    async def slash(self, person: str, name: str, /, **options: str) -> None:
        """A person uses a slash command in Discord's channel."""
        typed = " ".join([f"/{name}", *(f"{key}:{value}" for key, value in options.items())])
        self._acts(person, "Discord", typed)
        await self.w.discord.slash(DISCORD[person], name, **dict[str, Any](options))
        await self.settle()

    async def clicks(self, person: str, label: str) -> None:
        """A person presses a button in Discord's channel."""
        latest = {one["id"]: one for one in self.w.discord.sent if one["channel_id"] == CHANNEL}
        under = next(
            one
            for one in reversed(latest.values())
            if any(button["label"] == label for row in one["components"] for button in row["components"])
        )
        self._acts(person, "Discord", f"[{label}]")
        await self.w.discord.click(DISCORD[person], under, label)
        await self.settle()

    async def later(self, seconds: float, why: str) -> None:
        """Time passes, at the wall as on the market."""
        self.lines += [f"--- {why}", ""]
        # a connection that this machine is slow to make would be down for as long as the clock is moved
        await until(lambda: all(state in {"up", "off"} for state in self.w.chat.health().values()))
        self.clock.now_ns += int(seconds * 1e9)
        self.w.engine.play(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything has been answered, then write down what people see."""
        quiet = 0
        while quiet < 8:
            await asyncio.sleep(0.005)
            for _ in range(30):  # turns of the loop, not milliseconds: on a slow machine those pass without any
                await asyncio.sleep(0)
            rows = await self.w.room.store.run(self._unfinished)
            idle = not (rows or self.w.telegram.updates or self.w.chat.outbox.waiting() or self._thinking())
            quiet = quiet + 1 if idle else 0
        self._write()

    def _unfinished(self) -> int:
        connection = self.w.room.store._connection
        assert connection is not None
        rows = dict(connection.execute("select update_id, state from inbox").fetchall())
        return sum(state == "new" for state in rows.values()) + sum(number not in rows for number in self._said)

    def _thinking(self) -> bool:
        """Whether somebody on Discord still waits for an answer."""
        answered = {one["id"] for one in self.w.discord.sent}
        return any(
            token.get("original") and token["original"] not in answered for token in self.w.discord._tokens.values()
        )

    def _acts(self, person: str, where: str, what: str) -> None:
        at = time.strftime("%H:%M:%S", time.gmtime(self.clock.now_ns / 1e9))
        self.lines += [f"{at} {person.capitalize()} ({where}): {what}", ""]

    def _write(self) -> None:
        new = [
            (self._place(one.chat), str(one.message_id), one.text, [b["text"] for b in one.buttons], one.file_name)
            for one in self.w.telegram.sent[self._shown :]
        ]
        new += [
            (
                self._place_on_discord(one["channel_id"]),
                str(one["id"]),
                _unfenced(shown(one)),
                [button["label"] for row in one["components"] for button in row["components"]],
                ", ".join(file["filename"] for file in one["attachments"]),
            )
            for one in self.w.discord.sent[self._shown_discord :]
        ]
        self._shown, self._shown_discord = len(self.w.telegram.sent), len(self.w.discord.sent)
        last = {(row[0], row[1]): row for row in new}  # of several edits people see the last
        places: dict[tuple[str, ...], list[str]] = {}
        for place, number, text, labels, file in sorted(last.values(), key=lambda row: (row[0], row[2])):
            known = (place, number) in self._numbers
            mine = self._numbers.setdefault((place, number), len([key for key in self._numbers if key[0] == place]) + 1)
            shown_there = [f"<{file}>"] if file else []
            shown_there += [" ".join(f"[{label}]" for label in labels)] if labels else []
            body = (*_steady(text).splitlines(), *shown_there, "changed" if known else "new")
            places.setdefault(body, []).append(f"{place} #{mine}")
        for (*lines, kind), where in places.items():
            self.lines += [f"    {'; '.join(where)}{' changes to' if kind == 'changed' else ''}"]
            self.lines += [*(f"    | {line}".rstrip() for line in lines), ""]

    def _place(self, chat: int) -> str:
        who = next((name for name, user in TELEGRAM.items() if user == chat), "somebody")
        return "Telegram, the group" if chat == GROUP else f"Telegram, {who.capitalize()}"

    def _place_on_discord(self, channel: str) -> str:
        who = next((name for name, user in DISCORD.items() if dm_of(user) == channel), "somebody")
        return "Discord" if channel == CHANNEL else f"Discord, {who.capitalize()}"


def _steady(text: str) -> str:
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text


def _unfenced(text: str) -> str:
    """What stays of Discord's markup once it is shown."""
    lines = [line for line in text.strip("\n").split("\n") if line != "```"]
    return "\n".join(re.sub(r"^\*\*(.*)\*\*$", r"\1", line).removeprefix("-# ") for line in lines)


@asynccontextmanager
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> AsyncIterator[Stage]:
    """Everything up at three in the morning, with nobody's chat full."""
    clock = Clock(monkeypatch)
    wide = Budget(per_s=1e6, burst=1e6, tokens=1e6, then_s=0)
    monkeypatch.setattr("bot.outbox.budget_for", lambda _recipient: wide)
    monkeypatch.setattr("bot.alerting.service.LOOK_S", 0.02)
    monkeypatch.setattr("bot.tickets.PACE_S", 0.01)
    engine = Engine(start_ns=THREE_AM_NS - 1_000_000_000, strategies=options.pop("strategies", False))
    async with world(tmp_path, engine=engine, **options) as w:
        await w.telegram.text("MoonDev is up", chat=GROUP)
        await w.discord.text("MoonDev is up")
        w.discord.open_dms.update(DISCORD.values())
        made = Stage(w, clock)
        await until(lambda: not w.chat.outbox.waiting())
        made._shown, made._shown_discord = len(w.telegram.sent), len(w.discord.sent)
        yield made
