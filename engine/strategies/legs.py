"""Legs by `Take`: what the two arbitrage strategies share. One asset, a position at each of several venues.

    look       one venue as it is now: its book, what is held there, and what own orders may still fill
    worst      the most that can be naked with everything in flight
    matched    the largest size of which every part earns an edge, walked through both books
    naked      what nothing on its way closes; `ways`: where it can be closed, the cheapest first
    LegRules   caps, fresh books, pauses, and the take against what is naked

Everything follows from positions and from what may still come (`View.coming`, orders without an answer in full): a fill
that was partial, late, or heard of after a restart is hedged once and for what it was, and nothing is sent in place
of an order that may still fill. What is naked is sold where most is paid for it: at the other venue, which completes
the pair, or where it came from, which unwinds it. Quantities are in base units, prices in quote units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Annotated

from msgspec import Struct, field
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Take
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, View, Wake

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
TAKE_NS = SECOND_NS
"""A take that was not sent by then is not sent any more."""
DUST = 1e-9
TRIES = 2
"""Takes at one venue that may change nothing before the next one is tried."""
MOST_MISSES = 8
"""A pair that came apart doubles the pause before the next, up to 256 times."""

Levels = Sequence[tuple[float, float]]


class Leg(Struct, frozen=True):
    """One venue. `bids` and `asks` are empty where its prices are not known, or too old; fees are fractions."""

    instrument: InstrumentId
    bids: Levels
    asks: Levels
    fee: float
    position: float
    buys: float
    sells: float
    lot: float
    least: float

    def coming(self, side: int) -> float:
        """What own orders on a side may still fill."""
        return self.buys if side > 0 else self.sells


class Way(Struct, frozen=True):
    """How what is naked can be closed at one venue."""

    leg: Leg
    qty: float
    touch: float
    only_reduces: bool


class Pair(Struct, frozen=True):
    """A buy at one venue and a sale at another, each no worse than its limit."""

    qty: float
    buy_limit: float
    sell_limit: float
    closing: bool = False


class LegParams(Params):
    """Parameters of whatever trades legs: caps, ages, and how a leg that filled alone is closed."""

    naked_cap_usd: Annotated[float, AddsRisk.RAISED] = Field(
        1_000.0, gt=0, description="most that may be naked, worst case, and so the largest pair, in USD"
    )
    max_position_usd: Annotated[float, AddsRisk.RAISED] = Field(
        5_000.0, gt=0, description="largest position per asset at one venue, in USD"
    )
    max_age_ms: Annotated[int, AddsRisk.RAISED] = Field(
        1_000, ge=1, le=86_400_000, description="age at which a book is stale, in ms"
    )
    reach_pct: Annotated[float, AddsRisk.RAISED] = Field(
        0.02, ge=0, le=5, description="how much worse than the books show a leg of a pair may fill, in percent"
    )
    slippage_pct: Annotated[float, AddsRisk.RAISED] = Field(
        0.1, ge=0, le=5, description="how much worse than the touch a naked leg may be closed, in percent"
    )
    patience_s: float = Field(2.0, ge=0, le=86_400, description="seconds after which the larger slippage is allowed")
    most_slippage_pct: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, ge=0, le=20, description="the larger slippage, in percent"
    )
    retry_ms: int = Field(300, ge=1, le=86_400_000, description="between two tries to close a naked leg, in ms")
    pause_s: Annotated[float, AddsRisk.LOWERED] = Field(
        1.0, ge=0, le=86_400, description="between two pairs, in seconds"
    )


class Course(Struct):
    """What is remembered of one asset, and nothing that positions do not say.

    `sent_ns`: when something was sent last. `naked_ns`: since when something is naked (0 = nothing is), `tries`: takes
    against it. `misses`: pairs that came apart since one was filled whole; `is_whole`: the newest has not come apart,
    `has_filled`: something of it was filled.
    """

    sent: int = 0
    sent_ns: int = 0
    pair_ns: int = 0
    naked_ns: int = 0
    tries: int = 0
    misses: int = 0
    is_whole: bool = True
    has_filled: bool = False


class LegMemory(Struct):
    """When each book was seen last, and the course of each asset. `because`: why nothing is wanted, for people."""

    seen_ns: dict[InstrumentId, int] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    because: str = "no book was seen"


def by_asset(kind: str, instruments: Sequence[InstrumentId]) -> dict[str, tuple[InstrumentId, ...]]:
    """The instruments of each asset. Raises `StrategyError` unless each is traded at two venues or more, once each."""
    found: dict[str, tuple[InstrumentId, ...]] = {}
    for instrument in instruments:
        asset = instrument.partition("-")[0]
        found[asset] = (*found.get(asset, ()), instrument)
    for asset, legs in found.items():
        venues = [leg.partition(".")[2] for leg in legs]
        if len(venues) < 2 or len(set(venues)) < len(venues):
            text = f"at two venues or more, one contract at each; got {', '.join(legs)}"
            raise StrategyError(f"strategy kind {kind!r} trades {asset} {text}")
    if not found:
        raise StrategyError(f"strategy kind {kind!r} needs the contracts of an asset at two venues or more")
    return found


def books_of(instruments: Sequence[InstrumentId]) -> tuple[Feed, ...]:
    """The book of every venue."""
    return tuple([Feed(kind=FeedKind.BOOK, instrument=instrument) for instrument in instruments])


def look(view: View, instrument: InstrumentId, *, is_fresh: bool) -> Leg:
    """One venue as it is now."""
    book = view.book(instrument) if is_fresh else None
    return Leg(
        instrument,
        book.bids if book is not None else (),
        book.asks if book is not None else (),
        view.taker_fee(instrument),
        view.position(instrument),
        view.coming(instrument, 1),
        view.coming(instrument, -1),
        view.lot_size(instrument),
        view.smallest(instrument),
    )


def worst(legs: Sequence[Leg]) -> float:
    """The most that may be naked, on whichever side, with everything in flight counted against us."""
    net = fsum([leg.position for leg in legs])
    return max(net + fsum([leg.buys for leg in legs]), fsum([leg.sells for leg in legs]) - net, 0.0)


def naked(legs: Sequence[Leg]) -> tuple[int, float]:
    """The side that closes what is naked now, and how much of it nothing on its way may close yet."""
    net = fsum([leg.position for leg in legs])
    side = -1 if net > 0 else 1
    return side, max(0.0, abs(net) - fsum([leg.coming(side) for leg in legs]))


def ways(legs: Sequence[Leg], side: int, gap: float) -> list[Way]:
    """Where so much can be closed, the best price first. What only reduces may be less than the smallest order."""
    found = []
    for leg in legs:
        levels = leg.asks if side > 0 else leg.bids
        qty = whole(gap, leg.lot)
        held = max(0.0, -leg.position * side - leg.coming(side))
        if 0 < qty < leg.least - DUST:
            qty = min(qty, whole(held, leg.lot))
        if levels and qty > 0:
            found.append(Way(leg, qty, levels[0][0], only_reduces=qty <= held + DUST))
    return sorted(found, key=lambda way: way.touch * (side + way.leg.fee))


def earned(buy: float, sell: float, buy_fee: float, sell_fee: float) -> float:
    """What buying at one price and selling at another leaves after both fees, as a fraction of what is paid."""
    return (sell * (1 - sell_fee) - buy * (1 + buy_fee)) / buy


def matched(buy: Leg, sell: Leg, edge: float, most: float, *, closing: bool = False) -> Pair | None:
    """The largest size, up to `most`, of which every part earns `edge`, in whole lots of both; None = there is none.

    A pair that is `closing` only reduces on both sides, and may be less than the smallest order.
    """
    i = j = 0
    qty, buy_limit, sell_limit = 0.0, 0.0, 0.0
    ask_left = buy.asks[0][1] if buy.asks else 0.0
    bid_left = sell.bids[0][1] if sell.bids else 0.0
    while i < len(buy.asks) and j < len(sell.bids) and qty < most - DUST:
        ask, bid = buy.asks[i][0], sell.bids[j][0]
        if earned(ask, bid, buy.fee, sell.fee) < edge:
            break
        part = min(ask_left, bid_left, most - qty)
        qty, buy_limit, sell_limit = qty + part, ask, bid
        ask_left, bid_left = ask_left - part, bid_left - part
        if ask_left <= DUST:
            i += 1
            ask_left = buy.asks[i][1] if i < len(buy.asks) else 0.0
        if bid_left <= DUST:
            j += 1
            bid_left = sell.bids[j][1] if j < len(sell.bids) else 0.0
    qty = whole(qty, max(buy.lot, sell.lot))
    least = 0.0 if closing else max(buy.least, sell.least)
    return Pair(qty, buy_limit, sell_limit, closing) if qty >= least - DUST and qty > 0 else None


def whole(qty: float, lot: float) -> float:
    """A quantity rounded down to whole lots."""
    return (qty + DUST) // lot * lot


def take(
    course: Course, leg: Leg, side: int, qty: float, limit: float, ts_ns: int, *, reduce_only: bool = False
) -> Take:
    """One immediate order under an id that was never used before, also not by a memory that began anew."""
    course.sent += 1
    course.sent_ns = ts_ns
    return Take(
        instrument=leg.instrument,
        id=f"{ts_ns}:{course.sent}",
        side=side,
        qty=qty,
        limit=limit,
        expires_ns=ts_ns + TAKE_NS,
        reduce_only=reduce_only,
    )


def pair_of(course: Course, buy: Leg, sell: Leg, pair: Pair, reach: float, ts_ns: int) -> tuple[Take, Take]:
    """Both legs at once, each up to `reach` (a fraction) worse than the books show.

    A pair that was filled and stayed whole ends the pause that those before it had earned.
    """
    if course.is_whole and course.has_filled:
        course.misses = 0
    course.pair_ns, course.is_whole, course.has_filled = ts_ns, True, False
    return (
        take(course, buy, 1, pair.qty, pair.buy_limit * (1 + reach), ts_ns, reduce_only=pair.closing),
        take(course, sell, -1, pair.qty, pair.sell_limit * (1 - reach), ts_ns, reduce_only=pair.closing),
    )


class LegRules:
    """What `LegParams` mean for one asset's legs: caps in base units, fresh books, and closing what is naked."""

    def __init__(self, params: LegParams) -> None:
        """Times in ns, slippages as fractions."""
        self.params = params
        self.max_age_ns = params.max_age_ms * MILLISECOND_NS
        self.retry_ns = params.retry_ms * MILLISECOND_NS
        self.patience_ns = round(params.patience_s * SECOND_NS)
        self.pause_ns = round(params.pause_s * SECOND_NS)
        self.reach = params.reach_pct / 100
        self.slip, self.most_slip = params.slippage_pct / 100, params.most_slippage_pct / 100

    def looks(
        self, memory: LegMemory, view: View, assets: Mapping[str, Sequence[InstrumentId]]
    ) -> tuple[Course, list[Leg]]:
        """The course of the asset that woke it, and every venue of it; a book that is too old is no book."""
        if view.wake == Wake.BOOK:
            memory.seen_ns[view.instrument] = view.ts_ns
        asset, oldest_ns = view.instrument.partition("-")[0], view.ts_ns - self.max_age_ns
        course = memory.courses.setdefault(asset, Course())
        course.has_filled = course.has_filled or view.wake == Wake.FILL
        return course, [look(view, name, is_fresh=memory.seen_ns.get(name, 0) >= oldest_ns) for name in assets[asset]]

    def repaired(self, course: Course, found: Sequence[Leg], ts_ns: int) -> tuple[Take, ...] | None:
        """The take against what is naked, nothing where it is not due yet; None = nothing can be closed, or need be."""
        side, gap = naked(found)
        options = ways(found, side, min(gap, self.cap(found)))
        if gap < min([leg.lot for leg in found]) - DUST:
            course.naked_ns = course.tries = 0
        if not options:
            return None
        if not course.naked_ns:
            course.naked_ns = ts_ns
            course.misses = min(course.misses + course.is_whole, MOST_MISSES)
            course.is_whole = False
        if course.tries and ts_ns < course.sent_ns + self.retry_ns:
            return ()
        slip = self.slip if ts_ns < course.naked_ns + self.patience_ns else self.most_slip
        way = options[course.tries // TRIES % len(options)]
        course.tries += 1
        limit = way.touch * (1 + side * slip)
        return (take(course, way.leg, side, way.qty, limit, ts_ns, reduce_only=way.only_reduces),)

    def obstacle(self, course: Course, found: Sequence[Leg], memory: LegMemory, ts_ns: int) -> str:
        """Why no pair may be sent now: a pair takes two fresh books, none of before the last one; "" = it may."""
        seen = [memory.seen_ns[leg.instrument] for leg in found if leg.bids and leg.asks]
        if len(seen) < 2:
            stale = ", ".join([leg.instrument for leg in found if not (leg.bids and leg.asks)])
            return f"there is no fresh book of {stale}"
        if ts_ns < course.pair_ns + (self.pause_ns << course.misses):
            return f"it rests; pairs in a row that came apart: {course.misses}"
        return "" if min(seen) > course.sent_ns else "no book is newer than the last pair"

    def cap(self, found: Sequence[Leg]) -> float:
        """`naked_cap_usd` in base units, by the dearest venue."""
        return self.params.naked_cap_usd / max([leg.asks[0][0] for leg in found if leg.asks], default=float("inf"))

    def room(self, found: Sequence[Leg], buy: Leg, sell: Leg) -> float:
        """The largest pair that the caps allow: of what is naked at worst, and of both positions."""
        held = self.params.max_position_usd / max(buy.asks[0][0], sell.bids[0][0])
        bought, sold = buy.position + buy.buys, sell.sells - sell.position
        return max(0.0, min(self.cap(found) - worst(found), held - bought, held - sold))


def closable(buy: Leg, sell: Leg) -> float:
    """How much a pair takes back of what is held at both venues, beside what is on its way to do that; 0 = it opens."""
    return max(
        0.0, min(-buy.position - buy.buys, sell.position - sell.sells) if buy.position < 0 < sell.position else 0
    )


def wanted(view: View, takes: tuple[Take, ...]) -> Desired:
    """These takes and nothing else; the same object where nothing was and is wanted."""
    if takes:
        return Desired(takes=takes)
    return view.desired if not view.desired.takes else NOTHING
