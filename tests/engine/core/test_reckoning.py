"""What the gate keeps between orders (limits put together, sums, equity) is never older than what it comes from."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import commands as c
from domain.events import OpenOrder
from domain.facts import Refused
from domain.settings import SECOND_NS, AccountSpec, Limits
from engine.core.executor.valuation import count, total_equity, value
from risk.limits import money
from tests.engine.core.rig import ACCOUNT, BTC, SUB, WIDE, Rig, places, quote, target, wants
from tests.engine.core.test_limits import same

TWO = replace(WIDE, accounts=tuple(AccountSpec(id=name, deposit=Decimal(100_000)) for name in (ACCOUNT, SUB)))


def set_risk(rig: Rig, **changes: object) -> None:
    """Other rules from now on, as after a change of the settings."""
    settings = rig.core.state.settings
    rig.core.state.settings = replace(settings, risk=replace(settings.risk, **changes))
    rig.core.refresh()


def detail(rig: Rig) -> str:
    return rig.told(Refused)[-1].detail


def test_an_order_is_held_against_the_notional_limits_that_are_set_now() -> None:
    rig = Rig(WIDE).start()
    assert len(places(rig.want(wants(quote(1, 59_990.0, 0.1))))) == 1
    set_risk(rig, default_limits=Limits(max_position_notional=Decimal(20_000), max_order_notional=Decimal(5_997)))
    assert places(rig.want(wants(quote(1, 59_990.0, 0.1), quote(1, 59_980.0, 0.1, 1)))) == []
    assert detail(rig) == "notional=5998.0000 max=5997"
    set_risk(rig, default_limits=Limits(max_position_notional=Decimal(11_993), max_order_notional=Decimal(5_998)))
    assert places(rig.want(wants(quote(1, 59_990.0, 0.1), quote(1, 59_970.0, 0.1, 1)))) == []
    assert detail(rig) == "worst=11994.0000 max=11993"
    set_risk(rig, default_limits=Limits(max_position_notional=Decimal(11_992), max_order_notional=Decimal(5_998)))
    assert len(places(rig.want(wants(quote(1, 59_990.0, 0.1), quote(1, 59_960.0, 0.1, 1))))) == 1


def test_an_order_may_be_as_small_as_its_contract_says_now() -> None:
    rig = Rig(WIDE).start()
    assert len(places(rig.want(wants(quote(1, 59_990.0, 0.001))))) == 1, "59.99 USD"
    settings = rig.core.state.settings
    dearer = tuple(replace(i, min_notional=Decimal("59.99")) for i in settings.instruments)
    rig.core.state.settings = replace(settings, instruments=dearer)
    rig.core.refresh()
    assert places(rig.want(wants(quote(1, 59_990.0, 0.001), quote(1, 59_980.0, 0.001, 1)))) == []
    assert detail(rig) == "notional=59.9800 min=59.99"


def test_a_limit_of_loss_that_is_set_anew_or_overridden_holds_from_the_next_order_on() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(1.5)
    rig.want(wants(target(1.5, "start")), 550_000, 550_010)
    rig.wait(61)
    assert len(places(rig.want(wants(target(1.51, "start")), 550_000, 550_010))) == 1
    rig.cancelled(places(rig.sent)[0].cid, filled=0)
    rig.wait(2)
    set_risk(rig, portfolio={**WIDE.risk.portfolio, "daily_loss": Decimal("0.003")})
    assert places(rig.want(wants(target(1.52, "start")), 550_000, 550_010)) == []
    assert detail(rig).endswith("from daily_loss = 0.3 % on nothing is added")
    widened = c.Override(rule="daily_loss", scope="portfolio", value=Decimal("0.0045"), minutes=5, reason="a test")
    asked = rig.command(widened, "bob")
    for person in ("cem", "ann"):
        rig.command(c.Approve(request=asked.request), person)
    assert rig.core.state.overrides, asked.text
    assert len(places(rig.want(wants(target(1.53, "start")), 550_000, 550_010))) == 1


def test_a_new_highest_equity_is_what_is_lost_from() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(1.5)
    rig.want(wants(target(1.5, "start")))
    set_risk(rig, portfolio={**WIDE.risk.portfolio, "portfolio_drawdown": Decimal("0.003")})
    assert len(places(rig.want(wants(target(1.51, "start"))))) == 1
    rig.cancelled(places(rig.sent)[0].cid, filled=0)
    rig.want(wants(target(1.5, "start")), 650_000, 650_010)
    rig.wait(61)
    assert places(rig.want(wants(target(1.52, "start")))) == [], "7,500 of 2,007,500 are gone"
    assert "portfolio_drawdown" in detail(rig)


def test_equity_is_that_of_the_cash_and_the_prices_of_now() -> None:
    rig = Rig(TWO).start()
    rig.hold_position(0.1)
    core = rig.core
    core.markets[BTC.id].bid = core.markets[BTC.id].ask = 610_000
    core.state.seq += 1
    count(core)
    account = core.state.accounts[ACCOUNT]
    for amount in (Decimal(0), Decimal("-12.345"), Decimal(1)):
        account.cash += amount
        assert value(core, ACCOUNT).equity == money(core.equity(ACCOUNT))
        assert total_equity(core) == money(core.equity(ACCOUNT) + core.equity(SUB))


def test_what_is_unknown_of_a_price_is_neither_profit_nor_loss() -> None:
    rig = Rig(TWO).start()
    rig.hold_position(0.1)
    core = rig.core
    market = core.markets[BTC.id]
    market.bid = market.ask = market.last = market.mark = 0
    core.state.seq += 1
    count(core)
    assert value(core, ACCOUNT).equity == money(core.state.accounts[ACCOUNT].cash)
    assert total_equity(core) == money(core.equity(ACCOUNT) + core.equity(SUB))


def test_a_slot_that_another_owns_now_counts_for_that_one() -> None:
    rig = Rig(TWO).start()
    rig.hold_position(0.1)
    rig.want(wants(quote(1, 59_000.0, 0.05)))
    core, slot = rig.core, rig.slot()
    count(core)
    before, name = core.tally.strategies["script"], BTC.id
    assert (before.gross[name], before.open) == (150, 1)
    slot.owner = "other"
    core.tally.dirty[slot.key] = None
    count(core)
    kept, after = core.tally, core.tally.strategies["other"]
    assert (before.gross[name], before.open, after.gross[name], after.open) == (0, 0, 150, 1)
    assert (kept.portfolio.gross[name], kept.portfolio.open, kept.contracts[name].net) == (150, 1, 100)
    core.recount()
    count(core)
    assert same(kept, core.tally)


def test_what_a_snapshot_says_of_an_amendment_counts_at_once() -> None:
    """A copy of it could have made the order larger until then, so that it was counted as if it had."""
    rig = Rig(WIDE).start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0, 0.01))))
    rig.accept(place)
    order, core, name = rig.order(place.cid), rig.core, BTC.id
    order.sent_qty, order.sent_until_ns = 30, rig.now_ns
    core.tally.dirty[rig.slot().key] = None
    count(core)
    assert core.tally.contracts[name].long == 30
    rig.now_ns += 10 * SECOND_NS
    row = OpenOrder(
        cid=place.cid, instrument=name, side=1, kind=place.kind, price=place.price, qty=10, filled=0, trigger=0,
        reduce_only=False, venue_id="V",
    )  # fmt: skip
    rig.snapshot(orders=(row,))
    count(core)
    assert core.tally.contracts[name].long == 10
