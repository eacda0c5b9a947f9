"""`FileJournal`: the journal on disk. Appending costs the caller a list append; one thread does everything else.

The thread takes what has been appended as a group, hashes, writes and syncs it, and only then moves `durable_seq`.
It is woken by `commit`, or finds work by itself within `max_age_s`. While it waits for the disk, the next group
gathers: that is group commit. The first error of the disk is the last, but for a full disk while a reserve is kept
(it is given back and the group is written again): the files go back to the last whole group, `on_failure` is told
once, and every later append raises `JournalFull`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from domain.errors import JournalError, JournalFull
from domain.ports import Record, Snapshot
from engine.core.journal.appender import Appender, Entry
from engine.core.journal.reader import JournalReader
from engine.core.journal.recovery import recover
from engine.core.journal.reserve import Reserve
from engine.core.journal.segments import make_directory
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, SnapshotStore

GROUP_RECORDS = 4096
LOCK_FILE = "lock"

T = TypeVar("T")

log = logging.getLogger(__name__)


class FileJournal:
    """The `Journal` port on files in `directory`, which it makes when it is missing.

    `fsync` False leaves syncing to the operating system: a killed process loses nothing that was durable, a power
    cut may. `segment_bytes` is when a segment is finished, `max_age_s` the longest a record waits without a commit,
    `keep_snapshots` how many are kept. `reserve_bytes` of the disk are kept back for the day it is full: then
    `on_full` is told, and the journal lives on in them. `cuts` says what opening had to cut off after a crash;
    `last_seq` and `durable_seq` are where the journal then ends (0 = empty). `ahead_seq` is not 0 when the market
    stream went on by more than the one group that a crash may tear: then the end of the main stream was lost.

    Raises `JournalCorrupt` for damage that no crash explains, and `JournalError` when another writer has the folder.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fsync: bool,
        segment_bytes: int = 64 * 2**20,
        max_age_s: float = 0.1,
        keep_snapshots: int = 5,
        reserve_bytes: int = 0,
    ) -> None:
        self.directory = directory
        self._lock = lock_directory(directory, fsync=fsync)
        try:
            resume = recover(directory)
        except BaseException:
            os.close(self._lock)
            raise
        self.cuts = resume.cuts
        self.ahead_seq = resume.cut_seq if resume.cut_seq > resume.last_seq + GROUP_RECORDS else 0
        for cut in self.cuts:
            log.warning("journal recovered: cut %s", cut)
        self.snapshots = SnapshotStore(directory / SNAPSHOT_FOLDER, keep=keep_snapshots, fsync=fsync)
        self.durable_seq = self.last_seq = resume.last_seq
        self._open = partial(Appender, directory, fsync=fsync, segment_bytes=segment_bytes)
        self._appender = self._open(resume)
        self.reserve = Reserve(directory, reserve_bytes)
        if not self.reserve.make():
            log.warning("the disk has no %d MiB to keep back for the day it is full", reserve_bytes // 2**20)
        self._max_age_s = max_age_s
        self._buffer: list[Entry] = []
        self._snapshots_due: deque[Snapshot] = deque()
        self._signals: SimpleQueue[threading.Event | None] = SimpleQueue()
        self._on_durable: list[Callable[[int], None]] = []
        self._on_failure: list[Callable[[Exception], None]] = []
        self._on_full: list[Callable[[], None]] = []
        self._failure: JournalError | None = None
        self._closed = False
        self._refusing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def head(self) -> tuple[int, str]:
        """The last durable (seq, chain hash in hex): keep it outside as an anchor for `audit.verify`."""
        seq, chain = self._appender.head
        return seq, chain.hex()

    def append(self, stream: int, seq: int, ts_ns: int, payload: bytes) -> None:
        """Buffer one record; `seq` must grow.

        Raises `JournalFull` once the disk has refused a write, `JournalError` when closed or out of order.
        """
        if self._refusing or seq <= self.last_seq:
            raise self._refusal(seq)
        self.last_seq = seq
        self._buffer.append((stream, seq, ts_ns, payload))

    def commit(self) -> None:
        """Ask for everything appended so far to be made durable soon; returns at once."""
        self._signals.put(None)

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Call `callback(durable_seq)` from the journal's thread whenever it has grown."""
        self._on_durable.append(callback)

    def on_failure(self, callback: Callable[[Exception], None]) -> None:
        """Call `callback(error)` once, from the journal's thread, when writing has failed for good."""
        self._on_failure.append(callback)

    def on_full(self, callback: Callable[[], None]) -> None:
        """Call `callback()` from the journal's thread when the disk is full and the journal goes on in its reserve."""
        self._on_full.append(callback)

    def flush(self) -> None:
        """Block until everything appended is durable. Raises `JournalFull`."""
        if not self._closed:
            self._wait_for_thread()
        if self._failure is not None:
            raise self._refusal(self.last_seq)

    def records(self, from_seq: int = 0, market: bool = True) -> Iterator[Record]:
        """Every durable record from `from_seq` on, in order of seq; market spans that are gone are logged at the end.

        Raises as `JournalReader.records` does.
        """
        if self._failure is None:
            self.flush()
        return self._read(from_seq, market, self.durable_seq)

    def save_snapshot(self, seq: int, ts_ns: int, build: str, version: int, payload: bytes) -> None:
        """Store a state snapshot taken after `seq`, once that is durable; returns at once.

        What goes wrong with a snapshot is told in `snapshots.problems`: the journal goes on without it.
        """
        if self._refusing:
            raise self._refusal(seq)
        snapshot = Snapshot(seq=seq, ts_ns=ts_ns, build=build, version=version, payload=payload)
        self._snapshots_due.append(snapshot)
        self.commit()

    def load_snapshot(self, before_seq: int | None = None) -> Snapshot | None:
        """The newest readable snapshot with seq <= `before_seq` (None = any), never one ahead of the journal."""
        if self._failure is None:
            self.flush()
        limit = self.durable_seq if before_seq is None else min(before_seq, self.durable_seq)
        return self.snapshots.load(limit)

    def close(self) -> None:
        """Make everything durable, finish the segments and release the files; a failure was told to `on_failure`."""
        if self._closed:
            return
        self._refusing = True
        self._closed = True
        self.commit()
        self._thread.join()
        if self._failure is None:
            try:
                self._appender.seal()
            except OSError as error:
                self._appender.rollback()
                log.warning("journal closed without sealing its last segments: %s", error)
        self._appender.close()
        self.reserve.release()
        os.close(self._lock)

    def _refusal(self, seq: int) -> JournalError:
        if self._failure is not None:
            return type(self._failure)(str(self._failure))
        if self._closed:
            return JournalError("the journal is closed: nothing can be appended")
        return JournalError(f"seq {seq} cannot follow seq {self.last_seq}: a journal has one growing sequence")

    def _read(self, from_seq: int, market: bool, to_seq: int) -> Iterator[Record]:
        reader = JournalReader(self.directory)
        yield from reader.records(from_seq, market, to_seq)
        for span in reader.missing:
            log.warning("read without market data that is gone: %s", span)

    def _wait_for_thread(self) -> None:
        done = threading.Event()
        self._signals.put(done)
        while not done.wait(1.0) and self._thread.is_alive():
            pass

    def _run(self) -> None:
        """The journal's thread."""
        closed = False
        while not closed:
            closed = self._closed
            waiting = self._signals_within(0.0 if closed else self._max_age_s)
            if self._failure is None:
                try:
                    self._write_groups()
                except Exception as error:  # noqa: BLE001 - whatever it was, nothing after it may be claimed durable
                    self._fail(error)
                else:
                    self._save_snapshots()
            for done in waiting:
                done.set()

    def _signals_within(self, seconds: float) -> list[threading.Event]:
        """Wait for a signal; take every signal there is and return those that someone waits for."""
        waiting = []
        with contextlib.suppress(Empty):
            signal = self._signals.get(timeout=seconds) if seconds else self._signals.get_nowait()
            while True:
                if signal is not None:
                    waiting.append(signal)
                signal = self._signals.get_nowait()
        return waiting

    def _write_groups(self) -> None:
        while self._buffer:
            group = self._buffer[:GROUP_RECORDS]
            try:
                self._appender.write(group)
            except OSError as error:
                if error.errno != errno.ENOSPC or not self.reserve.release():
                    raise
                self._go_on_in_reserve(group)
            del self._buffer[: len(group)]
            self.durable_seq = group[-1][1]
            for callback in self._on_durable:
                self._tell(callback, self.durable_seq)

    def _go_on_in_reserve(self, group: list[Entry]) -> None:
        """The disk is full, and the room kept back is free now: go on behind the last whole group."""
        log.critical("the disk is full: the journal goes on in the room that was kept back")
        self._appender.rollback()
        self._appender.close()
        resume = recover(self.directory)
        if resume.last_seq != self.durable_seq:
            raise JournalError(f"after a full disk it ends at seq {resume.last_seq}, not at {self.durable_seq}")
        self._appender = self._open(resume)
        self._appender.write(group)
        for callback in self._on_full:
            try:
                callback()
            except Exception:
                log.exception("a listener of the journal failed")

    def _save_snapshots(self) -> None:
        while self._snapshots_due:
            snapshot = self._snapshots_due.popleft()
            if snapshot.seq > self.durable_seq:
                self.snapshots.note(
                    f"snapshot of seq {snapshot.seq} is dropped: the journal ends at {self.durable_seq}"
                )
                continue
            try:
                self.snapshots.save(snapshot)
            except OSError as error:
                self.snapshots.note(f"snapshot of seq {snapshot.seq} could not be written: {error}")

    def _fail(self, error: Exception) -> None:
        """Give up writing: nothing after `durable_seq` is kept, and everyone is told."""
        self._appender.rollback()
        if isinstance(error, OSError):
            self._failure = JournalFull(
                f"the disk refused a write to the journal in {self.directory} ({error.strerror or error}): it ends at "
                f"seq {self.durable_seq}; make room or mend the disk, then restart"
            )
        else:
            self._failure = JournalError(f"the journal cannot go on after seq {self.durable_seq}: {error!r}")
        self._failure.__cause__ = error
        self._refusing = True
        for callback in self._on_failure:
            self._tell(callback, self._failure)

    def _tell(self, callback: Callable[[T], None], value: T) -> None:
        """A listener's error is its own: it is logged, and the journal goes on."""
        try:
            callback(value)
        except Exception:
            log.exception("a listener of the journal failed")


def lock_directory(directory: Path, *, fsync: bool) -> int:
    """Make the folder and take it for this writer. Raises `JournalError` when it cannot be had."""
    try:
        make_directory(directory, fsync=fsync)
        fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(f"the journal cannot be written in {directory}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalError(f"another process writes the journal in {directory}: stop it first") from error
    return fd
