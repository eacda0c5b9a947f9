"""Small promises of the nouns: ids, sides, orders, positions, reasons, strategies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.account import Position
from domain.desired import NOTHING, Desired
from domain.errors import JournalCorrupt, JournalError, MoonDevError, Unrepresentable
from domain.instrument import Instrument
from domain.market import SILENT, UNTRUSTED, Feed, FeedState
from domain.order import Order, OrderKind, OrderStatus, Role, check_side, derive_client_id
from domain.settings import RoleName
from domain.strategy import Params, Strategy
from domain.verdict import Reason
from tests.engine.core.rig import NoMemory

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)


@given(st.tuples(*[st.integers(0, 2**40)] * 3), st.tuples(*[st.integers(0, 2**40)] * 3))
def test_client_ids_are_different_for_different_orders(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
    assert (derive_client_id("i", *a) == derive_client_id("i", *b)) == (a == b)


def test_client_ids_of_two_installations_never_meet() -> None:
    assert derive_client_id("a1", 1, 2, 3) != derive_client_id("a2", 1, 2, 3)


@pytest.mark.parametrize("side", [0, 2, -2, 10])
def test_a_side_is_one_or_minus_one(side: int) -> None:
    with pytest.raises(Unrepresentable, match="side"):
        check_side(side)
    assert (check_side(1), check_side(-1)) == (1, -1)


def made(**changes: int) -> Order:
    order = Order(
        cid="c",
        owner="s",
        account="A",
        instrument=BTC.id,
        side=1,
        kind=OrderKind.LIMIT,
        role=Role.QUOTE,
        qty=10,
        price=5,
    )
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def test_what_an_order_may_still_fill_counts_an_amendment_in_flight_at_its_larger_side() -> None:
    assert made(filled=4).leaves == 6
    assert made(filled=4, amend_qty=30).leaves == 26
    assert made(filled=4, amend_qty=5).leaves == 6


def test_statuses_from_filled_on_are_the_end() -> None:
    ends = {status for status in OrderStatus if status.is_terminal}
    assert ends == set(OrderStatus) - {OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.UNKNOWN}


def test_higher_roles_include_lower_ones() -> None:
    assert RoleName.ADMIN > RoleName.RISK > RoleName.TRADER > RoleName.VIEWER


def test_a_positions_profit_and_entry_price() -> None:
    held = Position(instrument=BTC.id, qty=-500, entry_value=Decimal(-30_000))
    assert held.entry_price(BTC) == 60_000.0
    assert held.unrealised(BTC, 590_000) == Decimal(500)
    assert Position(instrument=BTC.id).entry_price(BTC) == 0.0


def test_silence_is_a_kind_of_distrust() -> None:
    assert SILENT < UNTRUSTED
    assert FeedState.LIVE not in UNTRUSTED


def test_wanting_nothing_is_wanting_nothing() -> None:
    assert Desired() == NOTHING
    assert Desired(targets=(), quotes=(), protections=(), takes=()) == NOTHING


def test_reasons_are_texts_that_carry_their_words() -> None:
    assert Reason["HALTED"] is Reason.HALTED
    assert f"{Reason.HALTED}" == "HALTED"
    assert len({reason.words for reason in Reason}) == len(Reason)


def test_every_error_of_ours_is_one_of_ours() -> None:
    assert issubclass(JournalCorrupt, JournalError)
    assert issubclass(JournalError, MoonDevError)


class QtyParams(Params):
    """One number."""

    qty: float = 1.0


class Plain(Strategy[NoMemory, QtyParams]):
    """The least that a strategy has to be."""

    kind = "plain"
    params_type = QtyParams
    memory_type = NoMemory

    def feeds(self) -> tuple[Feed, ...]:
        return ()

    def start(self) -> NoMemory:
        return NoMemory()

    def decide(self, memory: NoMemory, view: object) -> tuple[NoMemory, Desired]:
        return memory, NOTHING


def test_a_strategy_is_built_from_raw_parameters_that_are_checked() -> None:
    strategy = Plain.build([BTC.id], {"qty": 2})
    assert strategy.params == QtyParams(qty=2.0)
    assert strategy.instruments == (BTC.id,)
    assert strategy.warmup() == 0
    with pytest.raises(ValidationError, match="qyt"):
        Plain.build([BTC.id], {"qyt": 2})


def test_parameters_cannot_be_changed_behind_the_engines_back() -> None:
    with pytest.raises(ValidationError):
        QtyParams().qty = 5.0  # type: ignore[misc]
