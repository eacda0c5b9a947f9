"""The faults of the line between engine and venue: seeded, per kind of message, in windows, counted.

Only the channel fails. The floor behind it stays consistent, and once the windows have passed a query or a
snapshot tells the whole truth. DELAY holds up everything behind the message as one connection does,
REORDER lets later messages overtake it.
"""

from __future__ import annotations

import random
from collections import Counter
from copy import copy
from typing import Any

from domain.events import VenueEvent, VenueStatus
from domain.order import Intent
from exchanges.paper.config import FaultKind, FaultRule

_DROP, _JUMP = FaultKind.DROP_EVENT, FaultKind.CLOCK_JUMP


def kind_of(message: VenueEvent | Intent) -> str:
    """Name of a message as fault rules give it: "place", "filled", "cancel_rejected"."""
    config: Any = type(message).__struct_config__
    return str(config.tag)


class FaultPlan:
    """Decides what becomes of each message. `counts` says how often each kind of fault was really applied.

    `down_until_ns` is the end of the present outage (0 = the line is up).
    """

    def __init__(self, rules: tuple[FaultRule, ...], seed: int) -> None:
        self.rules = rules
        self.counts: Counter[FaultKind] = Counter()
        self.down_until_ns = 0
        self._random = random.Random(f"faults {seed}")
        self._request_floor_ns = 0
        self._answer_floor_ns = 0

    def _strikes(self, message: VenueEvent | Intent, ts_ns: int, *faults: FaultKind) -> dict[FaultKind, int]:
        """The faults, of those named, that strike this message, each with a random part of its span."""
        struck: dict[FaultKind, int] = {}
        for rule in self.rules:
            is_open = rule.from_ns <= ts_ns and (not rule.until_ns or ts_ns < rule.until_ns)
            if not is_open or rule.fault not in faults or (rule.kinds and kind_of(message) not in rule.kinds):
                continue
            if self._random.random() < rule.probability:
                struck[rule.fault] = self._random.randint(1, max(1, rule.span_ns))
        return struck

    def outage(self, message: VenueEvent | Intent, ts_ns: int) -> bool:
        """Whether the line breaks with this message; if so `down_until_ns` is set."""
        if ts_ns < self.down_until_ns:
            return False
        span = self._strikes(message, ts_ns, FaultKind.DISCONNECT).get(FaultKind.DISCONNECT, 0)
        if span:
            self.down_until_ns = ts_ns + span
            self.counts[FaultKind.DISCONNECT] += 1
        return span > 0

    def requests(self, intent: Intent, ts_ns: int, due_ns: int) -> list[tuple[int, FaultKind | None]]:
        """When the venue gets the request (never, once, twice), and what else is wrong with each copy.

        The second part is RATE_LIMIT (the venue refuses it), LOSE_ANSWER (the venue acts, its answer is lost) or None.
        """
        struck = self._strikes(
            intent,
            ts_ns,
            FaultKind.DROP_INTENT,
            FaultKind.DELAY_INTENT,
            FaultKind.REORDER_INTENT,
            FaultKind.DUPLICATE_INTENT,
            FaultKind.RATE_LIMIT,
            FaultKind.LOSE_ANSWER,
        )
        if FaultKind.DROP_INTENT in struck:
            self.counts[FaultKind.DROP_INTENT] += 1
            return []
        self.counts.update(struck.keys())
        due_ns += struck.get(FaultKind.DELAY_INTENT, 0)
        due_ns = self._request_floor_ns = max(due_ns, self._request_floor_ns)
        due_ns += struck.get(FaultKind.REORDER_INTENT, 0)
        fate = next((kind for kind in (FaultKind.RATE_LIMIT, FaultKind.LOSE_ANSWER) if kind in struck), None)
        copies: list[tuple[int, FaultKind | None]] = [(due_ns, fate)]
        if FaultKind.DUPLICATE_INTENT in struck:
            copies.append((due_ns + struck[FaultKind.DUPLICATE_INTENT], None))
        return copies

    def answers(self, event: VenueEvent, ts_ns: int, due_ns: int) -> list[tuple[int, VenueEvent]]:
        """When the engine gets the event (never, once, twice), and what it then says."""
        if isinstance(event, VenueStatus):
            return [(due_ns, event)]
        struck = self._strikes(
            event, ts_ns, _DROP, FaultKind.DELAY_EVENT, FaultKind.REORDER_EVENT, FaultKind.DUPLICATE_EVENT, _JUMP
        )
        if _DROP in struck:
            self.counts[_DROP] += 1
            return []
        self.counts.update(struck.keys())
        due_ns += struck.get(FaultKind.DELAY_EVENT, 0)
        due_ns = self._answer_floor_ns = max(due_ns, self._answer_floor_ns)
        due_ns += struck.get(FaultKind.REORDER_EVENT, 0)
        if _JUMP in struck:
            event = copy(event)
            offset = struck[_JUMP] if self._random.random() < 0.5 else -struck[_JUMP]
            event.venue_ts_ns = max(0, _venue_ts_ns(event) + offset)  # type: ignore[union-attr]
        copies: list[tuple[int, VenueEvent]] = [(due_ns, event)]
        if FaultKind.DUPLICATE_EVENT in struck:
            copies.append((due_ns + struck[FaultKind.DUPLICATE_EVENT], copy(event)))
        return copies


def _venue_ts_ns(event: VenueEvent) -> int:
    return int(getattr(event, "venue_ts_ns", 0))
