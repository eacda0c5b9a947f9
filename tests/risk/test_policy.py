"""Policy: convictions become sizes, sizes are clipped, and what is large is told apart from what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.instrument import Instrument
from domain.verdict import Reason
from risk.policy import added_exposure, clip_to_limit, envelope_qty, needs_approval

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
LOTS = replace(BTC, lot=10)
PRICE = 600_000
TARGETS = st.integers(-(10**6), 10**6)


@given(TARGETS, st.integers(0, 10**6))
def test_clipping_keeps_sign_lots_and_limit(wanted: int, limit: int) -> None:
    qty, why = clip_to_limit(wanted, price=PRICE, instrument=LOTS, max_notional=Decimal(limit))
    if why is None:
        assert qty == wanted
    else:
        assert why is Reason.POSITION_LIMIT
        assert qty % LOTS.lot == 0
        assert abs(qty) < abs(wanted)
        assert qty * wanted >= 0
    assert why is not None or abs(qty) * PRICE * LOTS.unit <= limit + LOTS.lot * PRICE * LOTS.unit


def test_without_a_price_nothing_can_be_clipped() -> None:
    assert clip_to_limit(5, price=0, instrument=BTC, max_notional=Decimal(1)) == (5, None)


@pytest.mark.parametrize(
    ("wanted", "in_force", "added"),
    [
        (5, 0, 5),
        (5, 3, 2),
        (3, 5, 0),
        (0, 5, 0),
        (-5, 3, 5),
        (-5, -3, 2),
        (-3, -5, 0),
        (0, 0, 0),
        (0, -4, 0),
        (3, -3, 3),
    ],
)
def test_what_is_added_is_what_lies_beyond_what_is_in_force(wanted: int, in_force: int, added: int) -> None:
    assert added_exposure(wanted, in_force) == added


@given(TARGETS, TARGETS)
def test_only_growth_or_a_turn_adds(wanted: int, in_force: int) -> None:
    added = added_exposure(wanted, in_force)
    assert 0 <= added <= abs(wanted)
    assert added_exposure(-wanted, -in_force) == added


def large(added: int, recent: int = 0, limit: int = 5_000) -> Decimal | None:
    return needs_approval(added, recent_qty=recent, price=PRICE, instrument=BTC, large_notional=Decimal(limit))


def test_large_is_more_than_the_limit_with_what_was_added_lately() -> None:
    assert large(83) is None
    assert large(84) == Decimal(84 * 60)
    assert large(40, recent=43) is None
    assert large(40, recent=44) == Decimal(84 * 60)


def test_adding_nothing_is_never_large() -> None:
    assert large(0, recent=10**6) is None


def test_the_envelope_bounds_the_position_it_may_lead_to() -> None:
    assert envelope_qty(Decimal(6_000), price=PRICE, instrument=BTC) == 100
    assert envelope_qty(Decimal(-1), price=PRICE, instrument=BTC) == 0
    assert envelope_qty(Decimal(6_000), price=0, instrument=BTC) == 0
