"""A rig with the mission's breakers, and what moves their measures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from domain.breakers import BreakerRule, BreakerSettings, Measured, Watch
from domain.settings import SECOND_NS, ExecutionSettings, Settings
from engine.core.matrix.table import key_of
from risk.breaker import Breaker, BreakerState
from risk.matrix import DEFAULTS
from tests.engine.core.rig import BTC, SETTINGS, Rig

MISSION = replace(
    SETTINGS,
    breakers=replace(DEFAULTS, exchange_failure=SETTINGS.breakers.exchange_failure),
    execution=ExecutionSettings(reconcile_every_ns=0, equity_sample_ns=SECOND_NS * 10),
)


def rule(watch: Watch, **changes: Any) -> BreakerRule:
    """The mission's rule of a breaker, with some of it otherwise."""
    found = DEFAULTS.rule(watch)
    assert found is not None
    return replace(found, **changes)


def only(**rules: Any) -> Settings:
    """Settings with these breakers and no other."""
    breakers = replace(BreakerSettings(exchange_failure=MISSION.breakers.exchange_failure), **rules)
    return replace(MISSION, breakers=breakers)


def breaker(rig: Rig, watch: Watch, scope: str = "") -> Breaker:
    return rig.core.state.matrix.get(key_of(watch, scope), Breaker())


def state(rig: Rig, watch: Watch, scope: str = "") -> BreakerState:
    return breaker(rig, watch, scope).state


def lose(rig: Rig, part: str) -> None:
    """The market takes so much of the deposit, while a tenth of a bitcoin per 6,000 of equity is held."""
    held = rig.held()
    price = 600_000 - int(Decimal(part) * 1_000_000 * 10 * 1000 / held)
    rig.touch(price, price + 10)
    rig.wait(10)


def load(rig: Rig, ppm: int, seconds: int) -> None:
    """The machine is used so much for so long, as the driver tells every five seconds."""
    for _ in range(seconds // 5):
        rig.wait(5)
        rig.ingest(Measured(watch=Watch.OVERLOAD, value=ppm))


def round_trips(rig: Rig, ms: int, *, orders: int = 10, venue: str = "PAPER") -> None:
    """The driver tells what orders took."""
    rig.ingest(Measured(watch=Watch.LATENCY, scope=venue, value=ms * 1_000_000, count=orders))


def failures(rig: Rig, failed: int, of: int, venue: str = "PAPER") -> None:
    """The driver tells how many requests failed."""
    rig.ingest(Measured(watch=Watch.ERROR_RATE, scope=venue, value=failed, count=of))


def price(rig: Rig, at: int, seconds: int = 1, wide: int = 10) -> None:
    """The market stands at a price for some seconds."""
    for _ in range(seconds):
        rig.now_ns += SECOND_NS
        rig.kernel.tick(rig.now_ns)
        rig.touch(at, at + wide, BTC.id)
