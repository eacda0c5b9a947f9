"""The town that drills are held in: a real core, kernel and paper exchange in virtual time, and what was lost there.

The venue goes by its own prices; the engine may be shown others. Loss and exposure are reckoned from the venue's books
at the venue's prices, never from the engine's.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from domain.desired import NOTHING, Desired
from domain.facts import Alerted
from domain.instrument import Instrument
from domain.market import Bbo
from domain.order import Place
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    RiskSettings,
    Settings,
    StrategySpec,
)
from domain.strategy import Params, View
from engine.core.journal.memory import MemoryJournal
from exchanges.paper.config import PaperConfig
from risk.matrix import DEFAULTS
from tests.engine.core.floor import Floor
from tests.engine.core.rig import ACCOUNT, PERSONS, Script

BTC = Instrument(
    id="BTC-USDC-PERP.PAPER",
    venue_symbol="BTC",
    price_decimals=1,
    qty_decimals=3,
    maker_fee=Decimal("0.00015"),
    taker_fee=Decimal("0.00045"),
    initial_margin=Decimal("0.02"),
    maintenance_margin=Decimal("0.01"),
)
DEPOSIT = Decimal(1_000_000)
POSITION_LIMIT, ORDER_LIMIT = Decimal(100_000), Decimal(50_000)
MID, HALF_SPREAD = 600_000, 30
"""In integer scale: 60,000 with a spread of one basis point."""
SETTINGS = Settings(
    instruments=(BTC,),
    accounts=(AccountSpec(id=ACCOUNT, deposit=DEPOSIT),),
    persons=PERSONS,
    risk=RiskSettings(
        default_limits=Limits(max_position_notional=POSITION_LIMIT, max_order_notional=ORDER_LIMIT),
        messages_per_window=50,
    ),
    approvals=ApprovalSettings(),
    execution=ExecutionSettings(reconcile_every_ns=10 * SECOND_NS, equity_sample_ns=10 * SECOND_NS),
    breakers=DEFAULTS,
)
"""The limits of the paper set-up in round figures, and the mission's breakers."""
SPEC = StrategySpec(id="wrong", kind="script", account=ACCOUNT, instruments=(BTC.id,))


class Town(Floor):
    """See the module docstring. `act` is the strategy's code, called at every price."""

    def __init__(
        self,
        settings: Settings = SETTINGS,
        journal: MemoryJournal | None = None,
        config: PaperConfig | None = None,
    ) -> None:
        self.factor = Decimal(1)
        """What the engine is shown of the venue's price."""
        self.mid = MID
        self.most_held = Decimal(0)
        """The largest worth of the position at the venue, at the venue's price."""
        self.placed = 0
        super().__init__(settings, journal, config)

    @classmethod
    def with_strategy(
        cls,
        act: Callable[[View], Desired] | Desired = NOTHING,
        settings: Settings = SETTINGS,
        config: PaperConfig | None = None,
    ) -> Town:
        """A town in which a strategy has been trading for two minutes of quiet."""
        town = cls(settings, config=config)
        town.script = Script((BTC.id,), Params())
        town.scripts[SPEC.id] = town.script
        town.put_to_work(SPEC)
        for _ in range(24):
            town.price(MID, after_s=5)
        town.script.wants = act
        return town

    def _send(self, intents) -> None:
        self.placed += sum(isinstance(intent, Place) for intent in intents)
        super()._send(intents)

    def price(self, mid: int, after_s: float = 1.0) -> None:
        """The venue's price after a while; the engine sees it times `factor`."""
        self.advance(self.now_ns + round(after_s * SECOND_NS))
        self.mid = mid
        true = self.touch_at(mid)
        true.ts_ns = self.now_ns
        self.exchange.on_market(true)
        self.ingest(self.touch_at(int(mid * self.factor)))
        self.advance(self.now_ns)
        self.most_held = max(self.most_held, abs(self.worth()))

    def touch_at(self, mid: int) -> Bbo:
        """A deep touch around a price."""
        half = max(1, HALF_SPREAD * mid // MID)
        return Bbo(instrument=BTC.id, bid=mid - half, bid_qty=1_000_000, ask=mid + half, ask_qty=1_000_000)

    def walk(self, to: int, seconds: int) -> None:
        """The price goes somewhere in even steps of a second."""
        begin = self.mid
        for second in range(1, seconds + 1):
            self.price(begin + (to - begin) * second // seconds)

    @property
    def venue_qty(self) -> int:
        """What the venue holds for us."""
        return self.exchange.floor.accounts[ACCOUNT].qty(BTC.id)

    def worth(self) -> Decimal:
        """Signed worth of the position at the venue's price."""
        return BTC.notional(self.mid, self.venue_qty)

    def loss(self) -> Decimal:
        """What the account has lost, at the venue's price and with fees."""
        account = self.exchange.floor.accounts[ACCOUNT]
        holding = account.holdings.get(BTC.id)
        paid = holding.entry_value if holding is not None else Decimal(0)
        return DEPOSIT - (account.cash + self.worth() - paid)

    def alerts_of(self, kind: str) -> list[str]:
        """Texts of the alerts of a kind."""
        return [alert.text for alert in self.told(Alerted) if alert.kind == kind]
