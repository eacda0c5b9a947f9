"""Nobody alone raises risk: what loosens anything is looked for after every event, and a vote must be behind it.

Votes themselves are counted in `votes`; here it is whether there was one, for exactly this, and whether what was
loosened ends when it was to. Overrides are followed by what people were told of them, never by the engine's books.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec import Struct, field

from domain import commands as c
from domain.account import venue_of
from domain.breakers import Watch
from domain.events import CommandReceived, Event
from domain.facts import Fact, OverrideChanged, RequestChanged, RequestStatus, TradingState
from domain.incident import Stage
from domain.settings import MINUTE_NS, SECOND_NS, RoleName, Settings
from engine.core.core import Core
from engine.core.state import Slot, State
from research.simulation.violation import require
from risk.breaker import BreakerState

LATE_NS = SECOND_NS
"""A timer may be served this much late, of true time."""
_RANK = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}
_FORCED, _OPEN = BreakerState.FORCED_OPEN, BreakerState.OPEN
_NEXT: dict[Stage | None, set[Stage]] = {
    None: {Stage.OPEN},
    Stage.OPEN: {Stage.ACKNOWLEDGED},
    Stage.ACKNOWLEDGED: {Stage.RECONCILING, Stage.RECOVERED, Stage.CLOSED, Stage.OPEN},
    Stage.RECONCILING: {Stage.RECOVERED, Stage.CLOSED, Stage.OPEN},
    Stage.RECOVERED: {Stage.CLOSED, Stage.RECONCILING, Stage.OPEN},
    Stage.CLOSED: {Stage.OPEN},
}
"""Steps of an incident; another breach puts it back to its beginning, and a new one may be open at once. Where every
venue is down nobody is waited for: it is recovered with the command that asks for it."""


class Held(Struct):
    """Everything that holds risk back, at one moment."""

    latched: TradingState = TradingState.ACTIVE
    holds: frozenset[str] = frozenset()
    caps: dict[str, int] = field(default_factory=dict)
    envelopes: dict[str, Decimal] = field(default_factory=dict)
    by_people: frozenset[str] = frozenset()
    """Breakers that only people let go."""
    incident: tuple[str, Stage] | None = None


class Power:
    """See the module docstring. `judge` is called after every event, `limit` when an order is looked at."""

    def __init__(self, settings: Settings, made: Callable[[], Sequence[Fact]]) -> None:
        """`made` are the facts of the event at hand that have left the core already."""
        self.settings = settings
        self.made = made
        self.persons = {person.id: person for person in settings.persons}
        self.held = Held()
        self.overrides: dict[tuple[str, str], OverrideChanged] = {}
        self.told: list[OverrideChanged] = []
        self.digests: dict[str, tuple[int, str]] = {}
        """Request -> (seq, what it was when it was opened)."""
        self.overdue: dict[str, int] = {}
        self.ballot: tuple[str, tuple[str, ...]] | None = None

    def on_recovered(self, core: Core) -> None:
        """A new run goes on from its state; what was told stays told."""
        self.held = look(core.state)
        self.overdue.clear()
        # what the journal kept of an event in the middle of which the process died was judged by nobody
        self.told = [
            OverrideChanged(
                seq=core.state.seq,
                index=0,
                ts_ns=override.since_ns,
                rule=override.rule,
                scope=override.scope,
                value=override.value,
                since_ns=override.since_ns,
                until_ns=override.until_ns,
                persons=override.persons,
                reason=override.reason,
                request=override.request,
                ended="",
            )
            for override in core.state.overrides.values()
        ]
        self.overrides.clear()
        for fact in self.told:
            self._voted(core, fact)
            self._take(fact)

    def forget_after(self, seq: int) -> None:
        """A crash has taken everything after `seq`."""
        self.digests = {request: row for request, row in self.digests.items() if row[0] <= seq}
        self.told = [fact for fact in self.told if fact.seq <= seq]
        self.overrides.clear()
        for fact in self.told:
            self._take(fact)

    def _take(self, fact: OverrideChanged) -> None:
        if fact.ended:
            self.overrides.pop((fact.rule, fact.scope), None)
        else:
            self.overrides[fact.rule, fact.scope] = fact

    def limit(self, core: Core, slot: Slot, rule: str, value: Decimal) -> Decimal:
        """A limit of the portfolio as it is for a slot at this moment, after overrides."""
        scopes = {
            "portfolio",
            f"venue:{venue_of(slot.account)}",
            f"strategy:{slot.owner}",
            f"instrument:{slot.instrument}",
        }
        now, known = core.state.ts_ns, self.overrides
        fresh = [fact for fact in (*self.made(), *core.facts) if isinstance(fact, OverrideChanged)]
        if fresh:
            # the order is made by the very event that begins or ends an override
            known = {**known, **{(fact.rule, fact.scope): fact for fact in fresh}}
        found = [
            o.value
            for o in known.values()
            if o.rule == rule and not o.ended and o.scope in scopes and o.since_ns <= now < o.until_ns
        ]
        return min(found, default=value)

    def before(self, core: Core, event: Event) -> None:
        """Remember the votes of a request for which a vote comes that is meant for something else."""
        self.ballot = None
        ballot = event.command if isinstance(event, CommandReceived) else None
        if isinstance(ballot, c.Approve):
            request = core.state.requests.get(ballot.request)
            if request is not None and not request.digest.startswith(ballot.digest):
                self.ballot = (request.id, tuple(request.votes))

    def judge(self, core: Core, event: Event, facts: Sequence[Fact], now_ns: int) -> None:
        """Look at what the event has loosened, `now_ns` being the true time."""
        state = core.state
        approved: dict[str, str] = {}
        for fact in facts:
            if isinstance(fact, RequestChanged):
                self._request(core, fact)
                if fact.status is RequestStatus.APPROVED:
                    approved[fact.what] = fact.request
            elif isinstance(fact, OverrideChanged):
                self._override(core, fact)
        if self.ballot is not None:
            name, votes = self.ballot
            request = state.requests.get(name)
            same = request is None or tuple(request.votes) == votes
            require(same, "a vote for something else", f"{event} counts for {name}")
        before, now = self.held, look(state)
        self.held = now
        if now != before:
            self._compare(before, now, approved, event)
        self._ends(core, now_ns)

    def _request(self, core: Core, fact: RequestChanged) -> None:
        first = self.digests.setdefault(fact.request, (fact.seq, fact.digest))[1]
        text = f"{fact.request} was {first} when it was opened and is {fact.digest}"
        require(first == fact.digest, "what was asked", text)
        if fact.status is RequestStatus.APPROVED:
            late = core.state.ts_ns >= fact.expires_ns
            require(not late, "votes in time", f"{fact.request} was approved after its time")

    def _override(self, core: Core, fact: OverrideChanged) -> None:
        self.told.append(fact)
        self._take(fact)
        if not fact.ended:
            self._voted(core, fact)

    def _voted(self, core: Core, fact: OverrideChanged) -> None:
        """An override is what was asked for, by enough people besides the one who asked."""
        request = core.state.requests.get(fact.request)
        command = request.command if request is not None else None
        text = f"{fact.rule} of {fact.scope} is {fact.value} without a vote"
        require(fact.request in core.state.requests and isinstance(command, c.Override), "override voted", text)
        assert isinstance(command, c.Override)  # noqa: S101 - for the type checker
        asked = (command.rule, command.scope, command.value, command.minutes * MINUTE_NS)
        given = (fact.rule, fact.scope, fact.value, fact.until_ns - fact.since_ns)
        require(asked == given, "override voted", f"asked for {asked}, in force is {given}")
        good = {p for p in fact.persons if p in self.persons and self.persons[p].role >= RoleName.RISK}
        needed = self.settings.approvals.override_votes
        enough = len(good - {request.requester if request is not None else ""}) >= needed
        require(enough, "override voted", f"{text}: {fact.persons}")

    def _compare(self, before: Held, now: Held, approved: dict[str, str], event: Event) -> None:
        """Whatever is looser than before the event was agreed to in it."""
        self._incident(before, now, event)
        if _RANK[now.latched] < _RANK[before.latched]:
            stage = before.incident[1] if before.incident is not None else None
            at_once = stage is Stage.ACKNOWLEDGED and now.incident is not None and now.incident[1] is Stage.RECOVERED
            recovered = now.latched is TradingState.REDUCING and (stage is Stage.RECONCILING or at_once)
            text = f"{before.latched} became {now.latched} by {event}"
            require("resume" in approved or recovered, "nobody alone", text)
            steps = recovered or stage in {None, Stage.RECOVERED, Stage.CLOSED}
            require(steps, "an incident's steps", f"{text}, the incident is {stage}")
        looser = [
            ("hold", sorted(before.holds - now.holds)),
            ("cap", [k for k, most in before.caps.items() if k not in now.caps or now.caps[k] > most]),
            ("envelope", [k for k, most in before.envelopes.items() if now.envelopes.get(k, most) > most]),
            ("breaker", sorted(before.by_people - now.by_people)),
        ]
        for what, names in looser:
            require(not names or what in approved, "nobody alone", f"{what} of {names} is looser by {event}")

    def _incident(self, before: Held, now: Held, event: Event) -> None:
        """Stages follow each other, and what people do is done by those who may."""
        if before.incident == now.incident or now.incident is None:
            return
        was = before.incident[1] if before.incident is not None else None
        is_new = before.incident is None or before.incident[0] != now.incident[0]
        stage = now.incident[1]
        allowed = {Stage.OPEN} if is_new and was is not None else _NEXT[was]
        require(stage in allowed, "an incident's steps", f"{was} became {stage} by {event}")
        command = event.command if isinstance(event, CommandReceived) else None
        role = self._role(event)
        if stage is Stage.ACKNOWLEDGED:
            fits = isinstance(command, c.AcknowledgeIncident) and role >= RoleName.TRADER
            require(fits, "an incident's steps", f"acknowledged by {event}")
        elif stage is Stage.RECONCILING or (was is Stage.ACKNOWLEDGED and stage is not Stage.OPEN):
            fits = isinstance(command, c.RecoverIncident) and role >= RoleName.RISK
            require(fits, "an incident's steps", f"recovered by {event}")

    def _role(self, event: Event) -> int:
        person = self.persons.get(event.actor.person) if isinstance(event, CommandReceived) else None
        return person.role if person is not None else 0

    def _ends(self, core: Core, now_ns: int) -> None:
        """An override is over when its time is."""
        state = core.state
        if not (state.overrides or self.overdue):
            return
        due = [key for key, override in state.overrides.items() if override.until_ns <= state.ts_ns]
        if not due and not self.overdue:
            return
        self.overdue = {key: self.overdue.get(key, now_ns) for key in due}
        for key, since_ns in self.overdue.items():
            require(now_ns - since_ns <= LATE_NS, "an override ends", f"{key} is in force beyond its time")


def _latches(state: State, key: str) -> bool:
    """Whether only people let a breaker of this kind go."""
    rule = state.settings.breakers.rule(Watch(key.partition(":")[0]))
    return rule is not None and not rule.recovers


def look(state: State) -> Held:
    """What holds risk back now."""
    newest = next(reversed(state.incidents.values()), None)
    by_people = [f"{v} {o}" for v, of in state.breakers.items() for o, b in of.items() if b.state is _FORCED]
    for key, breaker in state.matrix.items():
        if breaker.state is _FORCED or (breaker.state is _OPEN and _latches(state, key)):
            by_people.append(key)
    holds, caps = [], {}
    for slot in state.slots.values():
        if slot.hold:
            holds.append(slot.key)
        if slot.cap is not None:
            caps[slot.key] = slot.cap
    return Held(
        latched=state.latched,
        holds=frozenset(holds),
        caps=caps,
        envelopes={name: s.envelope for name, s in state.strategies.items() if s.envelope is not None},
        by_people=frozenset(by_people),
        incident=(newest.id, newest.stage) if newest is not None else None,
    )
