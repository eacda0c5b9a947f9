"""An override is on every screen while it lasts: the dashboard's bar, the API and the metrics."""

from __future__ import annotations

from decimal import Decimal

from domain.commands import Actor, Approve, Door, Override
from gateway.desk_source import DeskSource
from gateway.metrics import exposition
from gateway.watched import RiskReader
from tests.gateway.engine import Engine

COMMAND = Override(rule="open_positions", scope="portfolio", value=Decimal(25), minutes=30, reason="a busy day")


async def test_the_metrics_have_it_while_it_lasts() -> None:
    engine = Engine(5)
    asked = await engine.desk.submit(COMMAND, Actor(person="rosa", door=Door.DASHBOARD))
    page = exposition(await RiskReader(DeskSource(engine.desk, engine.remote)).risk())
    assert "moondev_requests_waiting 1\n" in page
    assert "moondev_override_value" not in page
    done = await engine.desk.submit(Approve(request=asked.request), Actor(person="adam", door=Door.DASHBOARD))
    assert done.ok, done.text
    page = exposition(await RiskReader(DeskSource(engine.desk, engine.remote)).risk())
    assert 'moondev_override_value{rule="open_positions",scope="portfolio"} 25\n' in page
    assert 'moondev_override_left_seconds{rule="open_positions",scope="portfolio"} 1800\n' in page
    (view,) = engine.desk.status().overrides
    assert (view.rule, view.value, view.persons) == ("open_positions", Decimal(25), ("rosa", "adam"))
