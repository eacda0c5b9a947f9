"""The dead-man's heartbeat: a URL elsewhere is asked for once a minute, and only while the service truly lives.

Whoever watches that URL (any heartbeat service) raises the alarm when it falls silent: the machine, the process, the
engine, its journal, or every way of telling people is dead. It is not asked for when the engine takes no events,
nothing of them reaches the disk, or no channel that alerts go by has worked within five minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog

from bot.carrier import NotSent, OutcomeUnknown
from bot.channels.http import ask, open_client
from bot.supervise import Health

log = structlog.get_logger("bot.heartbeat")

SILENT_S = 300.0


class Heartbeat:
    """`progress` are the last event taken and the last one on disk; `healths` the channels that alerts go by."""

    def __init__(
        self,
        url: str,
        every_s: float,
        progress: Callable[[], tuple[int, int]],
        healths: Callable[[], Mapping[str, Health]],
        health: Health,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.health = health
        self._url = url
        self._every_s = every_s
        self._progress = progress
        self._healths = healths
        self._now_s = now_s
        self._seen = progress()
        self._up_s = now_s()

    async def run(self) -> None:
        """Beat until cancelled."""
        async with open_client() as client:
            self._client = client
            while True:
                await asyncio.sleep(self._every_s)  # life shows by what has changed since
                await self.beat()

    async def beat(self) -> bool:
        """Ask for the URL, if there is life; whether it was reached."""
        if why := self.dead():
            self.health.set("degraded", f"silent on purpose: {why}")
            log.error("no heartbeat is sent", why=why)
            return False
        try:
            answer = await ask(self._client, "GET", self._url)
        except (NotSent, OutcomeUnknown) as error:
            self.health.set("degraded", f"its URL cannot be reached: {error}")
            return False
        if not 200 <= answer.status < 300:
            self.health.set("degraded", f"its URL answers {answer.status}")
            return False
        self.health.last_ok_ns = time.time_ns()
        self.health.set("up")
        return True

    def dead(self) -> str:
        """Why the service does not count as alive; "" when it does."""
        taken, stored = self._progress()
        seen, self._seen = self._seen, (taken, stored)
        healths, now_s = self._healths(), self._now_s()
        if not healths or any(health.state == "up" for health in healths.values()):
            self._up_s = now_s
        if taken == seen[0]:
            return "the engine takes no events"
        if stored == seen[1]:
            return "nothing of what the engine takes reaches the disk"
        if now_s - self._up_s > SILENT_S:
            return "no channel has worked for minutes"
        return ""
