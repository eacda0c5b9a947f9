"""Loading, warming, pausing, re-parametrising and unloading strategies while everything runs.

The code object comes in through `core.make_code` (the driver's registry, or nothing in a replay
without code). Warm-up history arrives as `History` events; live bars that came meanwhile wait.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, ValidationError
from msgspec.msgpack import decode
from msgspec.structs import replace

from domain.codec import encode
from domain.desired import NOTHING
from domain.errors import StrategyError
from domain.events import Decided, History, StrategyFault
from domain.facts import ParamsChanged, Severity, StrategyStatus
from domain.market import Feed, FeedKind
from domain.settings import StrategySpec
from domain.strategy import Wake
from domain.text import plain
from domain.verdict import Reason, Veto
from engine.core import allocation, failover, owners, samples, succession, wake
from engine.core.core import AnyStrategy, Core, Prepared
from engine.core.review import clear_wants, review
from engine.core.state import MANUAL, Slot, StrategyState

OVERRUNS_TOLERATED = 3
OVERRUN_WINDOW_NS = 60_000_000_000
WarmUp = Annotated[int, Meta(ge=0, le=100_000)]
"""Warm-up bars; no source keeps more than that, so what asks for more has a mistake in it."""


def load(
    core: Core,
    spec: StrategySpec,
    source_hash: str,
    *,
    by: str = "",
    agreed: str = "",
    is_configured: bool = False,
    is_approved: bool = False,
) -> Veto | None:
    """Load a strategy into WARMING; refused when a slot has another owner or the name is taken.

    One whose code cannot be used is refused too; when the configuration asks for it, it is kept in quarantine, so
    that it is seen, and started when its code is mended. What people have voted on has to be the text they voted on.
    """
    if spec.id in core.state.strategies:
        return Veto(Reason.WRONG_STATE, f"{spec.id} is loaded already")
    if veto := owners.misplaced(core, spec):
        return veto
    for instrument in spec.instruments:
        slot = core.slot(spec.account_of(instrument), instrument)
        give_back(core, slot)
        if slot.owner and slot.owner != spec.id and owners.owner_is_alive(core, slot.owner, slot.key):
            return Veto(Reason.NOT_OWNER, owners.whose(core, slot))
    problem = ensure_code(core, spec, source=source_hash if is_approved else "")
    if problem and not is_configured:
        return Veto(Reason.BAD_VALUE, problem)
    for instrument in spec.instruments:
        slot = core.slot(spec.account_of(instrument), instrument)
        slot.owner = spec.id
        core.tally.dirty[slot.key] = None
        core.limits.pop(slot.key, None)
        position = core.state.accounts[slot.account].positions.get(instrument)
        if position is not None:
            position.owner = spec.id
    strategy = StrategyState(spec, source_hash=source_hash, by=by, asked=core.state.seq)
    core.state.strategies[spec.id] = strategy
    allocation.make_room(core, spec)
    failover.claim(core, spec)
    succession.follow(core, strategy, is_approved=is_approved)
    warmup = wake.attach(core, spec)
    note_params(core, strategy, None, agreed)
    if problem:
        wake.quarantine(core, strategy, problem)
        return Veto(Reason.BAD_VALUE, problem)
    wake.publish(core, strategy)
    if warmup == 0:
        finish_warmup(core, strategy)
    return None


def note_params(core: Core, strategy: StrategyState, before: dict[str, Any] | None, agreed: str) -> None:
    """Tell which parameters a strategy has now: it is loaded (`before` None), or somebody changed them."""
    spec = strategy.spec
    core.facts.append(
        ParamsChanged(
            **core.at(),
            strategy=spec.id,
            kind=spec.kind,
            by=strategy.by,
            agreed=agreed if agreed != strategy.by else "",
            before=before or {},
            after=spec.params,
            is_load=before is None,
            source_hash=strategy.source_hash,
        )
    )


def give_back(core: Core, slot: Slot) -> None:
    """What a person traded by hand and has closed is free again for a strategy."""
    if owners.is_idle_by_hand(core, slot):
        unload(core, core.state.strategies[slot.owner], keep_position=False)


def ensure_code(core: Core, spec: StrategySpec, memory: object = None, source: str = "") -> str:
    """Make the code object of a spec; the problem in words when that fails ("" = fine). A failure is recorded.

    `memory` is what the code has to go on with, `source` the hash of the text that it must have ("" = any). In recovery
    the record stands: what could be loaded then is loaded.
    """
    if spec.kind == MANUAL:
        return ""
    core.calls += 1
    core.loaded.pop(spec.id, None)
    make_code = core.make_code
    if make_code is None:
        recorded = core.replayed.get(core.calls) if core.replayed is not None else None
        return recorded.fault if recorded is not None else ""
    known = core.known.get(core.calls)
    if known is not None and known.fault:
        core.decisions.append(known)
        return known.fault
    problem = core.failed.get(spec.id, "")
    if not problem:
        try:
            core.loaded[spec.id] = core.contain(lambda: prepare(core, same(make_code(spec), source), memory))
        except BaseException as error:  # noqa: BLE001 - SystemExit too: nothing a strategy raises may stop the engine
            text = plain(error) if isinstance(error, StrategyError) else wake.named(error)
            problem = text if spec.kind in text else f"{spec.kind}: {text}"
        else:
            return ""
    if wake.is_past(core):
        core.failed[spec.id] = problem
        return ""
    core.failed.pop(spec.id, None)
    core.decisions.append(Decided(cause=core.state.seq, call=core.calls, strategy=spec.id, fault=problem))
    return problem


def same(code: AnyStrategy, source: str) -> AnyStrategy:
    """The code, when its text is the one that was asked for. Raises `StrategyError`."""
    if source and code.source and wake.source_hash(code.source) != source:
        raise StrategyError(
            "its file has changed since it was asked for: ask again, or take it in with /strategies reload"
        )
    return code


def prepare(core: Core, code: AnyStrategy, memory: object) -> Prepared:
    """Let a new strategy show that it can be attached, saved, and go on from `memory`. Raises whatever it raises."""
    feeds = proven("feeds()", code.feeds(), tuple[Feed, ...])
    warmup = proven("warmup()", code.warmup(), WarmUp)
    fresh = proven("start()", code.start(), code.memory_type)
    for feed in feeds:
        if feed.instrument not in core.instruments:
            raise StrategyError(f"feeds() asks for {feed.instrument!r:.40}, which is not configured")
        if feed.kind is FeedKind.BAR and feed.interval_ns <= 0:
            raise StrategyError(f"feeds() asks for bars of {feed.instrument} and names no interval_ns")
    if memory is None:
        return Prepared(code, feeds, warmup, fresh)
    if not isinstance(memory, code.memory_type):
        try:
            memory = decode(encode(memory), type=code.memory_type)
        except ValidationError as error:
            text = f"its saved memory does not fit its code ({error}); started anew it warms up"
            raise StrategyError(text) from error
    return Prepared(code, feeds, warmup, memory)


def proven(what: str, value: object, kind: Any) -> Any:  # noqa: ANN401 - of the kind asked for
    """What a strategy's code returned, after a way through the journal's encoding. Raises `StrategyError`."""
    try:
        return decode(encode(value), type=kind)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StrategyError(f"{what} returned {value!r:.80}: {error}") from error


def on_history(core: Core, event: History) -> None:
    """Warm-up bars; on completion the live bars that waited are played and the strategy may act.

    One that has been running (the engine was down for a while) catches up on what it missed the same way.
    """
    strategy = core.state.strategies.get(event.strategy)
    if strategy is None or strategy.status is StrategyStatus.QUARANTINED:
        return
    if event.asked and event.asked != strategy.asked:
        return  # parameters were changed while it was on its way: it may be of other bars
    if event.problem:
        if strategy.status is not StrategyStatus.PAUSED:
            strategy.detail = event.problem
        wake.publish(core, strategy)
        text = f"{event.strategy}: history is not whole: {event.problem}."
        core.alert(Severity.WARNING, "warmup", text, strategy=event.strategy)
        return
    wake.play_history(core, strategy, event.bars)
    if not event.complete:
        return
    if strategy.status is StrategyStatus.WARMING:
        finish_warmup(core, strategy)
    elif strategy.catching_up:
        strategy.catching_up = False
        if strategy.detail and strategy.status is StrategyStatus.RUNNING:
            strategy.detail = ""
            wake.publish(core, strategy)
        play_waiting(core, strategy)


def finish_warmup(core: Core, strategy: StrategyState) -> None:
    """From WARMING to RUNNING (or PAUSED when it is not to start by itself), then play what waited."""
    strategy.status = StrategyStatus.RUNNING if strategy.spec.autostart else StrategyStatus.PAUSED
    strategy.detail = "" if strategy.spec.autostart else "loaded; start it with /strategies start"
    wake.publish(core, strategy)
    play_waiting(core, strategy)


def play_waiting(core: Core, strategy: StrategyState) -> None:
    """Show it the live bars that were held, and let it act on them."""
    waiting, strategy.waiting = strategy.waiting, []
    view = core.views.get(strategy.spec.id)
    if view is not None:
        for bar in waiting:
            wake.wake(core, view, Wake.BAR, bar, bar.instrument)


def await_history(core: Core) -> None:
    """At a start: what ran before has missed bars; live ones are held until the history has filled the gap."""
    for strategy in core.state.strategies.values():
        view = core.views.get(strategy.spec.id)
        has_run = strategy.status in {StrategyStatus.RUNNING, StrategyStatus.PAUSED}
        reads_bars = view is not None and view.warmup > 0 and any(f.kind is FeedKind.BAR for f in view.feeds)
        strategy.catching_up = has_run and reads_bars
        strategy.asked = core.state.seq


def put_to_work(
    core: Core, strategy: StrategyState, by: str, params: dict[str, object] | None = None, agreed: str = ""
) -> Veto | None:
    """Start it, or give it parameters: the person `by` is behind what it wants from now on ("" = the configuration).

    `agreed` names those who voted for it.
    """
    before, strategy.by = strategy.by, by
    had = strategy.spec.params
    veto = start(core, strategy) if params is None else set_params(core, strategy, params)
    if veto is not None:
        strategy.by = before
    elif strategy.spec.params != had:
        note_params(core, strategy, had, agreed)
    return veto


def start(core: Core, strategy: StrategyState) -> Veto | None:
    """Let a paused or quarantined strategy act again; a quarantined one starts with fresh memory and warms up."""
    if strategy.status is StrategyStatus.PAUSED and strategy.asleep:
        return rewarm(core, strategy, strategy.spec, agreed_source(core, strategy))
    if strategy.status is StrategyStatus.PAUSED:
        strategy.status = StrategyStatus.RUNNING
        strategy.detail = ""
        wake.publish(core, strategy)
        review(core, strategy)
        return None
    if strategy.status is StrategyStatus.QUARANTINED:
        return rewarm(core, strategy, strategy.spec, agreed_source(core, strategy))
    return Veto(Reason.WRONG_STATE, f"it is {strategy.status}")


def agreed_source(core: Core, strategy: StrategyState) -> str:
    """The text that it must have, where loading takes votes: other code comes in by a reload alone; "" = any."""
    approvals = core.state.settings.approvals
    return (strategy.source_hash or "none") if approvals.enabled and approvals.load_votes else ""


def pause(core: Core, strategy: StrategyState, why: str) -> Veto | None:
    """Pull quotes and entries; protections stay, and the strategy keeps watching."""
    if strategy.status is not StrategyStatus.RUNNING:
        return Veto(Reason.WRONG_STATE, f"it is {strategy.status}")
    strategy.status = StrategyStatus.PAUSED
    strategy.detail = why
    wake.publish(core, strategy)
    clear_wants(core, strategy)
    return None


def set_params(core: Core, strategy: StrategyState, params: dict[str, object]) -> Veto | None:
    """New parameters: checked first; memory starts anew and is warmed up again. What is paused stays that."""
    spec = replace(strategy.spec, params={**strategy.spec.params, **params})
    return renew(core, strategy, spec, agreed_source(core, strategy))


def reload(core: Core, strategy: StrategyState, by: str, source: str) -> Veto | None:
    """Its file as it is now, if that is the text of the hash `source`; `by` is behind it from now on ("" = who was)."""
    veto = renew(core, strategy, strategy.spec, source)
    if veto is None and by:
        strategy.by = by
    return veto


def renew(core: Core, strategy: StrategyState, spec: StrategySpec, source: str) -> Veto | None:
    """Warm up with other parameters or code. What is paused stays that; the record of trades is another one's."""
    acts = strategy.status is not StrategyStatus.PAUSED
    veto = rewarm(core, strategy, replace(spec, autostart=acts), source)
    if veto is None:
        strategy.trades = []
    return veto


