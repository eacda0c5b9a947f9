"""A rig with two venues: a strategy on ALPHA whose backup is on BETA."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import events as e
from domain.account import VenueOperation
from domain.breakers import BreakerRule, BreakerSettings
from domain.desired import Desired, Protection, Qty, Quote, Take, Target
from domain.instrument import Instrument
from domain.market import Bbo
from domain.order import Place
from domain.settings import SECOND_NS, AccountSpec, ExecutionSettings, FailoverSpec, StrategySpec
from tests.engine.core.rig import SETTINGS, Rig, places

A = Instrument(id="BTC-USDC-PERP.ALPHA", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
B = Instrument(id="BTC-USDT-PERP.BETA", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=4, lot=10, tick=10)
AT_A, AT_B = "ALPHA:main", "BETA:main"
BACKUP = FailoverSpec(instrument=A.id, backup=B.id, account=AT_B)
PAIR = replace(
    SETTINGS,
    instruments=(A, B),
    accounts=tuple(AccountSpec(id=name, deposit=Decimal(1_000_000)) for name in (AT_A, AT_B)),
    breakers=BreakerSettings(exchange_failure=BreakerRule(cool_down_ns=60 * SECOND_NS)),
    execution=ExecutionSettings(reconcile_every_ns=0),
    failover=(BACKUP,),
)
SPEC = StrategySpec(id="pair", kind="script", account=AT_A, instruments=(A.id,))


class Two(Rig):
    """A rig with a strategy on ALPHA that has a backup on BETA; `prices` shows the market of both, or of one."""

    def begin_pair(self) -> Two:
        self.start(load=False)
        self.load(SPEC)
        self.script = self.script_of(SPEC.id)
        self.prices()
        self.sent.clear()
        return self

    def prices(self, *, a: bool = True, b: bool = True, at: int = 60_000) -> None:
        if a:
            self.ingest(Bbo(instrument=A.id, bid=at * 10, bid_qty=1_000, ask=at * 10 + 10, ask_qty=1_000))
        if b:
            self.ingest(Bbo(instrument=B.id, bid=at * 100 + 500, bid_qty=10_000, ask=at * 100 + 600, ask_qty=10_000))

    def aim(self, *parts: Target | Quote | Protection | Take, a: bool = True, b: bool = True) -> list[Place]:
        """The strategy wants these; what is placed because of it."""
        self.sent.clear()
        self.script.wants = Desired(
            targets=tuple(p for p in parts if isinstance(p, Target)),
            quotes=tuple(p for p in parts if isinstance(p, Quote)),
            protections=tuple(p for p in parts if isinstance(p, Protection)),
            takes=tuple(p for p in parts if isinstance(p, Take)),
        )
        self.prices(a=a, b=b)
        return places(self.sent)

    def get(self, place: Place, qty: int = 0) -> None:
        """The venue takes the order and fills it."""
        self.accept(place)
        self.fill(place, qty, 600_000 if place.instrument == A.id else 6_000_000)

    def die(self) -> None:
        """ALPHA fails three times: its breaker opens."""
        for _ in range(3):
            self.ingest(e.VenueTrouble(venue="ALPHA", operation=VenueOperation.ORDERS, text="503"))
            self.now_ns += SECOND_NS
            self.prices(a=False)

    def recover(self) -> None:
        """ALPHA's cool-down passes, and the minute in which it has to be well."""
        self.wait(61)
        self.prices()
        self.wait(61)
        self.prices()

    def on_backup(self) -> bool:
        stands = self.core.state.failovers.get(A.id)
        return stands is not None and stands.on_backup

    def net(self) -> float:
        return self.held(A.id, AT_A) / 1_000 + self.held(B.id, AT_B) / 10_000


def target(qty: float, entry: str = "e1") -> Target:
    return Target(instrument=A.id, want=Qty(qty), entry=entry)


def bid(price: float, qty: float = 0.1, side: int = 1) -> Quote:
    return Quote(instrument=A.id, side=side, price=price, qty=qty)


def where(sent: list[Place]) -> list[tuple[str, int, bool]]:
    return [(place.account, place.side * place.qty, place.reduce_only) for place in sent]
