"""What people ask for. Every door (Telegram, Discord, dashboard, terminal) sends the same frozen commands.

A command is authorised twice: by the desk, and inside `step` against the roles in `State`.
Scopes are a strategy id, an instrument id, or "" for everything.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct, field

from domain.edits import Edit
from domain.settings import Settings, StrategySpec


class Door(enum.StrEnum):
    """Where a command came in."""

    TELEGRAM = "telegram"
    DISCORD = "discord"
    DASHBOARD = "dashboard"
    TERMINAL = "terminal"
    SYSTEM = "system"
    API = "api"
    """A program with a token: it acts for a person and is none, so it neither votes nor gives one-time codes."""


class Actor(Struct, frozen=True, kw_only=True):
    """Who asks: a person, through a door. `chat` is where to answer (opaque to the core)."""

    person: str
    door: Door
    chat: str = ""


class Halt(Struct, frozen=True, kw_only=True, tag="halt"):
    """Cancel quotes and entries, refuse what adds risk; protections stay. Executes at any age.

    `venue` = only there, "" = everywhere.
    """

    reason: str = ""
    venue: str = ""


class Resume(Struct, frozen=True, kw_only=True, tag="resume"):
    """Back to ACTIVE; needs the quorum. `venue` = only that venue, "" = the engine and all of them."""

    reason: str = ""
    venue: str = ""


class Flatten(Struct, frozen=True, kw_only=True, tag="flatten"):
    """Halt, then close positions (`scope` = an instrument id or "" for all). Older than 60 s: halts and asks."""

    scope: str = ""
    reason: str = ""


class Approve(Struct, frozen=True, kw_only=True, tag="approve"):
    """Vote for a waiting request.

    `digest` is what the person saw of it, 8 characters or more ("" = not said). `step` is filled in by the desk: the
    time step of the one-time code that proved who votes (0 = no code was given). The code itself is in no command.
    """

    request: str
    digest: str = ""
    step: int = 0


class Deny(Struct, frozen=True, kw_only=True, tag="deny"):
    """End a waiting request."""

    request: str
    reason: str = ""


class LoadStrategy(Struct, frozen=True, kw_only=True, tag="load"):
    """Load a strategy. The desk fills in `source_hash`; the driver then delivers warm-up history."""

    spec: StrategySpec
    source_hash: str = ""
    source: str = ""


class UnloadStrategy(Struct, frozen=True, kw_only=True, tag="unload"):
    """Cancel its quotes and entries and forget it; refused while it holds a position unless `keep_position`."""

    strategy: str
    keep_position: bool = False


class StartStrategy(Struct, frozen=True, kw_only=True, tag="start"):
    """Let a paused or quarantined strategy act again."""

    strategy: str


class PauseStrategy(Struct, frozen=True, kw_only=True, tag="pause"):
    """Pull its quotes and entries; its protections stay."""

    strategy: str


class AddsRisk(enum.StrEnum):
    """Which change of a parameter adds risk; one that says nothing ALWAYS does."""

    ALWAYS = "always"
    RAISED = "raised"
    LOWERED = "lowered"
    NEVER = "never"


class ParamRule(Struct, frozen=True):
    """What a strategy's code says of a parameter: when a change adds risk, and its value where none is given."""

    adds: AddsRisk
    default: Any = None


class SetParams(Struct, frozen=True, kw_only=True, tag="set_params"):
    """Change parameters of a loaded strategy; its memory starts anew and is warmed up again.

    A change that adds risk needs the quorum. The desk fills in `rules`, of what the strategy's code declares; `before`
    are the values in force when it was asked for: if they differ at the vote, it is another change.
    """

    strategy: str
    params: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, ParamRule] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


class ManualTarget(Struct, frozen=True, kw_only=True, tag="manual"):
    """A person's order: the built-in strategy `manual` wants `qty` more (signed, base units) of an instrument."""

    account: str
    instrument: str
    qty: Decimal


class ManualLimit(Struct, frozen=True, kw_only=True, tag="manual_limit"):
    """A person's order at a price: `qty` more (signed, base units) at `price` or better, for `valid_ns` at most.

    It rests beside what the strategy `manual` wants; a halt ends it. The core fills in `adds`, the part of the quantity
    that adds risk, before others are asked to vote.
    """

    account: str
    instrument: str
    qty: Decimal
    price: Decimal
    valid_ns: int = 86_400_000_000_000
    adds: Decimal = Decimal(0)


class CancelOrder(Struct, frozen=True, kw_only=True, tag="cancel_order"):
    """Cancel one order by client id; an executor-owned order also sets a Hold on its slot."""

    cid: str


class SetHold(Struct, frozen=True, kw_only=True, tag="hold"):
    """Hold (`on`) or release (needs the quorum) the slot of an account and instrument."""

    account: str
    instrument: str
    on: bool = True


class SetCap(Struct, frozen=True, kw_only=True, tag="cap"):
    """Cap |position| of an account and instrument in base units; None lifts it (raising needs the quorum)."""

    account: str
    instrument: str
    qty: Decimal | None = None


class RaiseEnvelope(Struct, frozen=True, kw_only=True, tag="envelope"):
    """Raise what a strategy's quotes and takes may add in notional; needs the quorum."""

    strategy: str
    notional: Decimal


class ApplySettings(Struct, frozen=True, kw_only=True, tag="apply_settings"):
    """Replace the settings; needs the quorum. The desk fills in `changes`, which the quorum reads."""

    settings: Settings
    content_hash: str
    changes: tuple[str, ...] = ()


