"""Fail-over: while a venue is out, its strategy reads and trades another venue's contract, and comes back by itself.

    out     a breaker of the venue is open, or its market data is stale or gone
    over    at once, when the backup has a fresh price, no open breaker, and a reconciled account
    back    when the primary has been well for `return_after_ns`, or sooner when the backup is out

Prices and orders move together: a strategy looks at the market it trades in. What is held at the venue that was left is
only reduced, and keeps its protections there (`executor.sharing` shares the target out). Takes do not move: they are
legs between two venues. Everything is decided inside `step`, from the state, so it is replayed and survives a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from domain.account import venue_of
from domain.facts import Severity
from domain.instrument import InstrumentId
from domain.market import SILENT, UNTRUSTED, Bar, Feed, FeedKind, FeedState
from domain.settings import Settings, StrategySpec
from domain.strategy import Wake
from domain.verdict import Reason, Veto
from engine.core import wake
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.pairs import Pair, bar_as_if
from engine.core.state import MANUAL, Failover, Slot
from engine.core.view import StrategyView
from risk.breaker import BLOCKING


def claim(core: Core, spec: StrategySpec) -> None:
    """Give a strategy the backup slots of what it trades; people hear of one that is in use, which stays as it is.

    One of several venues has none: its legs are at other venues already.
    """
    state = core.state
    if spec.accounts:
        core.index_pairs()
        return
    for found in state.settings.failover:
        known = found.account in state.accounts and found.backup in core.instruments
        if spec.kind == MANUAL or found.instrument not in spec.instruments or not known:
            continue
        slot = core.slot(found.account, found.backup)
        in_use = slot.owner in state.strategies or slot.orders or core.position(slot.account, slot.instrument)
        if slot.owner != spec.id and in_use:
            core.alert(
                Severity.WARNING,
                "no_backup",
                f"{spec.id} has no backup for {found.instrument}: {found.backup} on {found.account} "
                f"{f'belongs to {slot.owner}' if slot.owner else 'holds what nobody here owns'}. Close it there, or "
                "name another account in failover.",
                strategy=spec.id,
                instrument=found.instrument,
            )
            continue
        slot.owner = spec.id
        core.tally.dirty[slot.key] = None
        if (held := state.accounts[slot.account].positions.get(slot.instrument)) is not None:
            held.owner = spec.id
    core.index_pairs()


def claim_all(core: Core) -> None:
    """The settings are new: every loaded strategy gets its backups."""
    for strategy in list(core.state.strategies.values()):
        claim(core, strategy.spec)
    settle(core)


def objection(core: Core, settings: Settings) -> Veto | None:
    """Why new settings cannot be: a backup that is in use must stay one, and pairs must name what there is."""
    kept = {(spec.instrument, spec.backup, spec.account) for spec in settings.failover}
    for key, pair in core.pairs.items():
        slot, spec = pair.backup, pair.spec
        in_use = slot.orders or core.position(slot.account, slot.instrument)
        if key == slot.key and in_use and (spec.instrument, spec.backup, spec.account) not in kept:
            text = f"{slot.instrument} on {slot.account} stands in for {spec.instrument} and holds something"
            return Veto(Reason.WRONG_STATE, text)
    known = {instrument.id: instrument for instrument in settings.instruments}
    for spec in settings.failover:
        own, other = known.get(spec.instrument), known.get(spec.backup)
        if own is None or other is None or own.base != other.base or venue_of(spec.account) != other.venue:
            return Veto(Reason.BAD_VALUE, f"{spec.backup} on {spec.account} is no backup of {spec.instrument}")
    return None


def settle(core: Core) -> None:
    """Look at every pair and move what has to move. Call after anything that `trouble` reads has changed."""
    for pair in [pair for key, pair in core.pairs.items() if key == pair.primary.key]:
        consider(core, pair)


def consider(core: Core, pair: Pair) -> None:
    """Go over to the backup, or come back, or leave it as it is."""
    now_ns, name = core.state.ts_ns, pair.spec.instrument
    stands = core.state.failovers.get(name, Failover())
    out = trouble(core, pair.primary)
    if not stands.on_backup:
        if out and not (trouble(core, pair.backup) or unready(core, pair.backup)):
            move(core, pair, on_backup=True, why=out)
        return
    if out or unready(core, pair.primary):
        stands.well_ns = 0
        core.drop_timer(f"failover:{name}")
        return
    stands.well_ns = stands.well_ns or now_ns
    due_ns = stands.well_ns + pair.spec.return_after_ns
    if now_ns < due_ns and not trouble(core, pair.backup):
        core.set_timer(f"failover:{name}", due_ns)
        return
    move(core, pair, on_backup=False, why="it is well again")


def on_due(core: Core, instrument: InstrumentId) -> None:
    """Timer: the primary may have been well for long enough."""
    for key, pair in list(core.pairs.items()):
        if pair.spec.instrument == instrument and key == pair.primary.key:
            consider(core, pair)


def trouble(core: Core, slot: Slot) -> str:
    """Why a slot's venue is out, in words; "" = it is not."""
    venue, market = venue_of(slot.account), core.markets[slot.instrument]
    if core.narrowed and core.narrowed.get(venue) in BLOCKING:
        return f"a breaker of {venue} is open"
    if market.feed in SILENT and (market.ts_ns or market.feed is FeedState.STALE):
        return f"market data of {slot.instrument} is {market.feed.value}"
    return ""


