"""What people look up afterwards: who commanded what, whether the journal's chain holds, log lines, keys, parts.

Whoever has the journal, the log and the keys says so here; without them the answer says that there are none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import TypeAlias

from domain import facts as f
from domain.errors import MoonDevError
from domain.record_views import ChainView, CommandRow, KeyStatus, PartView
from domain.reports import Happened
from engine.verifier import Verifier

KEPT_COMMANDS = 2_000
ON_RECORD = frozenset({"press_refused", "security"})
"""Kinds of alerts that are about what people did and what reached no command."""
Chain: TypeAlias = Callable[[], Awaitable[ChainView]]
Log: TypeAlias = Callable[[int, str], Awaitable[list[str]]]
"""The newest lines, oldest first, of a level or above. Raises `MoonDevError`."""


async def no_chain() -> ChainView:
    """There is no journal to look at."""
    return ChainView(ok=False, text="there is no journal here")


async def not_recorded(since_ns: int, until_ns: int) -> Happened:
    """There is no projection here that could be asked."""
    return Happened(since_ns=since_ns, until_ns=until_ns, problem="nothing is recorded here")


async def no_log(_limit: int, _level: str) -> list[str]:
    """Raises `MoonDevError`: nothing is written here."""
    raise MoonDevError("no log file is written here")


class DeskRecords:
    """The records of one engine."""

    def __init__(self) -> None:
        """Empty, until facts come and the parts are told."""
        self.chain: Chain = no_chain
        self.log: Log = no_log
        self.keys: Callable[[], tuple[KeyStatus, ...]] = tuple
        self.parts: Callable[[], tuple[PartView, ...]] = tuple
        """What else the service is made of, and how each part is."""
        self.happened: Callable[[int, int], Awaitable[Happened]] = not_recorded
        """What happened in [since, until); never raises."""
        self.verifier: Verifier | None = None
        self._commands: deque[CommandRow] = deque(maxlen=KEPT_COMMANDS)

    def remember(self, fact: f.Fact) -> None:
        """Keep a fact that tells what somebody did."""
        row = row_of(fact)
        if row is not None:
            self._commands.append(row)

    def preload(self, rows: Iterable[CommandRow]) -> None:
        """Start with what earlier runs left in the projection, newest first."""
        newer = list(self._commands)
        self._commands.clear()
        self._commands.extend([*reversed(list(rows)), *newer])

    def commands(self, limit: int, person: str = "") -> list[CommandRow]:
        """The newest commands, newest first; with `person` only theirs."""
        wanted = person.lower()
        return list(islice((row for row in reversed(self._commands) if wanted in {"", row.person.lower()}), limit))


def row_of(fact: f.Fact) -> CommandRow | None:
    """The row of a fact that belongs on record, None for any other."""
    if isinstance(fact, f.CommandDone):
        return CommandRow(
            ts_ns=fact.ts_ns,
            person=fact.actor.person,
            door=fact.actor.door.value,
            verb=fact.verb,
            ok=fact.ok,
            reason=fact.reason.value if fact.reason is not None else "",
            request=fact.request,
            text=fact.text,
        )
    if isinstance(fact, f.Alerted) and fact.kind in ON_RECORD:
        return CommandRow(ts_ns=fact.ts_ns, verb=fact.kind, text=fact.text)
    return None
