"""Commands inside the core: who may, what happens, and the answer in words.

Every command is checked against the role of its person in `State`, whatever door it came through, and carried out
once: its request id is remembered. What lowers risk runs at once, what gives it back opens a request for the quorum.
"""

from __future__ import annotations

from msgspec.structs import replace

from domain import commands as c
from domain import facts
from domain.events import CommandReceived
from domain.facts import RequestStatus, Severity, StrategyStatus
from domain.settings import RoleName, strategy_id_problem
from domain.verdict import Reason, Veto
from engine.core import (
    alerting,
    asking,
    cancels,
    config,
    glass,
    incident,
    keys,
    manual,
    operate,
    overrides,
    params,
    parked,
    people,
    reconcile,
    requests,
    strategies,
    trading,
)
from engine.core.core import Core
from engine.core.matrix import by_hand
from engine.core.roles import ROLE_NEEDED, needs_person
from engine.core.state import Request

REMEMBERED_COMMANDS = 10_000
RULES = (c.ApplySettings, c.ChangeSettings)
"""What changes the rules themselves has its own time to live."""


def verb_of(command: c.Command) -> str:
    """Name of a command as people know it."""
    return str(command.__struct_config__.tag)


def on_command(core: Core, event: CommandReceived) -> None:
    """Authorise, deduplicate and carry out one command; always answers with a `CommandDone` fact."""
    if is_repeated(core, event):
        answer(core, event, Veto(Reason.REPEATED))
        return
    refusal = authorise(core, event)
    if refusal is not None:
        answer(core, event, refusal)
        return
    answer(core, event, carry_out(core, event, event.command))


def is_repeated(core: Core, event: CommandReceived) -> bool:
    """Whether a command came before; it is remembered from now on, as long as the newest ones are."""
    seen = core.state.commands_seen
    if event.request_id in seen:
        return True
    seen[event.request_id] = None
    if len(seen) > REMEMBERED_COMMANDS:
        del seen[next(iter(seen))]
    return False


def role_for(person: str, command: c.Command) -> RoleName:
    """Least role that a command takes of this person: their own chat accounts are anybody's affair."""
    is_own = isinstance(command, c.ChangeSettings) and people.is_own_link(person, command.edits)
    return RoleName.VIEWER if is_own else ROLE_NEEDED[type(command)]


def authorise(core: Core, event: CommandReceived) -> Veto | None:
    """The person must exist and have the role; the system's own commands come from the configuration."""
    if event.actor.door is c.Door.SYSTEM:
        return None
    person = core.persons.get(event.actor.person)
    if person is None:
        return Veto(Reason.UNKNOWN_PERSON)
    if event.actor.door is c.Door.API and needs_person(event.command):
        return Veto(Reason.NEEDS_PERSON)
    needed = role_for(person.id, event.command)
    if person.role < needed:
        return Veto(Reason.ROLE, f"{verb_of(event.command)} needs {needed.name.lower()} or higher")
    return None


def answer(core: Core, event: CommandReceived, outcome: Veto | str, request: str = "") -> None:
    """Publish the outcome in words."""
    ok = isinstance(outcome, str)
    text = outcome if isinstance(outcome, str) else explain(outcome)
    core.facts.append(
        facts.CommandDone(
            **core.at(),
            request_id=event.request_id,
            actor=event.actor,
            verb=verb_of(event.command),
            ok=ok,
            text=text,
            reason=None if isinstance(outcome, str) else outcome.reason,
            request=request or opened(outcome),
        )
    )


def opened(outcome: Veto | str) -> str:
    """Request id mentioned by an outcome that opened one."""
    if isinstance(outcome, str) and outcome.startswith("Request "):
        return outcome.split()[1]
    return ""


def explain(veto: Veto) -> str:
    """A refusal as a sentence with its code."""
    detail = f" ({veto.detail})" if veto.detail else ""
    return f"Refused, {veto.reason.value}: {veto.reason.words}{detail}."


