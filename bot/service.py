"""`ChatOps`: everything in this room, started by one coroutine.

    chat = ChatOps(desk, config, secrets, data_dir)
    task = asyncio.create_task(chat.run())      ends only by cancellation; never raises
    chat.health()                               {"telegram": "up", "discord": "disabled: ...", ...}

Nothing in here can stop trading: every part runs under `keep_running`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.alerts import Alerts
from bot.carrier import channel_of
from bot.channels.speakers import Speakers
from bot.channels.watch import Watch
from bot.config import BotConfig
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.streams.service import Streams
from bot.supervise import Health, keep_running, quiet_libraries
from domain.ports import Secrets
from domain.views import DoorView

if TYPE_CHECKING:
    from bot.discord import DiscordBot
    from bot.telegram import TelegramBot
    from engine.desk import Desk

DATABASE = "ops.db"
PARTS = ("alerts", "watch", "confirmations", "tickets", "streams", "summaries", "jobs")
"""What runs beside the bots; none of them is told about while it runs well."""


class ChatOps:
    """Telegram, Discord, alerts and their outbox over one desk; what is not enabled is not even imported."""

    def __init__(self, desk: Desk, config: BotConfig, secrets: Secrets, data_dir: Path) -> None:
        self._desk = desk
        self._config = config
        self._health = Health()
        self._parts = {name: Health() for name in PARTS}
        self.room = ControlRoom(desk, OpsStore(data_dir / DATABASE), config)
        self.outbox = self.room.outbox
        self.telegram: TelegramBot | None = None
        self.discord: DiscordBot | None = None
        rooms = self.room.confirms.bots
        if config.telegram.enabled:
            from bot.telegram import TelegramBot

            self.telegram = rooms["telegram"] = TelegramBot(self.room, config.telegram, secrets)
        if config.discord.enabled:
            from bot.discord import DiscordBot

            self.discord = rooms["discord"] = DiscordBot(self.room, config.discord, secrets)
        self.speakers = Speakers(self.outbox, config, secrets)
        self._alerts = Alerts(
            desk,
            self.outbox,
            config.alerts,
            self.room.alerts,
            recipients=self.room.alert_chats,
            rooms=rooms,
            private=self.room.contacts,
        )
        self._watch = Watch(self.room, self.room.alerts, self._channels)
        self._streams = Streams(self.room, config.alerts)

    async def run(self) -> None:
        """Run what is enabled until cancelled."""
        quiet_libraries()
        await keep_running("chat-ops", self._session, self._health)

    def health(self) -> dict[str, str]:
        """State of every part in one line each, for health checks and screens."""
        parts = {
            "telegram": self.telegram.health if self.telegram else Health(),
            "discord": self.discord.health if self.discord else Health(),
            **self.speakers.health,
        }
        if self._health.state not in {"off", "up"}:
            parts["chat"] = self._health
        parts |= self._troubled()
        return {name: health.text() for name, health in parts.items()}

    def doors(self) -> tuple[DoorView, ...]:
        """The channels that are switched on, for `Desk.doors`, and what beside them does not run.

        While their common part is down, that is said.
        """
        common = self._health
        parts = self._channels() | ({"heartbeat": self.speakers.heart} if self.speakers.beats else {})
        shown = {
            name: common if common.state not in {"off", "up"} and h.state != "up" else h for name, h in parts.items()
        }
        beside = tuple(health.view(name) for name, health in self._troubled().items())
        return (*(self._door(name, health) for name, health in shown.items()), *beside)

    def _troubled(self) -> dict[str, Health]:
        return {name: health for name, health in self._parts.items() if health.state not in {"off", "starting", "up"}}

    def _channels(self) -> dict[str, Health]:
        """The channels that are switched on."""
        bots = (("telegram", self.telegram), ("discord", self.discord))
        return {name: bot.health for name, bot in bots if bot is not None} | self.speakers.health

    def _door(self, name: str, health: Health) -> DoorView:
        """How a channel is, what waits there, and whom it does not reach."""
        view = health.view(name)
        waits = self.outbox.waiting(name)
        failing = [
            f"cannot reach {self.room.directory.name(recipient)} ({reach.why})"
            for recipient, reach in self.outbox.reach.all().items()
            if reach.failing_ns and channel_of(recipient) == name
        ]
        more = [f"{waits} waiting"] if waits else []
        return DoorView(name=name, ok=view.ok and not failing, text="; ".join([view.text, *more, *failing]))

    def _runs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs beside the bots, by its name in `PARTS`."""
        room = self.room
        runs = (
            self._alerts.run,
            self._watch.run,
            room.confirms.run,
            room.tickets.run,
            self._streams.run,
            room.reports.run,
            room.jobs.run,
        )
        return dict(zip(PARTS, runs, strict=True))

    async def _session(self) -> None:
        while not self._desk.persons():
            self._health.set("starting", "nobody is known yet: the engine has not read its settings")
            await asyncio.sleep(0.05)
        await self.outbox.store.start()
        try:
            await self.room.people.start()
            await self.room.confirms.start()
            await self.room.tickets.start()
            await self.room.subscriptions.start()
            await self.room.schedules.start(time.time_ns())
            await self.room.alerts.start()
            await self.outbox.start()
            self._health.set("up")
            async with asyncio.TaskGroup() as group:
                for name, run in self._runs().items():
                    group.create_task(keep_running(name, run, self._parts[name]))
                group.create_task(self.speakers.run())
                if self.speakers.beats:
                    beat = partial(self.speakers.beat, lambda: self._desk.progress, self._channels)
                    group.create_task(keep_running("heartbeat", beat, self.speakers.heart))
                for room in (self.telegram, self.discord):
                    if room is not None:
                        group.create_task(room.run())
        finally:
            await self.room.studio.aclose()
            await self.outbox.aclose()
            await self.outbox.store.aclose()