class SetBreaker(Struct, frozen=True, kw_only=True, tag="breaker"):
    """Open a breaker by hand (`open`), or let it recover by itself again (needs the quorum).

    `name` is a venue, for its connections, or a breaker of the matrix, `drawdown` or with its scope `volatility:SOL`.
    """

    name: str = field(name="venue")
    open: bool = True


class Override(Struct, frozen=True, kw_only=True, tag="override"):
    """Loosen a limit for some minutes; needs the quorum, ends by itself. `rule` and `scope` as in `risk.rules`."""

    rule: str
    scope: str
    value: Decimal
    minutes: int
    reason: str


class EndOverride(Struct, frozen=True, kw_only=True, tag="end_override"):
    """End an override before its time: that lowers risk, so nobody is asked."""

    rule: str
    scope: str


class BreakGlass(Struct, frozen=True, kw_only=True, tag="break_glass"):
    """Anybody linked, whatever their role, halts or flattens in an emergency: code and reason needed, reviewed later.

    `action` is halt or flatten, `scope` an instrument or "" for all. `step` is filled in by the desk, as in `Approve`.
    """

    action: str
    reason: str
    scope: str = ""
    step: int = 0


class Review(Struct, frozen=True, kw_only=True, tag="review"):
    """Somebody else has looked at a break-glass, and says what they found."""

    id: str
    note: str


class AcknowledgeIncident(Struct, frozen=True, kw_only=True, tag="incident_ack"):
    """A person looks after the open incident; the damage is written down. "" = whichever is open."""

    incident: str = ""
    text: str = ""


class RecoverIncident(Struct, frozen=True, kw_only=True, tag="incident_recover"):
    """Compare every account with its venue; then HALTED becomes REDUCING, and a resume can be asked for."""

    incident: str = ""


class ChangeSettings(Struct, frozen=True, kw_only=True, tag="change_settings"):
    """Change one setting by its path in the file, or go back to version `rollback` (-1 = no rollback).

    What only lowers risk is done at once, the rest needs the quorum. The desk fills in `edits`, or `problems`: every
    mistake in the value, by the models of the file; and `step` as for a vote, where a person links their own account.
    """

    path: str = ""
    value: str = ""
    reason: str = ""
    rollback: int = -1
    edits: tuple[Edit, ...] = ()
    problems: tuple[str, ...] = ()
    step: int = 0


class CancelOrders(Struct, frozen=True, kw_only=True, tag="cancel_orders"):
    """Cancel these orders, as `CancelOrder` does; what protects or only reduces is left."""

    cids: tuple[str, ...]


class AcknowledgeAlert(Struct, frozen=True, kw_only=True, tag="alert_ack"):
    """A person looks after alerts of the control room: on record who, nothing about trading changes.

    `alerts` are their ids, `text` what they are.
    """

    alerts: tuple[str, ...]
    text: str


class MuteAlerts(Struct, frozen=True, kw_only=True, tag="alert_mute"):
    """Alerts of a kind ("" = any) with these labels are not told until a time; critical ones need a second person."""

    kind: str
    until_ns: int
    labels: dict[str, str] = field(default_factory=dict)
    critical: bool = False
    reason: str = ""


class UnmuteAlerts(Struct, frozen=True, kw_only=True, tag="alert_unmute"):
    """A mute ends before its time."""

    mute: str


class RouteAlerts(Struct, frozen=True, kw_only=True, tag="alert_route"):
    """Who is called about alerts: `duty` is on_call or secondary, no `persons` leave it to the configuration."""

    duty: str
    persons: tuple[str, ...] = ()


class StepUp(Struct, frozen=True, kw_only=True, tag="step_up"):
    """A person proves with a one-time code that it is they who ask: for a token, or for an admin's verbs in a browser.

    `purpose` says what for, on record. `step` is filled in by the desk, as in `Approve`.
    """

    purpose: str
    step: int = 0


class RotateKey(Struct, frozen=True, kw_only=True, tag="rotate_key"):
    """Exchange the key that the settings call `key`, of an account, for a new one; needs the quorum.

    `by_program`: the venue lets a program do it; else people are told what to do.
    """

    key: str
    account: str
    by_program: bool = False
    reason: str = ""


class ReloadStrategy(Struct, frozen=True, kw_only=True, tag="reload"):
    """Take in a strategy's code as its file has it now; its memory starts anew and is warmed up again.

    The desk fills in `source_hash`, of the text that is asked for: another one at the vote is refused.
    """

    strategy: str
    source_hash: str = ""


AboutLoaded: TypeAlias = UnloadStrategy | StartStrategy | PauseStrategy | SetParams | ReloadStrategy
"""What names a strategy that is loaded."""

PutsToWork: TypeAlias = LoadStrategy | StartStrategy | ReloadStrategy
"""What lets a strategy's code act."""

Command: TypeAlias = (
    Halt
    | Resume
    | Flatten
    | Approve
    | Deny
    | LoadStrategy
    | UnloadStrategy
    | StartStrategy
    | PauseStrategy
    | SetParams
    | ManualTarget
    | CancelOrder
    | SetHold
    | SetCap
    | RaiseEnvelope
    | ApplySettings
    | SetBreaker
    | Override
    | EndOverride
    | BreakGlass
    | Review
    | AcknowledgeIncident
    | RecoverIncident
    | ChangeSettings
    | CancelOrders
    | ManualLimit
    | AcknowledgeAlert
    | MuteAlerts
    | UnmuteAlerts
    | RouteAlerts
    | StepUp
    | RotateKey
    | ReloadStrategy
)
Proven: TypeAlias = Approve | BreakGlass | ChangeSettings | StepUp
"""What a one-time code proves: the desk fills in its `step`."""
