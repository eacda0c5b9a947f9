"""Decimal texts of a wire as integers in an instrument's scale, without a float; remembered, for they come again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from domain.errors import DataError
from domain.instrument import LARGEST, Instrument

MAX_REMEMBERED = 100_000
MAX_DIGITS = 18


class Integers(dict[str, int]):
    """`integers[text]` is the number. Raises `DataError` for what is no positive number in its range.

    `zero` allows 0 too (a level of a book that is gone). `venue` is named in errors.
    """

    def __init__(self, instrument: Instrument, venue: str, *, is_price: bool, zero: bool = False) -> None:
        super().__init__()
        self._exact: Callable[[str], int] = instrument.price if is_price else instrument.qty
        self._decimals = instrument.price_decimals if is_price else instrument.qty_decimals
        self._step = instrument.tick if is_price else instrument.lot
        self._venue = venue
        self._least = 0 if zero else 1
        self._factors = [10 ** (self._decimals - digits) for digits in range(self._decimals + 1)]
        """By how many digits stand behind the point."""

    def __missing__(self, text: str) -> int:
        whole, _, fraction = text.partition(".")
        digits = whole + fraction
        if not (digits.isdigit() and digits.isascii()) or len(digits) > MAX_DIGITS:
            raise DataError(f"{self._venue} sent {text!r:.40} where a positive number belongs")
        value = int(digits) * self._factors[len(fraction)] if len(fraction) <= self._decimals else -1
        if value < 0 or value % self._step or value > LARGEST:
            value = self._exact(text)
        if value < self._least:
            raise DataError(f"{self._venue} sent {text!r:.40} where a positive number belongs")
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[text] = value
        return value


def nearest(text: str, decimals: int, venue: str) -> int:
    """A number that need not be on the present grid (an average, a sum, the past), rounded to a scale.

    Raises `DataError` for what is no number from 0 on in its range.
    """
    try:
        value = Decimal(text)
    except ArithmeticError as error:
        raise DataError(f"{venue} sent {text!r:.40} where a number belongs") from error
    if not value.is_finite() or value < 0 or value.adjusted() > MAX_DIGITS:
        raise DataError(f"{venue} sent {text!r:.40} where a number belongs")
    return int(value.scaleb(decimals).to_integral_value())
