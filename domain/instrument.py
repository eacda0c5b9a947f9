"""What is traded, and the only place where numbers change their form.

Inside the core a price is an integer count of 10**-price_decimals of the quote currency and a
quantity an integer count of 10**-qty_decimals of the base currency. `Instrument` converts at
the edge, exactly or with a rounding whose direction the caller names. Money is `Decimal`.

Linear perpetual futures only: spot and inverse contracts are refused by `parse_instrument_id`.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from domain.errors import Unrepresentable
from domain.text import plain

InstrumentId: TypeAlias = str
"""`BASE-QUOTE-PERP.VENUE`, for example `BTC-USDC-PERP.HYPERLIQUID`."""

AccountId: TypeAlias = str
"""`VENUE:label`, for example `PAPER:main`; many per venue."""

ZERO = Decimal(0)
MONEY_STEP = Decimal("0.00000001")
"""Money amounts that come out of a multiplication are rounded to this, half to even."""

PRICE_ROOM = Decimal("1.02")
"""By which an order of the smallest worth is larger: the price may move until it is judged."""

LARGEST = 2**53
"""Prices and quantities are at most this many steps: up to here every float64 is exact, and files and wires agree."""
MOST_DIGITS = len(str(LARGEST)) + 1
_FLOAT_NOISE = 1e-6


def parse_instrument_id(text: str) -> tuple[str, str, str]:
    """Split an instrument id into (base, quote, venue).

    Raises `Unrepresentable` for anything that is not a linear perpetual, with the reason.
    """
    symbol, _, venue = text.partition(".")
    parts = symbol.split("-")
    if not venue or len(parts) != 3 or not all(parts):
        raise Unrepresentable(f"instrument id {text!r}: expected BASE-QUOTE-PERP.VENUE, e.g. BTC-USDC-PERP.PAPER")
    base, quote, kind = parts
    if kind != "PERP":
        raise Unrepresentable(f"instrument id {text!r}: only linear perpetuals (PERP) are supported, not {kind}")
    if quote == "USD":
        raise Unrepresentable(
            f"instrument id {text!r}: a USD-quoted perpetual is inverse; use the USDC or USDT contract"
        )
    return base, quote, venue


class Instrument(Struct, frozen=True, kw_only=True):
    """One tradable contract: its scales, steps, minimums, fees and margins.

    `tick` and `lot` are in the integer scales. `max_significant` is the venue's cap on
    significant figures of a price (Hyperliquid: 5; 0 means none; whole numbers always pass).
    Fees and margins are fractions (0.0005 = 5 basis points).
    """

    id: InstrumentId
    venue_symbol: str
    price_decimals: int
    qty_decimals: int
    tick: int = 1
    lot: int = 1
    max_significant: int = 0
    min_qty: int = 1
    max_qty: int = 0
    min_notional: Decimal = ZERO
    multiplier: Decimal = Decimal(1)
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    initial_margin: Decimal = Decimal("0.05")
    maintenance_margin: Decimal = Decimal("0.025")
    funding_interval_ns: int = 3_600_000_000_000
    aliases: tuple[str, ...] = ()
    amends: bool = True
    """Whether the venue changes orders in place; where it does not, they are cancelled and placed anew."""
    reduces_at_rest: bool = True
    """Whether an order that rests may be reduce-only; where not, what reduces takes at once."""
    unit: Decimal = ZERO
    """Money value of one price unit times one quantity unit; derived, do not pass it."""
    price_scale: int = 1
    """10**price_decimals; derived, do not pass it."""
    qty_scale: int = 1
    """10**qty_decimals; derived, do not pass it."""

    def __post_init__(self) -> None:
        """Derive `unit` and the scales, and refuse scales that make no sense."""
        parse_instrument_id(self.id)
        if self.tick < 1 or self.lot < 1 or self.price_decimals < 0 or self.qty_decimals < 0:
            raise Unrepresentable(f"{self.id}: tick and lot must be at least 1, decimals at least 0")
        force_setattr(self, "price_scale", 10**self.price_decimals)
        force_setattr(self, "qty_scale", 10**self.qty_decimals)
        force_setattr(self, "unit", self.multiplier.scaleb(-(self.price_decimals + self.qty_decimals)))

    @property
    def venue(self) -> str:
        """The venue's name, upper case, as in the id."""
        return self.id.partition(".")[2]

    @property
    def base(self) -> str:
        """The asset that a long position gains with."""
        return self.id.partition("-")[0]

    @property
    def quote(self) -> str:
        """The currency that prices, fees and PNL are in."""
        return self.id.split("-")[1]

    def notional(self, price: int, qty: int) -> Decimal:
        """Exact money value of `qty` at `price` (both in integer scale; the sign follows qty)."""
        return (price * qty) * self.unit

    def fee(self, price: int, qty: int, rate: Decimal) -> Decimal:
        """Fee for |qty| at `price`, rounded to `MONEY_STEP` half to even; negative rates are rebates."""
        return (abs(price * qty) * self.unit * rate).quantize(MONEY_STEP, ROUND_HALF_EVEN)

    def price(self, text: str | Decimal) -> int:
        """Exact integer price. Raises `Unrepresentable` when decimals or tick do not allow it."""
        return self._exact(Decimal(text), self.price_decimals, self.tick, "price")

    def qty(self, text: str | Decimal) -> int:
        """Exact integer quantity. Raises `Unrepresentable` when decimals or lot do not allow it."""
        return self._exact(Decimal(text), self.qty_decimals, self.lot, "quantity")

    def _exact(self, value: Decimal, decimals: int, step: int, name: str) -> int:
        if not value.is_finite():
            raise Unrepresentable(f"{self.id}: {name} {plain(value, 40)} is not a number")
        if not value:
            return 0
        size = value.adjusted() + decimals
        scaled = value.scaleb(decimals) if 0 <= size < MOST_DIGITS else ZERO
        whole = int(scaled)
        if size >= MOST_DIGITS or abs(whole) > LARGEST:
            raise Unrepresentable(f"{self.id}: {name} {plain(value, 40)} is too large")
        if scaled != whole or whole % step or scaled.scaleb(-decimals) != value:
            raise Unrepresentable(
                f"{self.id}: {name} {plain(value, 40)} is not a multiple of {Decimal(step).scaleb(-decimals)}"
            )
        return whole

    def price_text(self, price: int) -> str:
        """Decimal text of an integer price, as people and the wire see it."""
        return f"{Decimal(price).scaleb(-self.price_decimals):f}"

    def qty_text(self, qty: int) -> str:
        """Decimal text of an integer quantity, as people and the wire see it."""
        return f"{Decimal(qty).scaleb(-self.qty_decimals):f}"

    def price_float(self, price: int) -> float:
        """Nearest float64 of an integer price (correctly rounded)."""
        return price / self.price_scale

    def qty_float(self, qty: int) -> float:
        """Nearest float64 of an integer quantity (correctly rounded)."""
        return qty / self.qty_scale

    def round_price(self, value: float, side: int) -> int:
        """Integer price from a strategy's float: bids (side > 0) round down, asks (side < 0) up, 0 to nearest.

        Honours tick and the significant-figure cap. Raises `Unrepresentable` for NaN, infinity or <= 0.
        """
        scaled = value * self.price_scale
        if not 0 < scaled <= LARGEST:
            why = "too large" if math.isfinite(value) and value > 0 else "not a positive number"
            raise Unrepresentable(f"{self.id}: price {value} is {why}")
        step = self.price_step(int(scaled)) if self.max_significant else self.tick
        ticks = scaled / step
        nearest = round(ticks)
        if side and abs(ticks - nearest) > _FLOAT_NOISE:
            nearest = math.floor(ticks) if side > 0 else math.ceil(ticks)
        return nearest * step if nearest > 1 else step

    def price_step(self, price: int) -> int:
        """Smallest price move allowed around `price`, in integer scale."""
        if not self.max_significant:
            return self.tick
        step: int = 10 ** max(0, len(str(price)) - self.max_significant)
        return max(self.tick, min(step, self.price_scale))

    def least_qty(self, price: int) -> int:
        """The smallest quantity in whole lots that the venue takes at `price`, with room for the price to move."""
        least, worth = max(self.min_qty, self.lot), price * self.unit
        if worth:
            least = max(least, math.ceil(self.min_notional * PRICE_ROOM / worth))
        return -(-least // self.lot) * self.lot

    def round_qty(self, value: float) -> int:
        """Integer quantity from a strategy's float, towards zero to a whole lot; the sign is kept.

        Raises `Unrepresentable` for NaN or infinity.
        """
        scaled = value * self.qty_scale
        if not -LARGEST <= scaled <= LARGEST:
            why = "too large" if math.isfinite(value) else "not a number"
            raise Unrepresentable(f"{self.id}: quantity {value} is {why}")
        lots = scaled / self.lot
        nearest = round(lots)
        if abs(lots - nearest) > _FLOAT_NOISE:
            nearest = math.trunc(lots)
        return nearest * self.lot
