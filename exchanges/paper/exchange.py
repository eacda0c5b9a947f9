"""The paper exchange: the trading floor at the far end of a line with latency and, if asked for, faults.

    engine ── submit ──▶ entry latency ──▶ floor ──▶ response latency ── poll ──▶ engine
                                             ▲
                             on_market ──────┘  unconflated, in time order

Synchronous, seeded, without a clock: all times are nanoseconds that events and callers bring. The tape is
stamped when the engine may see it, which is `feed_ns` after it happened at the venue; the floor lives on
the tape's time, so a request arrives `entry_ns + feed_ns` after it was sent, and its answer is back
`response_ns - feed_ns` (never less than nothing) later. Orders thus meet the market they would have met.
"""

from __future__ import annotations

import logging
import random
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from domain.errors import VenueError
from domain.events import Filled, FundingPaid, VenueEvent, VenueSnapshot, VenueStatus
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.market import Bar, Bbo, Book, FeedStatus, Mark, MarketEvent, Trade
from domain.order import Amend, ArmDeadMan, Cancel, Intent, Place, Query
from exchanges.paper import kernel, memory, requests, tape
from exchanges.paper import matching as rules
from exchanges.paper.config import FaultKind, FillModel, PaperConfig
from exchanges.paper.faults import FaultPlan
from exchanges.paper.floor import Floor
from exchanges.paper.store import PaperStore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_log = logging.getLogger(__name__)

NEVER = 2**62
_due_ns = attrgetter("ts_ns")
Fate: TypeAlias = FaultKind | None
_ON_MARKET: dict[type, Callable[..., None]] = {
    Bar: tape.on_bar,
    Bbo: tape.on_bbo,
    Trade: tape.on_trade,
    Book: tape.on_book,
    Mark: tape.on_mark,
}


def _count_until(times: npt.NDArray[np.int64], ts_ns: int) -> int:
    """How many of these ascending times are not after `ts_ns`; most often all are."""
    if not len(times) or times[-1] <= ts_ns:
        return len(times)
    return int(times.searchsorted(ts_ns, side="right"))


