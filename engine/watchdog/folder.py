"""What engine and watchdog tell each other: files in the folder `watchdog` of the data folder.

heartbeat    overwritten in place by the engine's loop; `Beat`
guarded      what there is to guard: contracts and accounts; `Guarded`
fence        the number of the newest run that the watchdog has ended; that run sends nothing more
acted.jsonl  the watchdog's journal: every order before it is sent, and what came of each attempt
report       what the engine's next start has to be told; `Report`
watching     locked by the watchdog as long as it lives: there is one
acting       locked while the watchdog acts and while a run begins, so that neither happens during the other
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from domain.errors import MoonDevError
from domain.instrument import AccountId, Instrument

BEAT_BYTES = 256
"""A heartbeat has always this length, so that one write replaces it whole."""
LOCK_RETRY_S = 0.1
T = TypeVar("T")


class Beat(Struct, frozen=True, kw_only=True):
    """One heartbeat. `seq` is the newest event on disk, `number` counts the beats of the run, `pid` is for people."""

    installation: str
    epoch: int
    number: int
    pid: int
    wall_ns: int
    monotonic_ns: int
    seq: int
    begun: bool = False
    """The run's first event is on disk."""
    stopped: bool = False
    """The run has ended cleanly: entries and quotes were cancelled by itself."""


class Guarded(Struct, frozen=True, kw_only=True):
    """What the run trades."""

    settings_hash: str
    accounts: tuple[AccountId, ...]
    instruments: tuple[Instrument, ...]


class Report(Struct, frozen=True, kw_only=True):
    """What the watchdog did for the run `epoch`."""

    epoch: int
    acted_ns: int
    flattened: bool
    done: bool
    text: str
    halted: bool = False
    """A person halted from outside: the next start begins HALTED."""
    by: str = ""


class Folder:
    """The files. Reading gives None for what is not there or half written; writing raises OSError."""

    def __init__(self, data: Path) -> None:
        """In this data folder."""
        self.path = data / "watchdog"
        self.heartbeat = self.path / "heartbeat"

    def make(self) -> None:
        """Make the folder."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def beat(self) -> Beat | None:
        """The newest heartbeat."""
        return self._read("heartbeat", Beat)

    def guarded(self) -> Guarded | None:
        """What there is to guard."""
        return self._read("guarded", Guarded)

    def report(self) -> Report | None:
        """What was done and not told yet."""
        return self._read("report", Report)

    def fence(self) -> int:
        """The newest run that was ended; 0 = none was."""
        return self._read("fence", int) or 0

    def keep(self, name: str, value: Struct | int) -> None:
        """Put a file in the place of an older one, whole and on disk."""
        new = self.path / f"{name}.new"
        with new.open("wb") as file:
            file.write(msgspec.json.encode(value))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path / name)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def keep_report(self, report: Report) -> Report:
        """Keep what was done for a run; a halt or a flatten that stands in an untold report is never forgotten."""
        before = self.report()
        if before is not None and (before.halted or before.flattened):
            report = msgspec.structs.replace(
                report,
                halted=report.halted or before.halted,
                flattened=report.flattened or before.flattened,
                by=report.by or before.by,
                text=report.text if before.text in report.text or not before.done else f"{before.text}; {report.text}",
            )
        self.keep("report", report)
        return report

    def note(self, what: dict[str, object]) -> None:
        """Add a line to the watchdog's journal, on disk before anything follows from it."""
        with (self.path / "acted.jsonl").open("ab") as file:
            file.write(msgspec.json.encode({"ts_ns": time.time_ns(), **what}) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def placed(self, epoch: int) -> int:
        """How many orders the watchdog has placed for a run, by its journal."""
        count = 0
        with contextlib.suppress(OSError):
            for line in (self.path / "acted.jsonl").read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    said = msgspec.json.decode(line)
                    count += isinstance(said, dict) and said.get("epoch") == epoch and "place" in said
        return count

    def forget_report(self) -> None:
        """The report has been told."""
        (self.path / "report").unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, name: str, within_s: float = 0.0) -> Iterator[None]:
        """Hold a lock. Raises `MoonDevError` when it cannot be had in time."""
        self.make()
        handle = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + within_s
        try:
            while not _taken(handle):
                if time.monotonic() >= until:
                    raise MoonDevError(f"{self.path / name} is locked: {_WHO[name]}")
                time.sleep(LOCK_RETRY_S)
            yield
        finally:
            os.close(handle)

    def _read(self, name: str, kind: type[T]) -> T | None:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        return None


_WHO = {
    "watching": "another watchdog watches this data folder already",
    "acting": "the watchdog acts, or a run begins, at this moment; try again when that is over",
}


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
