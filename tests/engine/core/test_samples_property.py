"""Whatever prices, fills, funding and payments come: profits add up, and payments move no measure of loss."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.settings import DAY_NS, MINUTE_NS
from engine.core import samples
from engine.core.recovery import recover
from tests.engine.core.rig import ACCOUNT, BTC, SPEC, Rig
from tests.engine.core.test_samples import pay, show, trading

CLOSE = Decimal("1e-9")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("price"), st.integers(30_000, 90_000)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
        st.tuples(st.just("trade"), st.integers(-8, 12)),
        st.tuples(st.just("funding"), st.integers(-5_000, 5_000)),
        st.tuples(st.just("pay"), st.integers(-400_000, 2_000_000)),
    ),
    min_size=3,
    max_size=14,
)


def measures(rig: Rig) -> list[Decimal]:
    core = rig.core
    windows = [samples.drawdown(core, window) for window in (0, 60 * MINUTE_NS, DAY_NS)]
    return [samples.day_loss(core), *windows, samples.strategy_drawdown(core, SPEC.id)]


def act(rig: Rig, what: str, value: int, number: int) -> None:
    if what == "price":
        show(rig, value)
    elif what == "wait":
        rig.wait(value * 60)
    elif what == "trade":
        rig.hold_position(value, entry=f"e{number}")
    elif what == "funding":
        rig.ingest(
            e.FundingPaid(
                account=ACCOUNT,
                instrument=BTC.id,
                funding_id=str(number),
                amount=Decimal(value),
                venue_ts_ns=rig.now_ns,
            )
        )
    else:
        before = measures(rig)
        equity = rig.core.equity(ACCOUNT)
        paid = max(Decimal(value), -equity * 9 / 10).quantize(Decimal("0.01")) if equity > 0 else Decimal(0)
        pay(rig, paid)
        if equity > 0:
            assert measures(rig) == pytest.approx(before, abs=CLOSE)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_profits_add_up_and_payments_are_neither_profit_nor_loss(steps: list[tuple[str, int]]) -> None:
    rig = trading()
    rig.wait(60)
    for number, (what, value) in enumerate(steps):
        act(rig, what, value, number)
        core = rig.core
        account = core.state.accounts[ACCOUNT]
        profit = core.equity(ACCOUNT) - account.deposits
        assert sum(samples.profits_now(core).values()) == profit
        assert samples.profit_of(core, SPEC.id) == profit
        assert all(loss >= 0 for loss in measures(rig))
        hour, day, ever = (samples.drawdown(core, w) for w in (60 * MINUTE_NS, DAY_NS, 0))
        assert hour <= day + CLOSE
        assert day <= ever + CLOSE
        kept = core.state.samples
        assert len(kept.times_ns) == len(kept.prices[BTC.id]) >= len(kept.equity)
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.samples == rig.core.state.samples
