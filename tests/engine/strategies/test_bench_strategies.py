"""The benchmark pair follows the rules of the peers' cases; the two legs follow the spread."""

import pytest

from domain.desired import NOTHING, Hedge, Qty
from domain.errors import StrategyError
from domain.strategy import BboView, Wake
from engine.strategies.bench.alternator import Alternator
from engine.strategies.bench.quoter import Quoter
from engine.strategies.two_leg import TwoLeg
from tests.engine.strategies.harness import BTC, ETH, Bench


def sides_and_prices(bench: Bench):
    return [(q.side, round(q.price, 6), q.qty) for q in bench.desired.quotes]


def test_the_quoter_reprices_at_every_kth_quote():
    bench = Bench(Quoter.build([BTC], {"every": 3}))
    assert bench.touch(100.0, 100.5) is NOTHING
    assert bench.touch(100.0, 100.5) is NOTHING
    bench.touch(100.0, 100.5)
    assert sides_and_prices(bench) == [(1, 99.8, 0.01), (-1, 100.7, 0.01)]
    before = bench.desired
    assert bench.touch(101.0, 101.5) is before
    bench.touch(101.0, 101.5)
    bench.touch(101.0, 101.5)
    assert sides_and_prices(bench) == [(1, 100.8, 0.01), (-1, 101.7, 0.01)]
    bench.touch(101.0, 101.5)
    bench.touch(101.0, 101.5)
    before = bench.desired
    assert bench.touch(101.0, 101.5) is before, "the same prices are the same object"


def test_a_filled_side_of_the_quoter_comes_back_only_at_the_next_kth_quote():
    bench = Bench(Quoter.build([BTC], {"every": 2}))
    bench.touch(100.0, 100.5)
    bench.touch(100.0, 100.5)
    bench.fill(1, 99.8, 0.004)
    assert len(bench.desired.quotes) == 2, "partly filled: it stays"
    bench.fill(1, 99.8, 0.006)
    assert [q.side for q in bench.desired.quotes] == [-1]
    bench.touch(99.8, 100.3)
    assert [q.side for q in bench.desired.quotes] == [-1]
    bench.touch(99.8, 100.3)
    assert [q.side for q in bench.desired.quotes] == [1, -1]


@pytest.mark.parametrize(("held", "sides"), [(0.49, [1, -1]), (0.5, [-1]), (-0.5, [1])])
def test_the_quoter_stops_at_its_inventory_cap(held, sides):
    bench = Bench(Quoter.build([BTC], {"every": 1}))
    bench.view.positions[BTC] = held
    assert [q.side for q in bench.touch(100.0, 100.5).quotes] == sides


def reference_side(i: int, pattern: str) -> int:
    if pattern == "alt":
        return -1 if i & 1 else 1
    return 1 if i < 50 or ((i - 50) // 49) & 1 else -1


@pytest.mark.parametrize("pattern", ["alt", "drift"])
def test_the_alternator_sends_one_order_per_quote_in_the_pattern(pattern):
    takes = Bench(Alternator.build([BTC], {"pattern": pattern, "limit": 400}))
    targets = Bench(Alternator.build([BTC], {"pattern": pattern, "limit": 400, "mode": "target"}))
    net, seen = 0, set()
    for i in range(400):
        side = reference_side(i, pattern)
        net += side
        (take,) = takes.touch(100.0, 100.5).takes
        assert take.side == side
        assert take.limit > 100.5 if side > 0 else take.limit < 100.0
        assert take.expires_ns > takes.view.ts_ns
        seen.add(take.id)
        (target,) = targets.touch(100.0, 100.5).targets
        assert target.want == Qty(net * 0.01)
    assert len(seen) == 400
    before = takes.desired
    assert takes.touch(100.0, 100.5) is before, "the limit ends it"


PAIR = {"qty": 0.5, "naked_cap": 0.1, "ratio": 2.0, "enter_bps": 10, "exit_bps": 1}


def spread(bench: Bench, lead: float, hedge: float):
    """Both touches one unit wide in 10,000."""
    bench.view.touches[BTC] = BboView(lead - 0.5, 1.0, lead + 0.5, 1.0)
    bench.view.touches[ETH] = BboView(hedge - 0.5, 1.0, hedge + 0.5, 1.0)
    bench.view.ts_ns += 1
    return bench.wake(Wake.BBO)


def test_two_legs_enter_a_wide_spread_hold_it_and_leave_a_narrow_one():
    bench = Bench(TwoLeg.build([BTC, ETH], PAIR))
    assert spread(bench, 10_000, 10_000) is NOTHING
    assert spread(bench, 10_010, 10_000) is NOTHING, "10 bps, but not after crossing both spreads"
    lead, hedge = spread(bench, 10_012, 10_000).targets
    assert (lead.instrument, lead.want) == (BTC, Qty(-0.5))
    assert (hedge.instrument, hedge.want) == (ETH, Hedge(BTC, 2.0, 0.1))
    held = bench.desired
    assert spread(bench, 10_005, 10_000) is held
    lead, hedge = spread(bench, 10_001, 10_000).targets
    assert lead.want == Qty(0.0)
    assert isinstance(hedge.want, Hedge), "the hedge follows the lead's fills down too"
    lead, _ = spread(bench, 9_980, 10_000).targets
    assert lead.want == Qty(0.5)


def test_two_legs_wait_for_both_markets_and_are_two():
    bench = Bench(TwoLeg.build([BTC, ETH], PAIR))
    assert bench.touch(100.0, 101.0) is NOTHING
    with pytest.raises(StrategyError, match="two instruments"):
        TwoLeg.build([BTC], PAIR)
    with pytest.raises(StrategyError, match="two instruments"):
        TwoLeg.build([BTC, BTC], PAIR)
