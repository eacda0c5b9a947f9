"""Toxic flow: one-sided volume and fills that lose, by hand."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.codec import encode
from engine.indicators import Markout, Vpin
from engine.indicators.toxicity import MOST_PENDING

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def flow(vpin, sides, qty=1.0, every_s=1.0, start_ns=START_NS):
    for i, side in enumerate(sides):
        vpin.update(start_ns + round(i * every_s * SECOND_NS), qty, side)
    return vpin


def test_one_sided_flow_is_one_and_balanced_flow_is_nought():
    assert flow(Vpin(5, 10.0), [1] * 200).value == pytest.approx(1.0)
    assert flow(Vpin(5, 10.0), [1, -1] * 300).value < 0.1


def test_a_bucket_is_the_mean_volume_of_its_seconds():
    vpin = flow(Vpin(5, 10.0), [1, -1] * 300, qty=3.0)
    assert vpin.size == pytest.approx(30.0, rel=0.05)


def test_it_is_unknown_until_all_buckets_were_filled():
    vpin = flow(Vpin(20, 10.0), [1] * 100)
    assert not vpin.ready
    assert math.isnan(vpin.value)


def test_a_trade_of_many_buckets_fills_them_all_with_its_side():
    vpin = flow(Vpin(5, 10.0), [1, -1] * 300)
    vpin.update(START_NS + 600 * SECOND_NS, 1e9, -1)
    assert vpin.value == 1.0


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.sampled_from([1, -1]), st.floats(0, 100)), max_size=60))
def test_it_stays_between_nought_and_one_whatever_comes(trades):
    vpin, ts_ns = Vpin(3, 1.0), START_NS
    for qty, side, after_s in trades:
        ts_ns += round(after_s * SECOND_NS)
        vpin.update(ts_ns, qty, side)
        assert math.isnan(vpin.value) or 0.0 <= vpin.value <= 1.0


def test_a_save_in_the_middle_changes_nothing():
    rng = random.Random(1)
    sides = [rng.choice((1, -1)) for _ in range(300)]
    plain = flow(Vpin(5, 10.0), sides)
    saved = msgspec.msgpack.decode(encode(flow(Vpin(5, 10.0), sides[:150])), type=Vpin)
    assert flow(saved, sides[150:], start_ns=START_NS + 150 * SECOND_NS) == plain


def test_a_fill_is_judged_by_the_fair_price_after_its_horizon():
    markout = Markout(10.0, fills=2)
    markout.fill(START_NS, 1, 100.0)
    markout.fill(START_NS + 5 * SECOND_NS, -1, 102.0)
    markout.judge(START_NS + 9 * SECOND_NS, 50.0)
    assert markout.count == 0
    markout.judge(START_NS + 10 * SECOND_NS, 99.0)
    assert (markout.count, markout.ready) == (1, False)
    markout.judge(START_NS + 15 * SECOND_NS, 101.0)
    assert markout.value == pytest.approx((-1 / 100 + 1 / 102) / 2)


def test_a_flood_of_fills_is_kept_in_bounds():
    markout = Markout(1e6, fills=2)
    for i in range(2 * MOST_PENDING):
        markout.fill(START_NS + i, 1, 100.0)
    assert len(markout.pending) == MOST_PENDING
