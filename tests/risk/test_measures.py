"""What breakers measure, against figures worked out by hand; too few samples are no measure."""

from __future__ import annotations

from decimal import Decimal

import pytest

from risk import measures
from risk.measures import Sample

MS = 1_000_000
MINUTE_NS = 60_000_000_000


@pytest.mark.parametrize(
    ("samples", "median_ms"),
    [
        ([], None),
        ([(0, 900 * MS, 4)], None),
        ([(0, 900 * MS, 5)], Decimal(900)),
        ([(0, 300 * MS, 2), (1, 100 * MS, 2), (2, 200 * MS, 1)], Decimal(200)),
        ([(0, 100 * MS, 3), (1, 900 * MS, 3)], Decimal(100)),  # the lower one of the two in the middle
        ([(0, 100 * MS, 3), (1, 900 * MS, 4)], Decimal(900)),
        ([(0, 1_500_000, 5)], Decimal("1.5")),
    ],
)
def test_latency_is_the_median_by_orders_from_five_on(samples: list[Sample], median_ms: Decimal | None) -> None:
    assert measures.latency_ms(samples) == median_ms


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        ([], None),
        ([(0, 19, 19)], None),
        ([(0, 0, 20)], Decimal(0)),
        ([(0, 1, 20)], Decimal("0.05")),
        ([(0, 3, 10), (1, 0, 30)], Decimal("0.075")),  # of all requests, not the mean of two rates
    ],
)
def test_the_error_rate_is_failures_of_requests_from_twenty_on(samples: list[Sample], rate: Decimal | None) -> None:
    assert measures.error_rate(samples) == rate


@pytest.mark.parametrize(
    ("samples", "load"),
    [
        ([], None),
        ([(0, 900_000, 1)], None),
        ([(0, 900_000, 1), (MINUTE_NS // 2 - 1, 900_000, 1)], None),
        ([(0, 900_000, 1), (MINUTE_NS // 2, 700_000, 1)], Decimal("0.8")),
        ([(0, 0, 1), (MINUTE_NS // 4, 500_000, 1), (MINUTE_NS, 1_000_000, 1)], Decimal("0.5")),
    ],
)
def test_load_is_the_mean_once_half_of_the_window_is_covered(samples: list[Sample], load: Decimal | None) -> None:
    assert measures.load(samples, MINUTE_NS) == load


@pytest.mark.parametrize(
    ("price", "prices", "distance"),
    [
        (105, [100] * 4, None),
        (0, [100] * 5, None),
        (105, [100] * 5, Decimal("0.05")),
        (90, [80, 90, 100, 110, 120], Decimal("0.1")),
        (100, [100] * 5, Decimal(0)),
    ],
)
def test_the_distance_is_from_the_mean_of_five_prices_or_more_to_either_side(
    price: int, prices: list[int], distance: Decimal | None
) -> None:
    assert measures.distance(price, [(i, value, 1) for i, value in enumerate(prices)]) == distance


@pytest.mark.parametrize(
    ("bid", "ask", "spread"),
    [(0, 101, None), (99, 0, None), (99, 101, Decimal("0.02")), (100, 100, Decimal(0)), (101, 99, Decimal("-0.02"))],
)
def test_the_spread_is_a_part_of_the_middle_and_unknown_without_both_sides(
    bid: int, ask: int, spread: Decimal | None
) -> None:
    assert measures.spread(bid, ask) == spread


def test_so_many_samples_are_kept_and_the_oldest_make_room() -> None:
    samples: list[Sample] = [(at, 0, 1) for at in range(measures.MOST_SAMPLES)]
    for at in range(measures.MOST_SAMPLES, measures.MOST_SAMPLES + 2):
        measures.keep(samples, (at, 0, 1))
    assert len(samples) == measures.MOST_SAMPLES
    assert (samples[0][0], samples[-1][0]) == (2, measures.MOST_SAMPLES + 1)


def test_what_is_older_than_the_window_is_forgotten_and_its_first_moment_is_kept() -> None:
    samples: list[Sample] = [(1, 10, 1), (2, 20, 1), (3, 30, 1)]
    measures.since(samples, 2)
    assert samples == [(2, 20, 1), (3, 30, 1)]
    measures.since(samples, 9)
    assert samples == []
