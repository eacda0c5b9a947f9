"""Waking strategies: call `decide`, keep what it wants, hand it to review; contain what it does wrong.

A strategy that raises is quarantined: its quotes and entries are pulled, its protections stay. In a
replay without code the recorded decisions stand in for the call.
"""

from __future__ import annotations

from hashlib import sha256

from domain import facts
from domain.codec import decode_desired, encode
from domain.desired import NOTHING, Desired
from domain.errors import StrategyError
from domain.events import Decided
from domain.facts import Severity, StrategyStatus
from domain.market import Bar, Feed, Trade
from domain.settings import StrategySpec
from domain.strategy import FillView, Wake, line_of
from domain.text import error_text, plain
from engine.core.core import AnyStrategy, Core, Prepared
from engine.core.pairs import backups_of
from engine.core.review import clear_wants, review
from engine.core.state import StrategyState
from engine.core.view import StrategyView

RUNNING, PAUSED, WARMING = StrategyStatus.RUNNING, StrategyStatus.PAUSED, StrategyStatus.WARMING
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
MOST_WAITING = 1_000
"""Live bars that are held for one strategy while its history is awaited."""
MOST_PARTS = 500
"""Targets, quotes, protections and takes of one decision; more would keep a halt waiting."""
MOST_BYTES = 200_000
"""Of one decision as it is recorded: long names would fill the journal."""


def attach(core: Core, spec: StrategySpec) -> int:
    """Make the view and routes of a strategy; returns the warm-up bars it needs. Recorded for replays without code.

    Routes are in order of loading, whenever they were made: a recovery from a snapshot wakes in the same order.
    """
    detach(core, spec.id)
    prepared = core.loaded.pop(spec.id, None)
    strategy = core.state.strategies[spec.id]
    feeds, warmup = attachment(core, strategy, prepared)
    view = StrategyView(spec, core.state, core.markets, core.instruments)
    view.desired, view.feeds, view.warmup = strategy.desired, feeds, warmup
    core.views[spec.id] = view
    view.backups = backups_of(core, spec.id)
    if prepared is not None:
        core.code[spec.id] = view.code = prepared.code
        strategy.memory = prepared.memory
    loaded = list(core.state.strategies)
    for feed in feeds:
        views = core.readers(feed)
        views.append(view)
        views.sort(key=lambda v: loaded.index(v.id))
    return warmup


def attachment(core: Core, strategy: StrategyState, prepared: Prepared | None) -> tuple[tuple[Feed, ...], int]:
    """Feeds and warm-up of a strategy, from its code or from the record of it; other code than before is told."""
    core.calls += 1
    record = (core.known if core.replayed is None else core.replayed).get(core.calls)
    if record is None or record.feeds is None:
        if prepared is None:
            return (), 0
        source = prepared.code.source
        record = Decided(
            cause=core.state.seq,
            call=core.calls,
            strategy=strategy.spec.id,
            feeds=prepared.feeds,
            warmup=prepared.warmup,
            source=source if source and source_hash(source) != strategy.source_hash else "",
        )
        core.decisions.append(record)
    if record.source:
        note_source(core, strategy, source_hash(record.source))
    return record.feeds or (), record.warmup


def note_source(core: Core, strategy: StrategyState, now: str) -> None:
    """Another text than before decides from here on: people hear of it."""
    before, strategy.source_hash = strategy.source_hash, now
    if before:
        core.alert(
            Severity.INFO,
            "source",
            f"Strategy {strategy.spec.id} now runs changed code: source {now[:12]}, before {before[:12]}.",
            strategy=strategy.spec.id,
        )


def source_hash(source: str) -> str:
    """SHA-256 (hex) of a strategy's source text."""
    return sha256(source.encode()).hexdigest()


def detach(core: Core, strategy_id: str) -> None:
    """Forget the view, routes and code of a strategy."""
    core.views.pop(strategy_id, None)
    core.code.pop(strategy_id, None)
    core.forget_reader(strategy_id)


def wake(core: Core, view: StrategyView, why: Wake, event: Bar | Trade | FillView | None, instrument: str) -> None:
    """Let one strategy decide about one event, record a new decision and act on it; quarantines on failure.

    In a replay the record stands in for the call. A bar that it has seen is not shown again: feed and history may both
    deliver the one between them.
    """
    strategy = view.strategy
    if (strategy.status is not RUNNING or strategy.catching_up) and not view.warming and is_kept(strategy, event):
        return
    before, view.ts_ns = strategy.desired, core.state.ts_ns
    if type(event) is Bar:
        opened_ns, interval_ns = event.open_ts_ns, event.interval_ns
        try:
            newest = strategy.bars_seen[instrument]
            if opened_ns <= newest[interval_ns]:
                return
        except KeyError:
            newest = strategy.bars_seen.setdefault(instrument, {})
        newest[interval_ns] = opened_ns
        if view.warming:
            view.ts_ns = opened_ns + interval_ns
    view.event, view.wake, view.instrument = event, why, instrument
    core.calls += 1
    code, memory = view.code, strategy.memory
    known = core.known.get(core.calls) if core.known else None
    if code is None or core.replayed is not None or (known is not None and known.fault):
        act(core, view, recorded(core, view))
        return
    try:
        after, wanted = code.decide(memory, view)
        if after is not memory:
            strategy.memory = after
        if wanted is before and known is None:
            return
        desired = whole(wanted, before)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: nothing a strategy raises may stop the engine
        act(core, view, failed(core, view, error, known))
        return
    if known is not None and known.desired is not None:
        desired = known.desired
    elif desired is before or is_past(core):
        return
    else:
        core.decisions.append(Decided(cause=core.state.seq, call=core.calls, strategy=view.id, desired=desired))
    act(core, view, desired)


