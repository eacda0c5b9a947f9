"""Overrides: a limit that people have loosened, for one scope, up to a size, for some minutes; it ends by itself.

    asked for by a person of role risk -> votes -> in force (`State.overrides`, a timer) -> ended by time or by anybody

Hard rules cannot be overridden. `engine.core.limits.effective` reads what is in force. Nothing is closed when one
ends: what is beyond the limit then may only be reduced.
"""

from __future__ import annotations

from decimal import Decimal

from domain import commands as c
from domain import facts
from domain.account import venue_of
from domain.facts import Severity
from domain.settings import MINUTE_NS
from domain.verdict import Reason, Veto
from engine.core import limits
from engine.core.core import Core
from engine.core.executor import converge_all
from engine.core.review import review
from engine.core.state import Override, Request
from risk.rules import RULES, Rule, ScopeKind, Unit, parse_scope, rule_problem, strictest


def key_of(rule: str, scope: str) -> str:
    """Key in `State.overrides`."""
    return f"{rule}|{scope}"


def objection(core: Core, command: c.Override) -> Veto | None:
    """Why an override cannot be asked for, or not be carried out any more."""
    if problem := rule_problem(command.rule, command.scope, command.value):
        return Veto(Reason.BAD_VALUE, problem)
    rule = RULES[command.rule]
    if rule.hard:
        return Veto(Reason.HARD_LIMIT, f"{rule.name}: {rule.guards}")
    if problem := scope_problem(core, command.scope):
        return Veto(Reason.NO_SUCH, problem)
    most_ns = core.state.settings.approvals.override_max_ns
    if not 1 <= command.minutes <= most_ns // MINUTE_NS:
        return Veto(Reason.BAD_VALUE, f"{command.minutes} minutes; an override is from 1 to {most_ns // MINUTE_NS}")
    if not command.reason.strip():
        return Veto(Reason.REASON_MISSING)
    return size_problem(core, rule, command)


def scope_problem(core: Core, scope: str) -> str:
    """Why a scope names nothing that there is, "" when it does."""
    kind, name = parse_scope(scope) or ("", "")
    known = {
        "venue": list(dict.fromkeys(i.venue for i in core.instruments.values())),
        "strategy": list(core.state.strategies),
        "instrument": list(core.instruments),
    }
    there = known.get(str(kind), [name])
    return "" if name in there else f"{scope}; there are {', '.join(there) or 'none'}"


def size_problem(core: Core, rule: Rule, command: c.Override) -> Veto | None:
    """Why a value is no override: it must loosen the limit as it is set, and no further than the settings allow."""
    now = limit_now(core, command)
    if now is None:
        return Veto(Reason.LIMIT_MISSING, f"{rule.name} is not set for {command.scope}; /config set sets it")
    if not rule.adds_risk(now, command.value):
        return Veto(Reason.BAD_VALUE, f"{command.value} is not looser than {now}; /config set makes a limit tighter")
    widest = widest_of(core, rule, now)
    if (command.value > widest) if rule.raising_adds_risk else (command.value < widest):
        fix = f"approvals.override_most.{rule.name} allows more"
        return Veto(Reason.BAD_VALUE, f"{command.value} is further from {now} than {number(widest)}; {fix}")
    return None


def limit_now(core: Core, command: c.Override) -> Decimal | None:
    """The limit as it is set for the scope of an override, whatever override is in force."""
    kind, name = parse_scope(command.scope) or (ScopeKind.PORTFOLIO, "")
    names = {kind.value: name} if name else {}
    # it would stand in for the venue's limit too, so it is measured by that
    venues = [""]
    if kind is ScopeKind.INSTRUMENT:
        venues = [core.instruments[name].venue]
    elif kind is ScopeKind.STRATEGY and (owner := core.state.strategies.get(name)) is not None:
        venues = [venue_of(account) for account in owner.spec.all_accounts]
    elif kind is ScopeKind.VENUE:
        venues = [names.pop("venue")]
    found = [limits.configured(core, command.rule, venue=venue, **names) for venue in venues]
    return strictest(RULES[command.rule], [value for value in found if value is not None])


def widest_of(core: Core, rule: Rule, now: Decimal) -> Decimal:
    """The loosest value that an override of a rule may have."""
    approvals = core.state.settings.approvals
    named = approvals.override_most.get(rule.name)
    if named is not None:
        return named
    value = now * approvals.override_factor if rule.raising_adds_risk else now / approvals.override_factor
    if rule.unit is Unit.COUNT:
        return Decimal(int(value)) if rule.raising_adds_risk else Decimal(-int(-value))
    return value


