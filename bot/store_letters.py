"""Letters in `ops.db` as lines, one for each recipient: what waits, what is next, what is stuck.

All of them may raise `sqlite3.Error`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from bot.store import COLUMNS, Letter, OpsStore, letter_of

log = structlog.get_logger("bot.store")

OPEN = "state in ('queued', 'unknown')"
RANKED = "order by priority, created_ns, part, id"


class Waiting(Struct, frozen=True):
    """How many letters wait for a recipient, and the most urgent one's priority."""

    recipient: str
    count: int
    priority: int


async def lines(store: OpsStore) -> list[Waiting]:
    """Every recipient for whom something waits."""
    sql = f"select recipient, count(*), min(priority) from outbox where {OPEN} group by recipient"  # noqa: S608 - ours
    return await store.run(lambda: [Waiting(*row) for row in store.db.execute(sql)])


async def next_letters(
    store: OpsStore, recipient: str, limit: int, without: Collection[int]
) -> tuple[list[Letter], Waiting]:
    """The next letters of a recipient that are not in memory (`without`), and what is left behind them."""
    sql = f"select {COLUMNS} from outbox where recipient = ? and {OPEN} {RANKED} limit ?"  # noqa: S608 - ours
    left = f"select count(*) from outbox where recipient = ? and {OPEN}"  # noqa: S608 - ours

    def work() -> tuple[list[Letter], Waiting]:
        rows = store.db.execute(sql, (recipient, limit + len(without))).fetchall()
        letters = _readable(store, (row for row in rows if row[0] not in without))[:limit]
        count = store.db.execute(left, (recipient,)).fetchone()[0] - len(without) - len(letters)
        last = letters[-1].priority if letters else 0
        return letters, Waiting(recipient, max(0, count), last)

    return await store.run(work)


async def stuck(store: OpsStore, recipient: str, priority: int, before_ns: int, limit: int) -> list[Letter]:
    """Waiting letters of at least this urgency from before `before_ns` that were not handed to anybody yet."""
    sql = (
        f"select {COLUMNS} from outbox where recipient = ? and {OPEN} and priority <= ? and created_ns < ?"  # noqa: S608
        f" and note = '' {RANKED} limit ?"
    )
    values = (recipient, priority, before_ns, limit)
    return await store.run(lambda: _readable(store, store.db.execute(sql, values).fetchall()))


async def hand_on(store: OpsStore, letter: Letter, state: str, note: str, made: Sequence[Letter]) -> list[Letter]:
    """Queue the letters that stand in for one, and write that down, in one transaction; "" leaves its state as it is.

    Returns those that were not queued before.
    """
    sql = "update outbox set note = ?, state = case when ? = '' then state else ? end, attempts = ? where id = ?"

    def work() -> list[Letter]:
        with store.db as db:
            db.execute(sql, (note, state, state, letter.attempts, letter.id))
            return store.insert(made)

    return await store.run(work)


async def state_of(store: OpsStore, letter: Letter, recipient: str) -> str:
    """The state of the same part of the same event for somebody else; "" when they were not sent it."""
    sql = "select state from outbox where event = ? and part = ? and recipient = ?"
    values = (letter.event, letter.part, recipient)

    def work() -> str:
        row = store.db.execute(sql, values).fetchone()
        return str(row[0]) if row else ""

    return await store.run(work)


async def counts(store: OpsStore, since_ns: int) -> dict[tuple[str, str], int]:
    """How many letters created since then are in each state, by (channel, state)."""
    sql = (
        "select substr(recipient, 1, instr(recipient, ':') - 1), state, count(*) from outbox"
        " where created_ns >= ? group by 1, 2 order by 1, 2"
    )
    return await store.run(
        lambda: {(row[0], row[1]): row[2] for row in store.db.execute(sql, (since_ns,))},
    )


async def replace_many(
    store: OpsStore,
    recipient: str,
    *,
    urgent: bool,
    least: int,
    most: int,
    bundle: Callable[[Sequence[Letter]], list[Letter]],
) -> tuple[list[Letter], set[int]]:
    """Put a bundle in the place of waiting letters, in one transaction; returns its letters and the ids it stands for.

    Nothing happens where fewer than `least` can be bundled: edits, cards, pictures, files and secrets stay as they are,
    and so does what may have arrived.
    """
    which = "priority = 0" if urgent else "priority > 0"
    sql = (
        f"select {COLUMNS} from outbox where recipient = ? and state = 'queued' and {which}"  # noqa: S608 - ours
        " and replaces = '' order by created_ns, part, id limit ?"
    )

    def work() -> tuple[list[Letter], set[int]]:
        with store.db as db:
            found = _readable(store, db.execute(sql, (recipient, most)).fetchall())
            fit = [letter for letter in found if _is_plain(letter)]
            if len(fit) < least:
                return [], set()
            made = store.insert(bundle(fit))
            if not made:
                return [], set()
            update = "update outbox set state = 'bundled', note = ? where id = ?"
            db.executemany(update, [(made[0].event, letter.id) for letter in fit])
            return made, {letter.id for letter in fit}

    return await store.run(work)


def _readable(store: OpsStore, rows: Iterable[Sequence[Any]]) -> list[Letter]:
    """Rows as letters; one that this build cannot read is given up, so that it does not hold up those behind it."""
    found = []
    for row in rows:
        try:
            found.append(letter_of(row))
        except msgspec.DecodeError as error:
            log.error("chat message cannot be read, given up", ref=row[1], error=str(error))  # noqa: TRY400
            with store.db as db:
                db.execute("update outbox set state = 'dead', note = 'it cannot be read' where id = ?", (row[0],))
    return found


def _is_plain(letter: Letter) -> bool:
    parcel = letter.parcel
    return not (parcel.buttons or parcel.is_secret or parcel.picture or parcel.pictures or parcel.file_name)
