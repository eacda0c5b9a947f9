"""Accounts: cash, positions and what they earned, exactly.

Equity is always `cash + sum(unrealised)`. Money is conserved to the last digit: when a position
shrinks, its share of `entry_value` is rounded once (to `MONEY_STEP`) and the remainder keeps the rest.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from decimal import Decimal

from domain.facts import TradingState
from domain.instrument import ZERO, AccountId, Instrument, InstrumentId


def venue_of(account: AccountId) -> str:
    """The venue of an account: `BINANCE` of `BINANCE:main`."""
    return account.partition(":")[0]


PAPER_VENUE = re.compile(r"PAPER[2-9]?")


def is_paper(venue: str) -> bool:
    """True for the paper venue `PAPER`, and for `PAPER2` to `PAPER9`, for who wants several."""
    return PAPER_VENUE.fullmatch(venue) is not None


class VenueOperation(enum.StrEnum):
    """What is done over a connection to a venue; each has a breaker of its own."""

    ORDERS = "orders"
    """Place, amend, cancel."""
    READS = "reads"
    """Snapshots and queries."""
    STREAM = "stream"
    """The account's own events."""
    MARKET_DATA = "market_data"


@dataclass(slots=True, kw_only=True)
class Position:
    """Net position of one account in one instrument.

    `qty` is signed, in integer scale. `entry_value` is the signed money paid for what is still open.
    `owner` is the strategy whose fills made it (one owner per account and instrument).
    """

    instrument: InstrumentId
    qty: int = 0
    entry_value: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    opened_ns: int = 0
    owner: str = ""

    def unrealised(self, instrument: Instrument, mark: int) -> Decimal:
        """Profit of the open quantity at price `mark`, in quote currency; zero while no price is known (0)."""
        if mark <= 0:
            return ZERO
        return instrument.notional(mark, self.qty) - self.entry_value

    def entry_price(self, instrument: Instrument) -> float:
        """Average price paid for what is open, as float64 for people and strategies; 0.0 when flat."""
        if not self.qty:
            return 0.0
        return float(self.entry_value / (self.qty * instrument.unit)) / instrument.price_scale


@dataclass(slots=True, kw_only=True)
class Account:
    """Money and positions at one venue account. Amounts are in the account's currency.

    `venue_ts_ns` is the venue's time of the newest snapshot that was compared, `funding_ts_ns` of the newest
    payment of funding. `trading` is what is in force for it: the worse of the engine's state and its venue's.
    `dead_man_ns` is the deadline the venue's dead-man's switch was last set to. `actions_*`: how many actions its venue
    leaves it, as last told (`BudgetLeft`); a step of 0 = plenty, or the venue does not count them.
    """

    id: AccountId
    currency: str = "USDC"
    cash: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    deposits: Decimal = ZERO
    positions: dict[InstrumentId, Position] = field(default_factory=dict)
    reconciled: bool = False
    venue_ts_ns: int = 0
    funding_ts_ns: int = 0
    trading: TradingState = TradingState.REDUCING
    strangers: dict[str, bool] = field(default_factory=dict)
    """What the venue has there that is not ours, and people were told of: client ids, and contracts that the settings
    do not know. True = it closes a position, so that cancelling everything would strip that."""
    margins: dict[InstrumentId, str] = field(default_factory=dict)
    """How the venue margins a position otherwise than the settings say, as it was told last."""
    dead_man_ns: int = 0
    actions_left: int = 0
    actions_full: int = 0
    actions_step: int = 0
