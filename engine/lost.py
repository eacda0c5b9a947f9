"""Does anyone know more than the journal? Then its end was lost, and with it perhaps a halt, a hold or a vote.

A machine that crashes without syncing, or an older copy that is put back, leaves a journal that is whole and too short.
Projection, snapshots, market stream and venue may have kept what came after. What they know is asked at each start,
before the first event of the run: see `find`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import DecodeError, Struct
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import MoonDevError
from domain.order import ClientId, run_of_client_id
from engine.core.journal import FileJournal
from engine.core.recovery import state_of
from engine.core.state import State
from engine.storage.projector import glance
from engine.watchdog.folder import Beat


class Witness(Struct, frozen=True, kw_only=True):
    """Somebody who knows events or runs of this journal: up to event `seq`, of run `epoch` (0 = does not know)."""

    who: str
    seq: int = 0
    epoch: int = 0


class Lost(Struct, frozen=True, kw_only=True):
    """The end of the journal is gone: `seq` and `epoch` are the highest that anybody knows to have been used."""

    text: str
    seq: int
    epoch: int


def find(
    journal: FileJournal, state: State, projection: str, client_ids: Iterable[ClientId], beat: Beat | None = None
) -> Lost | None:
    """Compare the journal with everyone who may know more; None when nobody does.

    `projection` is the address of the SQL projection, `beat` the last run's newest heartbeat. Snapshots of events that
    are gone are put aside: they must never be gone on from.
    """
    witnesses = [
        Witness(who="the market stream", seq=journal.ahead_seq),
        _snapshots(journal),
        _projection(projection, state),
    ]
    if beat is not None and state.installation in {"", beat.installation}:
        # a run that was killed before its first event was on disk has used nothing
        witnesses.append(Witness(who="the heartbeat", seq=beat.seq, epoch=beat.epoch if beat.begun else 0))
    runs = [run_of_client_id(state.installation, cid) for cid in client_ids]
    # what reduces leaves before the journal is on disk, so within a run the venue may know more after any crash
    witnesses += [Witness(who="the venue", seq=s, epoch=n) for n, s in sorted(runs)[-1:] if n > state.epoch]
    ahead = [w for w in witnesses if w.seq > journal.last_seq or w.epoch > state.epoch]
    if not ahead:
        return None
    return Lost(
        text=f"it ends at event {journal.last_seq}, and " + ", ".join(_says(w) for w in ahead),
        seq=max(w.seq for w in [*ahead, Witness(who="", seq=journal.last_seq)]),
        epoch=max(w.epoch for w in [*ahead, Witness(who="", epoch=state.epoch)]),
    )


def _says(witness: Witness) -> str:
    known = [f"event {witness.seq}"] if witness.seq else []
    known += [f"run {witness.epoch}"] if witness.epoch else []
    return f"{witness.who} knows {' of '.join(known)}"


def _snapshots(journal: FileJournal) -> Witness:
    newest = journal.snapshots.put_aside(journal.last_seq)
    epoch = 0
    if newest is not None:
        try:
            epoch = state_of(newest).epoch
        except (DecodeError, MoonDevError):
            epoch = 0
    return Witness(who="a snapshot", seq=newest.seq if newest is not None else 0, epoch=epoch)


def _projection(url: str, state: State) -> Witness:
    """The projection; of another journal only where ours is empty. A database that is away knows nothing."""
    try:
        cursor, newest = glance(url)
    except (SQLAlchemyError, MoonDevError):
        return Witness(who="the projection")
    if cursor is None or (state.installation and cursor.journal != state.installation):
        return Witness(who="the projection")
    return Witness(who="the projection", seq=cursor.seq, epoch=run_of_client_id(cursor.journal, newest)[0])
