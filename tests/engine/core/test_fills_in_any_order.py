"""Rule 14 in the books: exact to the last digit, whatever the order in which fills arrive."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import events as e
from domain.account import Position
from domain.instrument import Instrument
from domain.order import Liquidity
from engine.core.portfolio import change_position
from tests.engine.core.rig import ACCOUNT, BTC, SUB, WIDE, Rig, places, quote, wants

ODD = Instrument(
    id="ODD-USDT-PERP.PAPER", venue_symbol="ODD", price_decimals=7, qty_decimals=5, multiplier=Decimal("0.001")
)
FILLS = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 10**9), st.integers(1, 10**7), st.decimals(0, 5, places=8)),
    min_size=1,
    max_size=12,
)


def booked(fills: list[tuple[int, int, int, Decimal]], instrument: Instrument) -> tuple[int, Decimal, Decimal]:
    """Position, equity at the price of 1, and what is realised."""
    position = Position(instrument=instrument.id)
    cash = Decimal(0)
    for side, price, qty, fee in fills:
        cash += change_position(position, instrument, side * qty, price, 0) - fee
    return position.qty, cash + position.unrealised(instrument, 1), cash


@given(FILLS, st.randoms())
def test_position_and_equity_do_not_depend_on_the_order_of_fills(fills, dice) -> None:
    shuffled = list(fills)
    dice.shuffle(shuffled)
    for instrument in (BTC, ODD):
        qty, equity, _ = booked(fills, instrument)
        assert booked(shuffled, instrument)[:2] == (qty, equity)
        paid = sum((instrument.notional(price, side * amount) + fee for side, price, amount, fee in fills), Decimal(0))
        assert equity == instrument.notional(1, qty) - paid, "money is conserved to the last digit"


@given(FILLS)
def test_flat_again_everything_is_realised(fills) -> None:
    qty = sum(side * amount for side, _, amount, _ in fills)
    closing = [*fills, (-1 if qty > 0 else 1, 500_000, abs(qty), Decimal(0))] if qty else fills
    position = Position(instrument=ODD.id)
    for side, price, amount, _ in closing:
        change_position(position, ODD, side * amount, price, 0)
    assert position.qty == 0
    assert position.entry_value == 0
    assert position.realised == -sum(
        (ODD.notional(price, side * amount) for side, price, amount, _ in closing), Decimal(0)
    )


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=4))
def test_six_fills_of_six_orders_in_any_order_and_some_twice(order: list[int], again: list[int]) -> None:
    rig = Rig().start()
    bids = places(rig.want(wants(*(quote(1, 59_990.0 - n, 0.01 * (n + 1), n) for n in range(6)))))
    fills = [rig.make_fill(place, price=place.price) for place in bids]
    for n in order:
        rig.ingest(fills[n])
        if n in again:
            rig.ingest(fills[n])
    for n in again:
        rig.ingest(fills[n])
    account = rig.core.state.accounts[ACCOUNT]
    assert rig.held() == 210
    assert account.cash == Decimal(1_000_000)
    assert account.positions[BTC.id].entry_value == sum(BTC.notional(p.price, p.qty) for p in bids)
    assert all(rig.order(place.cid).filled == place.qty for place in bids)


@given(st.permutations(["accept", "fill1", "fill2", "cancel"]))
def test_acceptance_fills_and_cancel_in_any_order_leave_the_same_books(order: list[str]) -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.script.wants = wants()
    first, second = rig.make_fill(place, 30, 599_900), rig.make_fill(place, 20, 599_900)
    news: dict[str, e.Event] = {
        "accept": e.Accepted(cid=place.cid, venue_id="V", venue_ts_ns=rig.now_ns),
        "fill1": first,
        "fill2": second,
        "cancel": e.Cancelled(cid=place.cid, filled=50, venue_ts_ns=rig.now_ns),
    }
    for name in order:
        rig.ingest(news[name])
    assert rig.held() == 50
    assert rig.order(place.cid).filled == 50
    assert place.cid not in rig.core.state.where, "it has ended"
    assert rig.slot().orders == {}


def test_a_busy_account_does_not_make_a_quiet_ones_old_fills_look_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart the venue tells every fill it has kept; those of a quiet account are old."""
    monkeypatch.setattr("engine.core.portfolio.REMEMBERED_FILLS", 50)
    monkeypatch.setattr("engine.core.portfolio.FORGOTTEN_AT_ONCE", 10)
    rig = Rig(WIDE).start()
    quiet = e.Filled(
        account=SUB, instrument=BTC.id, cid="q", fill_id="old", side=1, price=600_000, qty=7, fee=Decimal(0),
        liquidity=Liquidity.MAKER,
    )  # fmt: skip
    rig.ingest(quiet)
    for n in range(200):
        rig.ingest(replace(quiet, account=ACCOUNT, fill_id=f"busy{n}"))
    rig.ingest(quiet)
    assert rig.held(account=SUB) == 7
    assert len(rig.core.state.fills_seen[ACCOUNT]) <= 60


def test_fees_and_funding_are_cash_and_counted_once() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    before = rig.core.state.accounts[ACCOUNT].cash
    paid = e.FundingPaid(account=ACCOUNT, instrument=BTC.id, funding_id="f1", amount=Decimal("-1.23456789"))
    for _ in range(2):
        rig.ingest(paid)
    account = rig.core.state.accounts[ACCOUNT]
    assert account.cash == before - Decimal("1.23456789")
    assert account.funding == account.positions[BTC.id].funding == Decimal("-1.23456789")
    rig.ingest(
        e.Filled(
            account=ACCOUNT,
            instrument=BTC.id,
            cid="x",
            fill_id="fee",
            side=-1,
            price=600_000,
            qty=500,
            fee=Decimal("13.5"),
            liquidity=Liquidity.TAKER,
        )
    )
    assert account.fees == Decimal("13.5")
    assert account.cash == before - Decimal("1.23456789") - Decimal("13.5")
