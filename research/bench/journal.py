"""What the journal costs: the caller's microseconds, records a second, bytes a day, time until durable.

Day figures are for 20 instruments at 10 Hz, grouped as they are live when nothing commits sooner (every 0.1 s).
Every figure is with framing, crc and hash chain; `rules` says whether each group was synced to the disk.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired, TypedDict

from domain.codec import encode
from domain.market import Bbo, Book
from domain.ports import MAIN_STREAM, MARKET_STREAM
from engine.core.journal import FileJournal, verify

INSTRUMENTS = 20
RATE_HZ = 10
GROUP = INSTRUMENTS  # what 0.1 s brings
DAY_S = 86_400
SECOND_NS = 1_000_000_000


class Rival(TypedDict):
    """What another library took for the same, in the same process; in the unit of the row."""

    engine: str
    value: float
    detail: str


class Row(TypedDict):
    """One figure and the rules it was measured under."""

    case: str
    value: float
    unit: str
    rules: str
    rivals: NotRequired[list[Rival]]


def run(records: int = 200_000, waits: int = 400) -> list[Row]:
    """Measure on `records` records for rates and `waits` for latency; about 10 s by default. Uses a scratch folder."""
    rows: list[Row] = []
    for fsync in (False, True):
        rules = f"hash chain, crc, group commit, fsync {'on' if fsync else 'off'}"
        rows += rates(records, rules, fsync=fsync)
        for busy in (False, True):
            p50, p99 = latency_us(waits, fsync=fsync, busy=busy)
            case = f"journal append to durable, caller {'busy' if busy else 'idle'}"
            rows.append(Row(case=f"{case}, p50", value=p50, unit="us", rules=rules))
            rows.append(Row(case=f"{case}, p99", value=p99, unit="us", rules=rules))
    for name, payload in (("Book of 10 levels", book_payload), ("Bbo", bbo_payload)):
        rules = "hash chain, crc, one group every 0.1 s"
        rows.append(
            Row(case=f"journal, 20 x 10 Hz {name}", value=bytes_per_day(payload), unit="bytes/day", rules=rules)
        )
    return rows


def book_payload(seq: int) -> bytes:
    """An encoded book of ten levels a side, with lively prices."""
    mid, qty = 6_500_000 + seq * 7 % 5_000, 1_000 + seq * 31 % 90_000
    return encode(
        Book(
            seq=seq,
            ts_ns=stamp(seq),
            venue_ts_ns=stamp(seq) - 40_000_000,
            instrument="BTC-USDC-PERP.HYPERLIQUID",
            bids=tuple((mid - level, qty + level * 97) for level in range(1, 11)),
            asks=tuple((mid + level, qty + level * 89) for level in range(1, 11)),
        )
    )


def bbo_payload(seq: int) -> bytes:
    """An encoded best bid and offer."""
    mid, qty = 6_500_000 + seq * 7 % 5_000, 1_000 + seq * 31 % 90_000
    return encode(
        Bbo(
            seq=seq,
            ts_ns=stamp(seq),
            venue_ts_ns=stamp(seq) - 40_000_000,
            instrument="BTC-USDC-PERP.HYPERLIQUID",
            bid=mid - 1,
            bid_qty=qty,
            ask=mid + 1,
            ask_qty=qty + 97,
        )
    )


def stamp(seq: int) -> int:
    """A time for a seq, at the rate of the day figures."""
    return 1_760_000_000 * SECOND_NS + seq * SECOND_NS // (INSTRUMENTS * RATE_HZ)


@contextmanager
def scratch(*, fsync: bool, max_age_s: float = 0.1) -> Iterator[FileJournal]:
    """A journal in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
        journal = FileJournal(Path(folder), fsync=fsync, max_age_s=max_age_s)
        try:
            yield journal
        finally:
            journal.close()


def rates(records: int, rules: str, *, fsync: bool) -> list[Row]:
    """Append one main record after every nine books as fast as possible; then read and verify."""
    payloads = [book_payload(seq) for seq in range(1, 1_001)]
    with scratch(fsync=fsync) as journal:
        began = time.perf_counter()
        for seq in range(1, records + 1):
            stream = MARKET_STREAM if seq % 10 else MAIN_STREAM
            journal.append(stream, seq, seq, payloads[seq % 1_000])
        appended = time.perf_counter()
        journal.flush()
        durable = time.perf_counter()
        count = sum(1 for _ in journal.records())
        read = time.perf_counter()
        report = verify(journal.directory)
        verified = time.perf_counter()
    if count != records or report.records != records or not report.ok:
        raise AssertionError(f"the benchmark's journal holds {count} of {records} records: {report.broken}")
    return [
        Row(case="journal append, caller's cost", value=(appended - began) / records * 1e6, unit="us", rules=rules),
        Row(case="journal append to durable, rate", value=records / (durable - began), unit="records/s", rules=rules),
        Row(case="journal read", value=records / (read - durable), unit="records/s", rules="crc"),
        Row(case="journal verify", value=records / (verified - read), unit="records/s", rules="hash chain, crc"),
    ]


def latency_us(waits: int, *, fsync: bool, busy: bool) -> tuple[float, float]:
    """p50 and p99 from appending and committing one record to the durable callback; `busy` computes meanwhile."""
    took: list[float] = []
    done = threading.Event()

    def durable(_: int) -> None:
        took.append(time.perf_counter() - began)
        done.set()

    with scratch(fsync=fsync, max_age_s=60) as journal:
        journal.on_durable(durable)
        for seq in range(1, waits + 1):
            payload = bbo_payload(seq)
            done.clear()
            began = time.perf_counter()
            journal.append(MAIN_STREAM, seq, seq, payload)
            journal.commit()
            while busy and not done.is_set():
                bbo_payload(seq)
            done.wait()
    took.sort()
    return took[len(took) // 2] * 1e6, took[len(took) * 99 // 100] * 1e6


def bytes_per_day(payload_of: Callable[[int], bytes], groups: int = 200) -> float:
    """Bytes on disk for a day of one kind of market event, from what some groups take."""
    with scratch(fsync=False, max_age_s=60) as journal:
        for seq in range(1, groups * GROUP + 1):
            journal.append(MARKET_STREAM, seq, stamp(seq), payload_of(seq))
            if seq % GROUP == 0:
                journal.flush()
        size = sum(path.stat().st_size for path in journal.directory.glob("*.journal"))
    return size / (groups * GROUP) * INSTRUMENTS * RATE_HZ * DAY_S
