"""Incidents as people see them."""

from __future__ import annotations

from domain import views as v
from domain.incident import Incident, Stage
from engine.core import incident as core_incident
from engine.core.core import Core


def incidents(core: Core) -> list[v.IncidentView]:
    """The newest incidents, newest first; the damage of an open one is as things are now."""
    return [_view(core, incident) for incident in reversed(core.state.incidents.values())]


def in_a_line(core: Core) -> str:
    """The open incident, how far it is and what is to be done next; "" without one."""
    incident = core_incident.current(core)
    if incident is None:
        return ""
    return f"{incident.id} {incident.kind}: {incident.stage}. {core_incident.next_step(incident)}"


def _view(core: Core, incident: Incident) -> v.IncidentView:
    is_open = incident.stage is not Stage.CLOSED
    return v.IncidentView(
        id=incident.id,
        kind=incident.kind,
        text=incident.text,
        stage=incident.stage.value,
        ts_ns=incident.ts_ns,
        closed_ns=incident.closed_ns,
        steps=tuple(incident.steps),
        damage=core_incident.damage(core, incident) if is_open else incident.damage,
        next_step=core_incident.next_step(incident),
    )
