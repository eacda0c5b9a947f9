"""People: random commands through random doors, repeated, stale, unauthorised, and votes on what waits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from msgspec import Struct

from domain import commands as c
from domain.facts import RequestStatus
from domain.incident import Stage
from domain.settings import SECOND_NS, StrategySpec
from engine.core.state import State
from research.simulation.cast import BTC, BTC2, ETH, MAIN, PERSONS, SUB, UNIT_SIZE

DOORS = (c.Door.TELEGRAM, c.Door.DISCORD, c.Door.DASHBOARD, c.Door.TERMINAL)
INSTRUMENTS = (BTC, BTC2, ETH)


class Letter(Struct):
    """One command on its way; the inbox of its door keeps it until it is answered."""

    actor: c.Actor
    command: c.Command
    request_id: str
    sent_ns: int


class People:
    """Draws commands. Looks at the state only as a person would: what waits, what runs, what works."""

    def __init__(self, random: Random, specs: tuple[StrategySpec, ...]) -> None:
        self.random = random
        self.specs = specs
        self.written: list[Letter] = []
        self.made = 0

    def letter(self, command: c.Command, person: str, now_ns: int, age_ns: int = 0) -> Letter:
        """A new command of a person."""
        self.made += 1
        actor = c.Actor(person=person, door=self.random.choice(DOORS))
        letter = Letter(actor, command, f"{actor.door}:{self.made}", now_ns - age_ns)
        self.written.append(letter)
        return letter

    def next_letter(self, state: State, now_ns: int) -> Letter:
        """What somebody does now."""
        random = self.random
        if self.written and random.random() < 0.1:
            old = random.choice(self.written)
            return Letter(old.actor, old.command, old.request_id, old.sent_ns)
        pending = [r.id for r in state.requests.values() if r.status is RequestStatus.PENDING]
        person = random.choice(PERSONS).id if random.random() < 0.97 else "mallory"
        if pending and random.random() < 0.6:
            request = random.choice(pending)
            if random.random() < 0.12:
                return self.letter(c.Deny(request=request), person, now_ns)
            return self.letter(c.Approve(request=request), random.choice(("ann", "bob", "cem", person)), now_ns)
        if (step := self._next_step(state)) is not None and random.random() < 0.4:
            return self.letter(step, random.choice(("ann", "bob", "cem", person)), now_ns)
        age_ns = int(random.uniform(0, 120) * SECOND_NS) if random.random() < 0.15 else 0
        return self.letter(self._command(state), person, now_ns, age_ns)

    def _next_step(self, state: State) -> c.Command | None:
        """What an open incident waits for."""
        newest = next(reversed(state.incidents.values()), None)
        if newest is None or newest.stage in {Stage.CLOSED, Stage.RECOVERED, Stage.RECONCILING}:
            return None
        return c.AcknowledgeIncident() if newest.stage is Stage.OPEN else c.RecoverIncident()

    def _command(self, state: State) -> c.Command:
        random = self.random
        makers: list[tuple[int, Callable[[], c.Command]]] = [
            (2, lambda: c.Halt(reason="because")),
            (8, lambda: c.Resume(reason="better", venue=random.choice(("", "", "PAPER")))),
            (1, lambda: c.Flatten(scope=random.choice(("", *INSTRUMENTS, "NO-SUCH-PERP.PAPER")))),
            (2, self._hold),
            (2, self._cap),
            (6, self._manual),
            (2, lambda: self._cancel(state)),
            (4, self._about_strategy),
            (1, self._envelope),
        ]
        kinds = [maker for _, maker in makers]
        return random.choices(kinds, [weight for weight, _ in makers])[0]()

    def _slot(self) -> tuple[str, str]:
        return self.random.choice((MAIN, SUB)), self.random.choice(INSTRUMENTS)

    def _hold(self) -> c.Command:
        account, instrument = self._slot()
        return c.SetHold(account=account, instrument=instrument, on=self.random.random() < 0.4)

    def _cap(self) -> c.Command:
        account, instrument = self._slot()
        size = Decimal(str(round(self.random.random() * UNIT_SIZE[instrument], 2)))
        qty = size if self.random.random() < 0.6 else None
        return c.SetCap(account=account, instrument=instrument, qty=qty)

    def _manual(self) -> c.Command:
        account, instrument = self._slot()
        large = self.random.choice((0.3, 0.5, 1.0, 4.0))
        size = Decimal(str(round((2 * self.random.random() - 1) * large * UNIT_SIZE[instrument], 3)))
        return c.ManualTarget(account=account, instrument=instrument, qty=size)

    def _cancel(self, state: State) -> c.Command:
        working = list(state.where)
        return c.CancelOrder(cid=self.random.choice(working) if working else "sim-1-1-1")

    def _about_strategy(self) -> c.Command:
        spec = self.random.choice(self.specs)
        what = self.random.randrange(6)
        if what == 0:
            return c.UnloadStrategy(strategy=spec.id, keep_position=self.random.random() < 0.5)
        if what == 1:
            return c.LoadStrategy(spec=spec)
        if what == 2:
            return c.PauseStrategy(strategy=spec.id)
        if what == 3:
            params = {"qty": 0.02} if spec.kind == "two_leg" else {"no_such": 1}
            if spec.kind == "wild":
                params = {"act": 0.3}
            return c.SetParams(strategy=spec.id, params=params)
        return c.StartStrategy(strategy=spec.id)

    def _envelope(self) -> c.Command:
        spec = self.random.choice(self.specs)
        return c.RaiseEnvelope(strategy=spec.id, notional=Decimal(self.random.choice((1_000, 20_000, 60_000))))
