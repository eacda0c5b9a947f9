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
from engine.core.state import Request, State
from research.simulation.cast import BTC, BTC2, ETH, MAIN, PERSONS, SUB, UNIT_SIZE
from risk.breaker import BLOCKING

DOORS = (c.Door.TELEGRAM, c.Door.DISCORD, c.Door.DASHBOARD, c.Door.TERMINAL)
INSTRUMENTS = (BTC, BTC2, ETH)
OVERRIDES = (
    ("position_notional", Decimal(12_000)),
    ("position_notional", Decimal(20_000)),
    ("order_notional", Decimal(9_000)),
    ("asset_fraction", Decimal("0.14")),
    ("consecutive_losses", Decimal(14)),
    ("leverage", Decimal(4)),
    ("position_notional", Decimal(1_000_000)),
)
"""Wider than some of the limits that a day is drawn with; the last two can never be."""


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
        if self.written and random.random() < 0.05:
            old = random.choice(self.written)
            return self.letter(old.command, old.actor.person, now_ns)  # pressed once more, or forwarded
        pending = [r for r in state.requests.values() if r.status is RequestStatus.PENDING]
        person = random.choice(PERSONS).id if random.random() < 0.97 else "mallory"
        if pending and random.random() < 0.6:
            request = random.choice(pending)
            if random.random() < 0.12:
                return self.letter(c.Deny(request=request.id), person, now_ns)
            voter = random.choice(("ann", "bob", "cem", person))
            return self.letter(self._ballot(request, list(state.requests.values())), voter, now_ns)
        if (step := self._next_step(state)) is not None and random.random() < 0.4:
            return self.letter(step, random.choice(("ann", "bob", "cem", person)), now_ns)
        age_ns = int(random.uniform(0, 120) * SECOND_NS) if random.random() < 0.15 else 0
        return self.letter(self._command(state), person, now_ns, age_ns)

    def _ballot(self, request: Request, others: list[Request]) -> c.Approve:
        """A vote for what was seen of a request; at times for what another one says, or for one that is none."""
        draw = self.random.random()
        if draw < 0.05:
            return c.Approve(request=f"R{self.random.randrange(1_000, 2_000)}", digest=request.digest[:8])
        of = self.random.choice(others) if draw < 0.15 else request
        return c.Approve(request=request.id, digest=of.digest[:8] if draw < 0.8 else "")

    def _next_step(self, state: State) -> c.Command | None:
        """What an open incident waits for."""
        newest = next(reversed(state.incidents.values()), None)
        if newest is None or newest.stage in {Stage.CLOSED, Stage.RECOVERED, Stage.RECONCILING}:
            return None
        return c.AcknowledgeIncident() if newest.stage is Stage.OPEN else c.RecoverIncident()

    def _command(self, state: State) -> c.Command:
        random = self.random
        makers: list[tuple[float, Callable[[], c.Command]]] = [
            (2, lambda: c.Halt(reason="because")),
            (8, lambda: c.Resume(reason="better", venue=random.choice(("", "", "PAPER")))),
            (1, lambda: c.Flatten(scope=random.choice(("", *INSTRUMENTS, "NO-SUCH-PERP.PAPER")))),
            (2, self._hold),
            (2, self._cap),
            (6, lambda: self._manual(state)),
            (2, lambda: self._cancel(state)),
            (4, self._about_strategy),
            (1, self._envelope),
            (4, self._override),
            (1, self._end_override),
            (1, lambda: c.SetBreaker(name=self._breaker(), open=True)),
            (3, lambda: self._release(state)),
            (0.3, self._break_glass),
            (0.5, lambda: c.Review(id=f"G{state.seq}", note="looked at")),
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

    def _manual(self, state: State) -> c.Command:
        """At the market, or at a price up to 0.3 % away on either side of it, for up to half a minute."""
        account, instrument = self._slot()
        large = self.random.choice((0.3, 0.5, 1.0, 4.0))
        size = Decimal(str(round((2 * self.random.random() - 1) * large * UNIT_SIZE[instrument], 3)))
        contract = next((i for i in state.settings.instruments if i.id == instrument), None)
        if contract is None or large in {0.3, 4.0}:
            return c.ManualTarget(account=account, instrument=instrument, qty=size)
        market, thousandth = state.markets.get(instrument), abs(int(size * 1000))
        reference = market.reference() if market is not None else 0
        price = reference + reference * (thousandth % 7 - 3) // 1000
        valid_ns = (1 + thousandth % 30) * SECOND_NS
        text = contract.price_text(price - price % contract.price_step(max(price, 1)))
        return c.ManualLimit(account=account, instrument=instrument, qty=size, price=Decimal(text), valid_ns=valid_ns)

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

    def _scope(self) -> str:
        spec = self.random.choice(self.specs)
        return self.random.choice(
            ("portfolio", "venue:PAPER", f"strategy:{spec.id}", f"instrument:{spec.instruments[0]}")
        )

    def _override(self) -> c.Override:
        """At times one that cannot be: too wide, too long, of a hard limit, or without a reason."""
        random = self.random
        rule, value = random.choice(OVERRIDES)
        reason = "" if random.random() < 0.1 else "because"
        return c.Override(
            rule=rule, scope=self._scope(), value=value, minutes=random.choice((1, 1, 1, 2, 10_000)), reason=reason
        )

    def _end_override(self) -> c.EndOverride:
        return c.EndOverride(rule=self.random.choice(OVERRIDES)[0], scope=self._scope())

    def _breaker(self) -> str:
        names = ("PAPER", "latency:PAPER", "portfolio_loss", f"volatility:{self.random.choice(INSTRUMENTS)}")
        return self.random.choice(names)

    def _release(self, state: State) -> c.SetBreaker:
        """Of one that is open, where there is one."""
        is_open = [key for key, breaker in state.matrix.items() if breaker.state in BLOCKING]
        return c.SetBreaker(name=self.random.choice(is_open) if is_open else self._breaker(), open=False)

    def _break_glass(self) -> c.BreakGlass:
        step = self.random.choice((0, -1, self.made))
        return c.BreakGlass(action=self.random.choice(("halt", "flatten", "resume")), reason="smoke", step=step)
