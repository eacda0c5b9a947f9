"""Calibrated market maker: the quotes of Avellaneda-Stoikov or Gueant-Lehalle-Fernandez-Tapia, fitted as it trades.

Believes what the plain `market_maker` believes, and that market orders reach a distance delta from the mid as a Poisson
stream of intensity A exp(-k delta). From A, k (fitted from trades and touch, `engine.indicators.intensity`), sigma and
the risk aversion gamma follow the best distance and the lean against inventory. It loses as every maker does, to flow
that knows more; where the fit is of a market that has just changed; and where fees are many times 1 / k: who has to
stand that far out is reached by nothing but the moves that run him over.

With q the position in base units, D = qty the size of a fill, price and its sigma per square root of a second in quote
currency, and gamma in 1/quote currency (utility -exp(-gamma x money)), every term is a price:

    glft        c1 = ln(1 + x) / (gamma D);  c2 = sqrt(gamma / (2 A D k) (1 + x)^(1 / x + 1));  x = gamma D / k
                half = c1 + D sigma c2 / 2;  lean = sigma c2 q                          no horizon: for perpetuals
    avellaneda_stoikov
                half = (gamma D sigma^2 t + 2 / (gamma D) ln(1 + x)) / 2;  lean = gamma sigma^2 t q
                t = seconds left of the session; sessions end at multiples of `session_s` since 1970

    fee c       half = c + max(half of the model, min_edge), with A exp(-k c) for A: with d = delta - c, orders reach
                d with A exp(-k c) exp(-k d), and d is what a fill earns, so d is what the model chooses
    centre      fair - lean - funding expected over `carry_intervals`: a position that pays is held smaller
    bids        no further up than fair, asks no further down: what inventory costs beyond that is for the exits

Silent while the fit rests on fewer than `min_arrivals` orders or says nothing (no order reached beyond the touch,
or they fade too slowly for the range looked at); while the flow is one-sided (`max_vpin`); and for `pause_s` after
own fills have lost `max_loss_bps` a piece on average after the fee, `markout_s` later. `because` in its memory
says why. Fair price, levels, sizes, volatility guard and exits are those of every maker (`quoting`).

Sources: Avellaneda & Stoikov, Quantitative Finance 8(3), 2008; Gueant, Lehalle & Fernandez-Tapia,
arXiv 1105.3115; the form with trade size, Gueant, arXiv 1605.01862, (4.6)-(4.7). Fee, bounds and funding are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, inf, log1p, nan, sqrt
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import View, Wake
from engine.indicators import Fit, Intensity, Markout, Vpin
from engine.strategies.quoting import BPS, SECOND_NS, Around, Maker, QuotingMemory, QuotingParams

CELLS = 25
"""Depths that are told apart when orders are counted."""
MOST_EXPONENT = 600.0
"""Of what a fee makes of an intensity: beyond, floats end."""
LOOSEST = 0.5
"""Standard error of k, as a part of it, above which a fit says nothing."""
FLATTEST = 2.0
"""A fit whose orders fade over more than this many times the range looked at says nothing."""


class Spread(Struct, frozen=True):
    """Distance of a quote from the centre, and how far a base unit of inventory moves the centre; in price."""

    half: float
    lean: float


def glft(gamma: float, sigma: float, a_per_s: float, k: float, size: float) -> Spread:
    """Gueant-Lehalle-Fernandez-Tapia's closed-form approximation, without a horizon."""
    x = gamma * size / k
    if x == 0.0:
        return Spread(1 / k, 0.0)
    c1 = log1p(x) / (gamma * size)
    c2 = sqrt(gamma / (2 * a_per_s * size * k) * exp((1 / x + 1) * log1p(x)))
    return Spread(c1 + size * sigma * c2 / 2, sigma * c2)


def avellaneda_stoikov(gamma: float, sigma: float, k: float, size: float, left_s: float) -> Spread:
    """Avellaneda-Stoikov's approximation with `left_s` seconds of the session to go."""
    x = gamma * size / k
    variance = sigma * sigma * left_s
    depth = log1p(x) / (gamma * size) if x else 1 / k
    return Spread(gamma * size * variance / 2 + depth, gamma * variance)


