"""How numbers, times and ids look."""

from decimal import Decimal

import pytest

from domain.views import BudgetView, VenueView, WaitingView
from gateway.dashboard.formats import (
    age,
    clock,
    exact,
    like,
    moment,
    money,
    percent,
    short,
    span,
    tone,
    venue_trouble,
)


@pytest.mark.parametrize(
    ("amount", "plain", "signed"),
    [
        ("1234567.891", "1,234,567.89", "+1,234,567.89"),
        ("-0.5", "-0.50", "-0.50"),
        ("0", "0.00", "0.00"),
        ("-0.001", "0.00", "0.00"),
        ("0.001", "0.00", "0.00"),
        ("0E-8", "0.00", "0.00"),
        ("-999.999", "-1,000.00", "-1,000.00"),
    ],
)
def test_money_has_constant_decimals_and_never_a_negative_zero(amount: str, plain: str, signed: str):
    assert money(Decimal(amount)) == plain
    assert money(Decimal(amount), sign=True) == signed


def test_fees_are_shown_to_four_places():
    assert money(Decimal("0.06421"), 4) == "0.0642"


def test_prices_and_quantities_keep_their_own_decimals():
    assert exact(Decimal("64300.0")) == "64,300.0"
    assert exact(Decimal("0.00100")) == "0.00100"
    assert exact(Decimal("1E+3")) == "1,000"


def test_an_average_price_gets_the_decimals_of_the_mark_beside_it():
    assert like(Decimal("64211.33333333"), Decimal("64310.5")) == "64,211.3"
    assert like(Decimal("64211.5"), Decimal(64310)) == "64,212"


def test_a_share_of_nothing_is_a_dash():
    assert percent(Decimal(5), Decimal(0)) == "\N{EN DASH}"
    assert percent(Decimal(-5), Decimal(1000)) == "-0.50 %"
    assert percent(Decimal(5), Decimal(1000)) == "+0.50 %"
    assert percent(Decimal("-0.01"), Decimal(1000)) == "0.00 %"


def test_colour_follows_the_sign():
    assert [tone(Decimal(text)) for text in ("1", "-0.01", "0", "0.004")] == ["up", "down", "", ""]


def test_times_are_utc():
    ns = 1_700_000_000_999_999_999
    assert clock(ns) == "22:13:20"
    assert moment(ns) == "2023-11-14 22:13:20 UTC"


def test_spans_are_told_in_their_largest_unit():
    assert [span(s) for s in (-3, 0.4, 59.9, 60, 3600, 90_000)] == ["0 s", "0 s", "59 s", "1 m", "1 h", "1 d"]


def test_young_data_shows_tenths_of_a_second_and_old_data_its_unit():
    assert [age(ms) for ms in (None, 0, 450, 59_900, 60_000, 7_200_000)] == [
        "never",
        "0.0 s",
        "0.5 s",
        "59.9 s",
        "1 m",
        "2 h",
    ]


def test_an_instrument_is_shown_without_what_all_of_them_share():
    assert short("BTC-USDC-PERP.PAPER") == "BTC-USDC.PAPER"


def test_a_venue_is_spoken_of_only_when_something_is_wrong():
    well = VenueView(venue="BYBIT", network="testnet", connected=True)
    assert venue_trouble(well) == ""
    stopped = BudgetView(name="create", used=10, limit=10, reserved=2, window_ns=1, held_ns=1_500_000_000)
    waits = WaitingView(priority="add", what="place", waited_ns=1, left_ns=0)
    ill = VenueView(
        venue="BYBIT", network="testnet", connected=False, detail="no answer", budgets=(stopped,), waiting=(waits,),
        breakers=("open: orders",),
    )  # fmt: skip
    assert venue_trouble(ill) == (
        "BYBIT is not connected (no answer), told us to stop for 2 s (create), keeps 1 waiting for its limits "
        "(/venues), has a breaker that is open: orders."
    )