def describe(core: Core, command: c.Override) -> str:
    """What the quorum is asked to agree to."""
    unit, now = RULES[command.rule].unit.value, limit_now(core, command)
    return (
        f"override {command.rule} of {command.scope} for {command.minutes} min: {command.value} {unit} instead of "
        f"{now if now is not None else 'none'} {unit}; {command.reason}"
    )


def begin(core: Core, request: Request, command: c.Override) -> Veto | str:
    """The quorum has agreed: in force from now on, and the end is set."""
    refusal = objection(core, command)
    if refusal is not None:
        return refusal
    now = core.state.ts_ns
    override = Override(
        rule=command.rule,
        scope=command.scope,
        value=command.value,
        since_ns=now,
        until_ns=now + command.minutes * MINUTE_NS,
        persons=tuple(dict.fromkeys((request.requester, *request.votes))),
        reason=command.reason,
        request=request.id,
    )
    key = key_of(command.rule, command.scope)
    core.state.overrides[key] = override
    core.set_timer(f"override:{key}", override.until_ns)
    publish(core, override)
    take_effect(core)
    text = f"{command.rule} of {command.scope} is {command.value} for {command.minutes} min"
    core.alert(
        Severity.WARNING,
        "override",
        f"OVERRIDE: {text} ({', '.join(override.persons)}: {command.reason}). /overrides shows it and ends it early.",
        rule=command.rule,
        scope=command.scope,
    )
    return f"{text}; then the limit holds again by itself. /overrides end {command.rule} {command.scope} ends it early."


def end_early(core: Core, who: str, command: c.EndOverride) -> Veto | str:
    """Anybody who may trade ends it: that lowers risk."""
    key = key_of(command.rule, command.scope)
    if key not in core.state.overrides:
        there = ", ".join(key.replace("|", " ") for key in core.state.overrides) or "none"
        return Veto(Reason.NO_SUCH, f"no override of {command.rule} for {command.scope}; there are {there}")
    end(core, key, f"ended by {who}")
    return f"The override of {command.rule} for {command.scope} is over; the limit holds again."


def on_due(core: Core, key: str) -> None:
    """Timer: its time is over."""
    if key in core.state.overrides:
        end(core, key, "its time is over")


def on_started(core: Core) -> None:
    """A new run: what is in force ends when it was to end, and what should have ended meanwhile has."""
    for key, override in list(core.state.overrides.items()):
        if override.until_ns <= core.state.ts_ns:
            end(core, key, "its time was over while the engine was down")
        else:
            core.set_timer(f"override:{key}", override.until_ns)


def on_settings(core: Core) -> None:
    """The limits may be others now: what would no longer be let through as an override of them is over."""
    for key, o in list(core.state.overrides.items()):
        same = c.Override(rule=o.rule, scope=o.scope, value=o.value, minutes=1, reason=o.reason)
        if (veto := size_problem(core, RULES[o.rule], same)) is not None:
            end(core, key, f"the limit has been changed ({veto.detail})")


def end(core: Core, key: str, why: str) -> None:
    """The limit holds again."""
    override = core.state.overrides.pop(key)
    core.drop_timer(f"override:{key}")
    publish(core, override, why)
    take_effect(core)
    core.alert(
        Severity.WARNING,
        "override_ended",
        f"The override of {override.rule} for {override.scope} has ended: {why}. The limit holds again; what is beyond "
        "it may only be reduced.",
        rule=override.rule,
        scope=override.scope,
    )


def publish(core: Core, override: Override, ended: str = "") -> None:
    """Tell the world."""
    core.facts.append(
        facts.OverrideChanged(
            **core.at(),
            rule=override.rule,
            scope=override.scope,
            value=override.value,
            since_ns=override.since_ns,
            until_ns=override.until_ns,
            persons=override.persons,
            reason=override.reason,
            request=override.request,
            ended=ended,
        )
    )


def take_effect(core: Core) -> None:
    """Every limit is looked up anew, and what is wanted is reviewed against it."""
    core.refresh()
    for strategy in list(core.state.strategies.values()):
        if strategy.status is facts.StrategyStatus.RUNNING:
            review(core, strategy)
    converge_all(core)


def number(value: Decimal) -> str:
    """A value without a tail of zeros."""
    return f"{value.normalize():f}"