class CalibratedMakerParams(QuotingParams):
    """Parameters of `CalibratedMaker`."""

    model: Literal["glft", "avellaneda_stoikov"] = Field("glft", description="which formulas")
    gamma: float = Field(0.1, gt=0, le=1e6, description="risk aversion in 1/quote currency")
    session_s: float = Field(3600.0, ge=1, le=604800, description="session of avellaneda_stoikov in seconds")
    max_half_bps: float = Field(50.0, gt=0, le=1000, description="largest half spread in basis points")
    reach_bps: float = Field(5.0, gt=0, le=500, description="how far behind the touch orders are counted")
    fit_tau_s: float = Field(600.0, ge=10, le=86400, description="memory of the fit in seconds")
    min_arrivals: Annotated[float, AddsRisk.LOWERED] = Field(
        50.0, ge=10, le=100000, description="market orders that a fit must rest on"
    )
    max_vpin: Annotated[float, AddsRisk.RAISED] = Field(
        0.8, gt=0, le=1, description="mean one-sidedness of volume above which it is silent, 1 = any"
    )
    vpin_buckets: int = Field(20, ge=2, le=500, description="buckets of volume that are looked at")
    vpin_bucket_s: float = Field(5.0, gt=0, le=3600, description="mean seconds of volume in a bucket")
    max_loss_bps: Annotated[float, AddsRisk.RAISED] = Field(
        2.0, ge=0, le=1000, description="mean loss of own fills at which it pauses, 0 = none"
    )
    markout_s: float = Field(10.0, gt=0, le=3600, description="seconds after which a fill is judged")
    markout_fills: int = Field(20, ge=1, le=1000, description="own fills that are judged together")


class CalibratedMakerMemory(QuotingMemory, kw_only=True):
    """The fit and the guards."""

    vpin: Vpin
    markout: Markout
    intensity: Intensity | None = None
    fit: Fit | None = None