def act(core: Core, view: StrategyView, desired: Desired) -> None:
    """Act on what a strategy wants; while history is played that is only remembered."""
    strategy = view.strategy
    if desired is strategy.desired:
        return
    strategy.desired = view.desired = desired
    if view.warming:
        return
    strategy.signal_ns = core.state.ts_ns
    if strategy.status is RUNNING:
        review(core, strategy)


def is_kept(strategy: StrategyState, event: Bar | Trade | FillView | None) -> bool:
    """Whether one that is not simply running is not to see this now; a bar is held for when its history has come."""
    status = strategy.status
    is_blind = status is not RUNNING and (status is not PAUSED or strategy.asleep)
    is_early = status is WARMING if is_blind else strategy.catching_up
    if is_early and type(event) is Bar:
        hold(strategy, event)
        return True
    return is_blind


def hold(strategy: StrategyState, bar: Bar) -> None:
    """Keep a live bar until the history has come that ends where it begins; what is dropped is in that history."""
    strategy.waiting.append(bar)
    if len(strategy.waiting) > MOST_WAITING:
        del strategy.waiting[0]


def recorded(core: Core, view: StrategyView) -> Desired:
    """What the record says of this call: what was wanted, or why it failed."""
    known = (core.known if core.replayed is None else core.replayed).get(core.calls)
    if known is None:
        return view.strategy.desired
    if known.fault:
        if view.code is not None and core.replayed is None:
            core.decisions.append(known)
        return quarantine(core, view.strategy, known.fault)
    return known.desired or NOTHING


def failed(core: Core, view: StrategyView, error: BaseException, known: Decided | None) -> Desired:
    """A strategy's code raised: it is quarantined, unless the record knows that it ran."""
    strategy, fault = view.strategy, named(error, view.code)
    if known is None and not is_past(core):
        core.decisions.append(Decided(cause=core.state.seq, call=core.calls, strategy=view.id, fault=fault))
        return quarantine(core, strategy, fault)
    # it ran then, so the code is another now: the record decides, and the next start says so
    core.failed[view.id] = f"its code was changed and fails on what it went through: {fault}"
    view.code = None
    del core.code[view.id]
    return strategy.desired if known is None or known.desired is None else known.desired


def is_past(core: Core) -> bool:
    """Whether this call was made before, by the record: a call without one, and with later ones, changed nothing."""
    return core.all_known or core.calls < core.known_before


def named(error: BaseException, code: AnyStrategy | None = None) -> str:
    """An error of a strategy's code with its kind, and the line of the user's file it came up in."""
    at = line_of(error, code.origin) if code is not None and code.origin else ""
    return f"{error_text(error)}{f' ({plain(code.kind, 80)}{at})' if at and code is not None else ''}"


def whole(wanted: Desired, before: Desired) -> Desired:
    """What a strategy returned, `before` when it means the same. Raises `StrategyError` unless it can be recorded."""
    if wanted is before or wanted == before:
        return before
    try:
        record = encode(wanted)
        desired = decode_desired(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StrategyError(f"decide returned what is no Desired of plain numbers: {error}") from error
    parts = len(desired.targets) + len(desired.quotes) + len(desired.protections) + len(desired.takes)
    if parts > MOST_PARTS:
        raise StrategyError(f"decide returned {parts} parts at once, {MOST_PARTS} are allowed")
    if len(record) > MOST_BYTES:
        raise StrategyError(f"decide returned {len(record)} bytes at once, {MOST_BYTES} are allowed: shorten its names")
    return desired


def quarantine(core: Core, strategy: StrategyState, fault: str) -> Desired:
    """Stop a strategy that failed: quotes and entries are pulled, protections stay."""
    strategy.status = StrategyStatus.QUARANTINED
    strategy.detail = fault
    strategy.memory = None
    strategy.waiting, strategy.catching_up = [], False
    core.alert(
        Severity.ERROR,
        "quarantine",
        f"Strategy {strategy.spec.id} failed and is quarantined ({fault}). Its quotes and entries are pulled, its "
        f"protections stay. Fix it, then /strategies start {strategy.spec.id}, or /flatten its instruments.",
        strategy=strategy.spec.id,
    )
    publish(core, strategy)
    strategy.desired = NOTHING
    view = core.views.get(strategy.spec.id)
    if view is not None:
        view.desired = NOTHING
    clear_wants(core, strategy)
    return NOTHING


def publish(core: Core, strategy: StrategyState) -> None:
    """Tell the world where a strategy stands."""
    spec = strategy.spec
    core.facts.append(
        facts.StrategyChanged(
            **core.at(),
            strategy=spec.id,
            kind=spec.kind,
            account=", ".join(spec.all_accounts),
            status=strategy.status,
            detail=strategy.detail,
        )
    )


def play_history(core: Core, strategy: StrategyState, bars: tuple[Bar, ...]) -> None:
    """Let a strategy see warm-up bars: it remembers, but what it wants is not acted on."""
    view = core.views.get(strategy.spec.id)
    if view is None:
        return
    view.warming = True
    before = strategy.desired
    for bar in bars:
        wake(core, view, Wake.BAR, bar, bar.instrument)
        if has_failed(strategy):
            view.warming = False
            return
    strategy.desired = view.desired = before
    view.warming = False


def has_failed(strategy: StrategyState) -> bool:
    """True when the last call quarantined the strategy."""
    return strategy.status is StrategyStatus.QUARANTINED
