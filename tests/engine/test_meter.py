"""What a driver measures comes out as it happened: round trips, failed requests, load."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from domain import events as e
from domain.account import VenueOperation
from domain.breakers import Measured, Watch
from domain.order import Cancel, OrderKind, Place
from engine.meter import ANSWER_WITHIN_NS, Load, Meter

MS = 1_000_000


class Line:
    """A meter with a clock in the test's hands."""

    def __init__(self, load: int | None = None) -> None:
        self.now_ns = 10**12
        self.out: list[e.Event] = []
        self.meter = Meter(self.out.append, lambda: self.now_ns, lambda: load)

    def place(self, cid: str, kind: OrderKind = OrderKind.IOC, account: str = "PAPER:main") -> None:
        order = Place(cid=cid, account=account, instrument="BTC-USDC-PERP.PAPER", side=1, kind=kind, qty=1, price=1)
        self.meter.sent([order])

    def after(self, ms: int, event: e.Event) -> None:
        self.now_ns += ms * MS
        self.meter.heard(event)

    def told(self) -> dict[tuple[Watch, str], tuple[int, int]]:
        self.out.clear()
        self.meter.report()
        return {(m.watch, m.scope): (m.value, m.count) for m in self.out if isinstance(m, Measured)}


def test_the_median_round_trip_of_each_venue_is_told_once() -> None:
    line = Line()
    for n, ms in enumerate((40, 10, 900)):
        line.place(f"a{n}")
        line.after(ms, e.Accepted(cid=f"a{n}"))
    line.place("b", account="OTHER:main")
    line.after(7, e.Rejected(cid="b"))
    told = line.told()
    assert told[Watch.LATENCY, "PAPER"] == (40 * MS, 3)
    assert told[Watch.LATENCY, "OTHER"] == (7 * MS, 1)
    assert told[Watch.ERROR_RATE, "PAPER"] == (0, 3)
    assert told[Watch.ERROR_RATE, "OTHER"] == (1, 1)
    assert line.told() == {}


def test_what_did_not_leave_or_was_not_answered_has_failed_and_a_second_answer_counts_for_nothing() -> None:
    line = Line()
    line.place("a")
    line.place("b")
    line.place("c")
    line.meter.sent([Cancel(cid="c", account="PAPER:main", instrument="BTC-USDC-PERP.PAPER")])
    line.after(5, e.SendFailed(cid="a"))
    line.after(5, e.Accepted(cid="c"))
    line.after(5, e.Cancelled(cid="c"))
    assert line.told()[Watch.ERROR_RATE, "PAPER"] == (1, 4)
    line.now_ns += ANSWER_WITHIN_NS
    told = line.told()
    assert told[Watch.ERROR_RATE, "PAPER"] == (1, 1)
    assert told[Watch.LATENCY, "PAPER"] == (ANSWER_WITHIN_NS, 1)


def test_a_post_only_order_that_would_have_taken_is_no_failure_and_trouble_is_one() -> None:
    line = Line()
    line.place("a", OrderKind.POST_ONLY)
    line.after(5, e.Rejected(cid="a"))
    assert line.told()[Watch.ERROR_RATE, "PAPER"] == (0, 1)
    line.after(5, e.VenueTrouble(venue="PAPER", operation=VenueOperation.READS))
    line.after(5, e.VenueTrouble(venue="PAPER", operation=VenueOperation.MARKET_DATA))
    assert line.told() == {(Watch.ERROR_RATE, "PAPER"): (1, 1)}


def test_load_is_the_larger_of_the_threads_time_and_the_memory_in_use(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert Load(meminfo, tmp_path).take() >= 750_000
    (tmp_path / "memory.max").write_text("2000\n")
    (tmp_path / "memory.current").write_text("1900\n")
    (tmp_path / "memory.stat").write_text("anon 5\nfile 100\n")
    assert Load(meminfo, tmp_path).take() >= 900_000
    busy = Load(tmp_path / "none", tmp_path / "none")
    total = Decimal(0)
    for n in range(60_000):
        total += n
    assert 100_000 < busy.take() <= 1_000_000


@pytest.mark.parametrize("load", [None, 5])
def test_a_load_that_cannot_be_measured_is_not_told(load: int | None) -> None:
    assert Line(load).told() == ({(Watch.OVERLOAD, ""): (5, 1)} if load is not None else {})
