"""A core in a test's hands: one contract, one account, a strategy that wants what the test says, no venue.

What leaves is in `sent`; the test answers as the venue would.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from domain import events as e
from domain.commands import Actor, Command, Door, LoadStrategy
from domain.desired import NOTHING, Desired
from domain.facts import CommandDone, Fact
from domain.instrument import Instrument
from domain.market import Bbo, Feed, FeedKind
from domain.order import Intent, Liquidity, Order, Place
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    Person,
    RiskSettings,
    RoleName,
    Settings,
    StrategySpec,
)
from domain.strategy import Params, Strategy, View
from engine.core.core import AnyStrategy, Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.state import State

ACCOUNT = "PAPER:main"
BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
PERSONS = (
    Person(id="ann", name="Ann", role=RoleName.ADMIN),
    Person(id="bob", name="Bob", role=RoleName.RISK),
    Person(id="cem", name="Cem", role=RoleName.RISK),
    Person(id="dot", name="Dot", role=RoleName.TRADER),
)
SETTINGS = Settings(
    instruments=(BTC,),
    accounts=(AccountSpec(id=ACCOUNT, deposit=Decimal(1_000_000)),),
    persons=PERSONS,
    risk=RiskSettings(
        default_limits=Limits(max_position_notional=Decimal(100_000), max_order_notional=Decimal(100_000))
    ),
    approvals=ApprovalSettings(enabled=False),
    execution=ExecutionSettings(),
)
SPEC = StrategySpec(id="script", kind="script", account=ACCOUNT, instruments=(BTC.id,))

I_ = TypeVar("I_")


class NoMemory(Struct):
    """Nothing to remember."""


class Script(Strategy[NoMemory, Params]):
    """Wants what the test has put in `wants`; raises it when it is an exception."""

    kind = "script"
    params_type = Params
    memory_type = NoMemory
    wants: Desired | Exception = NOTHING

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(kind=FeedKind.BBO, instrument=self.instruments[0]),)

    def start(self) -> NoMemory:
        return NoMemory()

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        if isinstance(self.wants, Exception):
            raise self.wants
        return memory, self.wants


class Rig:
    """See the module docstring. Time stands still unless the test moves `now_ns`."""

    def __init__(self, settings: Settings = SETTINGS, journal: MemoryJournal | None = None) -> None:
        self.settings = settings
        self.journal = journal if journal is not None else MemoryJournal()
        self.now_ns = 1_700_000_000 * SECOND_NS
        self.sent: list[Intent] = []
        self.facts: list[Fact] = []
        self.script = Script((BTC.id,), Params())
        self.fills = 0
        self.position = 0
        self.commands = 0
        core = self.make_core(State())
        self.kernel = Kernel(core, self.journal, send=self.sent.extend, publish=self.facts.extend)

    def make_core(self, state: State) -> Core:
        core = Core(state)
        core.make_code = self.make_code
        return core

    def make_code(self, spec: StrategySpec) -> AnyStrategy:
        return self.script

    @property
    def core(self) -> Core:
        return self.kernel.core

    def ingest(self, event: e.Event) -> None:
        event.ts_ns = self.now_ns
        self.kernel.ingest(event)

    def start(self, *, load: bool = True) -> Rig:
        """Start, reconcile with an empty venue, and load the script."""
        self.ingest(
            e.EngineStarted(
                installation="rig",
                epoch=self.core.state.epoch + 1,
                build="b",
                lock_hash="",
                settings_hash="s",
                settings=self.settings,
            )
        )
        for account in self.settings.accounts:
            self.ingest(e.VenueSnapshot(account=account.id, cash=account.deposit, venue_ts_ns=self.now_ns))
        if load:
            self.command(LoadStrategy(spec=SPEC), door=Door.SYSTEM)
            self.ingest(e.History(strategy=SPEC.id, complete=True))
        self.sent.clear()
        return self

    def touch(self, bid: int = 600_000, ask: int = 600_010) -> None:
        """The market shows a touch, and the script decides."""
        self.ingest(Bbo(instrument=BTC.id, bid=bid, bid_qty=1_000, ask=ask, ask_qty=1_000))

    def want(self, desired: Desired | Exception, bid: int = 600_000, ask: int = 600_010) -> list[Intent]:
        """Let the script want something; what left because of it."""
        self.sent.clear()
        self.script.wants = desired
        self.touch(bid, ask)
        return list(self.sent)

    def command(self, command: Command, person: str = "", door: Door = Door.TERMINAL) -> CommandDone:
        """A person's command, and its answer."""
        self.commands += 1
        self.ingest(
            e.CommandReceived(actor=Actor(person=person, door=door), command=command, request_id=f"rig:{self.commands}")
        )
        return [fact for fact in self.facts if isinstance(fact, CommandDone)][-1]

    def order(self, cid: str) -> Order:
        """A working or closed order."""
        found = self.core.order(cid)
        return found[1] if found is not None else self.core.state.closed[cid]

    def accept(self, place: Place) -> None:
        """The venue accepts."""
        self.ingest(e.Accepted(cid=place.cid, venue_id="V", venue_ts_ns=self.now_ns))

    def fill(self, place: Place, qty: int = 0, price: int = 600_000) -> e.Filled:
        """The venue fills `qty` (0 = all)."""
        self.fills += 1
        qty = qty or place.qty
        self.position += place.side * qty
        event = e.Filled(
            account=ACCOUNT,
            instrument=BTC.id,
            cid=place.cid,
            fill_id=f"F{self.fills}",
            side=place.side,
            price=price,
            qty=qty,
            fee=Decimal(0),
            liquidity=Liquidity.TAKER,
            venue_ts_ns=self.now_ns,
        )
        self.ingest(event)
        return event

    def hold_position(self, qty: float) -> None:
        """Get to a position by a target that fills at once."""
        from domain.desired import Qty, Target

        sent = self.want(Desired(targets=(Target(instrument=BTC.id, want=Qty(qty), entry="start"),)))
        for place in places(sent):
            self.accept(place)
            self.fill(place)
        self.sent.clear()


def places(intents: Sequence[Intent]) -> list[Place]:
    """The orders among intents."""
    return [intent for intent in intents if isinstance(intent, Place)]
