"""Both arbitrage strategies on two paper venues: they earn what arithmetic says, and a replay says the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from domain.instrument import Instrument
from domain.market import Book, Mark, MarketEvent
from domain.settings import AccountSpec, ApprovalSettings, Limits, RiskSettings, Settings, StrategySpec
from engine.core.core import Core
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.driver import Driver
from research.venues import PaperVenues
from tests.engine.strategies.harness import SECOND_NS, START_NS

FEE, HOUR_NS = Decimal("0.0005"), 3_600 * SECOND_NS
A = Instrument(id="BTC-USDC-PERP.ALPHA", venue_symbol="BTC", price_decimals=2, qty_decimals=3, taker_fee=FEE)
B = Instrument(
    id="BTC-USDT-PERP.BETA",
    venue_symbol="BTC",
    price_decimals=1,
    qty_decimals=2,
    taker_fee=FEE,
    funding_interval_ns=8 * HOUR_NS,
)
AT = {A.id: "ALPHA:main", B.id: "BETA:main"}
DEPOSIT = Decimal(100_000)
FLAT = (Decimal(0), Decimal(0))
PARAMS = {"naked_cap_usd": 2_000.0, "max_position_usd": 1_500.0, "max_age_ms": 2_000, "pause_s": 5.0}


def settings(kind: str, **params: float) -> Settings:
    spec = StrategySpec(
        id="it", kind=kind, account=AT[A.id], accounts=(AT[B.id],), instruments=(A.id, B.id), params=PARAMS | params
    )
    return Settings(
        instruments=(A, B),
        accounts=tuple(AccountSpec(id=name, deposit=DEPOSIT) for name in AT.values()),
        risk=RiskSettings(
            default_limits=Limits(max_position_notional=Decimal(50_000), max_order_notional=Decimal(50_000)),
            portfolio={"min_liquidity_usd": Decimal(0)},
        ),
        approvals=ApprovalSettings(enabled=False),
        strategies=(spec,),
    )


class Paper:
    """A strategy on both venues in virtual time; `books` shows a price at each, second by second."""

    def __init__(self, kind: str, **params: float) -> None:
        self.journal = MemoryJournal()
        exchanges = [
            PaperExchange([instrument], {AT[instrument.id]: DEPOSIT}, PaperConfig(venue=instrument.venue))
            for instrument in (A, B)
        ]
        venues = PaperVenues(exchanges)
        self.driver = Driver(settings(kind, **params), venues, registry.build, journal=self.journal)
        self.now_ns = START_NS

    def books(self, a: float, b: float, seconds: int = 5, qty: float = 50.0) -> None:
        self.driver.run(self.tape(a, b, seconds, qty))

    def tape(self, a: float, b: float, seconds: int, qty: float) -> Iterator[MarketEvent]:
        for _ in range(seconds):
            self.now_ns += SECOND_NS
            for instrument, price in ((A, a), (B, b)):
                bid, ask = instrument.round_price(price - 0.1, 1), instrument.round_price(price + 0.1, -1)
                size = instrument.round_qty(qty)
                yield Book(ts_ns=self.now_ns, instrument=instrument.id, bids=((bid, size),), asks=((ask, size),))

    def rate(self, instrument: Instrument, rate: str) -> None:
        self.now_ns += 1_000_000
        price = instrument.round_price(100.0, 0)
        mark = Mark(ts_ns=self.now_ns, instrument=instrument.id, price=price, funding_rate=Decimal(rate))
        self.driver.run([mark])

    @property
    def held(self) -> tuple[Decimal, Decimal]:
        found = [Decimal(self.driver.core.position(AT[i.id], i.id)) / i.qty_scale for i in (A, B)]
        return found[0], found[1]

    @property
    def cash(self) -> Decimal:
        return sum((self.driver.core.state.accounts[name].cash for name in AT.values()), start=-2 * DEPOSIT)


def test_a_gap_there_and_back_earns_both_gaps_less_four_fees_to_the_cent() -> None:
    paper = Paper("arbitrage")
    paper.books(100.0, 100.0)
    assert paper.held == FLAT
    paper.books(100.0, 101.0)
    qty = Decimal("14.86")
    assert paper.held == (qty, -qty), "1,500 USD at 100.9, in lots of 0.01"
    paper.books(100.0, 100.3)
    assert paper.held == (qty, -qty), "it has not turned yet"
    paper.books(100.4, 100.0)
    assert paper.held == FLAT
    prices = [Decimal(price) for price in ("100.1", "100.9", "100.3", "100.1")]  # bought, sold, sold again, bought back
    bought, sold, out, back = prices
    assert paper.cash == qty * (sold - bought + out - back) - qty * FEE * sum(prices)
    assert paper.cash > Decimal("11.8")


def test_a_book_that_shows_less_is_taken_no_deeper_and_the_rest_of_a_leg_is_closed() -> None:
    paper = Paper("arbitrage")
    paper.books(100.0, 101.0, seconds=2, qty=3.0)
    assert paper.held == (Decimal(3), Decimal(-3))
    tape = list(paper.tape(100.0, 101.0, 5, 3.0))
    for event in tape:
        paper.driver.run([event])
        assert abs(paper.held[0] + paper.held[1]) * 101 <= 2_000
    assert paper.held[0] == -paper.held[1]


@pytest.mark.parametrize("kind", ["arbitrage", "funding_arbitrage"])
def test_a_replay_and_a_recovery_from_a_snapshot_in_the_middle_say_the_same(kind: str) -> None:
    paper = Paper(kind, **({"hold_h": 500.0} if kind == "funding_arbitrage" else {}))
    paper.books(100.0, 100.0, seconds=2)
    paper.rate(A, "0.00001")
    paper.rate(B, "0.0008")
    paper.books(100.0, 101.0, seconds=3)
    assert paper.held[0] > 0 > paper.held[1]
    paper.driver.kernel.snapshot()
    paper.books(100.0, 100.4, seconds=3)
    live = state_hash(paper.driver.core.state)

    def fresh(state: State) -> Core:
        core = Core(state)
        core.make_code = registry.build
        return core

    for with_code in (True, False):
        again = fresh(State())
        replay(paper.journal.records(), again, with_code=with_code)
        assert state_hash(again.state) == live
    recovered, _ = recover(paper.journal.reopened(), fresh, "backtest")
    assert state_hash(recovered.state) == live


def test_funding_is_earned_from_both_venues_and_left_when_it_turns() -> None:
    paper = Paper("funding_arbitrage", hold_h=500.0, turn_s=3.0)
    paper.books(100.0, 100.0, seconds=2)
    assert paper.held == FLAT, "no rate is known"
    paper.rate(A, "0.00001")
    paper.rate(B, "0.0008")
    paper.books(100.0, 100.0, seconds=3)
    qty = Decimal("14.98")
    assert paper.held == (qty, -qty)
    entered = paper.cash
    assert entered == -qty * FEE * (Decimal("100.1") + Decimal("99.9"))
    hours = 8 - paper.now_ns // HOUR_NS % 8
    paper.now_ns = (paper.now_ns // HOUR_NS + hours) * HOUR_NS
    paper.rate(A, "0.00001")
    paper.rate(B, "0.0008")
    paper.books(100.0, 100.0, seconds=2)
    assert paper.cash - entered == qty * 100 * (Decimal("0.0008") - hours * Decimal("0.00001"))
    earned = paper.cash
    paper.rate(A, "0.000101")
    paper.books(100.0, 100.0, seconds=12)
    assert paper.held == FLAT
    assert paper.cash == earned - qty * Decimal("0.4") - qty * FEE * 200, "two spreads of 0.2 and two more fees"
    assert paper.driver.core.state.strategies["it"].realised == -qty * Decimal("0.4")
