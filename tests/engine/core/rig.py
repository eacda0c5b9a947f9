"""A core in a test's hands: scripted strategies, contracts and accounts of your choice, and no venue.

What leaves is in `sent`; the test answers as the venue would. Time stands still unless the test moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from domain import events as e
from domain import facts as f
from domain.breakers import BreakerRule, BreakerSettings
from domain.commands import AcknowledgeIncident, Actor, Command, Door, LoadStrategy, RecoverIncident
from domain.desired import NOTHING, Desired, Protection, Qty, Quote, Style, Take, Target, Want
from domain.facts import CommandDone, Fact
from domain.instrument import Instrument, InstrumentId
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
from engine.core.recovery import recover
from engine.core.state import Slot, State

ACCOUNT, SUB = "PAPER:main", "PAPER:sub"
BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
ETH = Instrument(id="ETH-USDC-PERP.PAPER", venue_symbol="ETH", price_decimals=2, qty_decimals=2)
PERSONS = (
    Person(id="ann", name="Ann", role=RoleName.ADMIN),
    Person(id="bob", name="Bob", role=RoleName.RISK),
    Person(id="cem", name="Cem", role=RoleName.RISK),
    Person(id="dot", name="Dot", role=RoleName.TRADER),
)
LOOSE = {"asset_fraction": 100, "portfolio_exposure": 10**9, "leverage": 200, "liquidation_distance": 0,
         "open_positions": 1_000, "consecutive_losses": 1_000}  # fmt: skip
SETTINGS = Settings(
    instruments=(BTC,),
    accounts=(AccountSpec(id=ACCOUNT, deposit=Decimal(1_000_000)),),
    persons=PERSONS,
    risk=RiskSettings(
        default_limits=Limits(max_position_notional=Decimal(100_000), max_order_notional=Decimal(100_000)),
        portfolio={name: Decimal(value) for name, value in LOOSE.items()},
    ),
    approvals=ApprovalSettings(enabled=False),
    execution=ExecutionSettings(),
    breakers=BreakerSettings(exchange_failure=BreakerRule(threshold=Decimal(1_000))),
)
"""Limits are wide and breakers patient: a test leaves what it does not look at unanswered."""
WIDE = replace(
    SETTINGS,
    instruments=(BTC, ETH),
    accounts=(*SETTINGS.accounts, AccountSpec(id=SUB, deposit=Decimal(1_000_000))),
    persons=(*PERSONS, Person(id="eve", name="Eve", role=RoleName.VIEWER)),
)
"""Two contracts, two accounts, and somebody who may only look."""
ASKING = replace(WIDE, approvals=ApprovalSettings())
"""As `WIDE`, with approvals: more than 50,000 waits for a vote."""
SPEC = StrategySpec(id="script", kind="script", account=ACCOUNT, instruments=(BTC.id,))

F = TypeVar("F", bound=Fact)
I_ = TypeVar("I_", bound=Intent)
Wanting = Desired | Exception | Callable[[View], Desired]


class NoMemory(Struct):
    """Nothing to remember."""


class Script(Strategy[NoMemory, Params]):
    """Wants what the test has put in `wants`; raises it when it is an exception, asks it when it is a function."""

    kind = "script"
    params_type = Params
    memory_type = NoMemory
    wants: Wanting = NOTHING

    def feeds(self) -> tuple[Feed, ...]:
        return tuple([Feed(kind=FeedKind.BBO, instrument=instrument) for instrument in self.instruments])

    def start(self) -> NoMemory:
        return NoMemory()

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        if isinstance(self.wants, Exception):
            raise self.wants
        return memory, self.wants if isinstance(self.wants, Desired) else self.wants(view)


class Rig:
    """See the module docstring. `script` is the strategy of `SPEC`; `scripts` has all by id."""

    def __init__(self, settings: Settings = SETTINGS, journal: MemoryJournal | None = None) -> None:
        self.settings = settings
        self.journal = journal if journal is not None else MemoryJournal()
        self.now_ns = 1_700_000_000 * SECOND_NS
        self.venue_ns = 0
        self.sent: list[Intent] = []
        self.facts: list[Fact] = []
        self.script = Script((BTC.id,), Params())
        self.scripts: dict[str, AnyStrategy] = {SPEC.id: self.script}
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
        if spec.id not in self.scripts:
            self.scripts[spec.id] = Script(spec.instruments, Params())
        return self.scripts[spec.id]

    def script_of(self, strategy_id: str) -> Script:
        script = self.scripts[strategy_id]
        assert isinstance(script, Script)
        return script

    @property
    def core(self) -> Core:
        return self.kernel.core

    def ingest(self, event: e.Event) -> None:
        event.ts_ns = self.now_ns
        self.kernel.ingest(event)

    # life

    def begin(self, build: str = "b", lost: str = "") -> Rig:
        """The first event of a run; the venue has not answered yet."""
        self.ingest(
            e.EngineStarted(
                installation="rig",
                epoch=self.core.state.epoch + 1,
                build=build,
                lock_hash="",
                settings_hash="s",
                settings=self.settings if not self.core.state.epoch else None,
                lost=lost,
            )
        )
        return self

    def start(self, *, load: bool = True) -> Rig:
        """Start, reconcile with an empty venue, and load the script."""
        self.begin()
        for account in self.settings.accounts:
            self.snapshot(account=account.id)
        if load:
            self.load(SPEC)
        self.sent.clear()
        return self

    def load(self, spec: StrategySpec, strategy: AnyStrategy | None = None) -> CommandDone:
        """Load a strategy: the one given, or a script that is found in `scripts`."""
        if strategy is not None:
            self.scripts[spec.id] = strategy
        done = self.command(LoadStrategy(spec=spec), door=Door.SYSTEM)
        self.ingest(e.History(strategy=spec.id, complete=True))
        return done

    def crash(self, build: str = "b") -> Rig:
        """What a new process finds after `kill -9`: recovered and started, the venue has not answered yet."""
        self.journal = self.journal.reopened()
        core, _ = recover(self.journal, self.make_core, build)
        self.sent.clear()
        self.facts.clear()
        self.kernel = Kernel(core, self.journal, send=self.sent.extend, publish=self.facts.extend)
        return self.begin(build)

    def wait(self, seconds: float) -> None:
        """Let time pass; timers that fall due are served when they do."""
        until = self.now_ns + round(seconds * SECOND_NS)
        while self.kernel.wake_ns and self.kernel.wake_ns <= until:
            self.now_ns = max(self.now_ns, self.kernel.wake_ns)
            self.kernel.tick(self.now_ns)
        self.now_ns = until

    # market and wishes

    def touch(self, bid: int = 600_000, ask: int = 600_010, instrument: InstrumentId = BTC.id) -> None:
        """The market shows a touch, and the script decides."""
        self.ingest(Bbo(instrument=instrument, bid=bid, bid_qty=1_000, ask=ask, ask_qty=1_000))

    def want(self, desired: Wanting, bid: int = 600_000, ask: int = 600_010) -> list[Intent]:
        """Let the script want something; what left because of it."""
        self.sent.clear()
        self.script.wants = desired
        self.touch(bid, ask)
        return list(self.sent)

    def hold_position(self, qty: float, entry: str = "start") -> None:
        """Get to a position by a target that fills at once."""
        for place in places(self.want(Desired(targets=(target(qty, entry),)))):
            self.accept(place)
            self.fill(place)
        self.sent.clear()

    # people

    def command(
        self,
        command: Command,
        person: str = "",
        door: Door = Door.TERMINAL,
        *,
        request_id: str = "",
        age_s: float = 0.0,
    ) -> CommandDone:
        """A person's command, and its answer."""
        self.submit(command, person, door, request_id=request_id, age_s=age_s)
        return self.told(CommandDone)[-1]

    def submit(
        self, command: Command, person: str, door: Door = Door.TERMINAL, *, request_id: str = "", age_s: float = 0.0
    ) -> None:
        """A person's command, whose answer may have to wait for the disk."""
        self.commands += 1
        self.ingest(
            e.CommandReceived(
                actor=Actor(person=person, door=door),
                command=command,
                request_id=request_id or f"rig:{self.commands}",
                sent_ts_ns=self.now_ns - round(age_s * SECOND_NS),
            )
        )

    def look_after(self, trader: str = "dot", risk: str = "bob") -> None:
        """The steps of an incident up to where a resume may be asked for; the venue holds what the books say."""
        assert self.command(AcknowledgeIncident(), trader).ok
        assert self.command(RecoverIncident(), risk).ok
        self.wait(1)
        for account in self.core.state.accounts.values():
            held = [p for p in account.positions.values() if p.qty]
            positions = [e.VenuePosition(instrument=p.instrument, qty=p.qty, entry_value=p.entry_value) for p in held]
            self.snapshot(account=account.id, positions=tuple(positions))

    def told(self, kind: type[F]) -> list[F]:
        """Every fact of one kind so far."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def alerts(self) -> list[str]:
        """Kinds of the alerts so far."""
        return [alert.kind for alert in self.told(f.Alerted)]

    def told_alert(self, kind: str) -> str:
        """Text of the newest alert of a kind."""
        return next(alert.text for alert in reversed(self.told(f.Alerted)) if alert.kind == kind)

    def refusals(self) -> list[str]:
        """Codes of the refusals so far."""
        return [refused.reason.value for refused in self.told(f.Refused)]

    # the venue

    def order(self, cid: str) -> Order:
        """A working or closed order."""
        found = self.core.order(cid)
        return found[1] if found is not None else self.core.state.closed[cid]

    def slot(self, instrument: InstrumentId = BTC.id, account: str = ACCOUNT) -> Slot:
        return self.core.slot(account, instrument)

    def held(self, instrument: InstrumentId = BTC.id, account: str = ACCOUNT) -> int:
        """Position in the books."""
        return self.core.position(account, instrument)

    def accept(self, place: Place) -> None:
        """The venue accepts."""
        self.ingest(e.Accepted(cid=place.cid, venue_id="V", venue_ts_ns=self.now_ns))

    def cancelled(self, cid: str, filled: int = -1) -> None:
        """The order is out of the market."""
        self.ingest(e.Cancelled(cid=cid, filled=filled, venue_ts_ns=self.now_ns))

    def fill(self, place: Place, qty: int = 0, price: int = 600_000) -> e.Filled:
        """The venue fills `qty` (0 = all)."""
        event = self.make_fill(place, qty, price)
        self.ingest(event)
        return event

    def make_fill(self, place: Place, qty: int = 0, price: int = 600_000) -> e.Filled:
        """A fill that has not arrived yet."""
        self.fills += 1
        qty = qty or place.qty
        if place.instrument == BTC.id:
            self.position += place.side * qty
        return e.Filled(
            account=place.account,
            instrument=place.instrument,
            cid=place.cid,
            fill_id=f"F{self.fills}",
            side=place.side,
            price=price,
            qty=qty,
            fee=Decimal(0),
            liquidity=Liquidity.TAKER,
            venue_ts_ns=self.now_ns,
        )

    def snapshot(
        self,
        account: str = ACCOUNT,
        *,
        cash: Decimal | None = None,
        positions: tuple[e.VenuePosition, ...] = (),
        orders: tuple[e.OpenOrder, ...] = (),
        fills: tuple[e.Filled, ...] = (),
    ) -> None:
        """The venue says what it knows of an account (the books' cash, unless given), each time a little later."""
        self.venue_ns = max(self.venue_ns + 1, self.now_ns)
        deposit = next(a.deposit for a in self.settings.accounts if a.id == account)
        known = self.core.state.accounts[account]
        self.ingest(
            e.VenueSnapshot(
                account=account,
                cash=cash if cash is not None else known.cash if known.deposits else deposit,
                positions=positions,
                orders=orders,
                fills=fills,
                venue_ts_ns=self.venue_ns,
            )
        )


def places(intents: Sequence[Intent]) -> list[Place]:
    """The orders among intents."""
    return of(intents, Place)


def of(intents: Sequence[Intent], kind: type[I_]) -> list[I_]:
    """The intents of one kind."""
    return [intent for intent in intents if isinstance(intent, kind)]


def target(
    qty: float, entry: str = "e1", *, instrument: InstrumentId = BTC.id, style: Style = Style.TAKE, band: float = 0.0
) -> Target:
    return aim(Qty(qty), entry, instrument=instrument, style=style, band=band)


def aim(
    want: Want,
    entry: str = "e1",
    *,
    instrument: InstrumentId = BTC.id,
    style: Style = Style.TAKE,
    band: float = 0.0,
) -> Target:
    return Target(instrument=instrument, want=want, entry=entry, style=style, band=band)


def stop(price: float, entry: str = "e1", take_profit: float = 0.0) -> Protection:
    return Protection(instrument=BTC.id, entry=entry, stop=price, take_profit=take_profit)


def quote(side: int, price: float, qty: float = 0.1, level: int = 0) -> Quote:
    return Quote(instrument=BTC.id, side=side, price=price, qty=qty, level=level)


def take(rig: Rig, id_: str = "t1", side: int = 1, qty: float = 0.1, seconds: float = 1.0) -> Take:
    limit = 60_001.0 if side > 0 else 60_000.0
    expires_ns = rig.now_ns + round(seconds * SECOND_NS)
    return Take(instrument=BTC.id, id=id_, side=side, qty=qty, limit=limit, expires_ns=expires_ns)


def wants(*parts: Target | Quote | Protection | Take) -> Desired:
    """Everything wanted, in one bag."""
    return Desired(
        targets=tuple([p for p in parts if isinstance(p, Target)]),
        quotes=tuple([p for p in parts if isinstance(p, Quote)]),
        protections=tuple([p for p in parts if isinstance(p, Protection)]),
        takes=tuple([p for p in parts if isinstance(p, Take)]),
    )
