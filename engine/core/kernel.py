"""The single writer: stamp, journal, step, let effects out. Synchronous; every driver uses this one.

Intents that can add risk leave only after the journal has them on disk; at that moment one synchronous
re-check (epoch, trading state, still wanted, not expired) hands them to the sender or drops them, and a
drop is itself a journaled event. Cancels and reduce-only orders do not wait. Facts wait too: what people,
screens and tables were told must not be undone by a crash, nor its number be used again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter

from domain.codec import encode
from domain.events import (
    AmendRejected,
    ClockStepped,
    CommandReceived,
    Decided,
    EngineStarted,
    Event,
    SendDropped,
    StrategyFault,
    Tick,
)
from domain.facts import Fact, TradingState
from domain.market import Bar, Bbo, Book, Mark, Trade
from domain.order import Amend, Cancel, Intent, Place
from domain.ports import MAIN_STREAM, MARKET_STREAM, Journal
from domain.text import error_text
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.executor.place import passes
from engine.core.state import STATE_VERSION, encode_state
from engine.core.step import step

_MARKET = frozenset({Bar, Bbo, Book, Trade, Mark})
_UNSAVABLE = (TypeError, ValueError, OverflowError, RecursionError)
CLOCK_STEP_TOLERANCE_NS = 50_000_000

_adds_risk = attrgetter("adds_risk")
"""With a journal, what adds risk leaves last; without one it does so too."""


class Kernel:
    """Owns the state. `send` takes intents for the venues, `publish` takes facts for the world.

    Without a `journal` (backtests) nothing is encoded and nothing waits; `wait_for_disk` False is only for the
    experiments that prove the rule.
    """

    def __init__(
        self,
        core: Core,
        journal: Journal | None,
        *,
        send: Callable[[Sequence[Intent]], None],
        publish: Callable[[Sequence[Fact]], None] | None = None,
        wait_for_disk: bool = True,
    ) -> None:
        """Wire a core to its journal, sender and listeners."""
        self.core = core
        self.journal = journal
        self.send = send
        self.publish = publish
        self.wait_for_disk = wait_for_disk
        self.seq = core.state.seq
        self.waiting: deque[tuple[int, Place | Amend]] = deque()
        self.untold: deque[tuple[int, list[Fact]]] = deque()
        self._held_back_ns = 0
        """How far the clock was behind when that was last said; 0 = it is not."""
        self.superseded = False
        """Set when another run has taken over: nothing that adds risk leaves any more."""

    @property
    def waits_for_disk(self) -> bool:
        """True while something is to happen when more of the journal is on disk: call `release` then."""
        return bool(self.waiting or self.untold)

    @property
    def told_seq(self) -> int:
        """Up to which event everything has been told: never past what is on disk."""
        durable = self.journal.durable_seq if self.journal is not None else self.seq
        return min(self.untold[0][0] - 1 if self.untold else self.seq, durable)

    @property
    def wake_ns(self) -> int:
        """When the next Tick is due; 0 = never."""
        return self.core.wake_ns

    def ingest(self, event: Event) -> None:
        """Take in one event whose `ts_ns` the driver has set to the receive time (held when it goes back)."""
        core, journal = self.core, self.journal
        last_ns = core.state.ts_ns
        if event.ts_ns < last_ns:
            back_ns = last_ns - event.ts_ns
            event.ts_ns = last_ns
            if back_ns > self._held_back_ns + CLOCK_STEP_TOLERANCE_NS:
                self._held_back_ns = back_ns
                self.ingest(ClockStepped(ts_ns=last_ns, back_ns=back_ns))
        elif self._held_back_ns:
            self._held_back_ns = 0
        event.seq = self.seq = self.seq + 1
        if journal is not None:
            stream = MARKET_STREAM if type(event) in _MARKET else MAIN_STREAM
            journal.append(stream, self.seq, event.ts_ns, encode(event))
            if type(event) is EngineStarted and self.wait_for_disk:
                journal.flush()
        step(core, event)
        if core.decisions:
            self._record(core.decisions)
            core.decisions = []
        if core.facts:
            facts, core.facts = core.facts, []
            self._tell(facts, is_answer=type(event) is CommandReceived)
        if core.intents:
            intents, core.intents = core.intents, []
            self._let_out(intents)

    def tick(self, now_ns: int) -> None:
        """Deliver time when a timer is due."""
        if self.core.wake_ns and now_ns >= self.core.wake_ns:
            self.ingest(Tick(ts_ns=now_ns))

    def _record(self, decisions: list[Decided]) -> None:
        if self.journal is None:
            self.seq += len(decisions)
            return
        for decided in decisions:
            self.seq += 1
            decided.seq = self.seq
            decided.ts_ns = self.core.state.ts_ns
            self.journal.append(MAIN_STREAM, self.seq, decided.ts_ns, encode(decided))

    def _tell(self, facts: list[Fact], *, is_answer: bool) -> None:
        """Publish facts in order, as soon as the journal is on disk: no crash must undo what was told."""
        journal = self.journal
        if self.publish is None:
            return
        if journal is None or not self.wait_for_disk:
            self.publish(facts)
            return
        self.untold.append((self.seq, facts))
        if is_answer:
            journal.commit()
        self._tell_durable(journal.durable_seq)

    def _tell_durable(self, durable_seq: int) -> None:
        while self.untold and self.untold[0][0] <= durable_seq and self.publish is not None:
            self.publish(self.untold.popleft()[1])

    def _let_out(self, intents: list[Intent]) -> None:
        journal = self.journal
        if journal is None or not self.wait_for_disk:
            if len(intents) > 1:
                intents.sort(key=_adds_risk)
            self.send(intents)
            return
        now: list[Intent] = []
        for intent in intents:
            if isinstance(intent, Place | Amend) and intent.adds_risk:
                self.waiting.append((self.seq, intent))
            elif not (isinstance(intent, Cancel) and self._withdraw(intent)):
                now.append(intent)
        if now:
            self.send(now)
        if self.waiting:
            journal.commit()
            self.release(journal.durable_seq)

    def _withdraw(self, cancel: Cancel) -> bool:
        """Cancel an order that has not left yet: drop it instead of sending both."""
        for entry in self.waiting:
            if isinstance(entry[1], Place) and entry[1].cid == cancel.cid:
                self.waiting.remove(entry)
                self.ingest(SendDropped(ts_ns=self.core.state.ts_ns, cid=cancel.cid, reason=Reason.WITHDRAWN))
                return True
        return False

    def release(self, durable_seq: int) -> None:
        """The journal is on disk up to `durable_seq`: tell what waited, re-check what is to leave and send it."""
        self._tell_durable(durable_seq)
        out: list[Intent] = []
        dropped: list[SendDropped | AmendRejected] = []
        while self.waiting and self.waiting[0][0] <= durable_seq:
            intent = self.waiting.popleft()[1]
            reason = self._objection(intent)
            if reason is None:
                out.append(intent)
            elif isinstance(intent, Place):
                dropped.append(SendDropped(ts_ns=self.core.state.ts_ns, cid=intent.cid, reason=reason))
            else:
                text = f"dropped before sending: {reason.value}"
                ts_ns = self.core.state.ts_ns
                dropped.append(AmendRejected(ts_ns=ts_ns, cid=intent.cid, amend_no=intent.amend_no, text=text))
        if out:
            self.send(out)
        for event in dropped:
            self.ingest(event)

    def _objection(self, intent: Place | Amend) -> Reason | None:
        state = self.core.state
        if self.superseded:
            return Reason.STALE_EPOCH
        found = self.core.order(intent.cid)
        if found is None or found[1].cancel_ns:
            return Reason.WITHDRAWN
        trading = state.accounts[intent.account].trading
        if trading is not TradingState.ACTIVE:
            return Reason.HALTED if trading is TradingState.HALTED else Reason.REDUCING
        bar = self.core.bar_of(found[0])
        if bar is not None and not passes(self.core, *found, bar):
            return bar
        if intent.valid_until_ns and state.ts_ns >= intent.valid_until_ns:
            return Reason.EXPIRED
        return None

    def snapshot(self) -> None:
        """Write a versioned snapshot of the state as it is now; a strategy that cannot be saved is quarantined."""
        if self.journal is not None:
            state = self.core.state
            try:
                payload = encode_state(state)
            except _UNSAVABLE:
                self._quarantine_unsavable()
                payload = encode_state(state)
            self.journal.save_snapshot(self.seq, state.ts_ns, state.build, STATE_VERSION, payload)

    def _quarantine_unsavable(self) -> None:
        state = self.core.state
        for name, strategy in list(state.strategies.items()):
            try:
                encode(strategy.memory)
            except _UNSAVABLE as error:
                problem = f"its memory cannot be saved: {error_text(error)}"
                self.ingest(StrategyFault(ts_ns=state.ts_ns, strategy=name, problem=problem))