def carry_out(core: Core, event: CommandReceived, command: c.Command) -> Veto | str:  # noqa: PLR0911 - one per command
    """Do it, or open the request that lets others agree; returns the answer."""
    who = event.actor.person or event.actor.door.value
    match command:
        case c.Halt() if command.venue:
            return operate.halt_venue(core, who, command)
        case c.Halt():
            return operate.halt(core, who, command.reason)
        case c.Flatten():
            return operate.flatten(core, who, command, age_ns=asking.age_of(event))
        case c.Approve() | c.Deny() | c.StepUp():
            return in_person(core, who, command, event.actor.door)
        case c.CancelOrder() | c.CancelOrders():
            return cancels.cancel(core, command)
        case c.ManualTarget() | c.ManualLimit():
            return manual.order(core, who, command)
        case c.LoadStrategy() if problem := strategy_id_problem(command.spec.id):
            return Veto(Reason.BAD_VALUE, problem)
        case _ if asking.by_a_person(event) and takes_votes(core, command):
            return ask_quorum(core, event, command)
        case c.LoadStrategy():
            by_settings, person = event.actor.door is c.Door.SYSTEM, event.actor.person
            refusal = strategies.load(core, command.spec, command.source_hash, by=person, is_configured=by_settings)
            return said(refusal, f"{command.spec.id} is loading.")
        case _ if isinstance(command, c.AboutLoaded):
            return on_loaded(core, who, command, asker=event.actor.person)
        case _:
            return override(core, event, who, command)


def in_person(core: Core, who: str, command: c.Approve | c.Deny | c.StepUp, door: c.Door) -> Veto | str:
    """A vote, or a one-time code."""
    match command:
        case c.Approve():
            return approve(core, who, command, door)
        case c.Deny():
            return deny(core, who, command)
        case c.StepUp():
            return people.step_up(core, who, command)


def override(  # noqa: PLR0911 - one per command
    core: Core, event: CommandReceived, who: str, command: c.Command
) -> Veto | str:
    """What lowers risk is done at once; what gives it back asks the quorum."""
    match command:
        case c.SetHold() if command.on:
            return operate.hold(core, command.account, command.instrument)
        case c.SetBreaker() if command.open:
            return by_hand.force(core, who, command.name)
        case c.SetCap() if operate.cap_is_lower(core, command):
            return operate.cap(core, command)
        case c.EndOverride():
            return overrides.end_early(core, who, command)
        case c.BreakGlass():
            return glass.break_glass(core, who, command, asking.age_of(event))
        case c.Review():
            return glass.review(core, who, command)
        case c.AcknowledgeIncident():
            return incident.acknowledge(core, who, command.incident, command.text)
        case c.RecoverIncident():
            return reconcile.recover(core, who, command.incident)
        case c.ChangeSettings():
            return change_settings(core, event, who, command)
        case c.AcknowledgeAlert() | c.UnmuteAlerts() | c.RouteAlerts():
            return alerting.carry_out(core, who, command)
        case c.MuteAlerts() if not command.critical:
            return alerting.mute(core, who, command)
        case _:
            return ask_quorum(core, event, command)


def takes_votes(core: Core, command: c.Command) -> bool:
    """True where a person alone may not put a strategy to work, or change its parameters so that it adds risk, or may.

    Another one with other parameters would be a change, so loading and starting go by one rule.
    """
    approvals = core.state.settings.approvals
    if not approvals.enabled:
        return False
    if not isinstance(command, c.SetParams):
        return isinstance(command, c.PutsToWork) and approvals.load_votes > 0
    strategy = core.state.strategies.get(command.strategy)
    if strategy is None:
        return False
    starts_it = strategy.status is StrategyStatus.QUARANTINED and approvals.load_votes > 0
    return starts_it or bool(params.add_risk(core, command))


def change_settings(core: Core, event: CommandReceived, who: str, command: c.ChangeSettings) -> Veto | str:
    """What only lowers risk is in force at once; what is not known to, asks the quorum."""
    change = config.resolved(core, command)
    if isinstance(change, Veto):
        return change
    if config.is_at_once(core, who, change):
        return config.change(core, who, change, asker=event.actor.person)
    if people.is_own_link(who, change.edits) and event.actor.door is not c.Door.SYSTEM:
        refusal = objection(core, change) or people.use_code(
            core, who, command.step, needed=core.state.settings.approvals.codes
        )
        if refusal is not None:
            return refusal
    return ask_quorum(core, event, replace(change, step=0))


