"""The desk: the only door for people and programs. Commands go in, outcomes and read models come out.

Everything here runs on the engine's event loop thread and reads the state between steps. A refusal is
an answer, never an exception. Facts are handed to any number of readers; a slow one loses the oldest.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec.structs import replace

from domain import facts as f
from domain import risk_views as rv
from domain import views as v
from domain.codec import encode
from domain.commands import Actor, ApplySettings, ChangeSettings, Command, Proven
from domain.errors import MoonDevError
from domain.events import CommandReceived, Event
from domain.instrument import Instrument, InstrumentId
from domain.performance import Performance
from domain.ports import Clock, Journal
from domain.security import AccessNoted, CodeMissed, PressRefused, SecurityBreach
from domain.settings import Person
from domain.text import plain
from domain.verdict import Reason
from engine import approval_views
from engine import desk_views as views
from engine.codes import Codes
from engine.config import diff
from engine.core import people
from engine.core.core import Core
from engine.core.people import WRONG
from engine.desk_breakers import breakers
from engine.desk_detail import DeskDetail
from engine.desk_market import MarketDesk
from engine.desk_records import DeskRecords
from engine.desk_settings import DeskSettings
from engine.desk_strategies import DeskStrategies, SourceOf
from engine.desk_strategies import StrategySource as StrategySource  # noqa: PLC0414 - for who makes a desk
from engine.emergency import views as emergency
from engine.links import Links
from engine.order_desk import OrderDesk
from engine.past import Past
from engine.recent import KEPT_FACTS, Recent
from engine.risk_views import RiskDesk
from engine.subscription import FactSubscription
from risk.rules import RULES

ANSWER_WITHIN_S = 10.0

News: TypeAlias = Callable[[f.FactKey, f.FactKey], Awaitable[list[f.Fact]]]
"""What people should hear of, after one fact up to another; waits until it can be had."""


async def no_earlier(_request_id: str) -> f.CommandDone | None:
    """Nobody here keeps outcomes."""
    return None


async def no_report(_name: str) -> tuple[str, str]:
    """Raises `MoonDevError`: there is no journal to make a report from."""
    raise MoonDevError("there is no journal here that a report could be made from")


class Desk:
    """Application services over one running engine. See `docs/contracts.md` for the whole list."""

    def __init__(
        self,
        core: Core,
        put: Callable[[Event], None],
        clock: Clock,
        *,
        market: str,
        strategy_kinds: Callable[[], Sequence[str]] = tuple,
        source_of: SourceOf | None = None,
        journal: Journal | None = None,
        news: News | None = None,
    ) -> None:
        """Serve `core`; commands go in through `put`. `market` says plainly what drives prices.

        With a `journal`, an outcome is told only when it is on disk: a crash cannot undo what a person was told.
        `news` reads facts of the past for who was not there.
        """
        self.core = core
        self.clock = clock
        self.market = market
        self.readers: list[FactSubscription] = []
        self.doors: Callable[[], tuple[v.DoorView, ...]] = tuple
        """How the chat channels are; whoever runs them says it here."""
        self.venues: Callable[[], tuple[v.VenueView, ...]] = tuple
        """How the venues are, their limits and what waits for them; whoever runs them says it here."""
        self.settings = DeskSettings(core)
        self.strategy_commands = DeskStrategies(core, source_of)
        self.incident_report: Callable[[str], Awaitable[tuple[str, str]]] = no_report
        """File name and text of an incident's report ("" = the newest); whoever has the journal says it here."""
        self.earlier: Callable[[str], Awaitable[f.CommandDone | None]] = no_earlier
        """The first outcome of a request id, in words for who asks again; whoever has the projection says it here."""
        self.codes: Codes | None = None
        """Checks the one-time codes of voters; whoever has their secrets says it here, without it none is right."""
        self.links = Links(core, clock, self.report)
        self.records = DeskRecords()
        self.detail = DeskDetail(core, self.settings, self.records, source_of)
        self._put = put
        self._kinds = strategy_kinds
        self._journal = journal
        self._news = news
        self.began: f.FactKey = (core.state.seq, 0)
        """Facts of this run come after it; what was recovered does not."""
        self.last_fact = self.began
        self._waiting: dict[str, asyncio.Future[f.CommandDone]] = {}
        self._ids = itertools.count(1)
        self._recent, self._risk = Recent(), RiskDesk(core)
        self.past = Past(core, clock, lambda: self.last_fact)
        self.markets = MarketDesk(core, clock, self.past, self.orders)
        self.by_hand = OrderDesk(core, self._recent.average)
        """People's own orders: what they would do, and how far they are."""

    @property
    def progress(self) -> tuple[int, int]:
        """The last event taken and the last one on disk: while the engine lives, both grow."""
        taken = self.core.state.seq
        return taken, taken if self._journal is None else self._journal.durable_seq

    def publish(self, facts: Sequence[f.Fact]) -> None:
        """Take the facts of one event: answer who waits, remember fills and equity, hand on to readers."""
        for fact in facts:
            self.records.remember(fact)
            if isinstance(fact, f.CommandDone):
                future = self._waiting.pop(fact.request_id, None)
                if future is not None and not future.done():
                    future.set_result(fact)
            elif isinstance(fact, f.FillBooked):
                self._recent.trade(views.trade_row(self.core, fact))
            elif isinstance(fact, f.EquitySampled):
                self._recent.sample(fact)
        if facts:
            self.last_fact = (facts[-1].seq, facts[-1].index)
        for reader in self.readers:
            reader.push(facts)

    def preload(self, trades: Sequence[v.TradeRow], equity: Sequence[v.EquityPoint]) -> None:
        """Start with what an earlier run left in the projections, oldest first."""
        self._recent.preload(trades, equity)

    async def submit(
        self, command: Command, actor: Actor, request_id: str = "", sent_ts_ns: int = 0, code: str = ""
    ) -> f.CommandDone:
        """Send a command and wait for its outcome; never raises for a refusal.

        Without a `request_id` one is made; with one, a repetition gets the first outcome again (REPEATED where that is
        not known): a crash may have swallowed its answer. `code` is the one-time code of
        who votes, breaks the glass or links an account: it is checked here and goes no further.
        """
        key = request_id or f"{actor.door}:{self.clock.now_ns()}:{next(self._ids)}"
        try:
            command = self.strategy_commands.filled(command)
        except Exception as error:  # noqa: BLE001 - loading a stranger's file may raise anything
            return self._refused(command, actor, key, Reason.BAD_VALUE, plain(error))
        if isinstance(command, ChangeSettings):
            command = self.settings.filled(command)
        if isinstance(command, Proven):
            command = replace(command, step=self._step(actor, code))
        if isinstance(command, ApplySettings):
            command = replace(command, changes=tuple(diff(self.core.state.settings, command.settings)))
        if key in self._waiting:
            return self._refused(command, actor, key, Reason.REPEATED, "it is being carried out")
        event = CommandReceived(actor=actor, command=command, request_id=key, sent_ts_ns=sent_ts_ns)
        try:
            encode(event)
        except (OverflowError, TypeError, ValueError) as error:  # the journal could not hold it, and would stop us
            return self._refused(command, actor, key, Reason.BAD_VALUE, plain(error))
        future = self._waiting[key] = asyncio.get_running_loop().create_future()
        self._put(event)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                done = await future
                await self._on_disk(done.seq)
                return (done.reason is Reason.REPEATED and await self.earlier(done.request_id)) or done
        except TimeoutError:
            self._waiting.pop(key, None)
            return self._refused(
                command, actor, key, Reason.WRONG_STATE, "the engine has not answered; see /status before repeating"
            )

    def _step(self, actor: Actor, code: str) -> int:
        """The time step of a right code, 0 = none was given, -1 = it is wrong, or nobody looks at it now."""
        if not code or actor.person not in self.core.persons:
            return 0
        if people.locked(self.core, actor.person) is not None:
            return WRONG
        used = self.core.state.standings.get(actor.person)
        step = self.codes.step_of(actor.person, code, used.step if used else 0) if self.codes is not None else None
        if step is None:
            self._put(CodeMissed(person=actor.person, source=actor.door.value))
        return WRONG if step is None else step

    async def _on_disk(self, seq: int) -> None:
        if self._journal is None:
            return
        self._journal.commit()
        while self._journal.durable_seq < seq:  # noqa: ASYNC110 - the journal's thread knows no events of this loop
            await asyncio.sleep(0.001)

    def _refused(self, command: Command, actor: Actor, key: str, reason: Reason, detail: str) -> f.CommandDone:
        state = self.core.state
        return f.CommandDone(
            seq=state.seq,
            index=0,
            ts_ns=state.ts_ns,
            request_id=key,
            actor=actor,
            verb=str(command.__struct_config__.tag),
            ok=False,
            text=f"Refused, {reason.value}: {reason.words} ({detail}).",
            reason=reason,
        )

    def report(self, seen: SecurityBreach | PressRefused | AccessNoted) -> None:
        """A door has seen what must be on record: something forged, a press that reached no command, who came in."""
        self._put(seen)

    def facts(self, limit: int = KEPT_FACTS) -> FactSubscription:
        """Facts from now on; enter it with `async with`."""
        return FactSubscription(self.readers, limit)

    async def missed(self, after: f.FactKey, until: f.FactKey) -> list[f.Fact]:
        """Facts that people should hear of and that came after one fact up to another, in order, in earlier runs too.

        Of each kind the newest hundreds. Waits while the projection cannot be read.
        """
        return await self._news(after, until) if self._news is not None and after < until else []

    def has_taken(self, request_id: str) -> bool:
        """Whether the engine has had a command with this request id, carried out or refused."""
        return request_id in self.core.state.commands_seen

    def person(self, person_id: str) -> Person | None:
        """A person by id."""
        return self.core.persons.get(person_id)

    def person_by_telegram(self, user_id: int) -> Person | None:
        """The person linked to a Telegram account, None for strangers."""
        return next((p for p in self.core.persons.values() if user_id and p.telegram_user_id == user_id), None)

    def person_by_discord(self, user_id: int) -> Person | None:
        """The person linked to a Discord account, None for strangers."""
        return next((p for p in self.core.persons.values() if user_id and p.discord_user_id == user_id), None)

    def persons(self) -> list[v.PersonView]:
        """Everybody who may do anything here."""
        return [v.PersonView(id=p.id, name=p.name, role=p.role.name.lower()) for p in self.core.persons.values()]

    def status(self) -> v.StatusView:
        """The service at a glance."""
        seen = views.status(self.core, self.clock.now_ns(), self.market)
        return replace(seen, doors=self.doors(), incident=emergency.in_a_line(self.core))

    def incidents(self) -> list[v.IncidentView]:
        """The newest incidents, newest first."""
        return emergency.incidents(self.core)

    def breakers(self) -> list[v.BreakerView]:
        """Every breaker, those that are closed too."""
        return breakers(self.core)

    def positions(self) -> list[v.PositionView]:
        """Open positions, and closed ones that earned or paid something."""
        return views.positions(self.core)

    def orders(self, *, recent: bool = False) -> list[v.OrderView]:
        """Working orders; with `recent` also the last closed ones, newest first."""
        return [self._with_average(order) for order in views.orders(self.core, self.clock.now_ns(), recent=recent)]

    def _with_average(self, order: v.OrderView) -> v.OrderView:
        average = self._recent.average(order.cid, order.filled)
        return replace(order, average=average) if average is not None else order

    def strategies(self) -> list[v.StrategyView]:
        """Loaded strategies."""
        return [replace(row, last_fill_ns=self._recent.last_ns.get(row.id, 0)) for row in views.strategies(self.core)]

    def pnl(self) -> list[v.PnlView]:
        """Profit per account."""
        return views.pnl(self.core)

    def balances(self) -> list[v.BalanceView]:
        """Money per account."""
        return views.balances(self.core)

    def pending(self) -> list[v.RequestView]:
        """Requests that wait for votes, oldest first."""
        return views.pending(self.core)

    def request(self, request_id: str) -> v.RequestView | None:
        """A request, waiting or decided; None when it is not known (any more)."""
        made = self.core.state.requests.get(request_id)
        return approval_views.request(self.core, made) if made is not None else None

    def rules(self) -> list[str]:
        """Names of the limits there are."""
        return list(RULES)

    @property
    def installation(self) -> str:
        """Which installation this is, from its first record; "" before that."""
        return self.core.state.installation

    @property
    def codes_needed(self) -> bool:
        """Whether every vote needs a one-time code."""
        return self.core.state.settings.approvals.codes

    def trades(self, limit: int = 20) -> list[v.TradeRow]:
        """The newest own fills, newest first."""
        return list(itertools.islice(reversed(self._recent.trades), limit))

    def equity_curve(self, limit: int = 2_000) -> list[v.EquityPoint]:
        """Equity over all accounts, oldest first."""
        return list(self._recent.equity)[-limit:]

    async def performance(self, since_ns: int, until_ns: int) -> Performance:
        """What was earned and risked in [since, until), cut at samples of equity; up to now when it has not ended.

        Never raises: `problem` says why there are no figures.
        """
        return await self.past.performance(since_ns, until_ns)

    def risk(self) -> rv.RiskView:
        """Exposure, drawdown, margin, tails, correlation: the portfolio's risk at a glance."""
        return self._risk.risk()

    def stress(self, what: str = "") -> list[rv.StressView] | str:
        """What shocks would do: the named ones, or the one that `what` names or describes; else why it is none."""
        return self._risk.stress(what)

    def shocks(self) -> list[str]:
        """Names of the shocks that `stress` knows."""
        return self._risk.shocks()

    def strategy_kinds(self) -> list[str]:
        """Kinds of strategies that can be loaded now: the user's files are looked through anew."""
        return list(self._kinds())

    def instruments(self) -> list[InstrumentId]:
        """Configured instruments."""
        return list(self.core.instruments)

    def accounts(self) -> list[str]:
        """Configured accounts."""
        return list(self.core.state.accounts)

    def instrument(self, text: str) -> InstrumentId | None:
        """An instrument by id, alias or base asset, in any case; None when unknown or ambiguous."""
        return views.find_instrument(self.core, text)

    def prices(self) -> dict[InstrumentId, Decimal]:
        """The price that each instrument is valued at now; without those that have none yet."""
        return views.prices(self.core)

    def contract(self, instrument: InstrumentId) -> Instrument | None:
        """The contract behind an id: a reader of facts needs its scales. None when it is not configured."""
        return self.core.instruments.get(instrument)

    def ready(self) -> tuple[bool, list[str]]:
        """True when the service can trade; else the reasons why not."""
        problems = views.problems(self.core)
        return not problems, problems
