"""The safe action: what is done in nobody's name when nobody acknowledges a critical alert."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from bot.alerting.ladder import acted
from domain import commands as c
from domain.commands import Actor, Door
from domain.facts import CommandDone, StrategyStatus, TradingState
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.alerting.service import AlertRoom
    from engine.desk import Desk

log = structlog.get_logger("bot.alerts")

ACTOR: Final = Actor(person="safe-action", door=Door.SYSTEM)
RUNNING: Final = frozenset({StrategyStatus.RUNNING, StrategyStatus.WARMING})


class SafeAction:
    """Takes it once for each alert: request ids are made from the alert, so the core refuses a second time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._task: asyncio.Task[None] | None = None

    def begin(self, alerts: AlertRoom, numbers: tuple[int, ...]) -> None:
        """Act, unless it is being done."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._act(alerts, numbers), name="safe action")

    def cancel(self) -> None:
        """Break off what is not done; the next start takes it up, and the core knows what it had already."""
        if self._task is not None:
            self._task.cancel()

    async def _act(self, alerts: AlertRoom, numbers: tuple[int, ...]) -> None:
        book = alerts.book
        oldest = book.alerts.get(min(numbers))
        if oldest is None:
            return
        why = f"nobody acknowledged {', '.join(f'A{number}' for number in numbers)}"
        name = f"safe-action:{oldest.id}:{oldest.since_ns}"
        try:
            done = await (self._halt(why, name) if book.config.safe_action == "halt" else self._pause(name))
        except Exception as error:
            log.exception("the safe action failed")
            done = [f"It FAILED ({type(error).__name__}): act yourself, /halt."]
        if done is None:
            return  # the engine has not answered: it is tried again
        acted(book, numbers, " ".join(done), alerts.now_ns())
        await alerts.commit()

    async def _halt(self, why: str, name: str) -> list[str] | None:
        if self._desk.status().trading_state == TradingState.HALTED:
            return ["Trading is HALTED already, so nothing more was done."]
        done = await self._desk.submit(c.Halt(reason=why), ACTOR, request_id=name)
        return _words([("Trading is HALTED by the safe action; /resume needs its votes.", done)])

    async def _pause(self, name: str) -> list[str] | None:
        found = [view for view in self._desk.strategies() if view.status in RUNNING]
        if not found:
            return ["No strategy is running, so nothing was paused."]
        outcomes = []
        for view in found:
            command = c.PauseStrategy(strategy=view.id)
            done = await self._desk.submit(command, ACTOR, request_id=f"{name}:{view.id}")
            outcomes.append((f"{view.id} is paused.", done))
        words = _words(outcomes)
        if words is None:
            return None
        return [*words, "Quotes and entries are pulled, protections stay. /strategies start ID lets one act again."]


def _words(outcomes: list[tuple[str, CommandDone]]) -> list[str] | None:
    """What came of the commands; None when one of them has had no answer."""
    if any(done.reason is Reason.WRONG_STATE and "has not answered" in done.text for _, done in outcomes):
        return None
    return [text if done.ok or done.reason is Reason.REPEATED else done.text for text, done in outcomes]
