"""What the breakers leave of the normal size, by scope: derived from the state, empty while all is well.

A slot stands under everything (""), its venue, its strategy and its instrument; the least of their parts is its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from domain.account import venue_of
from domain.breakers import BreakerAction, BreakerRule, BreakerSettings, Watch
from domain.instrument import ZERO, InstrumentId
from engine.core.state import NEVER, Slot, State
from risk.breaker import BLOCKING, BreakerState
from risk.gate import PPM
from risk.matrix import OF_A_SYMBOL, ONE, left_by

_WORST_FIRST = (BreakerState.FORCED_OPEN, BreakerState.OPEN, BreakerState.HALF_OPEN)


class Symbol(NamedTuple):
    """What is watched of one instrument, by integers: thresholds in parts per million, 0 = it is not watched."""

    keys: tuple[str, str, str, str]
    """Of its breakers, as `OF_A_SYMBOL` has them."""
    band_ppm: int
    wide_ppm: int
    window_ns: int

    @staticmethod
    def of(rules: BreakerSettings, instrument: InstrumentId) -> Symbol:
        """By the settings."""
        volatility, base = rules.volatility, instrument.partition("-")[0]
        band, wide = (
            int(rule.thresholds.get(base, rule.threshold) * PPM) if rule is not None else 0
            for rule in (volatility, rules.spread)
        )
        first, second, third, fourth = [f"{watch.value}:{instrument}" for watch in OF_A_SYMBOL]
        window_ns = volatility.window_ns if volatility is not None else 0
        return Symbol((first, second, third, fourth), band, wide, window_ns)


class Parts:
    """One per core. `venues` has the worst state of a venue's connections, `scopes` the parts of the matrix."""

    def __init__(self, state: State) -> None:
        """Look at `state`; `index` reads it."""
        self.state = state
        self.venues: dict[str, BreakerState] = {}
        self.scopes: dict[str, Decimal] = {}
        self.paused: dict[str, None] = {}
        """Scopes where no quote rests."""
        self.symbols: dict[InstrumentId, Symbol] = {}

    def index(self) -> None:
        """Recompute both; call after a breaker changed its state, or the settings changed."""
        self.venues.clear()
        for venue, breakers in self.state.breakers.items():
            states = {breaker.state for breaker in breakers.values()}
            worst = next((state for state in _WORST_FIRST if state in states), None)
            if worst is not None:
                self.venues[venue] = worst
        self.scopes.clear()
        self.paused.clear()
        for key, breaker in self.state.matrix.items():
            name, _, scope = key.partition(":")
            rule = self.state.settings.breakers.rule(Watch(name)) or BreakerRule()
            part = left_by(breaker.state, rule, Watch(name))
            if part < ONE:
                self.scopes[scope] = min(part, self.scopes.get(scope, ONE))
            if breaker.state is BreakerState.OPEN and BreakerAction.PAUSE in rule.actions:
                self.paused[scope] = None

    def watch_markets(self) -> None:
        """Let every symbol be looked at, or never where nothing of it is watched.

        A look that is due stays due at its time: a snapshot is loaded through here, and has to go on as the run did.
        """
        rules = self.state.settings.breakers
        watched = any(rules.rule(watch) is not None for watch in OF_A_SYMBOL)
        self.symbols = {instrument: Symbol.of(rules, instrument) for instrument in self.state.markets}
        for market in self.state.markets.values():
            if not watched:
                market.look_ns = NEVER
            elif market.look_ns == NEVER:
                market.look_ns = self.state.ts_ns
            if self.state.settings.breakers.volatility is None:
                market.floor = market.ceiling = 0

    def of(self, slot: Slot) -> Decimal:
        """The part of its normal size that is left to what adds risk in a slot: 1 = all of it, 0 = nothing."""
        if not (self.venues or self.scopes):
            return ONE
        part, of_venue = self.of_matrix(slot), self.venues.get(venue_of(slot.account))
        if of_venue is None:
            return part
        return ZERO if of_venue in BLOCKING else min(part, self.state.settings.breakers.exchange_failure.fraction)

    def of_matrix(self, slot: Slot) -> Decimal:
        """The same by the breakers of the matrix alone."""
        scopes = self.scopes
        if not scopes:
            return ONE
        return min([scopes[scope] for scope in above(slot) if scope in scopes], default=ONE)

    def is_paused(self, slot: Slot) -> bool:
        """Whether no quote may rest in a slot."""
        return any(scope in self.paused for scope in above(slot))


def above(slot: Slot) -> tuple[str, str, str, str]:
    """The scopes that a slot stands under."""
    return "", venue_of(slot.account), slot.owner, slot.instrument
