"""How much of each limit is used now, for people: the fullest of its scopes, counted as the gate counts it.

Worst sides are `risk.gate.Exposure.worst` of each slot at the reference price, so that what may still fill counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from domain.instrument import ZERO
from domain.risk_views import LimitUseView
from domain.settings import DAY_NS
from engine.core import samples
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.limits import effective
from engine.core.state import MANUAL, Slot
from risk.rules import RULES

CENT, TENTH_PERCENT = Decimal("0.01"), Decimal("0.0001")


def limit_uses(core: Core) -> tuple[LimitUseView, ...]:
    """One row for each limit that has a measure, the fullest first."""
    worst = {key: _worst(core, slot) for key, slot in core.state.slots.items()}
    rows = [*_exposures(core, worst), *_accounts(core, worst), *_losses(core)]
    return tuple(sorted(rows, key=lambda row: -row.share))


def _worst(core: Core, slot: Slot) -> Decimal:
    """What the worse side of a slot is worth."""
    now, reference = exposure_of(core, slot), core.markets[slot.instrument].reference()
    qty = max(0, now.worst(1), now.worst(-1))
    return core.instruments[slot.instrument].notional(reference, qty)


def _exposures(core: Core, worst: dict[str, Decimal]) -> Iterator[LimitUseView]:
    equity = samples.portfolio_equity(core)
    total = sum(worst.values(), ZERO)
    yield from _row("portfolio_exposure", "portfolio", total, effective(core, "portfolio_exposure"))
    if equity > 0:
        yield from _row("leverage", "portfolio", total / equity, effective(core, "leverage"))
        by_asset: dict[str, Decimal] = {}
        for key, value in worst.items():
            asset = core.instruments[core.state.slots[key].instrument].base
            by_asset[asset] = by_asset.get(asset, ZERO) + value
        limit = effective(core, "asset_fraction")
        yield from _fullest(_row("asset_fraction", name, value / equity, limit) for name, value in by_asset.items())
    slots = core.state.slots
    yield from _fullest(
        _row(
            "position_notional",
            slots[key].instrument,
            value,
            effective(core, "position_notional", instrument=slots[key].instrument, strategy=slots[key].owner),
        )
        for key, value in worst.items()
        if value
    )
    count = Decimal(sum(1 for value in worst.values() if value))
    yield from _row("open_positions", "portfolio", count, effective(core, "open_positions"))


def _accounts(core: Core, worst: dict[str, Decimal]) -> Iterator[LimitUseView]:
    """What is limited of each account: its exposure, and its distance from liquidation."""
    most, slots = core.state.settings.risk.max_exposure, core.state.slots
    exposures, distances = [], []
    for account in core.state.accounts:
        mine = {slots[key].instrument: value for key, value in worst.items() if slots[key].account == account}
        gross = sum(mine.values(), ZERO)
        exposures.append(_row("max_exposure", account, gross, most, unit="USD"))
        margin = sum((core.instruments[name].maintenance_margin * value for name, value in mine.items()), ZERO)
        limit = effective(core, "liquidation_distance", venue=account.partition(":")[0])
        if gross and limit:
            distance = (core.equity(account) - margin) / (gross + margin)
            share = limit / distance if distance > 0 else Decimal(10)
            distances.append(_row("liquidation_distance", account, distance, limit, share=share))
    yield from _fullest(exposures)
    yield from _fullest(distances)


def _losses(core: Core) -> Iterator[LimitUseView]:
    drawdown = samples.drawdown(core)
    yield from _row("portfolio_drawdown", "portfolio", drawdown, effective(core, "portfolio_drawdown"))
    yield from _row("daily_loss", "portfolio", samples.day_loss(core), effective(core, "daily_loss"))
    today = core.state.ts_ns // DAY_NS
    loaded = {name: s for name, s in core.state.strategies.items() if s.spec.kind != MANUAL}
    yield from _fullest(
        _row(
            "strategy_drawdown",
            name,
            samples.strategy_drawdown(core, name),
            effective(core, "strategy_drawdown", strategy=name),
        )
        for name in loaded
    )
    yield from _fullest(
        _row(
            "consecutive_losses",
            name,
            Decimal(strategy.losses_in_a_row if strategy.losses_day == today else 0),
            effective(core, "consecutive_losses", strategy=name),
        )
        for name, strategy in loaded.items()
    )


def _row(
    rule: str, scope: str, used: Decimal, limit: Decimal | None, *, unit: str = "", share: Decimal | None = None
) -> list[LimitUseView]:
    """A row where there is a limit; of a limit of nothing everything is used."""
    if limit is None:
        return []
    unit = unit or RULES[rule].unit.value
    exact = TENTH_PERCENT if unit == "fraction" else CENT
    part = share if share is not None else used / limit if limit else Decimal(bool(used))
    return [
        LimitUseView(
            rule=rule,
            scope=scope,
            used=used.quantize(exact),
            limit=limit,
            unit=unit,
            share=min(part, Decimal(10)).quantize(TENTH_PERCENT),
        )
    ]


def _fullest(rows: Iterable[list[LimitUseView]]) -> list[LimitUseView]:
    """The row of which most is used."""
    found = [row for some in rows for row in some]
    return [max(found, key=lambda row: row.share)] if found else []
