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

import heapq
import random
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from domain.errors import VenueError
from domain.events import VenueEvent, VenueSnapshot
from domain.instrument import AccountId, Instrument
from domain.market import Bar, Bbo, Book, FeedStatus, Mark, MarketEvent, Trade
from domain.order import Amend, ArmDeadMan, Cancel, Intent, Place, Query
from exchanges.paper import tape
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.floor import Floor

NEVER = 2**62


class PaperExchange:
    """A deterministic exchange for the given instruments and accounts (account id -> deposit).

    Call `on_market` for every event of the tape, `submit` with what the engine sends, `poll` for what has
    reached the engine. `next_due_ns` says when to poll next (0 = nothing is scheduled).
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        accounts: Mapping[AccountId, Decimal],
        config: PaperConfig | None = None,
    ) -> None:
        self.config = config = config or PaperConfig()
        self.now_ns = 0
        self.floor = Floor(instruments, accounts, config, self._emit)
        is_instant = config.fill_model is FillModel.SAME_CLOSE
        self._entry_ns = 0 if is_instant else config.entry_ns + config.feed_ns
        self._response_ns = 0 if is_instant else max(0, config.response_ns - config.feed_ns)
        self._jitter_ns = 0 if is_instant else config.jitter_ns
        self._random = random.Random(config.seed)
        self._arrivals: list[tuple[int, int, Intent]] = []
        self._answers: list[tuple[int, int, VenueEvent]] = []
        self._last_arrival_ns = 0
        self._last_answer_ns = 0
        self._number = 0
        self._timer_ns = NEVER
        """When the floor next has something to do by itself: an arrival or a dead man's deadline."""
        self._told: dict[AccountId, int] = {}
        self._snapshots: dict[int, tuple[AccountId, int]] = {}

    # the market

    def on_market(self, event: MarketEvent | FeedStatus, ts_ns: int = 0) -> None:
        """Take one event of the tape, at `ts_ns` or else its own time. Unknown instruments are ignored."""
        now = ts_ns or event.ts_ns
        if now > self.now_ns:
            if self._timer_ns < now:
                self._advance(now - 1)
            self.now_ns = now
        if type(event) is FeedStatus:
            tape.on_feed_status(self.floor, event)
            return
        market = self.floor.markets.get(event.instrument)
        if market is None:
            return
        if type(event) is Bar:
            if market.low < event.low and event.high < market.high:
                market.last = event.close
            else:
                tape.on_bar(self.floor, market, event, self.now_ns)
        elif type(event) is Bbo:
            tape.on_bbo(self.floor, market, event, self.now_ns)
        elif type(event) is Trade:
            tape.on_trade(self.floor, market, event, self.now_ns)
        elif type(event) is Book:
            tape.on_book(self.floor, market, event, self.now_ns)
        elif type(event) is Mark:
            tape.on_mark(self.floor, market, event, self.now_ns)

    # the line

    def submit(self, intents: Iterable[Intent], ts_ns: int) -> None:
        """Send requests at `ts_ns`; they arrive, in order, after the entry latency."""
        for intent in intents:
            due = max(ts_ns + self._entry_ns + self._jitter(), self._last_arrival_ns)
            self._last_arrival_ns = due
            self._number += 1
            heapq.heappush(self._arrivals, (due, self._number, intent))
        self._set_timer()
        if self._timer_ns <= ts_ns:
            self._advance(ts_ns)

    def poll(self, ts_ns: int) -> list[VenueEvent]:
        """What has reached the engine by `ts_ns`, in order; each event's `ts_ns` says when it did."""
        if self._timer_ns <= ts_ns:
            self._advance(ts_ns)
        answers = self._answers
        reached: list[VenueEvent] = []
        while answers and answers[0][0] <= ts_ns:
            due, number, event = heapq.heappop(answers)
            event.ts_ns = due
            if number in self._snapshots:
                account, told = self._snapshots.pop(number)
                self._told[account] = told
            reached.append(event)
        return reached

    @property
    def next_due_ns(self) -> int:
        """When `poll` has something to do next; 0 = nothing is scheduled."""
        due = self._timer_ns
        if self._answers and self._answers[0][0] < due:
            due = self._answers[0][0]
        return 0 if due == NEVER else due

    def connect(self) -> None:
        """A new session of the engine: what was under way to the old one is lost, snapshots tell everything kept."""
        self._arrivals.clear()
        self._answers.clear()
        self._snapshots.clear()
        self._told.clear()
        self._last_arrival_ns = self._last_answer_ns = 0
        self._set_timer()

    def snapshot(self, account: AccountId, ts_ns: int) -> VenueSnapshot:
        """The truth about an account now, past the line and its faults, with every fill and funding kept."""
        if account not in self.floor.accounts:
            raise VenueError(f"the paper venue has no account {account}; it has {', '.join(self.floor.accounts)}")
        return self.floor.snapshot(account, ts_ns)

    def problems(self) -> Iterator[str]:
        """Every way in which the venue's own books do not add up."""
        return self.floor.problems()

    def check(self) -> None:
        """Raise `VenueError` when position is not the sum of fills, cash is not conserved or leaves are wrong."""
        problems = list(self.problems())
        if problems:
            raise VenueError("the paper venue's books do not add up: " + "; ".join(problems))

    # inside

    def _jitter(self) -> int:
        return self._random.randrange(self._jitter_ns) if self._jitter_ns else 0

    def _set_timer(self) -> None:
        due = self._arrivals[0][0] if self._arrivals else NEVER
        self._timer_ns = min(due, self.floor.dead_man_due_ns() or NEVER)

    def _advance(self, ts_ns: int) -> None:
        """Let everything happen that is due on the floor by `ts_ns`, in order."""
        while self._timer_ns <= ts_ns:
            self.now_ns = max(self.now_ns, self._timer_ns)
            deadline = self.floor.dead_man_due_ns()
            if deadline and deadline <= self.now_ns:
                self.floor.fire_dead_men(self.now_ns)
            else:
                self._arrive(heapq.heappop(self._arrivals)[2])
            self._set_timer()

    def _arrive(self, intent: Intent) -> None:
        floor, now = self.floor, self.now_ns
        if type(intent) is Place:
            floor.place(intent, now)
        elif type(intent) is Cancel:
            floor.cancel(intent, now)
        elif type(intent) is Amend:
            floor.amend(intent, now)
        elif type(intent) is Query:
            floor.query(intent, now)
        elif type(intent) is ArmDeadMan:
            floor.arm_dead_man(intent)
        elif intent.account in floor.accounts:
            told = floor.told[intent.account]
            snapshot = floor.snapshot(intent.account, now, self._told.get(intent.account, 0))
            self._emit(snapshot, now)
            self._snapshots[self._number] = intent.account, told

    def _emit(self, event: VenueEvent, ts_ns: int) -> None:
        due = max(ts_ns + self._response_ns + self._jitter(), self._last_answer_ns)
        self._last_answer_ns = due
        self._number += 1
        heapq.heappush(self._answers, (due, self._number, event))
