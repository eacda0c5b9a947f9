"""Arbitrage over two venues: what is a gap, how large a pair is, and what becomes of a leg that filled alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.desired import NOTHING, Take
from domain.errors import StrategyError
from domain.settings import StrategySpec
from domain.strategy import BookView, Wake
from engine.strategies.arbitrage import Arbitrage
from engine.strategies.legs import Course, Leg, closable, matched, pair_of, ways, worst
from engine.strategies.registry import build
from tests.engine.strategies.harness import SECOND_NS, Bench

A, B = "BTC-USDC-PERP.ALPHA", "BTC-USDT-PERP.BETA"
Levels = tuple[tuple[float, float], ...]


class Venues(Bench):
    """A bench with a book at each venue; `both` shows them, and says which takes are new."""

    def __init__(self, **params: float) -> None:
        caps = {"naked_cap_usd": 100.0, "max_position_usd": 1_000.0}
        given_params = caps | {"slippage_pct": 0.2, "reach_pct": 0.0} | params
        spec = StrategySpec(id="arb", kind="arbitrage", account="ALPHA:main", instruments=(A, B), params=given_params)
        super().__init__(build(spec))
        self.view.fees = {A: 0.0005, B: 0.0005}
        self.seen: set[str] = set()

    def book(self, name: str, bids: Levels, asks: Levels, after_s: float = 0.1) -> list[Take]:
        self.view.ts_ns += round(after_s * SECOND_NS)
        self.view.books[name] = BookView(bids, asks)
        return self.new(self.wake(Wake.BOOK, instrument=name).takes)

    def both(self, a: float, b: float, qty: float = 5.0, *, after_s: float = 0.1) -> list[Take]:
        """A touch of 0.02 around each price, with this much at it."""
        books = [((price - 0.01, qty),) for price in (a, b)], [((price + 0.01, qty),) for price in (a, b)]
        return self.book(A, books[0][0], books[1][0], after_s) + self.book(B, books[0][1], books[1][1], 0.0)

    def new(self, takes: tuple[Take, ...]) -> list[Take]:
        fresh = [take for take in takes if take.id not in self.seen]
        self.seen.update(take.id for take in fresh)
        return fresh

    def filled(self, take: Take, qty: float | None = None) -> list[Take]:
        """The venue fills a take, all of it or so much; what follows."""
        return self.new(
            self.fill(take.side, take.limit, take.qty if qty is None else qty, take.id, of=take.instrument).takes
        )


def legs_of(takes: list[Take]) -> list[tuple[str, int, float]]:
    return [(take.instrument, take.side, round(take.qty, 6)) for take in takes]


def test_a_gap_that_pays_both_fees_and_the_least_edge_is_bought_and_sold_at_once() -> None:
    venues = Venues()
    # 100.01 x 1.0005 = 100.060005; 100.26 x 0.9995 = 100.20987: 0.1498 % is left
    takes = venues.both(100.0, 100.27)
    assert legs_of(takes) == [(A, 1, 0.997), (B, -1, 0.997)], "100 USD at 100.26, in whole lots"
    assert [take.limit for take in takes] == pytest.approx([100.01, 100.26])
    assert all(take.expires_ns == venues.view.ts_ns + SECOND_NS for take in takes)


def test_a_leg_may_fill_a_little_worse_than_the_books_show_because_one_that_misses_costs_more() -> None:
    buy, sell = Venues(reach_pct=0.05).both(100.0, 100.27)
    assert [buy.limit, sell.limit] == pytest.approx([100.01 * 1.0005, 100.26 * 0.9995])


def test_legs_that_could_give_away_all_that_a_pair_must_earn_are_refused() -> None:
    with pytest.raises(StrategyError, match="give away more than min_edge_pct"):
        Venues(reach_pct=0.02, min_edge_pct=0.03)


@pytest.mark.parametrize(("b", "pays"), [(100.20, False), (100.223, True), (99.7, True)])
def test_the_edge_is_what_is_left_after_fees(b: float, pays: bool) -> None:
    # least: 100.01 x 1.0005 x 1.001 / 0.9995 = 100.2102 at the bid
    assert bool(Venues().both(100.0, b)) is pays


def test_a_pair_is_as_deep_as_both_books_pay_on_every_part() -> None:
    buy = Leg(A, (), ((100.0, 1.0), (100.1, 2.0), (100.6, 9.0)), 0.0, 0, 0, 0, 0.1, 0.1)
    sell = Leg(B, ((100.5, 1.5), (100.4, 0.7), (100.0, 9.0)), (), 0.0, 0, 0, 0, 0.1, 0.1)
    pair = matched(buy, sell, 0.001, math.inf)
    assert pair is not None
    # 1.0 at 100.0/100.5, 0.5 at 100.1/100.5, 0.7 at 100.1/100.4; the rest at 100.1/100.0 loses
    assert (round(pair.qty, 9), pair.buy_limit, pair.sell_limit) == (2.2, 100.1, 100.4)
    smaller = matched(buy, sell, 0.001, 1.26)
    assert smaller is not None
    assert (round(smaller.qty, 9), smaller.buy_limit, smaller.sell_limit) == (1.2, 100.1, 100.5)
    assert matched(buy, sell, 0.01, math.inf) is None
    assert matched(buy, sell, 0.001, 0.05) is None, "less than a lot"


def test_a_stale_book_or_one_from_before_the_last_pair_is_not_traded_on() -> None:
    venues = Venues(max_age_ms=500)
    venues.book(A, ((99.99, 5.0),), ((100.01, 5.0),))
    assert venues.book(B, ((100.5, 5.0),), ((100.6, 5.0),), after_s=0.6) == [], "A has said nothing for 0.6 s"
    takes = venues.book(A, ((99.99, 5.0),), ((100.01, 5.0),))
    assert len(takes) == 2
    for take in takes:
        venues.filled(take)
    assert venues.book(B, ((100.5, 5.0),), ((100.6, 5.0),), after_s=0.4) == [], "A's book is that of before the pair"


def test_positions_net_and_the_gap_the_other_way_brings_them_back_for_no_more_than_its_costs() -> None:
    venues = Venues(pause_s=0.0)
    for take in venues.both(100.0, 100.5):
        venues.filled(take)
    assert [round(venues.view.position(name), 6) for name in (A, B)] == [0.994, -0.994]
    assert venues.both(100.2, 100.2) == [], "nothing pays now"
    takes = venues.both(100.3, 100.1)
    # 100.29 x 0.9995 - 100.11 x 1.0005 > 0: more than nothing is left, and that is all that closing has to earn
    assert legs_of(takes) == [(B, 1, 0.994), (A, -1, 0.994)]
    for take in takes:
        venues.filled(take)
    assert [venues.view.position(name) for name in (A, B)] == [0, 0]
    assert venues.both(100.3, 100.1) == [], "a new pair has to earn the least edge"


def test_a_rest_that_is_less_than_the_smallest_order_is_closed_by_orders_that_only_reduce() -> None:
    buy = Leg(A, (), ((100.0, 1.0),), 0.0, -0.05, 0, 0, 0.01, 0.1)
    sell = Leg(B, ((100.5, 1.0),), (), 0.0, 0.05, 0, 0, 0.01, 0.1)
    assert matched(buy, sell, 0.001, 0.05) is None
    pair = matched(buy, sell, 0.001, closable(buy, sell), closing=True)
    assert pair is not None
    takes = pair_of(Course(), buy, sell, pair, 0.0, 1)
    assert [(take.qty, take.reduce_only) for take in takes] == [(0.05, True), (0.05, True)]


def test_a_position_is_no_larger_than_its_cap_at_either_venue() -> None:
    venues = Venues(pause_s=0.0, max_position_usd=250.0)
    for _ in range(10):
        for take in venues.both(100.0, 100.5):
            venues.filled(take)
    assert venues.view.position(A) == pytest.approx(2.487, abs=1e-3)
    assert venues.view.position(B) == pytest.approx(-2.487, abs=1e-3)


def test_a_leg_that_filled_alone_is_closed_where_most_is_paid_for_it() -> None:
    venues = Venues()
    buy, sell = venues.both(100.0, 100.5)
    venues.view.orders[B, -1] = sell.qty
    assert venues.filled(buy) == [], "the sale may still fill"
    venues.view.orders.clear()
    [repair] = venues.both(100.0, 100.4)
    assert legs_of([repair]) == [(B, -1, buy.qty)], "the other venue still pays more: the pair is completed"
    assert repair.limit == pytest.approx(100.49 * 0.998), "B was seen at 100.5 when A told its price"
    venues.filled(repair)
    again = Venues()
    first = again.both(100.0, 100.5)[0]
    again.view.orders[B, -1] = first.qty
    again.filled(first)
    again.view.orders.clear()
    [unwound] = again.book(B, ((99.89, 5.0),), ((99.91, 5.0),))
    assert legs_of([unwound]) == [(A, -1, buy.qty)], "there it would cost more than where it came from"
    assert unwound.reduce_only


def test_a_partial_fill_is_hedged_once_and_for_what_it_was() -> None:
    venues = Venues()
    buy, sell = venues.both(100.0, 100.5)
    venues.filled(sell)
    assert venues.view.position(B) == pytest.approx(-0.994)
    venues.view.orders[A, 1] = buy.qty - 0.4
    assert venues.filled(buy, 0.4) == [], "the rest may still fill"
    venues.view.orders.clear()  # it was cancelled
    [repair] = venues.both(100.0, 100.5)
    assert legs_of([repair]) == [(A, 1, round(buy.qty - 0.4, 6))]
    venues.view.orders[A, 1] = repair.qty
    pair = venues.both(100.0, 100.5, after_s=5.0)
    assert sum(take.side * take.qty for take in pair) == 0, "its answer is lost: it counts as filled, whatever the time"
    assert sum(take.qty for take in pair) / 2 == pytest.approx(0.4), "and what is left of the cap may be used"


def test_a_fill_after_the_cancel_is_hedged_too() -> None:
    venues = Venues()
    buy = venues.both(100.0, 100.5)[0]
    assert venues.both(100.0, 100.5, after_s=0.2) == []
    assert legs_of(venues.filled(buy)) == [(B, -1, buy.qty)]


def test_what_is_not_closed_in_time_is_closed_for_more_and_at_the_next_venue() -> None:
    venues = Venues(patience_s=1.0, retry_ms=300, most_slippage_pct=2.0)
    venues.filled(venues.both(100.0, 100.5)[0])
    tries = [take for _ in range(12) for take in venues.both(100.0, 100.3, after_s=0.2)]
    assert [take.instrument for take in tries[:5]] == [B, A, A, B, B], "the first was sent with the fill"
    assert tries[0].limit == pytest.approx(100.29 * 0.998)
    assert tries[-1].limit in (pytest.approx(100.29 * 0.98), pytest.approx(99.99 * 0.98))


def test_a_venue_without_prices_leaves_the_other_to_close_what_is_naked() -> None:
    venues = Venues()
    buy, _ = venues.both(100.0, 100.5)
    venues.filled(buy)
    [repair] = venues.book(A, ((99.0, 5.0),), ((99.1, 5.0),), after_s=3.0)
    assert legs_of([repair]) == [(A, -1, buy.qty)]


def test_pairs_that_come_apart_are_tried_ever_less_often() -> None:
    venues = Venues(pause_s=1.0)
    pairs = 0
    for _ in range(600):  # a minute: now and then one leg is filled, the other never; between them neither is
        takes = venues.both(100.0, 100.5)
        pairs += len(takes) == 2
        for take in takes:
            if take.instrument == A and pairs % 2:
                for unwound in venues.filled(take):
                    venues.filled(unwound)
    assert 8 <= pairs <= 12, "twice 1 + 2 + 4 + 8 + 16 seconds"


def test_what_is_found_unhedged_is_closed_in_pieces_of_the_cap_and_what_is_hedged_is_kept() -> None:
    venues = Venues()
    venues.view.positions = {A: 3.0, B: -0.5}
    [first] = venues.both(100.0, 100.0)
    assert first.qty == pytest.approx(0.999)
    kept = Venues()
    kept.view.positions = {A: 3.0, B: -3.0}
    assert kept.both(100.0, 100.0) == []


def test_a_rest_too_small_for_an_order_is_left_unless_it_only_reduces() -> None:
    small = Leg(A, ((100.0, 5.0),), ((100.1, 5.0),), 0.0, 0.0, 0, 0, 0.001, 0.1)
    assert ways([small], -1, 0.05) == []
    held = Leg(A, ((100.0, 5.0),), ((100.1, 5.0),), 0.0, 0.05, 0, 0, 0.001, 0.1)
    [way] = ways([held], -1, 0.05)
    assert (way.qty, way.only_reduces) == (0.05, True)


def test_people_read_why_nothing_is_wanted() -> None:
    venues = Venues(max_age_ms=500)
    because = [venues.memory.because]
    venues.book(A, ((99.99, 5.0),), ((100.01, 5.0),))
    because.append(venues.memory.because)
    venues.both(100.0, 100.1)
    because.append(venues.memory.because)
    assert because == [
        "no book was seen",
        f"there is no fresh book of {B}",
        "the widest gap leaves -0.020% after fees, 0.100% is needed",
    ]
    for take in venues.both(100.0, 100.5):
        venues.filled(take)
    venues.both(100.0, 100.5)
    assert venues.memory.because == "it rests; pairs in a row that came apart: 1"


def test_nothing_is_wanted_where_nothing_is_new() -> None:
    venues = Venues()
    assert venues.both(100.0, 100.5)
    venues.both(100.0, 100.0)
    assert venues.desired is NOTHING
    assert Course() == Venues().memory.courses.get("BTC", Course())


@pytest.mark.parametrize("names", [(A,), (A, A), (A, "ETH-USDC-PERP.BETA"), (A, "BTC-USDT-PERP.ALPHA")])
@pytest.mark.parametrize("kind", ["arbitrage", "funding_arbitrage"])
def test_an_asset_at_one_venue_only_is_refused_in_words(kind: str, names: tuple[str, ...]) -> None:
    with pytest.raises(StrategyError, match="at two venues or more"):
        build(StrategySpec(id="arb", kind=kind, account="ALPHA:main", instruments=names))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_fills_when_and_answers_or_not_no_more_than_the_cap_is_ever_naked(data: st.DataObject) -> None:
    """Takes fill in any order, in parts, late or never, and some answers are lost for good."""
    venues = Venues(pause_s=0.0, naked_cap_usd=150.0)
    cap = 150.0 / 100.0 + 1e-6
    working: list[tuple[Take, float]] = []

    def count() -> None:
        venues.view.orders.clear()
        for take, left in working:
            key = take.instrument, take.side
            venues.view.orders[key] = venues.view.orders.get(key, 0.0) + left

    for _ in range(data.draw(st.integers(1, 25))):
        gap = data.draw(st.sampled_from([-0.6, 0.0, 0.6]))
        new = venues.both(100.0, 100.0 + gap)
        working += [(take, take.qty) for take in new]
        count()
        for _ in range(data.draw(st.integers(0, 3))):
            if not working:
                break
            take, left = working.pop(data.draw(st.integers(0, len(working) - 1)))
            part = round(left * data.draw(st.sampled_from([0.0, 0.3, 1.0])), 3)
            rest = left - part
            if rest > 1e-9 and data.draw(st.booleans()):
                working.append((take, rest))  # no answer about the rest
            count()
            if part:
                working += [(more, more.qty) for more in venues.filled(take, part)]
                count()
        net = sum(venues.view.positions.values())
        up = sum(left for take, left in working if take.side > 0)
        down = sum(left for take, left in working if take.side < 0)
        assert max(net + up, down - net) <= cap
        assert all(math.isfinite(take.limit) and take.qty > 0 for take in new)


def test_the_memory_survives_a_restart_and_goes_on_as_it_was() -> None:
    one, other = Venues(), Venues()
    for venues in (one, other):
        venues.filled(venues.both(100.0, 100.5)[0])
    other.save_and_restore()
    assert [take.id for take in one.both(100.0, 100.3, after_s=1.0)] == [
        take.id for take in other.both(100.0, 100.3, after_s=1.0)
    ]
    assert isinstance(one.strategy, Arbitrage)
    assert worst([]) == 0.0