class PaperExchange:
    """A deterministic exchange for the given instruments and accounts (account id -> first deposit).

    Call `on_market` for every event of the tape, `submit` with what the engine sends, `poll` for what has
    reached the engine. `next_due_ns` says when to poll next (0 = nothing is scheduled). With a `store`,
    accounts and orders are those it remembers. Raises `VenueError` for a store that does not fit.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        accounts: Mapping[AccountId, Decimal],
        config: PaperConfig | None = None,
        store: PaperStore | None = None,
    ) -> None:
        self.config = config = config or PaperConfig()
        self.now_ns = 0
        is_instant = config.fill_model is FillModel.SAME_CLOSE
        self._entry_ns = 0 if is_instant else config.entry_ns + config.feed_ns
        self._response_ns = 0 if is_instant else max(0, config.response_ns - config.feed_ns)
        self._jitter_ns = 0 if is_instant else config.jitter_ns
        is_regular = not self._jitter_ns and not config.faults
        self._is_direct = is_regular and not self._entry_ns
        """Requests reach the floor as they are sent."""
        self.floor = Floor(instruments, accounts, config, self._emit if is_regular else self._emit_irregularly)
        self._markets = self.floor.markets
        self.plan = FaultPlan(config.faults, config.seed) if config.faults else None
        self._store = store
        self.store_problem = ""
        """Why the store could not be written the last time; empty = it could."""
        if store is not None:
            memory.remember(self.floor, store)
        self._random = random.Random(config.seed)
        self._arrivals: list[tuple[int, int, Intent, Fate]] = []
        self._answers: list[VenueEvent] = []
        """On their way to the engine, in the order in which they reach it; their `ts_ns` says when."""
        self._reports: list[tuple[VenueSnapshot, int]] = []
        """The snapshots among the answers, each with the number of movements of money that it completes."""
        self._last_arrival_ns = self._last_answer_ns = self._number = 0
        self._timer_ns = NEVER
        """When the floor next has something to do by itself: an arrival or a dead man's deadline."""
        self.due_ns = NEVER
        """When `poll` has something to do next: what `next_due_ns` tells, without a call."""
        self._is_answer_lost = False
        self._told: dict[AccountId, int] = {}
        """How many movements of money the engine has been told of by snapshots that reached it."""
        self._set_timer()

    # the market

    def on_market(self, event: MarketEvent | FeedStatus, ts_ns: int = 0) -> None:
        """Take one event of the tape, at `ts_ns` or else its own time. Unknown instruments are ignored."""
        now = ts_ns or event.ts_ns
        if now > self.now_ns:
            if self._timer_ns < now:
                self._advance(now - 1)
                if self._store is not None:
                    self._save(self._store)
            self.now_ns = now
        market = self._markets.get(event.instrument)
        if market is not None:
            if market.is_stale:
                market.set_band()
            if type(event) is Bar:
                if market.low < event.low and event.high < market.high and event.interval_ns >= market.bar_ns:
                    market.last = event.close
                    return
            elif type(event) is Bbo and market.low < event.bid and event.ask < market.high and market.has_only_quotes:
                market.lazy = event
                return
        if type(event) is FeedStatus:
            tape.on_feed_status(self.floor, event)
        elif market is not None:
            _ON_MARKET[type(event)](self.floor, market, event, self.now_ns)
            if self._store is not None:
                self._save(self._store)

    def on_rows(self, instrument: InstrumentId, rows: npt.NDArray[np.int64], first: int, until_ns: int) -> int:
        """Match rows (see `matching`) of one instrument up to `until_ns`, compiled; returns the next row.

        It stops early when something is due to reach the engine: poll at `next_due_ns`, then go on. The outcome
        is that of the same events one by one, but margin is looked at only after fills and at the end of a
        batch. Marks go through `on_market`. Raises `VenueError` for an unknown instrument.
        """
        market = self._markets.get(instrument)
        if market is None:
            raise VenueError(f"the paper venue does not list {instrument}")
        market.has_ticks = market.has_book = True
        market.has_only_quotes = market.is_guessed = False
        times = rows[:, 0]
        last = _count_until(times, until_ns)
        while first < last:
            now = int(times[first])
            if self._timer_ns < now:
                self._advance(now - 1)
            due = min(self._timer_ns, self._answers[0].ts_ns if self._answers else NEVER)
            if due < now:
                break
            stop = first + (1 if market.taking else _count_until(times[first:last], due))
            market.load()
            first = kernel.match_rows(market, rows, first, stop)
            self.now_ns = max(self.now_ns, int(times[first - 1]))
            market.has_depth = bool(market.state[rules.DEEP])
            market.last = market.state[rules.LAST] or market.last
            tape.on_matched(self.floor, market, self.now_ns)
        if self._store is not None:
            self._save(self._store)
        return first

    # the line

    def submit(self, intents: Iterable[Intent], ts_ns: int) -> None:
        """Send requests at `ts_ns`; they arrive, in order, after the entry latency."""
        if self._timer_ns <= ts_ns:
            self._advance(ts_ns)
        if self._is_direct and self.plan is None:
            if self.now_ns < ts_ns:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
                self.now_ns = ts_ns
            self._arrive(intents)
        else:
            for intent in intents:
                self._send(intent, ts_ns)
        if self._store is not None:
            self._save(self._store)

    def _send(self, intent: Intent, ts_ns: int) -> None:
        """Put a request on a line that takes time."""
        due = ts_ns + self._entry_ns
        if self._jitter_ns:
            due = max(due + self._random.randrange(self._jitter_ns), self._last_arrival_ns)
            self._last_arrival_ns = due
        if self.plan is not None:
            self._send_faultily(self.plan, intent, ts_ns, due)
        else:
            self._number += 1
            heappush(self._arrivals, (due, self._number, intent, None))
            self._set_timer()
            self._advance(ts_ns)

    def poll(self, ts_ns: int) -> list[VenueEvent]:
        """What has reached the engine by `ts_ns`, in order; each event's `ts_ns` says when it did.

        Nothing while the store cannot be written: what would be forgotten with the process is not told.
        """
        if self._timer_ns <= ts_ns:
            self._advance(ts_ns)
        if self._store is not None:
            self._save(self._store)
            if self.store_problem:
                return []
        reached, self._answers = self._answers, []
        if reached and reached[-1].ts_ns > ts_ns:
            count = bisect_right(reached, ts_ns, key=_due_ns)
            self._answers = reached[count:]
            del reached[count:]
        if self._reports:
            self._note_reports(ts_ns)
        self.due_ns = self._timer_ns
        if self._answers:
            self._set_due()
        return reached

    def _note_reports(self, ts_ns: int) -> None:
        """Snapshots have reached the engine: the next ones need not repeat what these told."""
        for snapshot, told in self._reports:
            if snapshot.ts_ns <= ts_ns:
                self._told[snapshot.account] = max(told, self._told.get(snapshot.account, 0))
        self._reports = [report for report in self._reports if report[0].ts_ns > ts_ns]

    @property
    def next_due_ns(self) -> int:
        """When `poll` has something to do next; 0 = nothing is scheduled, or the store has to be mended first."""
        if self.store_problem:
            return 0
        return 0 if self.due_ns == NEVER else self.due_ns

    def _set_due(self) -> None:
        due = self._timer_ns
        if self._answers and self._answers[0].ts_ns < due:
            due = self._answers[0].ts_ns
        self.due_ns = due

    def connect(self, *, keeps_requests: bool = False) -> None:
        """A new session of the engine: what was under way to the old one is lost, snapshots tell everything kept.

        With `keeps_requests` what the old session had sent still arrives: a dead process does not call it back.
        """
        if not keeps_requests:
            self._arrivals.clear()
        self._answers.clear()
        self._reports.clear()
        self._told.clear()
        self._last_answer_ns = 0
        self._set_timer()

    def snapshot(self, account: AccountId, ts_ns: int) -> VenueSnapshot:
        """The truth about an account now, past the line and its faults, with every fill and funding kept."""
        if account not in self.floor.accounts:
            raise VenueError(f"the paper venue has no account {account}; it has {', '.join(self.floor.accounts)}")
        return requests.snapshot(self.floor, account, ts_ns)

    def cash(self, account: AccountId) -> Decimal:
        """The account's cash by the venue's own books, now and past the line."""
        return self.floor.accounts[account].cash

    @property
    def fault_counts(self) -> Counter[FaultKind]:
        """How often each kind of fault was really applied."""
        return self.plan.counts if self.plan is not None else Counter()

    def problems(self) -> Iterator[str]:
        """Every way in which the venue's own books do not add up."""
        return self.floor.problems()

    def check(self) -> None:
        """Raise `VenueError` when position is not the sum of fills, cash is not conserved or leaves are wrong."""
        problems = list(self.problems())
        if problems:
            raise VenueError("the paper venue's books do not add up: " + "; ".join(problems))

    def close(self) -> None:
        """Release the store."""
        if self._store is not None:
            self._store.close()

    # inside

    def _save(self, store: PaperStore) -> None:
        """Write what has changed; a disk that refuses is logged once, and tried again with the next change."""
        try:
            memory.save(self.floor, store)
            self.store_problem = ""
        except OSError as error:
            if not self.store_problem:
                _log.warning("the paper exchange cannot write its memory, and would forget if it died: %s", error)
            self.store_problem = str(error)

    def _set_timer(self) -> None:
        due = self._arrivals[0][0] if self._arrivals else NEVER
        dead_man_ns = self.floor.dead_man_ns
        self._timer_ns = dead_man_ns if 0 < dead_man_ns < due else due
        self._set_due()

    def _advance(self, ts_ns: int) -> None:
        """Let everything happen that is due on the floor by `ts_ns`, in order."""
        while self._timer_ns <= ts_ns:
            self.now_ns = max(self.now_ns, self._timer_ns)
            if 0 < self.floor.dead_man_ns <= self.now_ns:
                requests.fire_dead_men(self.floor, self.now_ns)
            else:
                _, _, intent, fate = heappop(self._arrivals)
                if fate is FaultKind.RATE_LIMIT:
                    requests.limit_rate(self.floor, intent, self.now_ns)
                else:
                    self._is_answer_lost = fate is FaultKind.LOSE_ANSWER
                    self._arrive((intent,))
                    self._is_answer_lost = False
            self._set_timer()

    def _arrive(self, intents: Iterable[Intent]) -> None:
        floor, now = self.floor, self.now_ns
        for intent in intents:
            if type(intent) is Place:
                requests.place(floor, intent, now)
            elif type(intent) is Amend:
                requests.amend(floor, intent, now)
            elif type(intent) is Cancel:
                requests.cancel(floor, intent, now)
            elif type(intent) is Query:
                requests.query(floor, intent, now)
            elif type(intent) is ArmDeadMan:
                requests.arm_dead_man(floor, intent)
                self._set_timer()
            elif intent.account in floor.accounts:
                snapshot = requests.snapshot(floor, intent.account, now, self._told.get(intent.account, 0))
                if self.plan is None:
                    self._reports.append((snapshot, floor.told[intent.account]))
                floor.emit(snapshot, now)

    def _emit(self, event: VenueEvent, ts_ns: int) -> None:
        """Put an answer on a line without jitter and, so far, without faults: they reach the engine as they leave."""
        if self.plan is not None:
            self._emit_irregularly(event, ts_ns)
            return
        event.ts_ns = due = ts_ns + self._response_ns
        self._answers.append(event)
        if due < self.due_ns:  # noqa: PLR1730 - on the hot path, and min() costs thrice as much
            self.due_ns = due

    def _emit_irregularly(self, event: VenueEvent, ts_ns: int) -> None:
        due = ts_ns + self._response_ns
        if self._jitter_ns:
            due = max(due + self._random.randrange(self._jitter_ns), self._last_answer_ns)
            self._last_answer_ns = due
        if self.plan is not None:
            self._answer_faultily(self.plan, event, ts_ns, due)
            return
        event.ts_ns = due
        self._answers.append(event)
        self._set_due()

    # faults

    def _send_faultily(self, plan: FaultPlan, intent: Intent, ts_ns: int, due_ns: int) -> None:
        if plan.outage(intent, ts_ns):
            self._break(plan, ts_ns)
        if ts_ns < plan.down_until_ns:
            return
        for arrival_ns, fate in plan.requests(intent, ts_ns, due_ns):
            self._number += 1
            heappush(self._arrivals, (arrival_ns, self._number, intent, fate))
        self._set_timer()
        self._advance(ts_ns)

    def _answer_faultily(self, plan: FaultPlan, event: VenueEvent, ts_ns: int, due_ns: int) -> None:
        if plan.outage(event, ts_ns):
            self._break(plan, ts_ns)
        is_lost = self._is_answer_lost and not isinstance(event, Filled | FundingPaid)
        if is_lost or ts_ns < plan.down_until_ns:
            return
        for arrival_ns, copied in plan.answers(event, ts_ns, due_ns):
            copied.ts_ns = arrival_ns
            insort(self._answers, copied, key=_due_ns)
            if type(copied) is VenueSnapshot:
                self._reports.append((copied, self.floor.told[copied.account]))
        self._set_due()

    def _break(self, plan: FaultPlan, ts_ns: int) -> None:
        """The line goes down: what is on it is lost, and the engine sees it go and come back."""
        self._arrivals.clear()
        self._set_timer()
        self._answers = [event for event in self._answers if event.ts_ns <= ts_ns or isinstance(event, VenueStatus)]
        self._reports = [report for report in self._reports if report[0].ts_ns <= ts_ns]
        for due, is_up in ((ts_ns, False), (plan.down_until_ns, True)):
            status = VenueStatus(venue=self.config.venue, connected=is_up, detail="simulated outage", ts_ns=due)
            insort(self._answers, status, key=_due_ns)
        self._set_due()
