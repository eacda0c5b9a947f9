"""The least role that each command takes, whatever door it comes through."""

from __future__ import annotations

from domain import commands as c
from domain.settings import RoleName

ROLE_NEEDED: dict[type[c.Command], RoleName] = {
    c.Halt: RoleName.TRADER,
    c.Flatten: RoleName.TRADER,
    c.Resume: RoleName.RISK,
    c.Approve: RoleName.VIEWER,
    c.Deny: RoleName.VIEWER,
    c.LoadStrategy: RoleName.TRADER,
    c.UnloadStrategy: RoleName.TRADER,
    c.StartStrategy: RoleName.TRADER,
    c.PauseStrategy: RoleName.TRADER,
    c.SetParams: RoleName.TRADER,
    c.ManualTarget: RoleName.TRADER,
    c.CancelOrder: RoleName.TRADER,
    c.SetHold: RoleName.TRADER,
    c.SetCap: RoleName.TRADER,
    c.RaiseEnvelope: RoleName.RISK,
    c.ApplySettings: RoleName.ADMIN,
    c.SetBreaker: RoleName.TRADER,
    c.Override: RoleName.RISK,
    c.EndOverride: RoleName.TRADER,
    c.BreakGlass: RoleName.VIEWER,
    c.Review: RoleName.RISK,
    c.AcknowledgeIncident: RoleName.TRADER,
    c.RecoverIncident: RoleName.RISK,
    c.ChangeSettings: RoleName.RISK,
    c.ManualLimit: RoleName.TRADER,
    c.CancelOrders: RoleName.TRADER,
    c.AcknowledgeAlert: RoleName.VIEWER,
    c.MuteAlerts: RoleName.TRADER,
    c.UnmuteAlerts: RoleName.TRADER,
    c.RouteAlerts: RoleName.RISK,
    c.StepUp: RoleName.VIEWER,
    c.RotateKey: RoleName.ADMIN,
    c.ReloadStrategy: RoleName.TRADER,
}
"""Least role per command; voting is judged by the quorum rules instead."""


def needs_person(command: c.Command) -> bool:
    """Whether no program may send it for its person: votes, and what a one-time code proves."""
    return isinstance(command, c.Approve | c.Deny | c.BreakGlass | c.StepUp) or (
        isinstance(command, c.ChangeSettings) and command.step != 0
    )