def objection(core: Core, command: c.Command) -> Veto | None:
    """Why a command makes no sense now, before anyone votes on it, and when they have."""
    if isinstance(command, c.MuteAlerts):
        return alerting.objection(core, command)
    if isinstance(command, c.RotateKey):
        return keys.objection(core, command)
    if not isinstance(command, c.ChangeSettings):
        return operate.objection(core, command)
    after = config.settings_after(core, command)
    return after if isinstance(after, Veto) else operate.settings_objection(core, after)


def said(refusal: Veto | None, text: str) -> Veto | str:
    """The refusal, or the words for success."""
    return refusal if refusal is not None else text


def on_loaded(core: Core, who: str, command: c.AboutLoaded, *, asker: str) -> Veto | str:
    """Commands about a strategy that is loaded; `asker` is the person behind them, `who` may be those who agreed."""
    strategy = core.state.strategies.get(command.strategy)
    if strategy is None:
        return Veto(Reason.NO_SUCH, f"strategy {command.strategy}; see /strategies list")
    name = command.strategy
    match command:
        case c.UnloadStrategy():
            return said(strategies.unload(core, strategy, keep_position=command.keep_position), f"{name} is unloaded.")
        case c.StartStrategy():
            return said(strategies.put_to_work(core, strategy, asker), f"{name} is started.")
        case c.PauseStrategy():
            return said(
                strategies.pause(core, strategy, f"paused by {who}"),
                f"{name} is paused: quotes and entries are pulled, protections stay.",
            )
        case c.SetParams():
            refusal = strategies.put_to_work(core, strategy, asker, command.params, who)
            config.note_params(core, who, name)
            return said(refusal, f"{name} has new parameters and warms up.")
        case c.ReloadStrategy():
            refusal = strategies.reload(core, strategy, asker, command.source_hash)
            return said(refusal, f"{name} runs its file as it is now, and warms up.")


def ask_quorum(core: Core, event: CommandReceived, command: c.Command) -> Veto | str:
    """Open a request for what needs more than one person; a person's new one takes the place of their earlier one."""
    refusal = objection(core, command)
    if refusal is not None:
        return refusal
    if event.actor.door is c.Door.SYSTEM:
        return give(core, "the configuration", command, asker="")
    if isinstance(command, c.SetParams):
        command = replace(command, before=params.before(core, command))
    who, approvals = event.actor.person, core.state.settings.approvals
    earlier = requests.waiting_alike(core, who, command)
    if earlier is not None and earlier.command == command:
        return f"Request {earlier.id} waits for this already: /approve {earlier.id}."
    if earlier is not None:
        requests.withdraw(core, earlier.id, f"{who} asks for something else now; its votes are void")
    request = requests.open_request(
        core,
        what=verb_of(command),
        text=asking.describe(core, command),
        requester=who,
        needed=requests.votes_for(core, command),
        ttl_ns=approvals.policy_ttl_ns if isinstance(command, RULES) else approvals.override_ttl_ns,
        command=command,
    )
    if isinstance(request, Veto):
        return request
    left = requests.missing(core, request)
    return f"Request {request.id} waits for {left} more vote(s): /approve {request.id}. It is: {request.text}."


def approve(core: Core, person: str, ballot: c.Approve, door: c.Door) -> Veto | str:
    """Vote; with the last vote, carry it out against fresh prices, limits and rules."""
    request = requests.vote(core, ballot, person, door)
    if isinstance(request, Veto):
        return request
    left = requests.missing(core, request)
    if left:
        return f"Your vote counts; {request.id} needs {left} more."
    outcome = release(core, request)
    if isinstance(outcome, Veto):
        requests.end(core, request, RequestStatus.FAILED, explain(outcome))
        return outcome
    requests.end(core, request, RequestStatus.APPROVED)
    return f"{request.id} ({request.digest[: requests.SHOWN]}) is approved. {outcome}"


