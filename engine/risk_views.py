"""The portfolio's risk as people see it: exposure, margin, tails, correlation, and stress tests. See docs/risk.md.

What comes from returns is computed once a sample and kept; what comes from positions is computed when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from math import sqrt
from typing import Any

from domain import risk_views as v
from domain.instrument import ZERO, InstrumentId
from domain.settings import DAY_NS
from domain.views import owner_words
from engine.core import samples
from engine.core.core import Core
from engine.core.state import MANUAL
from engine.limit_use import limit_uses
from risk import var
from risk.covariance import Shrunk, beta, deviation, shrink
from risk.exposure import Exposure, Holding, exposures, maintenance, margin_used, risk_level
from risk.stress import SHOCKS, AccountMoney, Behaviour, Shock, parse, run

BTC = "BTC"
LEAST_STEPS = 100
"""Of returns that a correlation, beta or deviation is said of."""
MOST_ASSETS = 12
WEEK_NS = 7 * DAY_NS
HOURS_A_DAY = 24
MINUTES_A_DAY = 1_440
NO_STRATEGY = "(nobody)"
_CENT, _TENTH_PERCENT = Decimal("0.01"), Decimal("0.0001")


def cents(amount: Decimal | float) -> Decimal:
    """An amount in whole cents."""
    return Decimal(amount).quantize(_CENT, ROUND_HALF_EVEN)


def fraction(part: Decimal, whole: Decimal) -> Decimal | None:
    """A part in hundredths of a per cent of the whole; None of nothing."""
    return (part / whole).quantize(_TENTH_PERCENT, ROUND_HALF_EVEN) if whole > 0 else None


def holdings(core: Core) -> list[Holding]:
    """Everything that is held, valued at the reference prices."""
    found = []
    for account in core.state.accounts.values():
        for held in account.positions.values():
            if not held.qty:
                continue
            instrument, market = core.instruments[held.instrument], core.markets[held.instrument]
            reference = market.reference()
            slot = core.state.slots.get(f"{account.id}|{held.instrument}")
            has_touch = bool(market.bid and market.ask)
            price, qty = (market.bid, market.bid_qty) if held.qty > 0 else (market.ask, market.ask_qty)
            found.append(
                Holding(
                    account=account.id,
                    venue=instrument.venue,
                    asset=instrument.base,
                    currency=account.currency,
                    instrument=held.instrument,
                    strategy=(slot.owner if slot is not None else held.owner) or NO_STRATEGY,
                    value=instrument.notional(reference, held.qty),
                    initial_margin=instrument.initial_margin,
                    maintenance_margin=instrument.maintenance_margin,
                    fee=instrument.taker_fee,
                    spread=Decimal(max(0, market.ask - market.bid)) / reference if has_touch else None,
                    touch_value=instrument.notional(price, qty) if has_touch else ZERO,
                )
            )
    return found


class RiskDesk:
    """Answers of one engine. `risk` and `stress` read the state between steps."""

    def __init__(self, core: Core) -> None:
        """Look at a core."""
        self._core = core
        self._kept: dict[object, tuple[int, Any]] = {}

    def _once_a_sample(self, key: object, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `make` gives
        """What `make` gave when the newest sample was the same."""
        times_ns = self._core.state.samples.times_ns
        newest_ns = times_ns[-1] if times_ns else 0
        known = self._kept.get(key)
        if known is None or known[0] != newest_ns:
            self._kept = {k: entry for k, entry in self._kept.items() if entry[0] == newest_ns}
            known = self._kept[key] = newest_ns, make()
        return known[1]

    def returns(self, instruments: tuple[InstrumentId, ...], *, by_hour: bool) -> list[list[float]]:
        """Joint returns, one list per instrument."""

        def make() -> list[list[float]]:
            return samples.joint_returns(self._core, instruments, by_hour=by_hour)

        columns: list[list[float]] = self._once_a_sample(("returns", instruments, by_hour), make)
        return columns

    def shrunk(self, instruments: tuple[InstrumentId, ...], *, by_hour: bool) -> Shrunk:
        """Shrunk covariance of joint returns."""
        found: Shrunk = self._once_a_sample(
            ("shrunk", instruments, by_hour), lambda: shrink(self.returns(instruments, by_hour=by_hour))
        )
        return found

    def risk(self) -> v.RiskView:
        """The portfolio's risk at a glance."""
        core, held = self._core, holdings(self._core)
        equity = samples.portfolio_equity(core)
        drawdown = samples.drawdown(core)
        gross = sum((abs(h.value) for h in held), start=ZERO)
        covered = self._with_samples(held)
        slope, n = self._beta_to_btc(held, equity)
        return v.RiskView(
            ts_ns=core.state.ts_ns,
            equity=cents(equity),
            level=risk_level(drawdown).value,
            drawdown=drawdown.quantize(_TENTH_PERCENT),
            drawdown_week=samples.drawdown(core, WEEK_NS).quantize(_TENTH_PERCENT),
            day_loss=samples.day_loss(core).quantize(_TENTH_PERCENT),
            gross=cents(gross),
            net=cents(sum((h.value for h in held), start=ZERO)),
            leverage=fraction(gross, equity),
            by_asset=exposure_views(exposures(held, lambda h: h.asset), equity),
            by_venue=exposure_views(exposures(held, lambda h: h.venue), equity),
            by_strategy=exposure_views(exposures(held, lambda h: owner_words(h.strategy)), equity),
            margins=margin_views(core, held),
            tails=self._tails(covered, is_flat=not held),
            beta_to_btc=slope,
            beta_n=n,
            beta_needed=LEAST_STEPS,
            correlation=self._correlation(held),
            strategies=strategy_views(core),
            unpriced=tuple(dict.fromkeys(h.instrument for h in held if not h.value)),
            limits=limit_uses(core),
            not_covered=cents(gross - sum((abs(h.value) for h in covered), start=ZERO)),
        )

    def _with_samples(self, held: Sequence[Holding]) -> list[Holding]:
        """Holdings whose instrument has samples."""
        prices = self._core.state.samples.prices
        return [h for h in held if any(prices.get(h.instrument, ()))]

    def _tails(self, held: Sequence[Holding], *, is_flat: bool) -> tuple[v.TailView, ...]:
        """Tails of a minute, of an hour, and of a day as the hour's times the square root of 24."""
        values: dict[InstrumentId, float] = {}
        for h in held:
            values[h.instrument] = values.get(h.instrument, 0.0) + float(h.value)
        instruments, worth = tuple(values), list(values.values())
        rows = []
        for step, by_hour, times in (("minute", False, 1), ("hour", True, 1), ("day", True, HOURS_A_DAY)):
            columns = self.returns(instruments, by_hour=by_hour) if instruments else []
            n = len(columns[0]) if columns else 0
            lost = var.losses(worth, columns) if n else []
            for level in var.LEVELS:
                needed = var.least_steps(level)
                for method in ("historical", "parametric"):
                    found = None
                    if is_flat:
                        found = 0.0, 0.0
                    elif method == "historical" and n >= needed:
                        found = var.historical(lost, level)
                    elif method == "parametric" and n >= LEAST_STEPS:
                        found = var.parametric(worth, self.shrunk(instruments, by_hour=by_hour).covariance, level)
                    rows.append(
                        v.TailView(
                            step=step,
                            level=Decimal(str(level)),
                            method=method,
                            value_at_risk=cents(found[0] * sqrt(times)) if found is not None else None,
                            shortfall=cents(found[1] * sqrt(times)) if found is not None else None,
                            n=n,
                            needed=needed if method == "historical" else LEAST_STEPS,
                        )
                    )
        return tuple(rows)

    def _steps_of(self, instruments: tuple[InstrumentId, ...]) -> tuple[list[list[float]], bool]:
        """Hours where there are enough of them, else minutes; and whether they are hours."""
        columns = self.returns(instruments, by_hour=True)
        if len(columns[0]) >= LEAST_STEPS:
            return columns, True
        return self.returns(instruments, by_hour=False), False

    def instrument_of(self, asset: str) -> InstrumentId | None:
        """The contract that stands for an asset: of those configured the one with most prices."""
        prices = self._core.state.samples.prices
        of_asset = [i.id for i in self._core.instruments.values() if i.base == asset]
        return max(of_asset, key=lambda name: sum(1 for p in prices.get(name, ()) if p), default=None)

    def slope(self, asset: str, leader: str) -> tuple[float | None, int]:
        """Beta of an asset to another, and the steps it is from; None of too few."""
        found: tuple[float | None, int] = self._once_a_sample(
            ("beta", asset, leader), lambda: self._slope(asset, leader)
        )
        return found

    def _slope(self, asset: str, leader: str) -> tuple[float | None, int]:
        one, other = self.instrument_of(asset), self.instrument_of(leader)
        if one is None or other is None:
            return None, 0
        if one == other:
            return 1.0, len(self._steps_of((one,))[0][0])
        (own, lead), _ = self._steps_of((one, other))
        if len(own) < LEAST_STEPS or deviation(lead) == 0:
            return None, len(own)
        return beta(own, lead), len(own)

    def _beta_to_btc(self, held: Sequence[Holding], equity: Decimal) -> tuple[Decimal | None, int]:
        """Beta of the equity to BTC, and the fewest steps that one of its parts is from."""
        if not held or equity <= 0:
            return (ZERO if equity > 0 else None), 0
        total, fewest = ZERO, 0
        for row in exposures(held, lambda h: h.asset):
            found, n = self.slope(row.name, BTC)
            fewest = min(fewest, n) if fewest else n
            if found is None:
                return None, n
            total += row.net * Decimal(found)
        return (total / equity).quantize(_CENT), fewest

    def _correlation(self, held: Sequence[Holding]) -> v.CorrelationView:
        """Of the assets that are held, the largest first, and BTC; of all that are configured when nothing is."""
        assets = [row.name for row in exposures(held, lambda h: h.asset)]
        assets += [BTC] if assets else [i.base for i in self._core.instruments.values()]
        known = [a for a in dict.fromkeys(assets) if (name := self.instrument_of(a)) and self._has_prices(name)]
        names = tuple(known[:MOST_ASSETS])
        if not names:
            return v.CorrelationView(assets=(), rows=(), intensity=ZERO, step="minute", n=0, needed=LEAST_STEPS)
        instruments = tuple(name for a in names if (name := self.instrument_of(a)))
        columns, by_hour = self._steps_of(instruments)
        n = len(columns[0])
        shrunk = self.shrunk(instruments, by_hour=by_hour) if n >= LEAST_STEPS else None
        return v.CorrelationView(
            assets=names,
            rows=tuple(tuple(cents(c) for c in row) for row in shrunk.correlation) if shrunk is not None else (),
            intensity=cents(shrunk.intensity) if shrunk is not None else ZERO,
            step="hour" if by_hour else "minute",
            n=n,
            needed=LEAST_STEPS,
        )

    def _has_prices(self, instrument: InstrumentId) -> bool:
        return any(self._core.state.samples.prices.get(instrument, ()))

    def assets(self) -> list[str]:
        """Base assets of the configured contracts."""
        return list(dict.fromkeys(i.base for i in self._core.instruments.values()))

    def shocks(self) -> list[str]:
        """Names of the shocks that `stress` knows."""
        return [shock.name for shock in SHOCKS]

    def stress(self, what: str = "") -> list[v.StressView] | str:
        """What shocks would do: all the named ones, or one that `what` names or describes; else why it is not one."""
        shocks: Sequence[Shock] = SHOCKS
        if what.strip():
            found = parse(what, self.assets())
            if isinstance(found, str):
                return found
            shocks = (found,)
        return [self._stressed(shock) for shock in shocks]

    def _stressed(self, shock: Shock) -> v.StressView:
        core, held = self._core, holdings(self._core)
        leader = next(iter(shock.moves), BTC)
        behaviour: dict[str, Behaviour] = {}
        for asset in {h.asset: None for h in held}:
            key = ("behaviour", asset, leader)
            behaviour[asset] = self._once_a_sample(key, partial(self._behaviour, asset, leader))
        accounts = [
            AccountMoney(account=a.id, currency=a.currency, equity=core.equity(a.id))
            for a in core.state.accounts.values()
        ]
        outcome = run(shock, held, accounts, behaviour)
        equity = samples.portfolio_equity(core)
        high = max(equity, core.state.samples.peak_equity)
        return v.StressView(
            name=shock.name,
            what=shock.what,
            worst=outcome.worst,
            worst_fraction=fraction(outcome.worst, equity),
            level_after=risk_level(samples.loss(high, equity + outcome.worst)).value,
            ways=outcome.ways,
            moves=outcome.moves,
            exit_cost=outcome.exit_cost,
            liquidated=outcome.liquidated,
            liquidated_at=outcome.liquidated_at,
            beyond_touch=tuple((name, times.quantize(Decimal("0.1"))) for name, times in outcome.beyond_touch),
            assumed=outcome.assumed,
        )

    def _behaviour(self, asset: str, leader: str) -> Behaviour:
        slope, _ = self.slope(asset, leader)
        instrument = self.instrument_of(asset)
        apart: float | None = None
        if instrument is not None:
            (own,), by_hour = self._steps_of((instrument,))
            if len(own) >= LEAST_STEPS:
                apart = deviation(own) * sqrt(HOURS_A_DAY if by_hour else MINUTES_A_DAY)
        return Behaviour(
            beta=Decimal(slope).quantize(_TENTH_PERCENT) if slope is not None else None,
            daily_deviation=Decimal(apart).quantize(_TENTH_PERCENT) if apart is not None else None,
        )


