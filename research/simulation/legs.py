"""Two simulated venues and arbitrage between them: their prices come apart, and so do the legs.

The world of `two_venues`: requests vanish, answers are lost, lines drop, prices stop, the engine is killed. What is
judged is what the venues' own books say: whatever happened to either leg, no more than the cap is ever naked, with all
that may still fill counted on its worse side; and after a calm time nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from domain.account import venue_of
from domain.breakers import BreakerRule, BreakerSettings
from domain.instrument import Instrument
from domain.market import Book, Level, MarketEvent
from domain.order import Amend, Place
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    RiskSettings,
    Settings,
    StrategySpec,
)
from research.simulation import cast
from research.simulation.plan import BEGIN_NS
from research.simulation.two_venues import AT_BACKUP, AT_OWN, BACKUP, CALM_NS, MARKET_END_NS, OWN, TwoVenues
from research.simulation.violation import require

CAP_USD = 1_500.0
SLACK = Fraction(103, 100)
"""The cap is of the prices at which a pair is decided; they move until it is looked at."""
GAPS = (0.0, 0.004, -0.004, 0.008, -0.002)
NAMES = ((OWN, AT_OWN), (BACKUP, AT_BACKUP))


class TwoLegs(TwoVenues):
    """One seed of arbitrage over two venues; `run` lives it through."""

    def _settings(self) -> Settings:
        """Two contracts of one asset with other scales and lots, and a cap of a few lots."""
        common: dict[str, Any] = {
            "taker_fee": Decimal("0.00045"),
            "min_notional": Decimal(self.random.choice((0, 10))),
            "funding_interval_ns": 120 * SECOND_NS,
        }
        own = Instrument(id=OWN, venue_symbol="BTC", price_decimals=1, qty_decimals=4, **common)
        other = Instrument(id=BACKUP, venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3, tick=5, **common)
        params = {
            "naked_cap_usd": CAP_USD,
            "max_position_usd": 6_000.0,
            "max_age_ms": 4_000,
            "pause_s": self.random.choice((0.0, 1.0)),
            "patience_s": 3.0,
        }
        return Settings(
            instruments=(own, other),
            accounts=tuple(AccountSpec(id=name, deposit=Decimal(400_000)) for name in (AT_OWN, AT_BACKUP)),
            persons=cast.PERSONS,
            risk=RiskSettings(
                default_limits=Limits(max_position_notional=Decimal(15_000), max_order_notional=Decimal(15_000)),
                portfolio={"consecutive_losses": Decimal(10_000), "min_liquidity_usd": Decimal(0)},
            ),
            approvals=ApprovalSettings(enabled=self.random.random() < 0.5),
            execution=ExecutionSettings(reconcile_every_ns=10 * SECOND_NS),
            breakers=BreakerSettings(
                exchange_failure=BreakerRule(cool_down_ns=self.random.choice((5, 20)) * SECOND_NS)
            ),
            strategies=(
                StrategySpec(
                    id="arb",
                    kind="arbitrage",
                    account=AT_OWN,
                    accounts=(AT_BACKUP,),
                    instruments=(OWN, BACKUP),
                    params=params,
                ),
            ),
        )

    def _tape(self) -> Iterable[MarketEvent]:
        """Books of both venues every second or two; the second venue's prices stand off for some time."""
        random, price, gap, ts_ns = self.random, 60_000.0, 0.0, BEGIN_NS
        while ts_ns < MARKET_END_NS:
            ts_ns += int(random.expovariate(1.2) * SECOND_NS) + 1_000_000
            price *= 1 + random.gauss(0.0, 1e-4)
            if random.random() < 0.06:
                gap = random.choice(GAPS) if ts_ns < CALM_NS else 0.0
            off = random.choice((0, 1))
            instrument = self.settings.instruments[off]
            yield self._book(instrument, price * (1 + gap * off), ts_ns)

    def _book(self, instrument: Instrument, price: float, ts_ns: int) -> Book:
        """Three thin levels on each side."""
        mid, step = instrument.round_price(price, 0), 2 * instrument.tick
        sides: dict[int, tuple[Level, ...]] = {}
        for side in (1, -1):
            sizes = [instrument.round_qty(self.random.uniform(0.004, 0.06)) for _ in range(3)]
            sides[side] = tuple((mid - side * step * (n + 1), qty) for n, qty in enumerate(sizes))
        return Book(ts_ns=ts_ns, instrument=instrument.id, bids=sides[1], asks=sides[-1])

    # what is judged

    def _judge(self, intent: Place | Amend) -> None:
        self.doors[venue_of(intent.account)].created(self.core, intent, self.now_ns)
        self.met[f"order at {venue_of(intent.account)}"] += 1
        memory = self.core.state.strategies["arb"].memory
        self.met["repair"] += any(course.tries for course in memory.courses.values())
        cap = Fraction(CAP_USD) / Fraction(self._reference()) * SLACK
        for side in (1, -1):
            worst = sum([self._reach(name, account, side) for name, account in NAMES], start=Fraction(0))
            text = f"{intent}: {float(worst * side)} could be naked, the cap is {float(cap)}"
            require(worst <= cap, "naked", text)

    def _reach(self, name: str, account: str, side: int) -> Fraction:
        """The furthest that a venue's position can get on a side by its own books, in base units."""
        reach = self.doors[venue_of(account)].worst_side(f"{account}|{name}", side, self.now_ns)
        return Fraction(reach, self.core.instruments[name].qty_scale)

    def _reference(self) -> Decimal:
        own = self.core.instruments[OWN]
        return Decimal(self.core.markets[OWN].reference()) / own.price_scale or Decimal(60_000)

    def _note_end(self) -> None:
        """Nothing is naked but what is less than an order."""
        held = {
            name: Fraction(self.core.position(account, name), self.core.instruments[name].qty_scale)
            for name, account in NAMES
        }
        net = abs(sum(held.values(), start=Fraction(0)))
        self.met["traded"] += bool(self.core.state.strategies["arb"].fills)
        require(net < Fraction(1, 1_000), "naked at the end", f"{ {name: float(qty) for name, qty in held.items()} }")
