"""Amounts as people say them: `0.5`, `0.5btc`, `$2k`, `25%`. What could mean two things is asked back, never guessed.

0.5, 0.5btc     base units
$2k, 2000usd    money, turned into base units at the price, down to the contract's step
25%             of equity; `25%pos` of the open position
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from bot.message import money, number
from bot.parse import UsageError

if TYPE_CHECKING:
    from domain.instrument import AccountId, InstrumentId
    from engine.desk import Desk

MAX_DECIMALS: Final = 15
TIMES: Final = {"": Decimal(1), "k": Decimal(1_000), "m": Decimal(1_000_000)}
MONEY: Final = frozenset({"$", "usd", "usdc", "usdt", "dollar", "dollars"})
POSITION: Final = frozenset({"pos", "position"})
EQUITY: Final = frozenset({"eq", "equity"})
UNLIKELY: Final = 10
"""A bare number worth so many times the equity may have been meant as money."""
_AMOUNT = re.compile(r"(\$?)([+-]?[0-9.,_']+)([km]?)(%?)(.*)", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+\.[0-9]+|[0-9]{1,3}(,[0-9]{3}){2,}")
_PLAIN = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


class Amount(Struct, frozen=True, kw_only=True):
    """A quantity greater than zero in base units, and how it is understood."""

    qty: Decimal
    words: str


class Terms(Struct, frozen=True, kw_only=True):
    """What an amount is relative to.

    `price` is of one base unit in money (None = there is none yet), `position` the size that the order would reduce,
    `step` what money and shares are rounded down to.
    """

    price: Decimal | None = None
    base: str = ""
    equity: Decimal | None = None
    position: Decimal = Decimal(0)
    step: Decimal = Decimal("0.00000001")

    def whole(self, qty: Decimal) -> Decimal:
        """A quantity rounded down to the step."""
        return (qty / self.step).to_integral_value(ROUND_DOWN) * self.step


def amount_of(text: str, price: Decimal | None) -> Amount:
    """The quantity that a person means, in base units, at `price`. Raises `UsageError`."""
    return amount_in(text, Terms(price=price))


def amount_in(text: str, terms: Terms) -> Amount:
    """As `amount_of`, with all that an amount may be relative to. Raises `UsageError`, with both readings if two."""
    match = _AMOUNT.fullmatch("".join(text.split()))
    if match is None:
        raise UsageError(f"{text!r} is no amount. For example: 0.25, $2k, 25%")
    sign, digits, scale, per_cent, unit = match[1], match[2], match[3].lower(), match[4], match[5].lower()
    value = decimal_of(digits, sign, f"{scale}{per_cent}{unit}") * TIMES[scale]
    if per_cent:
        if sign or scale or (unit and unit not in POSITION | EQUITY):
            raise UsageError(f"{text!r} is no share. Write 25%, 25%eq (of equity) or 25%pos (of the position)")
        return _share(value, unit, text, terms)
    if sign and unit and unit not in MONEY:
        raise UsageError(f"{text!r} is money and {unit.upper()} at once. Write ${digits}{scale} or {digits}{unit}")
    if sign or unit in MONEY:
        return _of_money(value, text, terms)
    if unit and unit != terms.base.lower():
        raise UsageError(_unit_problem(text, unit, terms.base))
    if scale and not unit:
        name = f"{number(value)} {terms.base or 'base units'}"
        raise UsageError(f"{text!r}: {name}, or money? Write {number(value)}{terms.base.lower()} or ${digits}{scale}")
    return _of_base(value, terms, is_sure=bool(unit))


def _of_base(value: Decimal, terms: Terms, *, is_sure: bool) -> Amount:
    """A quantity as it is; asked back where only money could sensibly be meant."""
    name, unit = number(value), terms.base or "base units"
    worth = terms.price * value if terms.price else None
    if worth is not None and terms.equity is not None and not is_sure:
        is_far_off = worth > UNLIKELY * terms.equity and value <= UNLIKELY * terms.equity
        if is_far_off and terms.base and terms.equity > 0:
            raise UsageError(
                f"{name} {unit} are worth {money(worth)}, your equity is {money(terms.equity)}. "
                f"Write ${name} if you mean money, or {name}{unit.lower()} if you mean {unit}"
            )
    about = f", about ${money(worth)}" if worth is not None else ""
    return Amount(qty=value, words=f"{name} {unit}{about}")


def _of_money(value: Decimal, text: str, terms: Terms) -> Amount:
    if not terms.price or terms.price <= 0:
        raise UsageError(f"{text} cannot be turned into a quantity: there is no price yet. Write a quantity instead")
    qty = terms.whole(value / terms.price)
    if qty <= 0:
        least = f"{number(terms.step)}, which is worth ${money(terms.step * terms.price)}"
        raise UsageError(f"{text} is less than the smallest step, {least}")
    unit = f" {terms.base}" if terms.base else ""
    return Amount(qty=qty, words=f"{number(qty)}{unit}, ${money(qty * terms.price)} of the ${money(value)} asked for")


def _share(value: Decimal, of_what: str, text: str, terms: Terms) -> Amount:
    per_cent, part = f"{number(value)}%", value / 100
    if of_what in POSITION:
        if not terms.position:
            raise UsageError(f"{text}: there is no position that this would reduce")
        if part > 1:
            raise UsageError(f"{text} is more than the whole position, {number(terms.position)}")
        qty = terms.whole(terms.position * part)
        if qty <= 0:
            raise UsageError(f"{text} is less than the smallest step, {number(terms.step)}")
        return Amount(qty=qty, words=f"{number(qty)}, {per_cent} of the position")
    if not of_what and terms.position:
        of_position = number(terms.whole(terms.position * min(part, Decimal(1))))
        raise UsageError(
            f"{text} of what? {per_cent}pos is of the position ({of_position}), {per_cent}eq is of your equity"
        )
    if terms.equity is None or terms.equity <= 0:
        raise UsageError(f"{text} of what? There is no equity to take it of")
    found = _of_money(terms.equity * part, text, terms)
    return Amount(qty=found.qty, words=f"{found.words}, {per_cent} of equity")


def decimal_of(digits: str, before: str = "", after: str = "") -> Decimal:
    """A number greater than zero, without a sign, as a person types it. Raises `UsageError`.

    One comma could be a decimal mark or a thousands separator: it is asked back, with `before` and `after` around it.
    """
    shown = f"{before}{digits}{after}"
    if digits[:1] in {"+", "-"}:
        raise UsageError(f"{shown!r} must be greater than zero, without a sign; buy or sell says the direction")
    if _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    if not _PLAIN.fullmatch(digits):
        raise UsageError(_number_problem(digits, shown, before, after))
    value = Decimal(digits)
    if value <= 0:
        raise UsageError(f"{shown!r} must be greater than zero; buy or sell says the direction")
    if not -MAX_DECIMALS <= value.adjusted() <= MAX_DECIMALS:
        raise UsageError(f"{shown!r} is not a quantity that anything is traded in")
    return value


def _number_problem(digits: str, shown: str, before: str, after: str) -> str:
    bare = re.sub(r"[,_']", "", digits)
    if digits.count(",") == 1 and "." not in digits and _PLAIN.fullmatch(bare):
        dotted = digits.replace(",", ".")
        if re.fullmatch(r"[0-9]{1,3},[0-9]{3}", digits) and not digits.startswith("0"):
            return f"{shown!r} could be {before}{dotted}{after} or {before}{bare}{after}: write decimals with a dot"
        return f"{shown!r}: write decimals with a dot: {before}{dotted}{after}"
    hint = f": write {before}{bare}{after}" if _PLAIN.fullmatch(bare) else ". For example: 0.25, $2k, 25%"
    return f"{shown!r} is not a number{hint}"


def _unit_problem(text: str, unit: str, base: str) -> str:
    if unit.startswith("e") and unit[1:].lstrip("+-").isdecimal():
        return f"{text!r} is not a number that people read alike: write it out. For example: 0.25"
    if unit in {"eur", "€", "gbp", "£"}:
        return f"{text!r}: money is in USD here. For example: $2k"
    kind = f"{base} here" if base else "base units"
    return f"{text!r}: quantities are in {kind}. For example: 0.25{base.lower()}, $2k, 25%"


def held_of(desk: Desk, account: AccountId, instrument: InstrumentId) -> Decimal:
    """The position of an account in an instrument, with its sign."""
    return next((v.qty for v in desk.positions() if (v.account, v.instrument) == (account, instrument)), Decimal(0))


def amount_for(
    desk: Desk, account: AccountId, instrument: InstrumentId, text: str, *, buys: bool, price: Decimal | None = None
) -> Amount:
    """As `amount_of`, with everything the desk knows: price (unless given), equity, step, and what it would reduce.

    Raises `UsageError`.
    """
    held = held_of(desk, account, instrument)
    contract, price = desk.contract(instrument), price or desk.prices().get(instrument)
    if contract is None:
        raise UsageError(f"no instrument is called {instrument!r}")
    terms = Terms(
        price=price * contract.multiplier if price else None,
        base=contract.base,
        equity=next((view.equity for view in desk.balances() if view.account == account), None),
        position=abs(held) if held and (held < 0) == buys else Decimal(0),
        step=Decimal(contract.lot).scaleb(-contract.qty_decimals),
    )
    return amount_in(text, terms)
