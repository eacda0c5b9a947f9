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
from domain.record_views import (
    OF_VAULT,
    ON_RECORD,
    WAS_DONE,
    AuditPage,
    AuditQuery,
    ChainView,
    CommandRow,
    EntryView,
    KeyStatus,
    MachineView,
    ParamsRow,
    PartView,
)
from domain.reports import Happened
from engine.verifier import Verifier

KEPT_COMMANDS = 2_000
KEPT_PARAMS = 2_000
QUIET = "vault_access"
"""Each start reads every secret: that would hide what people did. It is asked for by itself."""
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


async def no_entry(seq: int) -> EntryView:
    """There is no journal to read."""
    return EntryView(seq=seq, problem="there is no journal here")


async def no_machine() -> MachineView | None:
    """Nothing is known of what it runs on."""
    return None


class DeskRecords:
    """The records of one engine."""

    def __init__(self) -> None:
        """Empty, until facts come and the parts are told."""
        self.chain: Chain = no_chain
        self.entry: Callable[[int], Awaitable[EntryView]] = no_entry
        """One record of the journal by its seq; never raises."""
        self.machine: Callable[[], Awaitable[MachineView | None]] = no_machine
        """What the service runs as and on."""
        self.search: Callable[[AuditQuery], Awaitable[AuditPage]] = self._recall
        """Commands that match; never raises."""
        self.log: Log = no_log
        self.keys: Callable[[], tuple[KeyStatus, ...]] = tuple
        self.parts: Callable[[], tuple[PartView, ...]] = tuple
        """What else the service is made of, and how each part is."""
        self.happened: Callable[[int, int], Awaitable[Happened]] = not_recorded
        """What happened in [since, until); never raises."""
        self.verifier: Verifier | None = None
        self._commands: deque[CommandRow] = deque(maxlen=KEPT_COMMANDS)
        self._params: deque[ParamsRow] = deque(maxlen=KEPT_PARAMS)

    def remember(self, fact: f.Fact) -> None:
        """Keep a fact that tells what somebody did."""
        if isinstance(fact, f.ParamsChanged):
            self._params.append(params_row(fact))
        row = row_of(fact)
        if row is not None:
            self._commands.append(row)

    def preload(self, rows: Iterable[CommandRow]) -> None:
        """Start with what earlier runs left in the projection, newest first."""
        newer = list(self._commands)
        self._commands.clear()
        self._commands.extend([*reversed(list(rows)), *newer])

    def preload_params(self, rows: Iterable[ParamsRow]) -> None:
        """As above, of strategies' parameters."""
        newer = list(self._params)
        self._params.clear()
        self._params.extend([*reversed(list(rows)), *newer])

    def params(self, strategy: str = "") -> list[ParamsRow]:
        """Who gave which parameters to a strategy ("" = to any), newest first."""
        return [row for row in reversed(self._params) if strategy in {"", row.strategy}]

    def newest(self, wanted: AuditQuery, after: f.FactKey = (-1, 0)) -> list[CommandRow]:
        """Of what is remembered here, the rows after a fact that match, newest first."""
        found = (row for row in reversed(self._commands) if (row.seq, row.index) > after and matches(row, wanted))
        return list(islice(found, wanted.limit))

    async def _recall(self, wanted: AuditQuery) -> AuditPage:
        return page_of(self.newest(wanted), wanted)

    def commands(self, limit: int, person: str = "") -> list[CommandRow]:
        """The newest commands, newest first; with `person` only theirs. Reading the vault is not among them."""
        wanted, newest = person.lower(), reversed(self._commands)
        return list(islice((r for r in newest if r.verb != QUIET and wanted in {"", r.person.lower()}), limit))

    def of_vault(self, limit: int) -> list[CommandRow]:
        """Who used the vault for what, newest first."""
        return list(islice((row for row in reversed(self._commands) if row.verb in OF_VAULT), limit))


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
            seq=fact.seq,
            index=fact.index,
            request_id=fact.request_id,
        )
    if isinstance(fact, f.Alerted) and fact.kind in ON_RECORD:
        return CommandRow(
            ts_ns=fact.ts_ns,
            verb=fact.kind,
            text=fact.text,
            ok=fact.kind in WAS_DONE,
            seq=fact.seq,
            index=fact.index,
        )
    return None


def params_row(fact: f.ParamsChanged) -> ParamsRow:
    """The row of a fact about parameters."""
    return ParamsRow(
        strategy=fact.strategy,
        seq=fact.seq,
        index=fact.index,
        ts_ns=fact.ts_ns,
        by=fact.by,
        agreed=fact.agreed,
        is_load=fact.is_load,
        before=fact.before,
        after=fact.after,
        source_hash=fact.source_hash,
    )


def matches(row: CommandRow, wanted: AuditQuery) -> bool:
    """Whether a row is looked for: the same question as `engine.storage.reads.audit` asks of the database."""
    return (
        (not wanted.person or row.person.lower() == wanted.person.lower())
        and row.verb.startswith(wanted.verb)
        and wanted.text.lower() in row.text.lower()
        and (not wanted.outcome or row.ok == (wanted.outcome == "done"))
        and (not wanted.since_ns or row.ts_ns >= wanted.since_ns)
        and (not wanted.until_ns or row.ts_ns < wanted.until_ns)
        and (wanted.before is None or (row.seq, row.index) < wanted.before)
    )


def page_of(rows: list[CommandRow], wanted: AuditQuery, problem: str = "") -> AuditPage:
    """A page, with where the next one begins."""
    last = rows[-1] if len(rows) >= wanted.limit else None
    return AuditPage(items=tuple(rows), next=f"{last.seq}.{last.index}" if last else "", problem=problem)
