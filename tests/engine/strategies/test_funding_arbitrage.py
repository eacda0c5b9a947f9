"""Funding arbitrage over two venues: what pays, when it is left, and that an unknown rate decides nothing."""

from __future__ import annotations

import pytest

from domain.desired import Take
from domain.settings import StrategySpec
from domain.strategy import BookView, Wake
from engine.strategies.registry import build
from tests.engine.strategies.harness import SECOND_NS, Bench
from tests.engine.strategies.test_arbitrage import A, B, legs_of

HOUR_S = 3_600.0


class Rates(Bench):
    """A bench with a book and a funding rate at each venue: hourly at A, every eight hours at B."""

    def __init__(self, **params: float) -> None:
        given = {"naked_cap_usd": 100.0, "max_position_usd": 100.0, "pause_s": 0.0, "turn_s": 60.0, **params}
        spec = StrategySpec(id="f", kind="funding_arbitrage", account="ALPHA:main", instruments=(A, B), params=given)
        super().__init__(build(spec))
        self.view.fees = {A: 0.0005, B: 0.0005}
        self.view.intervals = {A: HOUR_S, B: 8 * HOUR_S}

    def rates(self, a: float, b: float) -> None:
        self.view.funding = {A: a, B: b}

    def both(self, a: float = 100.0, b: float = 100.0, *, after_s: float = 1.0) -> list[Take]:
        """A touch of 0.02 around each price; what is new."""
        self.view.ts_ns += round(after_s * SECOND_NS)
        takes: list[Take] = []
        for name, price in ((A, a), (B, b)):
            self.view.books[name] = BookView(((price - 0.01, 9.0),), ((price + 0.01, 9.0),))
            takes += self.wake(Wake.BOOK, instrument=name).takes
        return takes

    def enter(self) -> None:
        """Long at A, short at B, both filled at the touch."""
        self.rates(0.00001, 0.0012)
        buy, sell = self.both()
        self.view.orders[B, -1] = sell.qty
        self.fill(1, buy.limit, buy.qty, buy.id, of=A)
        self.view.orders.clear()
        self.fill(-1, sell.limit, sell.qty, sell.id, of=B)
        assert self.both() == []


def test_rates_of_different_intervals_are_compared_by_the_hour() -> None:
    """0.08 % in eight hours is 0.01 % an hour: the dearer one is the hourly 0.02 %, whatever stands there."""
    rates = Rates(min_gain_pct=0.0)
    rates.rates(0.0002, 0.0008)
    takes = rates.both()
    # 24 h x 0.01 % = 0.24 %; two spreads of 0.02 % and four fees of 0.05 % = 0.24 %: not a hair below the costs
    assert takes == []
    rates.rates(0.00021, 0.0008)
    assert legs_of(rates.both()) == [(B, 1, 0.999), (A, -1, 0.999)], "long where it costs least"


@pytest.mark.parametrize(("b_rate", "pays"), [(0.00092, False), (0.00108, True)])
def test_it_is_entered_when_the_time_it_is_held_earns_the_least_gain(b_rate: float, pays: bool) -> None:
    """Costs of 0.24 % and a least gain of 0.05 %: 0.29 % in 24 hours, so 0.0121 % an hour."""
    rates = Rates()
    rates.rates(0.00001, b_rate)  # B: 0.0115 % or 0.0135 % an hour, A 0.001 %
    assert bool(rates.both()) is pays


def test_an_unknown_rate_neither_enters_nor_leaves() -> None:
    rates = Rates()
    rates.rates(0.0, 0.01)
    assert rates.both() == []
    rates.enter()
    rates.rates(0.0, -0.01)
    assert all(rates.both(after_s=40.0) == [] for _ in range(5))


def test_a_gap_in_our_disfavour_has_to_be_paid_out_of_the_funding() -> None:
    rates = Rates()
    rates.rates(0.00001, 0.0012)  # 0.336 % expected, 0.096 % beyond costs, 0.046 % beyond the least gain
    assert rates.both(100.0, 99.9) == [], "A costs 0.1 % more than B brings"
    assert legs_of(rates.both(100.0, 99.98)) == [(A, 1, 0.999), (B, -1, 0.999)]


def test_it_is_left_when_the_difference_has_been_against_us_for_long_enough() -> None:
    rates = Rates()
    rates.enter()
    rates.rates(0.0002, 0.0008)
    assert rates.both() == []
    rates.rates(0.0001, 0.0010)
    assert rates.both(after_s=50.0) == [], "it has turned back: the time begins anew"
    rates.rates(0.0002, 0.0008)
    assert rates.both(after_s=50.0) == []
    assert rates.both(after_s=59.0) == []
    takes = rates.both(after_s=2.0)
    assert legs_of(takes) == [(B, 1, 0.999), (A, -1, 0.999)]
    rates.view.orders[A, -1] = takes[1].qty
    rates.fill(1, takes[0].limit, takes[0].qty, of=B)
    rates.view.orders.clear()
    rates.fill(-1, takes[1].limit, takes[1].qty, of=A)
    rates.rates(0.00001, 0.0012)
    assert rates.both() != [], "flat again, it may enter again"


def test_prices_that_drift_apart_end_it_and_nothing_is_entered_for_hours() -> None:
    rates = Rates(basis_stop_pct=1.0, rest_h=1.0)
    rates.enter()
    assert rates.both(100.0, 100.9) == []
    takes = rates.both(100.0, 101.1)
    assert [(take.instrument, take.side) for take in takes] == [(B, 1), (A, -1)]
    assert [take.qty for take in takes] == pytest.approx([0.989, 0.989], abs=2e-3)
    rates.view.positions, rates.view.paid = {}, {}
    assert all(rates.both(after_s=300.0) == [] for _ in range(11))
    assert rates.both(after_s=400.0) != []


def test_a_leg_that_filled_alone_is_closed_and_a_pair_that_is_found_is_kept() -> None:
    rates = Rates()
    rates.rates(0.00001, 0.0001)
    rates.view.positions, rates.view.paid = {A: 0.5, B: -0.5}, {A: 100.0, B: 100.0}
    assert rates.both() == []
    rates.view.positions = {A: 0.5, B: -0.2}
    [repair] = rates.both()[:1]
    assert legs_of([repair]) == [(A, -1, 0.3)], "with prices and fees alike the first is taken"
    rates.save_and_restore()
    assert rates.memory.courses["BTC"].naked_ns
