"""Requests of one account on their way: written by the dialect, sent, and what their answers mean.

    put ──▶ queue ──▶ calls ──▶ signed ──▶ WebSocket, or REST while it is down ──▶ answer ──▶ outcomes ──▶ Orders

Nothing is ever sent twice. What surely did not leave is a `SendFailed`; what may have arrived is not spoken of. A batch
is judged part by part: one that is refused takes nothing from the others.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import AmendRejected, Rejected, SendDropped, SendFailed, VenueEvent
from domain.order import Amend, Cancel, ClientId, Place
from domain.verdict import Reason
from exchanges.shared.gate import Dropped
from exchanges.shared.meters import Costs, Priority
from exchanges.viaccxt.client import NotSent
from exchanges.viaccxt.dialect import Acked, Answer, Call, Changed, Dialect, Gone, Instead, Refused, Request, Taken
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 90
"""Requests without an answer; more wait, but for cancels."""
WAITED_NS = 1_000_000
"""What has waited for longer is written anew: its time stamp is not true any more."""


class Outbox:
    """Sends for one account. `answer_of` reads the answer out of a message of the WebSocket API."""

    def __init__(self, session: Session, dialect: Dialect, answer_of: Callable[[Any], Answer]) -> None:
        self._session = session
        self._dialect = dialect
        self._answer_of = answer_of
        self._queue: asyncio.Queue[list[Request]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._wire = asyncio.Lock()
        self._waiting: dict[ClientId, Call] = {}
        """Orders that have not left yet."""
        self._numbers = itertools.count(1)
        self.unanswered = 0
        """Calls whose outcome was never heard."""

    def put(self, requests: list[Request]) -> None:
        """Take requests; they leave in this order."""
        self._queue.put_nowait(requests)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            requests = await self._queue.get()
            try:
                calls = self._written(requests)
            except Exception:
                log.exception("requests of %s could not be written; the next ones are", self._session.account.id)
                continue
            for call in calls:
                self._waiting.update({part.cid: call for part in call.parts if isinstance(part, Place)})
                task = asyncio.create_task(self._carry(call))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop waiting for answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # writing

    def _written(self, requests: Sequence[Request]) -> list[Call]:
        """The calls; what cannot be written, or is too late to be sent, is refused here."""
        now_ns = self._session.clock.now_ns()
        good: list[Request] = []
        for part in requests:
            if isinstance(part, Cancel) and self._takes_back(part):
                continue
            if isinstance(part, Place | Amend) and 0 < part.valid_until_ns <= now_ns:
                self._refuse(part, Refused("its time had passed before it was sent", Reason.EXPIRED))
                continue
            try:
                self._known(part)
            except Unrepresentable as error:
                self._refuse(part, Refused(str(error), Reason.BAD_NUMBER))
            else:
                good.append(part)
        try:
            return self._dialect.calls(good) if good else []
        except Unrepresentable:
            return [call for part in good for call in self._alone(part)]

    def _takes_back(self, cancel: Cancel) -> bool:
        """Whether the order still waits here: then it surely never left, and nothing needs to be cancelled."""
        call = self._waiting.pop(cancel.cid, None)
        if call is None:
            return False
        [place] = [part for part in call.parts if part.cid == cancel.cid]
        call.parts.remove(place)
        self._session.emit(SendDropped(cid=cancel.cid, reason=Reason.WITHDRAWN))
        return True

    def _known(self, part: Request) -> None:
        """Remember the order, and refuse what no venue takes. Raises `Unrepresentable`."""
        instrument, orders = self._session.instrument(part.instrument), self._session.orders
        if isinstance(part, Cancel):
            return
        if part.price % instrument.price_step(part.price) or part.trigger % instrument.price_step(part.trigger):
            raise Unrepresentable(f"{instrument.id}: the price is off the grid of {instrument.price_step(part.price)}")
        if part.qty <= 0 or part.qty % instrument.lot:
            raise Unrepresentable(f"{instrument.id}: the quantity is not a positive number of lots")
        if isinstance(part, Place):
            orders.placed(part, instrument)
        elif orders.line(part.cid) is None:
            raise Unrepresentable(f"the order {part.cid} is not known here")
        else:
            orders.amending(part)

    def _alone(self, part: Request) -> list[Call]:
        try:
            return self._dialect.calls([part])
        except Unrepresentable as error:
            self._refuse(part, Refused(str(error), Reason.BAD_NUMBER))
            return []

    # sending

    async def _carry(self, call: Call) -> None:
        """One call, from the venue's limits to its outcome; cancels do not wait until others are answered."""
        try:
            if not call.parts or call.priority is Priority.CANCEL:
                await self._send(call)
            else:
                async with self._room:
                    await self._send(call)
        except Exception:
            log.exception("a request of %s could not be dealt with; the next ones are", self._session.account.id)
            self.unanswered += 1

    async def _send(self, call: Call) -> None:
        """Wait for the venue's limits; what has waited is written anew, without what was taken back meanwhile."""
        if not call.parts:
            return
        client, clock = self._session.client, self._session.clock
        since_ns, parts = clock.now_ns(), [*call.parts]
        try:
            costs = await client.enter(call.path, call.weight, call.orders, call.priority, call.until_ns)
        except Dropped as error:
            self._refuse_all(call, Refused(str(error), error.reason))
            return
        finally:
            for part in parts:
                if self._waiting.get(part.cid) is call:
                    del self._waiting[part.cid]
        has_waited = call.parts != parts or clock.now_ns() > since_ns + WAITED_NS
        for fresh in self._dialect.calls(call.parts) if has_waited else [call]:
            number = f"m{next(self._numbers)}"
            frame = self._dialect.frame(fresh, number) if fresh.socket else None
            if frame is None or not client.is_open(frame[0]):
                await self._rest(fresh, costs)
            else:
                await self._socket(fresh, frame, number, costs)

    async def _socket(self, call: Call, frame: tuple[str, Any], number: str, costs: Costs) -> None:
        client = self._session.client
        try:
            async with self._wire:  # what is signed first leaves first
                waiting = await client.post(*frame, number)
            async with asyncio.timeout(self._session.patience.request_timeout_s):
                message = await waiting
        except NotSent as error:
            self._not_sent(call, str(error))
        except (VenueError, TimeoutError) as error:
            self._unknown(call, str(error) or "no answer")
        else:
            answer = self._answer_of(message)
            client.charged(costs, answer)
            await self._answered(call, answer)

    async def _rest(self, call: Call, costs: Costs | None = None) -> None:
        """Over REST; with `costs` it has passed the limits already."""
        try:
            answer = await self._session.client.ask(
                call.method, call.api, call.path, call.params, weight=call.weight, orders=call.orders,
                priority=call.priority, until_ns=call.until_ns, costs=costs,
            )  # fmt: skip
        except Dropped as error:
            self._refuse_all(call, Refused(str(error), error.reason))
        except NotSent as error:
            self._not_sent(call, str(error))
        except VenueError as error:
            self._unknown(call, str(error))
        else:
            await self._answered(call, answer)

    def _refuse_all(self, call: Call, refused: Refused) -> None:
        for part in call.parts:
            self._refuse(part, refused)

    # answers

    async def _answered(self, call: Call, answer: Answer) -> None:
        try:
            outcomes = self._dialect.outcomes(call, answer)
        except (DataError, Unrepresentable, ArithmeticError) as error:
            outcomes = None
            log.warning("an answer of %s is not understood: %s; %.300r", call.path, error, answer.body)
        if outcomes is None:
            self._unknown(call, f"HTTP {answer.status}: {answer.body[:200].decode(errors='replace')}")
            return
        if len(outcomes) != len(call.parts):
            self._unknown(call, f"{len(outcomes)} answers to {len(call.parts)} requests")
            return
        for part, outcome in zip(call.parts, outcomes, strict=True):
            if isinstance(outcome, Instead):
                await self._rest(outcome.call)
            elif outcome is None:
                self._unknown(Call(parts=[part], api="", method="", path=call.path, params={}), "no answer of its own")
            else:
                self._became(part, outcome)

    def _became(self, part: Request, outcome: Taken | Acked | Changed | Gone | Refused) -> None:
        orders = self._session.orders
        if isinstance(outcome, Refused):
            self._refuse(part, outcome)
        elif isinstance(outcome, Acked):
            orders.knows(part.cid, outcome.venue_id)
        elif isinstance(outcome, Taken):
            orders.accepted(part.cid, outcome.venue_id, outcome.ts_ns)
        elif isinstance(outcome, Changed):
            orders.amended(part.cid, outcome.price, outcome.qty, outcome.trigger, outcome.ts_ns)
        else:
            orders.cancelled(part.cid, outcome.filled, "asked", outcome.ts_ns)

    def _unknown(self, call: Call, why: str) -> None:
        self.unanswered += 1
        account = self._session.account.id
        log.warning("what became of %d requests of %s (%s) is not known: %s", len(call.parts), account, call.path, why)

    def _refuse(self, part: Request, refused: Refused) -> None:
        orders = self._session.orders
        if isinstance(part, Place):
            if refused.reason is Reason.EXPIRED or orders.line(part.cid) is None:
                self._session.emit(Rejected(cid=part.cid, reason=refused.reason, text=refused.text))
            else:
                orders.rejected(part.cid, refused.reason, refused.text)
        elif isinstance(part, Amend):
            orders.amend_refused(part, refused.text)
        else:
            orders.cancel_refused(part.cid, refused.text)

    def _not_sent(self, call: Call, text: str) -> None:
        """It never left; an unsent cancel is sent again by the engine, which waits for its answer."""
        log.warning("%d requests of %s were not sent: %s", len(call.parts), self._session.account.id, text)
        emit: Callable[[VenueEvent], None] = self._session.emit
        for part in call.parts:
            if isinstance(part, Place):
                emit(SendFailed(cid=part.cid, text=text))
            elif isinstance(part, Amend):
                emit(AmendRejected(cid=part.cid, amend_no=part.amend_no, text=f"not sent: {text}"))
