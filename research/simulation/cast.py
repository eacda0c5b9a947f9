"""Who and what is in a simulated day: contracts, accounts, persons, limits, and a random cast of strategies."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from domain.instrument import Instrument
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    Person,
    RiskSettings,
    RoleName,
    Settings,
    Strangers,
    StrategySpec,
)
from engine.core.core import AnyStrategy
from engine.strategies.registry import BUILT_IN
from research.simulation import fuses
from research.simulation.wild import Wild

MAIN, SUB = "PAPER:main", "PAPER:sub"
BTC, BTC2, ETH = "BTC-USDC-PERP.PAPER", "BTC-USDT-PERP.PAPER", "ETH-USDC-PERP.PAPER"
MID = {BTC: 600_000, BTC2: 600_100, ETH: 300_000}
"""Price at the beginning, in integer scale."""
HAND = "hand-"
"""Ids of the orders that somebody else places begin so."""
UNIT_SIZE = {BTC: 0.1, BTC2: 0.1, ETH: 2.0}
"""Base units worth about 6,000."""

AGE_NS = 45 * SECOND_NS
"""How old the positions of one of the strategies may get."""
THIN = 0.12
"""Share of the seeds in which an account has hardly the margin for what it does, and may be liquidated."""

PERSONS = (
    Person(id="ann", name="Ann", role=RoleName.ADMIN),
    Person(id="bob", name="Bob", role=RoleName.RISK),
    Person(id="cem", name="Cem", role=RoleName.RISK),
    Person(id="dot", name="Dot", role=RoleName.TRADER),
    Person(id="eve", name="Eve", role=RoleName.VIEWER),
)


def instruments(random: Random, *, thin: bool) -> tuple[Instrument, ...]:
    """Three contracts; two on the same asset. Lots, minimums and margins differ from seed to seed."""
    lot = random.choice((1, 1, 10))
    common: dict[str, Any] = {
        "min_notional": Decimal(random.choice((0, 10))),
        "maker_fee": Decimal("0.00015"),
        "taker_fee": Decimal("0.00045"),
        "initial_margin": Decimal("0.1"),
        "maintenance_margin": Decimal("0.098" if thin else "0.05"),
        "funding_interval_ns": 120 * SECOND_NS,
    }
    return (
        Instrument(id=BTC, venue_symbol="BTC", price_decimals=1, qty_decimals=4, lot=lot, **common),
        Instrument(id=BTC2, venue_symbol="BTCT", price_decimals=1, qty_decimals=3, **common),
        Instrument(id=ETH, venue_symbol="ETH", price_decimals=2, qty_decimals=3, lot=lot, tick=5, **common),
    )


def deposits(*, thin: bool) -> dict[str, Decimal]:
    """Starting cash."""
    return {MAIN: Decimal(1_300 if thin else 200_000), SUB: Decimal(100_000)}


def is_thin(settings: Settings) -> bool:
    """True for the seeds that are to end in a liquidation."""
    return settings.approvals.large_fraction > 1


def settings(random: Random) -> Settings:
    """Everything the core is configured by, with limits that the strategies will run into."""
    thin = random.random() < THIN
    cash = deposits(thin=thin)
    breakers = fuses.draw(random)
    limits = Limits(
        max_position_notional=Decimal(random.choice((8_000, 15_000, 60_000))),
        max_order_notional=Decimal(random.choice((6_000, 40_000))),
        price_collar=Decimal("0.02"),
        max_reference_age_ns=random.choice((15, 60)) * SECOND_NS,
    )
    return Settings(
        instruments=instruments(random, thin=thin),
        accounts=tuple(
            AccountSpec(id=name, deposit=amount, on_foreign_order=random.choice(list(Strangers)))
            for name, amount in cash.items()
        ),
        persons=PERSONS,
        risk=RiskSettings(
            default_limits=limits,
            messages_per_window=random.choice((5, 20, 50)),
            reserve_messages=random.choice((5, 50)),
        ),
        approvals=ApprovalSettings(
            large_fraction=Decimal(10) if thin else Decimal("0.05"),
            load_votes=random.choice((0, 0, 1)),
            deny_pause_ns=10 * SECOND_NS,
        ),
        execution=ExecutionSettings(
            reconcile_every_ns=10 * SECOND_NS,
            dead_man_ns=random.choice((0, 0, 0, 15 * SECOND_NS)),
            quote_tolerance_ticks=random.choice((0, 2)),
            equity_sample_ns=(60 if breakers.drawdown is None else 5) * SECOND_NS,
        ),
        breakers=breakers,
        strategies=cast(random),
    )


def cast(random: Random) -> tuple[StrategySpec, ...]:
    """Three to five strategies, each on slots of its own."""
    seed = random.randrange(1 << 30)
    acts = random.choice((0.08, 0.2, 0.4))
    size = random.choice((0.3, 0.8, 2.0))
    raises = random.choice((0.0, 0.0, 0.01))
    options = [
        two_legs(random)
        if random.random() < 0.5
        else wild("targets", MAIN, BTC, seed, size=size, act=acts, targets=True),
        turtle(MAIN, ETH)
        if random.random() < 0.5
        else wild("mixed", MAIN, ETH, seed, size=size, act=acts, quotes=True, takes=True),
        market_maker(SUB, BTC)
        if random.random() < 0.4
        else wild("takes", SUB, BTC, seed, size=size, act=acts, takes=True),
        wild("quotes", SUB, ETH, seed, size=size, act=acts, quotes=True, targets=random.random() < 0.3),
        wild("raiser", SUB, BTC2, seed, size=size, act=acts, targets=True, raises=raises),
    ]
    random.shuffle(options)
    return tuple(options[: random.randint(3, 4)])


def wild(name: str, account: str, instrument: str, seed: int, *, size: float, **params: Any) -> StrategySpec:  # noqa: ANN401 - parameters of any kind
    """A random strategy; `size` is in units of about 6,000."""
    return StrategySpec(
        id=name,
        kind=Wild.kind,
        account=account,
        instruments=(instrument,),
        params={"seed": seed, "size": size * UNIT_SIZE[instrument], **params},
        position_age_ns=AGE_NS if name == "mixed" else 0,
        priority=len(name) % 3,
    )


def two_legs(random: Random) -> StrategySpec:
    """The lead on one contract, the hedge on the other."""
    style = random.choice(("take", "passive"))
    params = {"qty": 0.05, "naked_cap": 0.02, "enter_bps": 3.0, "exit_bps": 1.0, "lead_style": style}
    return StrategySpec(id="legs", kind="two_leg", account=MAIN, instruments=(BTC, BTC2), params=params)


def turtle(account: str, instrument: str) -> StrategySpec:
    """Turtle on ten-second bars."""
    params = {"interval_s": 10, "entry_bars": 4, "exit_bars": 3, "atr_bars": 3, "max_units": 3, "take_profit_pct": 0.1}
    return StrategySpec(id="turtle", kind="turtle", account=account, instruments=(instrument,), params=params)


def market_maker(account: str, instrument: str) -> StrategySpec:
    """Market maker that quotes from early on."""
    params = {
        "qty": 0.01,
        "max_position": 0.05,
        "levels": 2,
        "settle_s": 5.0,
        "sample_s": 2.0,
        "vol_factor": 0.1,
        "maker_fee_bps": 0.2,
        "stop_pct": 0.1,
        "max_age_s": 60.0,
        "pause_s": 5.0,
    }
    return StrategySpec(id="maker", kind="market_maker", account=account, instruments=(instrument,), params=params)


def make_code(spec: StrategySpec) -> AnyStrategy:
    """The code of a spec: wild, or a built-in kind."""
    kind = Wild if spec.kind == Wild.kind else BUILT_IN[spec.kind]
    return kind.build(spec.instruments, spec.params)
