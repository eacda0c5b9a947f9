"""A small paper world for tests: one instrument, one account, and short ways to say what happens in it."""

from decimal import Decimal

from domain.events import Cancelled, Filled, VenueEvent
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Level, Mark, Trade
from domain.order import Amend, Cancel, Intent, OrderKind, Place
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange

ACCOUNT = "PAPER:main"
BTC = Instrument(
    id="BTC-USDT-PERP.PAPER",
    venue_symbol="BTCUSDT",
    price_decimals=1,
    qty_decimals=3,
    min_notional=Decimal(10),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    initial_margin=Decimal("0.1"),
    maintenance_margin=Decimal("0.05"),
    funding_interval_ns=3_600_000_000_000,
)
MINUTE = 60_000_000_000
INSTANT = PaperConfig(feed_ns=0, entry_ns=0, response_ns=0)


class World:
    """A paper exchange with the clock in our hands; `t` is the time, every step moves it by a millisecond."""

    def __init__(self, config: PaperConfig = INSTANT, cash: str = "1000000", instrument: Instrument = BTC) -> None:
        self.exchange = PaperExchange([instrument], {ACCOUNT: Decimal(cash)}, config)
        self.instrument = instrument
        self.t = 0
        self.orders = 0

    def step(self, ns: int = 1_000_000) -> int:
        self.t += ns
        return self.t

    def bbo(self, bid: int, ask: int, bid_qty: int = 1000, ask_qty: int = 1000) -> list[VenueEvent]:
        event = Bbo(instrument=self.instrument.id, bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty)
        return self.market(event)

    def book(self, bids: list[Level], asks: list[Level]) -> list[VenueEvent]:
        return self.market(Book(instrument=self.instrument.id, bids=tuple(bids), asks=tuple(asks)))

    def trade(self, price: int, qty: int, side: int) -> list[VenueEvent]:
        return self.market(Trade(instrument=self.instrument.id, price=price, qty=qty, side=side))

    def mark(self, price: int, rate: str = "0") -> list[VenueEvent]:
        return self.market(Mark(instrument=self.instrument.id, price=price, funding_rate=Decimal(rate)))

    def bar(self, open_: int, high: int, low: int, close: int) -> list[VenueEvent]:
        start = self.t
        self.step(MINUTE - 1_000_000)
        event = Bar(
            instrument=self.instrument.id,
            interval_ns=MINUTE,
            open_ts_ns=start,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=1000,
        )
        return self.market(event)

    def market(self, event: Bar | Bbo | Book | Trade | Mark) -> list[VenueEvent]:
        self.exchange.on_market(event, self.step())
        return self.poll()

    def send(self, *intents: Intent) -> list[VenueEvent]:
        self.exchange.submit(intents, self.step())
        return self.poll()

    def poll(self, after_ns: int = 0) -> list[VenueEvent]:
        """What the engine hears by now; the venue's books must add up at every step."""
        self.t += after_ns
        events = self.exchange.poll(self.t)
        self.exchange.check()
        return events

    def place(self, side: int, qty: int, price: int, kind: OrderKind = OrderKind.LIMIT, **more) -> list[VenueEvent]:
        """Place an order; its id is o1, o2, ..."""
        self.orders += 1
        cid = more.pop("cid", f"o{self.orders}")
        return self.send(
            Place(
                cid=cid,
                account=ACCOUNT,
                instrument=self.instrument.id,
                side=side,
                kind=kind,
                qty=qty,
                price=price,
                **more,
            )
        )

    def ioc(self, side: int, qty: int, price: int, **more) -> list[VenueEvent]:
        return self.place(side, qty, price, OrderKind.IOC, **more)

    def cancel(self, cid: str) -> list[VenueEvent]:
        return self.send(Cancel(cid=cid, account=ACCOUNT, instrument=self.instrument.id))

    def amend(self, cid: str, qty: int, price: int, **more) -> list[VenueEvent]:
        return self.send(Amend(cid=cid, account=ACCOUNT, instrument=self.instrument.id, qty=qty, price=price, **more))

    @property
    def position(self) -> int:
        return self.exchange.floor.accounts[ACCOUNT].qty(self.instrument.id)

    @property
    def cash(self) -> Decimal:
        return self.exchange.floor.accounts[ACCOUNT].cash


def fills(events: list[VenueEvent]) -> list[tuple[int, int, int]]:
    """(side, price, qty) of every fill."""
    return [(event.side, event.price, event.qty) for event in events if isinstance(event, Filled)]


def names(events: list[VenueEvent]) -> list[str]:
    """Kinds of the events, in order."""
    return [type(event).__name__ for event in events]


def cancel_texts(events: list[VenueEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Cancelled)]
