"""The engine's side: a heartbeat, written by the loop itself, so that a loop that is stuck has none.

Whoever comes back from a sleep may find that the watchdog has acted for it. Then its run is over: it sends nothing more
and ends. So the fence is looked at with every beat, and before every send that comes long after the last look.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from domain.errors import MoonDevError
from domain.events import WatchdogActed
from domain.ports import Journal
from domain.settings import Settings
from engine.core.core import Core
from engine.watchdog.folder import BEAT_BYTES, Beat, Folder, Guarded

log = logging.getLogger(__name__)

BEAT_NS = 1_000_000_000
LOOK_NS = 500_000_000
"""A send that comes so long after the last look at the fence looks again."""
START_WITHIN_S = 90.0
"""How long a start waits for a watchdog that acts."""


class RunEnded(MoonDevError):
    """The watchdog has acted for this run: it must not go on."""


class Known(NamedTuple):
    """What the engine knows of itself: the newest event on disk, the run whose first event is, settings in force."""

    seq: int
    epoch: int
    settings_hash: str
    settings: Settings


class Heart:
    """One run's heartbeat; `known` is asked with every beat."""

    def __init__(self, folder: Folder, known: Callable[[], Known]) -> None:
        """Nothing beats before `begin`."""
        self._folder = folder
        self._known = known
        self._installation = ""
        self._epoch = 0
        self._number = 0
        self._file = -1
        self._due_ns = self._looked_ns = 0
        self._guarded = ""
        self.is_over = False

    def last(self) -> Beat | None:
        """The newest heartbeat there is; before `begin` that of the run before."""
        return self._folder.beat()

    def begin(self, installation: str, epoch: int) -> list[WatchdogActed]:
        """Begin the run `epoch`; what the watchdog did for an earlier one comes back, to be journaled and told.

        Waits for a watchdog that acts. Raises `MoonDevError` when that takes too long, OSError from the disk.
        """
        with self._folder.lock("acting", START_WITHIN_S):
            self._installation, self._epoch = installation, epoch
            self._file = os.open(self._folder.heartbeat, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._write(stopped=False)
            report = self._folder.report()
        if report is None:
            return []
        return [
            WatchdogActed(
                epoch=report.epoch,
                acted_ns=report.acted_ns,
                flattened=report.flattened,
                text=report.text,
                halted=report.halted,
                by=report.by,
            )
        ]

    def told(self) -> None:
        """What `begin` gave is in the journal, on disk."""
        self._folder.forget_report()

    def beat(self) -> None:
        """Beat when it is time; cheap otherwise. Raises `RunEnded` when the watchdog has acted for this run."""
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns or self._file < 0:
            return
        if not self.may_send():
            raise RunEnded(
                f"the watchdog has acted for run {self._epoch}, whose heartbeat had stopped: it sends nothing more. "
                "See watchdog/acted.jsonl in the data folder, and start again"
            )
        self._write(stopped=False)
        self._due_ns = now_ns + BEAT_NS

    def may_send(self) -> bool:
        """False once the watchdog has acted for this run."""
        now_ns = time.monotonic_ns()
        if not self.is_over and self._file >= 0 and now_ns - self._looked_ns > LOOK_NS:
            self.is_over = self._folder.fence() >= self._epoch
            self._looked_ns = now_ns
            if self.is_over:
                log.critical("the watchdog has ended run %d: it sends nothing more", self._epoch)
        return not self.is_over

    def end(self) -> None:
        """The run has ended cleanly: there is nothing to guard any more."""
        if self._file >= 0:
            if not self.is_over:
                self._write(stopped=True)
            os.close(self._file)
            self._file = -1

    def _write(self, *, stopped: bool) -> None:
        known = self._known()
        if known.settings_hash != self._guarded:
            accounts = tuple(account.id for account in known.settings.accounts)
            instruments = known.settings.instruments
            guarded = Guarded(settings_hash=known.settings_hash, accounts=accounts, instruments=instruments)
            self._folder.keep("guarded", guarded)
            self._guarded = known.settings_hash
        self._number += 1
        beat = Beat(
            installation=self._installation,
            epoch=self._epoch,
            number=self._number,
            pid=os.getpid(),
            wall_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(),
            seq=known.seq,
            begun=known.epoch == self._epoch,
            stopped=stopped,
        )
        os.pwrite(self._file, msgspec.json.encode(beat).ljust(BEAT_BYTES), 0)


def heart_of(data: Path, core: Core, journal: Journal, settings_hash: str, settings: Settings) -> Heart:
    """The heart of an engine; before the first event of its first run the settings are those of the file."""

    def known() -> Known:
        state = core.state
        if not state.epoch:
            return Known(journal.durable_seq, 0, settings_hash, settings)
        return Known(journal.durable_seq, state.epoch, state.settings_hash, state.settings)

    return Heart(Folder(data), known)
