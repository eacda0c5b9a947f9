"""People's power, reckoned anew: halts hold, large targets have their votes, a command acts once."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from domain import commands as c
from domain.events import CommandReceived, Event, InboxOverflow, VenueSnapshot
from domain.facts import CommandDone, Fact, FillBooked, RequestChanged, RequestStatus
from domain.order import Role
from domain.settings import RoleName, Settings, Strangers
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.state import MANUAL, Slot
from research.simulation.cast import HAND
from research.simulation.violation import require

NO_TARGET: tuple[int | None, str] = (None, "")
_NO_HALT = frozenset({Reason.REPEATED, Reason.UNKNOWN_PERSON, Reason.ROLE, Reason.NO_SUCH})


class Turn(Struct):
    """A change of what is in force, by the event `seq`."""

    seq: int
    halted: bool
    held_back: bool


class Votes:
    """Follows commands and facts; `halted` is what the door goes by."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.persons = {p.id: p for p in settings.persons}
        self.turns: list[Turn] = []
        self.resumes: dict[str, int] = {}
        """Requests to resume -> seq at which they were opened."""
        self.seen: dict[str, int] = {}
        """Orders of strangers -> seq of the snapshot that told of them."""
        self.done: dict[str, int] = {}
        """Command ids that were carried out -> seq."""
        self.targets: dict[str, tuple[int | None, str]] = {}
        self.added: dict[str, list[tuple[int, int, bool, int]]] = {}
        """Per slot: (seq, time, whether by hand, quantity) of exposure that came into force without a vote."""
        self.rested: dict[str, int] = {}
        """People's orders at a price, by id -> seq at which they came into force."""

    @property
    def halted(self) -> bool:
        """True when the last word was halt."""
        return bool(self.turns) and self.turns[-1].halted

    @property
    def held_back(self) -> bool:
        """True when a stranger's order was seen and no resume came after it."""
        return bool(self.turns) and self.turns[-1].held_back

    def forget_after(self, seq: int) -> None:
        """A crash has taken everything after `seq`."""
        self.turns = [turn for turn in self.turns if turn.seq <= seq]
        self.resumes = {request: at for request, at in self.resumes.items() if at <= seq}
        self.seen = {cid: at for cid, at in self.seen.items() if at <= seq}
        self.done = {request: at for request, at in self.done.items() if at <= seq}
        self.added = {slot: [row for row in rows if row[0] <= seq] for slot, rows in self.added.items()}
        self.rested = {wish: at for wish, at in self.rested.items() if at <= seq}

    def on_recovered(self, core: Core) -> None:
        """A new run goes on from its state."""
        self.targets = {key: (slot.target, slot.entry) for key, slot in core.state.slots.items()}

    def before(self, core: Core, event: Event, seq: int) -> None:
        """A halt holds from the moment at which it is taken in, before anything can leave."""
        if isinstance(event, VenueSnapshot):
            self._look_for_strangers(core, event, seq)
        elif isinstance(event, InboxOverflow):
            self.turns.append(Turn(seq, halted=True, held_back=self.held_back))
        elif isinstance(event, CommandReceived) and isinstance(event.command, c.Halt | c.Flatten):
            person = self.persons.get(event.actor.person)
            scope = event.command.scope if isinstance(event.command, c.Flatten) else ""
            known = {"", *(i.id for i in self.settings.instruments)}
            if person and person.role >= RoleName.TRADER and scope in known and event.request_id not in self.done:
                self.turns.append(Turn(seq, halted=True, held_back=self.held_back))

    def _look_for_strangers(self, core: Core, event: VenueSnapshot, seq: int) -> None:
        """A snapshot that tells something new, with an order of somebody else whom nobody was asked about."""
        policy = next(a.on_foreign_order for a in self.settings.accounts if a.id == event.account)
        account = core.state.accounts[event.account]
        if policy is not Strangers.ASK or event.venue_ts_ns <= account.venue_ts_ns:
            return
        new = [o.cid for o in event.orders if o.cid.startswith(HAND) and self.seen.setdefault(o.cid, seq) == seq]
        if new:
            self.turns.append(Turn(seq, halted=self.halted, held_back=True))

    def resumed_by(self, event: Event, seq: int) -> None:
        """An approval that may be the last vote of a resume is given the benefit of the doubt until `after`."""
        approve = event.command if isinstance(event, CommandReceived) else None
        if isinstance(approve, c.Approve) and approve.request in self.resumes:
            self.turns.append(Turn(seq, halted=False, held_back=False))

    def after(self, core: Core, event: Event, facts: Sequence[Fact]) -> None:
        """Judge what the event did."""
        for fact in facts:
            if isinstance(fact, RequestChanged):
                self._on_request(core, fact)
            elif isinstance(fact, CommandDone):
                self._on_done(event, fact)
            elif isinstance(fact, FillBooked) and fact.role is Role.LIMIT:
                # it was judged when it came into force; what is wanted moves with it
                key = f"{fact.account}|{fact.instrument}"
                target, entry = self.targets.get(key, (None, ""))
                self.targets[key] = (target if target is None else target + fact.side * fact.qty, entry)
        for key, slot in core.state.slots.items():
            if slot.resting:
                self._resting(core, key, slot)
            before, entry = self.targets.get(key, NO_TARGET)
            if slot.target != before or slot.entry != entry:
                self._target(core, key, slot, before)

    def _on_request(self, core: Core, fact: RequestChanged) -> None:
        if fact.status is RequestStatus.PENDING and fact.what == "resume":
            self.resumes.setdefault(fact.request, fact.seq)
        if fact.status is not RequestStatus.APPROVED:
            return
        approvals = self.settings.approvals
        needed = approvals.override_votes
        if fact.what in {"order", "load", "start"}:
            needed = approvals.order_votes if fact.what == "order" else approvals.load_votes
        voters = [self.persons[v] for v in dict.fromkeys(fact.votes) if v in self.persons]
        good = [p for p in voters if p.role >= RoleName.RISK and p.id != fact.requester]
        require(len(good) >= needed, "votes", f"{fact.request} ({fact.what}) was approved by {fact.votes} alone")
        if isinstance(core.state.requests[fact.request].command, c.ManualLimit):
            self.rested |= dict.fromkeys([f"manual-{fact.seq}"], fact.seq)
        parked = core.state.requests[fact.request].parked
        if parked is not None:
            slot = core.state.slots[parked.slot]
            self.targets[slot.key] = (slot.target, slot.entry)

    def _on_done(self, event: Event, fact: CommandDone) -> None:
        if isinstance(event, CommandReceived) and isinstance(event.command, c.Approve) and self.turns:
            last = self.turns[-1]
            if last.seq == event.seq and not last.halted:
                self.turns.pop()
                if fact.ok and "is resumed" in fact.text:
                    still = self.halted and "Trading is resumed" not in fact.text
                    self.turns.append(Turn(event.seq, halted=still, held_back=False))
        if fact.reason is Reason.REPEATED:
            return
        text = f"{fact.request_id} ({fact.verb}) was carried out at seq {self.done.get(fact.request_id)} and again"
        require(fact.request_id not in self.done, "a command acts once", text)
        self.done[fact.request_id] = fact.seq

    def _resting(self, core: Core, key: str, slot: Slot) -> None:
        """People's orders at a price add to what is in force, as if they had filled already."""
        for wish in slot.resting.values():
            if wish.id in self.rested:
                continue
            self.rested[wish.id] = core.state.seq
            alike = sum(other.left for other in slot.resting.values() if other.side == wish.side) - wish.left
            held = core.position(slot.account, slot.instrument)
            base = (slot.target if slot.target is not None else held) + wish.side * alike
            added = self._grows(base + wish.side * wish.left, base)
            if added:
                self._judge_added(core, key, slot, added, base + wish.side * wish.left, base, by_hand=True)

    def _target(self, core: Core, key: str, slot: Slot, before: int | None) -> None:
        """Large additions come into force only by votes. What a fired stop has ended adds nothing any more."""
        self.targets[key] = (slot.target, slot.entry)
        if slot.target is None or slot.hedge_lead or (slot.consumed and slot.consumed == slot.entry):
            return
        held = core.position(slot.account, slot.instrument)
        base = before if before is not None else held
        added = self._grows(slot.target, base)
        if added:
            by_hand = slot.owner.startswith(MANUAL)
            self._judge_added(core, key, slot, added, slot.target, base, by_hand=by_hand)

    def _judge_added(
        self, core: Core, key: str, slot: Slot, added: int, wanted: int, base: int, *, by_hand: bool
    ) -> None:
        now, approvals, rows = core.state.ts_ns, self.settings.approvals, self.added.setdefault(key, [])
        counted = [row for row in rows if now - row[1] < approvals.window_ns and row[2] == by_hand]
        lately = sum(row[3] for row in counted)
        if not by_hand:
            lately = min(lately, abs(base)) if base * wanted > 0 else 0
        rows.append((core.state.seq, now, by_hand, added))
        price = core.markets[slot.instrument].reference()
        worth = core.instruments[slot.instrument].notional(price, lately + added)
        large = core.equity(slot.account) * approvals.large_fraction
        text = f"{key} wants {wanted} ({slot.entry}), which adds {worth} within the window; {large} needs votes"
        require(worth <= large, "large without votes", text)

    @staticmethod
    def _grows(target: int, before: int) -> int:
        if target * before <= 0:
            return abs(target)
        return max(0, abs(target) - abs(before))
