"""What the quorum is asked to agree to, in words."""

from __future__ import annotations

from domain import commands as c
from domain.events import CommandReceived
from engine.core import alerting, config, keys, operate, overrides, params
from engine.core.core import Core
from engine.core.matrix import by_hand


def age_of(event: CommandReceived) -> int:
    """How long ago the person sent it."""
    return event.ts_ns - event.sent_ts_ns if event.sent_ts_ns else 0


def by_a_person(event: CommandReceived) -> bool:
    """Whether a person asks, and not the configuration."""
    return event.actor.door is not c.Door.SYSTEM


def describe(core: Core, command: c.Command) -> str:  # noqa: PLR0911 - one per command
    """What the quorum is asked to agree to, in words."""
    match command:
        case c.Resume():
            return operate.describe_resume(core, command.venue)
        case c.SetHold():
            return f"release the hold on {command.instrument} of {command.account}"
        case c.SetCap():
            return f"raise the cap on {command.instrument} of {command.account} to {command.qty or 'none'}"
        case c.RaiseEnvelope():
            return f"let {command.strategy} add up to {command.notional}"
        case c.SetBreaker():
            return by_hand.describe(core, command.name)
        case c.ChangeSettings():
            return config.describe(core, command)
        case c.ApplySettings():
            return f"apply settings {command.content_hash[:8]}: {'; '.join(command.changes) or 'no change'}"
        case c.SetParams():
            return params.words(core, command)
        case c.LoadStrategy() | c.StartStrategy() | c.ReloadStrategy():
            return params.work_words(command)
        case c.RotateKey():
            return keys.describe(command)
        case c.Override() | c.MuteAlerts():
            return overrides.describe(core, command) if isinstance(command, c.Override) else alerting.asked(command)
        case _:
            return str(command.__struct_config__.tag)
