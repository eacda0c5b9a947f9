"""What a person is shown of an order of theirs: before it is sent, and while it works. In decimals and words."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from domain.instrument import AccountId, InstrumentId


class LimitUse(Struct, frozen=True, kw_only=True):
    """How much of a limit is used now, and would be; all three in `unit` (`USD`, `x`, `positions`)."""

    name: str
    before: Decimal
    after: Decimal
    most: Decimal
    unit: str = "USD"


class OrderPreview(Struct, frozen=True, kw_only=True):
    """What an order would do if it were sent now. Prices in quote units, money in USD, `qty` signed in base units.

    `limit` is a person's own price (0 = at the market). `average` and `worst` are what taking it from the book at once
    would pay, by `depth`: `book` as far as its levels reach, `touch` where only the best bid and offer are known;
    `beyond` is the part of the quantity that lies deeper than what is known. `takes` is the part that would fill at
    once, the rest would rest. `refusal` says why it would be refused ("" = it would not).
    """

    account: AccountId
    instrument: InstrumentId
    qty: Decimal
    limit: Decimal
    bid: Decimal
    ask: Decimal
    price_age_ms: int
    notional: Decimal
    depth: str
    takes: Decimal
    beyond: Decimal
    average: Decimal
    worst: Decimal
    slippage: Decimal
    """Of `average` against the middle of the touch, as a fraction; positive = worse than the middle."""
    bound: Decimal
    """The worst price that the first order at the market may pay."""
    fee_taker: Decimal
    fee_maker: Decimal
    before: Decimal
    after: Decimal
    """The position now, and when all of it has filled."""
    adds: bool
    limits: tuple[LimitUse, ...]
    refusal: str
    votes: int
    """Votes of others that it would wait for; 0 = it goes at once."""
    approvers: tuple[str, ...] = ()
    large: Decimal = Decimal(0)
    """From how much added notional on votes are needed now; 0 = approvals are off."""


class OrderProgress(Struct, frozen=True, kw_only=True):
    """What has become of a person's order so far: all the orders that were placed for it together."""

    filled: Decimal
    average: Decimal | None
    fee: Decimal
    working: int
    """Orders at the venue now."""
    is_wanted: bool
    """Something is still to be done for it."""
    trouble: str = ""
    """What stands in its way now, in words."""
