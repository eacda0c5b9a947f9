"""The journal without files, for simulations that crash it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from operator import attrgetter

from domain.errors import JournalError, JournalFull
from domain.ports import MARKET_STREAM, Record, Snapshot

_seq = attrgetter("seq")


class MemoryJournal:
    """The `Journal` port in memory. With `hold`, records become durable only by `make_durable` or `flush`.

    Without `hold` a record is durable when it is appended; listeners hear of it at `commit`. With `hold`,
    `commit_seq` is how far a commit was asked for, so that a simulated disk can answer later. `reopened` is what
    a restart finds after a crash: everything that was durable and nothing else.
    """

    def __init__(self, *, hold: bool = False) -> None:
        self.hold = hold
        self.durable_seq = self.last_seq = self.commit_seq = 0
        self._records: list[Record] = []
        self._snapshots: dict[int, Snapshot] = {}
        self._on_durable: list[Callable[[int], None]] = []
        self._on_failure: list[Callable[[Exception], None]] = []
        self._told_seq = 0
        self._failure: JournalError | None = None
        self._closed = False

    def append(self, stream: int, seq: int, ts_ns: int, payload: bytes) -> None:
        """Keep one record; `seq` must grow. Raises `JournalFull` after `fail`, `JournalError` when out of order."""
        if self._failure is not None:
            raise self._failure
        if self._closed or seq <= self.last_seq:
            raise JournalError(f"seq {seq} cannot follow seq {self.last_seq}, or the journal is closed")
        self._records.append(Record(stream, seq, ts_ns, payload))
        self.last_seq = seq
        if not self.hold:
            self.durable_seq = seq

    def commit(self) -> None:
        """Ask for everything appended to be made durable; without `hold` it is, and listeners are told here."""
        self.commit_seq = self.last_seq
        self._tell()

    def make_durable(self, seq: int) -> None:
        """Let everything up to `seq` reach the simulated disk, and tell the listeners."""
        self.durable_seq = max(self.durable_seq, min(seq, self.last_seq))
        self._tell()

    def fail(self, error: Exception) -> None:
        """Let the simulated disk refuse every later write; listeners are told once."""
        if self._failure is None:
            self._failure = JournalFull(f"the disk refused a write ({error}): the journal ends at {self.durable_seq}")
            for callback in self._on_failure:
                callback(self._failure)

    def reopened(self) -> MemoryJournal:
        """The journal that a restart finds after a crash now."""
        journal = MemoryJournal(hold=self.hold)
        journal._records = self._records[: bisect_left(self._records, self.durable_seq + 1, key=_seq)]
        journal._snapshots = {seq: kept for seq, kept in self._snapshots.items() if seq <= self.durable_seq}
        last_seq = journal._records[-1].seq if journal._records else 0
        journal.durable_seq = journal.last_seq = journal.commit_seq = journal._told_seq = last_seq
        return journal

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Call `callback(durable_seq)` whenever it has grown, from `commit`, `make_durable` or `flush`."""
        self._on_durable.append(callback)

    def on_failure(self, callback: Callable[[Exception], None]) -> None:
        """Call `callback(error)` once, from `fail`."""
        self._on_failure.append(callback)

    def flush(self) -> None:
        """Make everything appended durable. Raises `JournalFull` after `fail`."""
        if self._failure is not None:
            raise self._failure
        self.make_durable(self.last_seq)

    def records(self, from_seq: int = 0, market: bool = True) -> Iterator[Record]:
        """Every record from `from_seq` on."""
        start = bisect_left(self._records, from_seq, key=_seq)
        return (record for record in self._records[start:] if market or record.stream != MARKET_STREAM)

    def save_snapshot(self, seq: int, ts_ns: int, build: str, version: int, payload: bytes) -> None:
        """Keep a state snapshot taken after `seq`."""
        self._snapshots[seq] = Snapshot(seq=seq, ts_ns=ts_ns, build=build, version=version, payload=payload)

    def load_snapshot(self, before_seq: int | None = None) -> Snapshot | None:
        """The newest snapshot with seq <= `before_seq` (None = any)."""
        known = [seq for seq in self._snapshots if before_seq is None or seq <= before_seq]
        return self._snapshots[max(known)] if known else None

    def close(self) -> None:
        """Make everything durable, unless the disk has failed, and take nothing more."""
        if not self._closed and self._failure is None:
            self.flush()
        self._closed = True

    def _tell(self) -> None:
        if self.durable_seq > self._told_seq:
            self._told_seq = self.durable_seq
            for callback in self._on_durable:
                callback(self.durable_seq)