def exposure_views(rows: Sequence[Exposure], equity: Decimal) -> tuple[v.ExposureView, ...]:
    """Exposures in whole cents."""
    return tuple(
        v.ExposureView(
            name=row.name,
            long=cents(row.long),
            short=cents(row.short),
            net=cents(row.net),
            gross=cents(row.gross),
            fraction=fraction(row.gross, equity),
        )
        for row in rows
    )


def margin_views(core: Core, held: Sequence[Holding]) -> tuple[v.MarginView, ...]:
    """Margin use by account."""
    rows = []
    for account in core.state.accounts:
        equity, of_it = core.equity(account), [h for h in held if h.account == account]
        initial = margin_used(of_it)
        rows.append(
            v.MarginView(
                account=account,
                equity=cents(equity),
                initial=cents(initial),
                maintenance=cents(maintenance(of_it)),
                used=fraction(initial, equity),
            )
        )
    return tuple(rows)


def strategy_views(core: Core) -> tuple[v.StrategyRiskView, ...]:
    """Loaded strategies in order of loading."""
    earned = core.state.samples.hours.earned
    return tuple(
        v.StrategyRiskView(
            id=name,
            profit=cents(samples.profit_of(core, name)),
            drawdown=samples.strategy_drawdown(core, name).quantize(_TENTH_PERCENT),
            share=core.share_of(name).quantize(_TENTH_PERCENT),
            cut=core.state.cuts.get(name),
            hours=len(earned.get(name, ())),
        )
        for name, strategy in core.state.strategies.items()
        if strategy.spec.kind != MANUAL
    )