class CalibratedMaker(Maker[CalibratedMakerMemory, CalibratedMakerParams]):
    """See the module docstring."""

    kind = "calibrated_maker"
    params_type = CalibratedMakerParams
    memory_type = CalibratedMakerMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: CalibratedMakerParams) -> None:
        """Keep the bounds in the units of the arithmetic."""
        super().__init__(instruments, params)
        self.reach = params.reach_bps * BPS
        self.max_half = params.max_half_bps * BPS
        self.max_loss = params.max_loss_bps * BPS if params.max_loss_bps else inf
        self.fee = params.maker_fee_bps * BPS
        self.session_ns = int(params.session_s * SECOND_NS)

    def feeds(self) -> tuple[Feed, ...]:
        """Trades too."""
        return (*super().feeds(), Feed(kind=FeedKind.TRADE, instrument=self.instrument))

    def start(self) -> CalibratedMakerMemory:
        """Nothing seen."""
        params = self.params
        return CalibratedMakerMemory(
            *self.seen(),
            vpin=Vpin(params.vpin_buckets, params.vpin_bucket_s),
            markout=Markout(params.markout_s, params.markout_fills),
        )

    def decide(self, memory: CalibratedMakerMemory, view: View) -> tuple[CalibratedMakerMemory, Desired]:
        """Learn from what woke it; a trade changes quotes only by making it silent."""
        if view.wake == Wake.TRADE:
            self._on_trade(memory, view)
            if not view.desired.quotes or not self._toxic(memory):
                return memory, view.desired
        elif view.wake == Wake.FILL:
            if view.fill.instrument == self.instrument and not (view.fill.protective or memory.exiting):
                memory.markout.fill(view.ts_ns, view.fill.side, view.fill.price)
        else:
            self._on_touch(memory, view)
        return super().decide(memory, view)

    def sample(self, memory: CalibratedMakerMemory, view: View, fair: float) -> None:
        """Judge own fills and take the fit anew; a price that has moved far from its cells begins a new count."""
        super().sample(memory, view, fair)
        memory.markout.judge(view.ts_ns, fair)
        gain = memory.markout.value - self.fee
        if gain < -self.max_loss:
            self.pause(memory, view, f"its fills lost {-gain / BPS:.1f} bp on average")
            memory.markout = Markout(self.params.markout_s, self.params.markout_fills)
        width = self._width(view, fair)
        if memory.intensity is None or not 0.5 <= width / memory.intensity.width <= 2.0:
            memory.intensity = Intensity(width, self.params.fit_tau_s, [0.0] * CELLS)
        memory.fit = memory.intensity.fit()

    def silence(self, memory: CalibratedMakerMemory, view: View) -> str:
        """Also while there is no fit to go by, or the flow is toxic."""
        return super().silence(memory, view) or self._uncalibrated(memory) or self._toxic(memory)

    def around(self, memory: CalibratedMakerMemory, view: View, position: float, fair: float) -> Around:
        """The model's distance within bounds, around fair less inventory's and funding's lean."""
        params = self.params
        fee = self.fee * fair
        spread = self._spread(memory, view.ts_ns, memory.volatility.value * fair, fee)
        half = max(self.floor * fair, min(fee + spread.half, self.max_half * fair))
        held = max(-params.max_position, min(params.max_position, position))
        centre = fair - spread.lean * held - fair * view.funding_rate(self.instrument) * params.carry_intervals
        return centre, half, fair, fair

    def _spread(self, memory: CalibratedMakerMemory, ts_ns: int, sigma: float, fee: float) -> Spread:
        """What the model chooses, over the fee."""
        fit, params = memory.fit, self.params
        if fit is None:
            return Spread(nan, nan)
        if params.model == "glft":
            a_per_s = fit.a_per_s * exp(max(-MOST_EXPONENT, min(MOST_EXPONENT, -fit.k * fee)))
            return glft(params.gamma, sigma, a_per_s, fit.k, params.qty)
        left_s = (self.session_ns - ts_ns % self.session_ns) / SECOND_NS
        return avellaneda_stoikov(params.gamma, sigma, fit.k, params.qty, left_s)

    def _on_trade(self, memory: CalibratedMakerMemory, view: View) -> None:
        trade = view.trade
        if trade.instrument != self.instrument or not (0.0 < trade.price < inf and 0.0 < trade.qty < inf):
            return
        memory.vpin.update(view.ts_ns, trade.qty, trade.side)
        if memory.intensity is not None:
            memory.intensity.trade(view.ts_ns, trade.price, trade.side)

    def _on_touch(self, memory: CalibratedMakerMemory, view: View) -> None:
        touch = view.bbo(self.instrument)
        if memory.intensity is not None and touch is not None and self.fair_of(touch):
            memory.intensity.touch(view.ts_ns, touch.bid, touch.ask)

    def _width(self, view: View, fair: float) -> float:
        """Cells of whole ticks that together span the range looked at, or more."""
        tick = view.tick_size(self.instrument)
        return tick * max(1, ceil(self.reach * fair / (CELLS * tick)))

    def _uncalibrated(self, memory: CalibratedMakerMemory) -> str:
        """Why there is no fit to go by, "" = there is."""
        fit, least = memory.fit, self.params.min_arrivals
        if fit is None or memory.intensity is None:
            return "uncalibrated: no market order reached beyond the touch yet"
        if fit.arrivals < least:
            return f"uncalibrated: {fit.arrivals:.0f} of {least:g} market orders seen"
        if fit.k_error > LOOSEST * fit.k:
            return f"uncalibrated: k is {fit.k:.3g} give or take {fit.k_error:.2g}"
        if fit.k * memory.intensity.width * CELLS * FLATTEST < 1.0:
            return "uncalibrated: orders do not fade within reach_bps, it is too short for this market"
        return ""

    def _toxic(self, memory: CalibratedMakerMemory) -> str:
        """Why the flow is not to be met, "" = it may be."""
        vpin = memory.vpin.value
        return f"toxic: volume is one-sided by {vpin:.2f}" if vpin > self.params.max_vpin else ""
