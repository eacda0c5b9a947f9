"""Settings that change while the engine runs: judged, voted on where they add risk, versioned, told, and taken back.

A change is a list of edits. What only lowers risk is in force at once; what adds risk waits for the quorum and is
judged again when that has agreed: what was voted on is exactly what happens, or nothing.
"""

from __future__ import annotations

from functools import partial

import msgspec

from domain import commands as c
from domain.codec import digest
from domain.diff import diff
from domain.edits import ConfigVersion, Edit, Moved, edits_between, with_edits
from domain.facts import Severity
from domain.files import SettingsFileRead
from domain.settings import Settings
from domain.verdict import Reason, Veto
from engine.core import limits, operate, people, strategies
from engine.core.core import Core
from risk.contradictions import contradictions
from risk.direction import adds_risk

REMEMBERED = 100
FIXED = ("environment", "instruments", "accounts")
"""What stays as it is while the engine runs: orders and positions rest on it."""


def resolved(core: Core, command: c.ChangeSettings) -> c.ChangeSettings | Veto:
    """The command with its edits: those of a rollback are known here alone."""
    if command.problems:
        return Veto(Reason.BAD_VALUE, "; ".join(command.problems))
    if command.rollback < 0:
        return command
    edits = edits_back_to(core, command.rollback)
    if isinstance(edits, Veto):
        return edits
    return msgspec.structs.replace(command, edits=edits, path=f"version {command.rollback}", rollback=-1)


def edits_back_to(core: Core, number: int) -> tuple[Edit, ...] | Veto:
    """What leads back to a version, the newest change first."""
    versions = core.state.config_versions
    now = core.state.config_version
    oldest = versions[0].number - 1 if versions else now
    if not oldest <= number < now:
        there = f"{oldest} to {now - 1}" if now > oldest else "none"
        return Veto(Reason.NO_SUCH, f"version {number}; now is {now}, and these can be had back: {there}")
    back = [edit.undone() for v in reversed(versions) if v.number > number for edit in reversed(v.edits)]
    try:
        then = with_edits(core.state.settings, back)
    except (Moved, msgspec.ValidationError) as error:
        return Veto(Reason.MOVED, f"{error} has been changed otherwise since: change it by its name")
    return edits_between(core.state.settings, then)


def is_lower(core: Core, command: c.ChangeSettings) -> bool:
    """Whether a change only lowers risk, so that one person of role risk is enough."""
    in_force = partial(limits.configured, core)
    return bool(command.edits) and not any(adds_risk(edit, in_force) for edit in command.edits)


def is_at_once(core: Core, person: str, command: c.ChangeSettings) -> bool:
    """Whether a change waits for nobody: it lowers risk, or the person gives up an account of their own."""
    return is_lower(core, command) or people.unlinks(person, command.edits)


def settings_after(core: Core, command: c.ChangeSettings) -> Settings | Veto:
    """The settings that a change leads to, or everything that is wrong with it."""
    if not command.edits:
        return Veto(Reason.WRONG_STATE, "that is how it is already")
    if fixed := [edit.name for edit in command.edits if edit.path[0] in FIXED]:
        return Veto(Reason.WRONG_STATE, f"{', '.join(fixed)} cannot change while running: change the file and restart")
    try:
        after = with_edits(core.state.settings, command.edits)
    except Moved as error:
        return Veto(Reason.MOVED, f"{error} is not what it was when this was asked for")
    except msgspec.ValidationError as error:
        return Veto(Reason.BAD_VALUE, str(error))
    before = {text for _, text in contradictions(core.state.settings)}
    found = [f"{'.'.join(path)}: {text}" for path, text in contradictions(after) if text not in before]
    return Veto(Reason.BAD_VALUE, "; ".join(found)) if found else after


def describe(core: Core, command: c.ChangeSettings) -> str:
    """What people are asked to agree to, old and new."""
    after = settings_after(core, command)
    lines = diff(core.state.settings, after) if isinstance(after, Settings) else []
    why = f" ({command.reason})" if command.reason else ""
    return f"change settings: {'; '.join(lines) or command.path}{why}"


def change(core: Core, by: str, command: c.ChangeSettings, *, asker: str) -> Veto | str:
    """Put a change in force that `asker` had asked for."""
    after = settings_after(core, command)
    if isinstance(after, Veto):
        return after
    if (veto := rewarm(core, after, asker, by)) is not None:
        return veto
    version = record(core, after, by, command.reason)
    operate.take_settings(core, after, version.content_hash)
    return f"Settings are at version {version.number}: {'; '.join(version.changes)}."


def rewarm(core: Core, after: Settings, asker: str, by: str) -> Veto | None:
    """Loaded strategies whose parameters change take them now; refused when one of them cannot."""
    before = {spec.id: spec for spec in core.state.settings.strategies}
    for spec in after.strategies:
        loaded, was = core.state.strategies.get(spec.id), before.get(spec.id)
        if loaded is None or was is None or was.params == spec.params:
            continue
        if (veto := strategies.put_to_work(core, loaded, asker, spec.params, by)) is not None:
            return veto
    return None


def record(core: Core, after: Settings, by: str, why: str) -> ConfigVersion:
    """Write a version down and tell people; before the settings are replaced."""
    state = core.state
    state.config_version += 1
    version = ConfigVersion(
        number=state.config_version,
        content_hash=digest(after),
        seq=state.seq,
        ts_ns=state.ts_ns,
        by=by,
        why=why,
        changes=tuple(diff(state.settings, after)),
        edits=edits_between(state.settings, after),
    )
    state.config_versions.append(version)
    del state.config_versions[:-REMEMBERED]
    reason = f" Why: {why}." if why else ""
    text = f"Settings version {version.number}, by {by}: {'; '.join(version.changes) or 'no change'}.{reason}"
    back = f"/config rollback {version.number - 1} takes it back."
    core.alert(Severity.WARNING, "settings", f"{text} {back}", version=str(version.number))
    return version


def note_params(core: Core, by: str, strategy_id: str) -> None:
    """A loaded strategy has other parameters: the settings say so too, where it is one of theirs."""
    settings, loaded = core.state.settings, core.state.strategies.get(strategy_id)
    if loaded is None or all(spec.id != strategy_id for spec in settings.strategies):
        return
    specs = tuple(
        msgspec.structs.replace(spec, params=loaded.spec.params) if spec.id == strategy_id else spec
        for spec in settings.strategies
    )
    after = msgspec.structs.replace(settings, strategies=specs)
    if after != settings:
        version = record(core, after, by, "")
        core.state.settings, core.state.settings_hash = after, version.content_hash


def on_file_read(core: Core, event: SettingsFileRead) -> None:
    """The file is a proposal: people are told what it would change, and nothing is changed."""
    core.state.file_differs = event.changes
    if not event.is_news:
        return
    if event.problem:
        text = f"The settings file {event.file} cannot be used: {event.problem}. What is in force stays."
        core.alert(Severity.WARNING, "settings", text, file=event.file)
    elif event.changes:
        core.alert(
            Severity.WARNING,
            "settings",
            f"The settings file {event.file} differs from what is in force, which stays: {'; '.join(event.changes)}. "
            f"To ask for it: ./moondev apply-settings {event.file}, or /config set one by one.",
            file=event.file,
        )