def release(core: Core, request: Request) -> Veto | str:  # noqa: PLR0911 - one per refusal, one per kind
    """Carry out an approved request: exactly what was asked, if nothing speaks against it by now."""
    if request.digest != requests.content_digest(request):
        return Veto(Reason.DIGEST, f"{request.id} is not what it was when it was opened")
    asker, asked = core.persons.get(request.requester), request.command
    needed = role_for(request.requester, asked) if asked else ROLE_NEEDED[c.ManualTarget]
    is_theirs = request.requester and request.asker in {"", request.requester}
    if is_theirs and (asker is None or asker.role < needed):
        return Veto(Reason.ROLE, f"{request.requester}, who asked for it, may not any more")
    if request.parked is not None:
        return parked.release_parked(core, request.parked)
    if request.command is None:
        return Veto(Reason.NOT_PENDING)
    if isinstance(request.command, c.ApplySettings) and request.revision != core.state.settings_hash:
        return Veto(Reason.MOVED, "other settings have come into force; ask again, on top of them")
    if isinstance(request.command, c.Override):
        return overrides.begin(core, request, request.command)
    if isinstance(asked, c.MuteAlerts | c.RotateKey):
        by = " and ".join(dict.fromkeys([request.requester, *request.votes]))
        return alerting.mute(core, by, asked) if isinstance(asked, c.MuteAlerts) else keys.begin(core, asked, by)
    if isinstance(request.command, c.ManualLimit):
        return manual.release(core, request.requester, request.command)
    return give(core, " and ".join(request.votes), request.command, asker=request.requester)


def give(core: Core, by: str, command: c.Command, *, asker: str) -> Veto | str:  # noqa: PLR0911 - one per command
    """Carry out what the quorum agreed to, and `asker` had asked for."""
    refusal = objection(core, command)
    if refusal is not None:
        return refusal
    match command:
        case c.Resume():
            answer = trading.resume(core, command, by)
            if not command.venue:
                operate.lift_flats(core)
            incident.close(core, by)
            return answer
        case c.SetHold():
            return operate.release_hold(core, command.account, command.instrument)
        case c.SetCap():
            return operate.cap(core, command)
        case c.RaiseEnvelope():
            return operate.raise_envelope(core, command)
        case c.ApplySettings():
            config.record(core, command.settings, by, "the settings file")
            return operate.apply_settings(core, command)
        case c.ChangeSettings():
            return config.change(core, by, command, asker=asker)
        case c.SetBreaker():
            return by_hand.release(core, command.name)
        case c.SetParams() | c.StartStrategy() | c.ReloadStrategy():
            return on_loaded(core, by, command, asker=asker)
        case c.LoadStrategy():
            refusal = strategies.load(core, command.spec, command.source_hash, by=asker, agreed=by, is_approved=True)
            return said(refusal, f"{command.spec.id} is loading.")
        case _:
            return Veto(Reason.WRONG_STATE, verb_of(command))


def deny(core: Core, person: str, command: c.Deny) -> Veto | str:
    """End a request: anyone whose vote could count, or who asked for it. Why may be said afterwards."""
    request = core.state.requests.get(command.request)
    if request is not None and command.reason and request.denied_by == person:
        request.denied_by = ""
        requests.end(core, request, RequestStatus.DENIED, f"because {command.reason}")
        return f"{request.id} was denied because {command.reason}."
    if request is None or request.status is not RequestStatus.PENDING:
        return Veto(Reason.NOT_PENDING, command.request + (f" is {request.status}" if request is not None else ""))
    voter = core.persons.get(person)
    if voter is None or (voter.role < requests.terms(core, request).role and person != request.requester):
        return Veto(Reason.ROLE, "deny needs an approver, or the requester")
    if person != (request.asker or request.requester):
        requests.remember_denial(core, request.asker or request.requester)
    request.denied_by = "" if command.reason else person
    requests.end(core, request, RequestStatus.DENIED, f"denied by {person}: {command.reason or 'no reason given'}")
    core.alert(Severity.INFO, "denied", f"{request.id} was denied by {person}.", request=request.id)
    return f"{request.id} is denied." if command.reason else f"{request.id} is denied. Why? /deny {request.id} REASON"
