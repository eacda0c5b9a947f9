"""The watchdog's side: it looks at the heartbeat, and acts once for a run whose heart has stopped.

Dead is what has not changed for the deadline by this process's own monotonic clock, whatever the clocks say. Before it
acts it takes the lock that a starting engine takes too, looks once more, and writes the fence: from then on that run is
over, also when it was only slow. A venue that does not answer is tried again until it has, or until a new run lives.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable

from msgspec import Struct

from domain.errors import MoonDevError
from domain.ports import Clock
from engine.watchdog.attempt import RETRY_S, Attempt, Patients
from engine.watchdog.folder import Folder, Report

LOOK_EVERY_S = 0.25
DEADLINE_S = 10.0
LEAST_DEADLINE_S = 3.0
"""Below this an engine that writes a snapshot or loads a strategy would be ended."""


class State(enum.StrEnum):
    """What the heartbeat says."""

    NONE = "no engine has run here yet"
    STOPPED = "the engine has stopped cleanly"
    ALIVE = "the engine lives"
    DEAD = "the engine's heartbeat has stopped"
    ENDED = "the watchdog has acted for the last run; no new one lives"


class Outcome(enum.StrEnum):
    """What an attempt came to."""

    DONE = "done"
    AGAIN = "not everything could be done"
    LIVES = "an engine lives again"


class Options(Struct, frozen=True, kw_only=True):
    """How long a heart may stand still, and whether positions are closed too."""

    deadline_s: float = DEADLINE_S
    flatten: bool = False


class Watchdog:
    """Watches one data folder. `patients` opens what there is to guard now; `say` tells people."""

    def __init__(
        self,
        folder: Folder,
        clock: Clock,
        patients: Patients,
        options: Options,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is watched yet."""
        self._folder = folder
        self._clock = clock
        self._patients = patients
        self._options = options
        self._say = say
        self._monotonic = monotonic
        self._seen: tuple[int, int] | None = None
        self._since = monotonic()
        self._state: State | None = None

    async def run(self) -> Report:
        """Watch until the watchdog had to act and has done it. Raises `MoonDevError` when another one watches."""
        with self._folder.lock("watching"):
            while True:
                state = self.look()
                if state is not self._state:
                    self._state = state
                    self._say(f"Watchdog: {state.value}.")
                if state is State.DEAD:
                    report = await self._act_until_done()
                    if report is not None:
                        return report
                await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> State:
        """How the engine is."""
        beat = self._folder.beat()
        if beat is None:
            return State.NONE
        if (beat.epoch, beat.number) != self._seen:
            self._seen, self._since = (beat.epoch, beat.number), self._monotonic()
        if beat.stopped:
            return State.STOPPED
        report = self._folder.report()
        if report is not None and report.epoch >= beat.epoch and report.done:
            return State.ENDED
        return State.DEAD if self._monotonic() - self._since > self._options.deadline_s else State.ALIVE

    async def _act_until_done(self) -> Report | None:
        """Act, again where not everything could be done; None when an engine lives."""
        while True:
            outcome, report = await self.act()
            if outcome is not Outcome.AGAIN:
                return report
            self._say(f"Watchdog: {report.text if report is not None else outcome.value}; trying again.")
            await asyncio.sleep(RETRY_S)

    async def act(self) -> tuple[Outcome, Report | None]:
        """One attempt, while no run can begin."""
        try:
            with self._folder.lock("acting"):
                beat = self._folder.beat()
                if beat is None or beat.stopped or (beat.epoch, beat.number) != self._seen:
                    return Outcome.LIVES, None
                self._folder.keep("fence", max(beat.epoch, self._folder.fence()))
                self._say(f"Watchdog: the heartbeat of run {beat.epoch} (process {beat.pid}) has stopped; acting.")
                attempt = Attempt(self._folder, self._clock, self._patients, self._options.flatten)
                report = self._folder.keep_report(await attempt.run(beat))
                self._folder.note({"epoch": beat.epoch, "report": report.text, "done": report.done})
        except MoonDevError as error:
            # a run begins: it will be seen to live, or found dead again
            self._say(f"Watchdog: {error}")
            return Outcome.AGAIN, None
        return (Outcome.DONE if report.done else Outcome.AGAIN), report
