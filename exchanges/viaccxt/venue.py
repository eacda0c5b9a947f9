"""The `Venue` port over ccxt.pro: accounts opened, streams kept, questions asked.

    send ──▶ Outbox (one an account) ──▶ the venue ──▶ outcomes ─┐
             the account's stream ──▶ Dialect.hear ──────────────┼──▶ Orders ──▶ sink
             Query, RequestSnapshot ──▶ Dialect.report, snapshot ┘

One task holds each account's stream. When one ends, the venue is down until all are back; then the engine hears
`VenueStatus` and asks for snapshots, which is how nothing of the gap is lost.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import ConfigError, DataError, Unrepresentable, VenueError
from domain.events import OrderReport, SendFailed, VenueEvent, VenueSnapshot
from domain.instrument import AccountId, Instrument
from domain.order import ArmDeadMan, Intent, Place, Query, RequestSnapshot
from domain.ports import Clock, Signer, VenueCaps
from domain.views import KeyView, VenueView
from exchanges.shared.keys import note
from exchanges.shared.link import Link
from exchanges.shared.payloads import Payloads
from exchanges.shared.reads import Reads
from exchanges.shared.redial import Redial
from exchanges.shared.setup import VenueSetup
from exchanges.shared.tasks import Tasks
from exchanges.shared.trouble import telling
from exchanges.viaccxt.client import Client, load_ccxt
from exchanges.viaccxt.dialect import Answer, ClientSpec, Dialect, Patience
from exchanges.viaccxt.limits import Limits, Rules
from exchanges.viaccxt.outbox import Outbox
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

OVERLAP_NS = 60_000_000_000
"""How far back a snapshot repeats what the last one told: what the venue's readers learn late is not lost."""
FIRST_LOOK_NS = 86_400_000_000_000
"""How far back the first snapshot looks for what open orders have filled."""


class DialectMaker(Protocol):
    """What a venue package hands to `CcxtVenue`."""

    def __call__(self, session: Session) -> Dialect:
        """The dialect of one account."""
        ...


class Speech(Struct, frozen=True, kw_only=True):
    """How a venue is spoken to: its abilities, ccxt's settings, its dialect, answers of its WebSocket API."""

    caps: VenueCaps
    spec: ClientSpec
    dialect: DialectMaker
    answer_of: Callable[[Any], Answer]
    unread: frozenset[str] = frozenset()
    """Fields of the venue's messages that we know of and do not need."""
    rules: Rules | None = None
    """The venue's limits; None = they are not kept."""