def rewarm(core: Core, strategy: StrategyState, spec: StrategySpec, source: str = "") -> Veto | None:
    """Its code as it is now, fresh memory, then the driver delivers history again; refused, all stays as it was."""
    problem = ensure_code(core, spec, source=source)
    if problem:
        return Veto(Reason.BAD_VALUE, problem)
    strategy.spec = spec
    clear_wants(core, strategy)
    strategy.status = StrategyStatus.WARMING
    strategy.detail = ""
    strategy.memory = None
    strategy.desired = NOTHING
    strategy.waiting, strategy.catching_up = [], False
    strategy.asked = core.state.seq
    strategy.bars_seen = {}
    strategy.overruns = 0
    strategy.asleep = False
    strategy.signal_ns = 0
    warmup = wake.attach(core, strategy.spec)
    wake.publish(core, strategy)
    if warmup == 0:
        finish_warmup(core, strategy)
    return None


def unload(core: Core, strategy: StrategyState, *, keep_position: bool) -> Veto | None:
    """Pull its orders and forget it; refused while it holds a position, unless that is to be kept."""
    slots = core.slots_of(strategy.spec.id)
    holds = owners.still_holds(core, strategy)
    if holds and not keep_position:
        return Veto(Reason.WRONG_STATE, holds)
    clear_wants(core, strategy)
    strategy.status = StrategyStatus.UNLOADED
    wake.publish(core, strategy)
    wake.detach(core, strategy.spec.id)
    core.failed.pop(strategy.spec.id, None)
    succession.leave(core, strategy)
    del core.state.strategies[strategy.spec.id]
    samples.forget_strategy(core, strategy.spec.id)
    allocation.forget(core, strategy.spec.id)
    for slot in slots:
        if not holds and not slot.orders:
            slot.owner = ""
            core.tally.dirty[slot.key] = None
    core.index_pairs()
    return None


def on_fault(core: Core, event: StrategyFault) -> None:
    """The driver saw an overrun or a hang: tolerated a few times, then quarantined."""
    strategy = core.state.strategies.get(event.strategy)
    if strategy is None or strategy.status is StrategyStatus.QUARANTINED:
        return
    if core.state.ts_ns - strategy.overrun_ns > OVERRUN_WINDOW_NS:
        strategy.overrun_ns, strategy.overruns = core.state.ts_ns, 0
    strategy.overruns += 1
    if event.quarantine or strategy.overruns > OVERRUNS_TOLERATED:
        wake.quarantine(core, strategy, event.problem)
    else:
        core.alert(Severity.WARNING, "overrun", f"Strategy {event.strategy}: {event.problem}.", strategy=event.strategy)


def reattach(core: Core) -> None:
    """After recovery: make code, views and routes of every strategy in the state; broken ones are quarantined."""
    for strategy in core.state.strategies.values():
        if strategy.spec.kind == MANUAL:
            continue
        problem = ensure_code(core, strategy.spec, strategy.memory)
        wake.attach(core, strategy.spec)
        if problem and strategy.status is not StrategyStatus.QUARANTINED:
            wake.quarantine(core, strategy, problem)