def unready(core: Core, slot: Slot) -> bool:
    """True while new risk could not go there: no trustworthy price, or an account that is not reconciled."""
    market = core.markets[slot.instrument]
    return market.feed in UNTRUSTED or not market.reference() or not core.state.accounts[slot.account].reconciled


def move(core: Core, pair: Pair, *, on_backup: bool, why: str) -> None:
    """Read and trade at the other half from now on; the strategy decides by its prices before anything is sent."""
    name, owner = pair.spec.instrument, pair.primary.owner
    core.state.failovers[name] = Failover(on_backup=on_backup, since_ns=core.state.ts_ns, why=why)
    core.drop_timer(f"failover:{name}")
    core.index_pairs()
    here, there = (pair.primary, pair.backup) if on_backup else (pair.backup, pair.primary)
    text = f"{owner} now reads and trades {there.instrument} on {there.account} instead of {here.instrument}: "
    stays = (
        f"What is held at {venue_of(here.account)} is only reduced and keeps its protections there; orders without an "
        "answer count as filled."
    )
    labels = {"strategy": owner, "instrument": name}
    if on_backup:
        back = f"It returns when {venue_of(here.account)} has been well for {pair.spec.return_after_ns / 1e9:g} s."
        core.alert(Severity.ERROR, "failover", f"Fail-over: {text}{why}. {stays} {back}", **labels)
    else:
        core.alert(Severity.WARNING, "failback", f"Back from fail-over: {text}{why}. {stays}", **labels)
    view = core.views.get(owner)
    kinds = {feed.kind: None for feed in view.feeds if feed.instrument == name} if view is not None else {}
    if view is not None and (FeedKind.BBO in kinds or FeedKind.BOOK in kinds):
        wake.wake(core, view, Wake.BBO if FeedKind.BBO in kinds else Wake.BOOK, None, name)
    converge(core, pair.primary)


def readers(
    core: Core, find: Callable[[InstrumentId], Sequence[StrategyView]], instrument: InstrumentId
) -> Iterator[tuple[StrategyView, Pair | None]]:
    """Who is woken by an event of an instrument while something is failed over, and as whose stand-in (None = itself).

    An owner that looks elsewhere is not woken by its own venue: no bar and no book of two venues is ever mixed.
    """
    away = core.fed.get(instrument)
    for view in find(instrument):
        if away is None or view.id != away.primary.owner:
            yield view, None
    for name, pair in list(core.fed.items()):
        if pair.backup.instrument == instrument:
            for view in find(name):
                if view.id == pair.primary.owner:
                    yield view, pair


def with_backups(core: Core, view: StrategyView) -> tuple[Feed, ...]:
    """The feeds of a strategy, and the same ones of its backups."""
    backups = {pair.spec.instrument: pair.spec.backup for pair in core.pairs.values() if pair.primary.owner == view.id}
    also = [
        Feed(kind=feed.kind, instrument=backups[feed.instrument], interval_ns=feed.interval_ns)
        for feed in view.feeds
        if feed.instrument in backups
    ]
    return (*view.feeds, *also)


def history_feeds(core: Core, view: StrategyView) -> tuple[Feed, ...]:
    """Where the history of a strategy's feeds is to be read now: at the backup while it looks there."""
    return tuple(
        Feed(kind=feed.kind, instrument=pair.spec.backup, interval_ns=feed.interval_ns)
        if (pair := core.fed.get(feed.instrument)) is not None and pair.primary.owner == view.id
        else feed
        for feed in view.feeds
    )


def as_seen(core: Core, view: StrategyView, bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """That history as the strategy's own instruments."""
    pairs = {p.spec.backup: p for p in core.pairs.values() if p.primary.owner == view.id}
    return tuple(bar_as_if(pairs[bar.instrument], bar) if bar.instrument in pairs else bar for bar in bars)