class Seat:
    """One opened account; an `AccountReader`."""

    def __init__(self, session: Session, dialect: Dialect, outbox: Outbox, redial: Redial) -> None:
        self.session = session
        self.dialect = dialect
        self.outbox = outbox
        self.redial = redial
        self.is_live = False
        self._told_ns = 0

    async def snapshot(self) -> VenueSnapshot:
        """Everything of the account, with fills and funding since a little before the last one."""
        session, since_ns = self.session, self.session.since_ns
        first_ns = min(since_ns, session.clock.now_ns() - FIRST_LOOK_NS)
        told = await self.dialect.snapshot(self._told_ns - OVERLAP_NS if self._told_ns else first_ns)
        told.fills = tuple(fill for fill in told.fills if fill.venue_ts_ns >= since_ns)
        told.funding = tuple(paid for paid in told.funding if paid.venue_ts_ns >= since_ns)
        for order in told.orders:
            session.orders.seen(order, session.instrument(order.instrument))
        self._told_ns = told.venue_ts_ns
        return told

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order."""
        return await self.dialect.report(query)


class CcxtVenue:
    """Trades `instruments` for the accounts of `setup`; `signer` knows their secrets. `jitter`: random, in [0, 1)."""

    def __init__(
        self,
        setup: VenueSetup,
        speech: Speech,
        clock: Clock,
        signer: Signer,
        instruments: Sequence[Instrument],
        patience: Patience | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = setup.venue
        self.caps = speech.caps
        self._setup = setup
        self._speech = speech
        self._clock = clock
        self._signer = signer
        self._instruments = instruments
        self._patience = patience or Patience(connect_timeout_s=setup.connect_timeout_s)
        self._jitter = jitter
        place = setup.base_url or setup.network
        self.limits = Limits(setup.venue, place, speech.rules, clock) if speech.rules is not None else None
        self._sink: Callable[[VenueEvent], None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self.seats: dict[AccountId, Seat] = {}
        self._tasks = Tasks(self.name)
        self._reads = Reads(self.seats, self._tasks, self._emit)
        self._link = Link(self.name, self.name, setup.network, self._emit)
        self.payloads = Payloads(setup.venue, speech.unread, setup.folder)

    @property
    def poison(self) -> int:
        """Messages that were not understood."""
        return self.payloads.not_understood

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        """Check keys, clock and modes, connect, and return when every account's stream is confirmed.

        Raises `ConfigError` for what a person has to set right, `VenueError` when the venue does not answer.
        """
        self._sink = sink
        async with self._link.opening(self._patience.connect_timeout_s, self.aclose):
            for key in await self.check():
                note(key)
            for seat in self.seats.values():
                await seat.dialect.prepare()
                self._tasks.spawn(seat.outbox.run())
                self._tasks.spawn(seat.redial.keep(partial(self._listen, seat), partial(self._ended, seat)))
            if all(seat.session.has_dead_man for seat in self.seats.values()):
                self.caps = msgspec.structs.replace(self.caps, dead_man=True)

    async def check(self) -> tuple[KeyView, ...]:
        """Check keys, clock and modes, and change nothing."""
        if not self._setup.accounts:
            raise ConfigError(f"{self.name}: there is no account to trade for; configure one")
        await load_ccxt()
        self._http = aiohttp.ClientSession()
        for account in self._setup.accounts:
            seat = self._open(account.id)
            seat.session.key = await seat.dialect.check()
        return self._keys()

    def _keys(self) -> tuple[KeyView, ...]:
        return tuple(seat.session.key for seat in self.seats.values() if seat.session.key is not None)

    def _open(self, name: AccountId) -> Seat:
        assert self._http is not None  # noqa: S101 - `check` has made it
        account = next(each for each in self._setup.accounts if each.id == name)
        client = Client(
            self._speech.spec, self._http, api_key=account.api_key, key=account.key, signer=self._signer,
            timeout_s=self._patience.request_timeout_s, ping_after_s=self._patience.ping_after_s,
        )  # fmt: skip
        session = Session(
            account, client, self._clock, self._instruments, self._setup.terms, self._patience, self._emit,
            self._reads.look,
        )  # fmt: skip
        session.payloads = self.payloads
        dialect = self._speech.dialect(session)
        redial = Redial(f"the stream of {name}", self._patience, self._jitter)
        seat = Seat(session, dialect, Outbox(session, dialect, self._speech.answer_of), redial)
        if self.limits is not None:
            self.limits.open_account(name)
            client.limits, client.account = self.limits, name
        client.tell = telling(self.name, self._emit)
        client.hear = lambda url, message: self._hear(seat, url, message)
        self.seats[name] = seat
        return seat

    def send(self, intents: Sequence[Intent]) -> None:
        """Hand intents to the sender; answers come as events, or not at all."""
        requests: dict[AccountId, list[Any]] = {}
        for intent in intents:
            if isinstance(intent, RequestSnapshot):
                self._reads.look(intent.account)
            elif isinstance(intent, Query):
                self._reads.ask(intent)
            elif isinstance(intent, ArmDeadMan):
                self._tasks.spawn(self._dead_man(intent))
            else:
                requests.setdefault(intent.account, []).append(intent)
        for account, parts in requests.items():
            if account in self.seats:
                self.seats[account].outbox.put(parts)
            else:
                log.error("%s is no account of %s: %d requests are dropped", account, self.name, len(parts))
                for part in parts:
                    if isinstance(part, Place):
                        self._emit(SendFailed(cid=part.cid, text=f"{account} is no open account of {self.name}"))

    async def aclose(self) -> None:
        """Disconnect; orders stay as they are."""
        self._sink = None
        await self._tasks.aclose()
        seats = list(self.seats.values())
        self.seats.clear()
        for seat in seats:
            await seat.outbox.aclose()
            await seat.session.client.aclose()
        if self.limits is not None:
            self.limits.close()
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def view(self) -> VenueView:
        """How the connection is, how much of which limit is used, and what waits."""
        clocks = [ms for seat in self.seats.values() if (ms := seat.session.clock_off_ms) is not None]
        return VenueView(
            venue=self.name,
            network=self._setup.network,
            connected=self._link.is_up,
            detail=self._link.says(self.payloads),
            keys=self._keys(),
            budgets=self.limits.budgets() if self.limits is not None else (),
            waiting=self.limits.waiting() if self.limits is not None else (),
            clock_off_ms=max(clocks, key=abs, default=None),
        )

    def _emit(self, event: VenueEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    # the streams

    async def _listen(self, seat: Seat) -> str:
        """One stream of an account; returns why it ended."""
        try:
            await seat.dialect.listen(lambda: self._say_live(seat))
        except VenueError as error:
            return _public(str(error))
        except Exception as error:  # noqa: BLE001 - ccxt raises what it likes
            return _public(f"{type(error).__name__}: {error}")[:300]
        return "the stream ended"

    def _ended(self, seat: Seat, why: str) -> None:
        seat.is_live = False
        self._link.down(why)

    def _say_live(self, seat: Seat) -> None:
        seat.is_live = True
        seat.redial.worked()
        if not self._link.is_up and len(self.seats) == len(self._setup.accounts) and all(
            each.is_live for each in self.seats.values()
        ):  # fmt: skip
            self._link.up()

    def _hear(self, seat: Seat, url: str, message: Any) -> bool:  # noqa: ANN401 - JSON
        """One message of a WebSocket; what is not understood is counted and skipped."""
        try:
            return seat.dialect.hear(url, message)
        except (DataError, Unrepresentable, msgspec.ValidationError, ArithmeticError, KeyError) as error:
            self.payloads.keep(msgspec.json.encode(message), repr(error), self._clock.now_ns())
            self._reads.look(seat.session.account.id)
            return True

    async def _dead_man(self, intent: ArmDeadMan) -> None:
        seat = self.seats.get(intent.account)
        if seat is None or not self.caps.dead_man:
            return
        try:
            await seat.dialect.dead_man(intent)
        except VenueError as error:
            log.warning("%s's dead man's switch of %s was not set: %s", self.name, intent.account, error)


def _public(text: str) -> str:
    """Words of ccxt without what its addresses carry after the question mark: listen keys, signatures."""
    return re.sub(r"\?\S+", "", text)
