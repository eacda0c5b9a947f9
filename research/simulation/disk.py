"""The journal's disk in the simulation: answers late, gets stuck, fills up, and forgets at a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from domain.ports import Record, Snapshot
from engine.core.journal.memory import MemoryJournal
from research.simulation.violation import Killed


class DiskJournal:
    """The `Journal` port over a `MemoryJournal`; `on_commit(journal, seq)` is where the world schedules the answer.

    `kill_in` counts appends down to a kill, which comes before or after the record is written.
    """

    def __init__(self, inner: MemoryJournal, on_commit: Callable[[DiskJournal, int], None]) -> None:
        self.inner = inner
        self.durable_seq = inner.durable_seq
        self.kill_in = 0
        self.kills_before = False
        self._on_commit = on_commit

    @property
    def last_seq(self) -> int:
        """The last sequence number that was appended."""
        return self.inner.last_seq

    def append(self, stream: int, seq: int, ts_ns: int, payload: bytes) -> None:
        """Write one record, unless the process is killed first."""
        if self.kill_in:
            self.kill_in -= 1
            if not self.kill_in:
                if not self.kills_before:
                    self.inner.append(stream, seq, ts_ns, payload)
                raise Killed
        self.inner.append(stream, seq, ts_ns, payload)

    def commit(self) -> None:
        """Ask for the disk."""
        self.inner.commit()
        self._on_commit(self, self.inner.last_seq)

    def make_durable(self, seq: int) -> None:
        """The disk has answered."""
        self.durable_seq = max(self.durable_seq, min(seq, self.inner.last_seq))
        self.inner.make_durable(seq)

    def fail(self) -> None:
        """From now on the disk is full."""
        self.inner.fail(OSError(28, "No space left on device"))

    def flush(self) -> None:
        """Wait for the disk (virtual time does not pass)."""
        self.durable_seq = self.inner.last_seq
        self.inner.flush()

    def survivors(self, keep: float) -> MemoryJournal:
        """What a restart finds: all that was durable, and a share of what was written after it."""
        tail = self.inner.last_seq - self.durable_seq
        self.inner.durable_seq = self.durable_seq + round(tail * keep)
        return self.inner.reopened()

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Be told when more is durable."""
        self.inner.on_durable(callback)

    def on_failure(self, callback: Callable[[Exception], None]) -> None:
        """Be told when the disk is full."""
        self.inner.on_failure(callback)

    def records(self, from_seq: int = 0, market: bool = True) -> Iterator[Record]:
        """Every record from `from_seq` on."""
        return self.inner.records(from_seq, market)

    def save_snapshot(self, seq: int, ts_ns: int, build: str, version: int, payload: bytes) -> None:
        """Keep a snapshot."""
        self.inner.save_snapshot(seq, ts_ns, build, version, payload)

    def load_snapshot(self, before_seq: int | None = None) -> Snapshot | None:
        """The newest snapshot."""
        return self.inner.load_snapshot(before_seq)

    def close(self) -> None:
        """Make everything durable."""
        self.inner.close()
