"""A breaker of the matrix in people's hands: opened by one at once, released by the quorum.

By its name alone it stands over everything, with a scope over that: `volatility:SOL`, `latency:BINANCE`.
"""

from __future__ import annotations

from domain.breakers import Watch
from domain.verdict import Reason, Veto
from engine.core import breakers
from engine.core.core import Core
from engine.core.matrix import judge, money
from engine.core.matrix.table import (
    BY_SYMBOL,
    BY_VENUE,
    clock_text,
    figure,
    key_of,
    of,
    rule_of,
    split,
    threshold_of,
    title,
)
from engine.core.state import MANUAL
from risk import breaker as machine
from risk.breaker import BACK, BLOCKING, BreakerState
from risk.matrix import LATCHES_FOR_THE_DAY


def venue_in(name: str) -> str:
    """The venue whose connections a name means, "" when it means a breaker of the matrix."""
    head, _, scope = name.partition(":")
    if head.lower() == Watch.EXCHANGE_FAILURE.value:
        return scope.upper()
    return "" if head.lower().replace("-", "_") in set(Watch) else name.upper()


def key_in(core: Core, name: str) -> str | Veto:
    """The key that a person's word for a breaker of the matrix means."""
    head, _, scope = name.partition(":")
    watch = Watch(head.lower().replace("-", "_"))
    if not scope:
        return key_of(watch)
    if watch in BY_VENUE:
        known, wanted = breakers.venues(core), scope.upper()
    elif watch in BY_SYMBOL:
        ids = list(core.instruments)
        named = [i.id for i in core.instruments.values() if scope.upper() in {i.base, *map(str.upper, i.aliases)}]
        known, wanted = ids, named[0] if len(named) == 1 else scope.upper()
    elif watch is Watch.POSITION_TIMEOUT:
        loaded = [name for name, s in core.state.strategies.items() if s.spec.kind != MANUAL]
        unloaded = [name for which, name in map(split, core.state.matrix) if which is watch and name not in loaded]
        known, wanted = [*loaded, *filter(None, unloaded)], scope.lower()
    else:
        return Veto(Reason.NO_SUCH, f"{watch.value} has no scope: it stands over everything")
    if wanted not in known:
        return Veto(Reason.NO_SUCH, f"{watch.value} of {scope}; there is {', '.join(known) or 'none'}")
    return key_of(watch, wanted)


def unknown(core: Core, name: str) -> Veto | None:
    """Why a name means no breaker."""
    if venue := venue_in(name):
        if venue in breakers.venues(core):
            return None
        known = f"{', '.join(breakers.venues(core))} and the breakers {', '.join(Watch)}"
        return Veto(Reason.NO_SUCH, f"breaker {name}; known: {known}")
    key = key_in(core, name)
    return key if isinstance(key, Veto) else None


def force(core: Core, who: str, name: str) -> Veto | str:
    """Open a breaker by hand, at once: nothing that adds risk in its scope, until people release it."""
    if (veto := unknown(core, name)) is not None:
        return veto
    if venue := venue_in(name):
        return breakers.force(core, who, venue)
    key = str(key_in(core, name))
    if not machine.force(of(core, key), core.state.ts_ns, who, held_until_ns=held_until_ns(core, key)):
        return Veto(Reason.WRONG_STATE, f"the breaker {key} is open by hand already")
    judge.changed(core, key)
    return (
        f"The breaker {key} is open: nothing that adds risk is sent under it; cancels, reductions and protections "
        f"pass. Its own actions run only once its threshold is reached: /halt and /flatten do that now. "
        f"/breaker {key} auto asks for its release."
    )


def held_until_ns(core: Core, key: str) -> int:
    """Until when a breaker that has tripped is held at least; 0 = it has not."""
    breaker, rule = of(core, key), rule_of(core, key)
    if breaker.state is BreakerState.OPEN and not rule.recovers:
        return breaker.since_ns + rule.cool_down_ns
    return breaker.until_ns


def note_forced(core: Core, who: str, name: str) -> None:
    """It was opened by hand in events that cannot be stepped: it is open, and nothing follows."""
    if unknown(core, name) is not None:
        return
    venue = venue_in(name)
    found = breakers.of(core, venue, breakers.ORDERS) if venue else of(core, str(key_in(core, name)))
    machine.force(found, core.state.ts_ns, who)
    core.index_breakers()


def objection(core: Core, name: str) -> Veto | None:
    """Why a breaker cannot be released: it is not open, or what opened it is not over."""
    if (veto := unknown(core, name)) is not None:
        return veto
    if venue := venue_in(name):
        return breakers.objection(core, venue)
    key = str(key_in(core, name))
    breaker, (watch, _), now_ns = of(core, key), split(key), core.state.ts_ns
    if breaker.state not in BLOCKING:
        return Veto(Reason.WRONG_STATE, f"the breaker {key} is {breaker.state.value.replace('_', ' ')}")
    if breaker.state is BreakerState.FORCED_OPEN and not breaker.until_ns:
        return None
    rule, threshold = rule_of(core, key), threshold_of(core.state.settings.breakers, key)
    if not rule.recovers:
        due_ns = held_until_ns(core, key)
        text = f"people may release {key} from {clock_text(due_ns, now_ns)} on: its cool-down"
        return Veto(Reason.WRONG_STATE, text) if now_ns < due_ns else None
    if watch in LATCHES_FOR_THE_DAY and now_ns < breaker.until_ns:
        text = f"the loss of the day stands: {key} is tried again at {clock_text(breaker.until_ns, now_ns)}"
        return Veto(Reason.WRONG_STATE, text)
    if breaker.measure >= threshold * BACK:
        is_at, back = figure(watch, breaker.measure), figure(watch, threshold * BACK)
        return Veto(Reason.WRONG_STATE, f"{key} measures {is_at}; it is released once that is below {back}")
    return None


def describe(core: Core, name: str) -> str:
    """What the quorum is asked to agree to."""
    if venue := venue_in(name):
        return f"release the open breaker of {venue}: it is tried with small orders"
    key = str(key_in(core, name))
    breaker = of(core, key)
    size = f"{rule_of(core, key).fraction * 100:f}".rstrip("0").rstrip(".")
    return f"release the breaker {title(key)} ({breaker.why}): what adds risk is {size} % of its size at first"


def release(core: Core, name: str) -> str:
    """People have agreed: it is tried with a part of the size, and what it measures begins anew."""
    if venue := venue_in(name):
        return breakers.release(core, venue)
    key = str(key_in(core, name))
    breaker = of(core, key)
    if not rule_of(core, key).recovers and held_until_ns(core, key):
        money.begin_anew(core, breaker)
    if machine.release(breaker, core.state.ts_ns):
        breaker.why = ""
        judge.changed(core, key)
    return f"The breaker {key} is half open: what adds risk is a part of its size until the measure has stayed back."
