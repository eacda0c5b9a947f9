"""Risk in the API and in the metrics: the same figures of a real engine with a known past."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
import pytest

from domain.commands import Actor, Door, ManualTarget
from gateway.access.scrape import scrape_token
from gateway.desk_source import DeskSource
from gateway.metrics import exposition, labels_text
from gateway.watched import RiskReader, RiskReading
from tests.bot.test_risk import remember
from tests.gateway.conftest import SCRAPE, Running
from tests.gateway.engine import Engine


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(70)


async def reading(engine: Engine) -> RiskReading:
    order = ManualTarget(account="PAPER:main", instrument="SOL-USDC-PERP.PAPER", qty=Decimal(30))
    await engine.desk.submit(order, Actor(person="tina", door=Door.DASHBOARD))
    engine.play(2)
    remember(engine.driver.core, 1_440, 720)
    return await RiskReader(DeskSource(engine.desk, engine.remote)).risk()


async def test_the_metrics_are_what_prometheus_reads(engine: Engine) -> None:
    now = await reading(engine)
    page = exposition(now)
    assert 'moondev_breaker_state{breaker="drawdown",scope="all"} 0' in page
    assert 'moondev_breaker_threshold{breaker="volatility",scope="BTC-USDC-PERP.PAPER"} 0.05' in page
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    form = re.compile(r'moondev_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?\d+(\.\d+)?')
    assert all(form.fullmatch(line) for line in lines), page
    found = dict(line.rsplit(" ", 1) for line in lines)
    assert found["moondev_risk_level"] == "0"
    assert Decimal(found["moondev_leverage_ratio"]) == now.view.leverage
    tail = next(t for t in now.view.tails if t.step == "hour" and t.method == "historical")
    assert (
        Decimal(found['moondev_value_at_risk_usd{step="hour",level="0.95",method="historical"}']) == tail.value_at_risk
    )
    assert Decimal(found['moondev_exposure_usd{by="asset",name="SOL",side="short"}']) == 0
    assert Decimal(found['moondev_stress_profit_usd{shock="btc-20"}']) < 0
    names = {line.split("{")[0].split(" ")[0] for line in lines}
    assert all(page.count(f"# TYPE {name} gauge\n") == 1 for name in names)


def test_a_name_with_quotes_does_not_break_the_page() -> None:
    assert labels_text({"name": 'a"b\\c\nd'}) == '{name="a\\"b\\\\c\\nd"}'


async def test_a_scraper_reads_the_metrics_with_its_token_and_nothing_else(
    running: Running, stranger: httpx.AsyncClient
) -> None:
    bearer = {"Authorization": f"Bearer {SCRAPE}"}
    page = await stranger.get("/metrics", headers=bearer)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "moondev_risk_level 0" in page.text
    for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": ""}):
        assert (await stranger.get("/metrics", headers=wrong)).status_code == 401
    assert (await stranger.get("/api/v1/risk", headers=bearer)).status_code == 401
    assert (await stranger.post("/metrics", headers=bearer | running.origin)).status_code == 401


def test_the_token_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    token, file = scrape_token(tmp_path), tmp_path / "metrics.token"
    assert file.read_text() == token
    assert file.stat().st_mode & 0o777 == 0o600
    assert scrape_token(tmp_path) == token
    for torn in (b"\xff", b""):
        file.write_bytes(torn)
        assert scrape_token(tmp_path) not in {token, ""}
    assert file.read_text()


async def test_risk_and_stress_are_served(
    running: Running, tina: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    desk = running.engine.desk
    assert (await tina.get("/api/v1/risk")).json() == msgspec.json.decode(msgspec.json.encode(desk.risk()))
    assert len((await tina.get("/api/v1/stress")).json()) == len(desk.shocks())
    [own] = (await tina.get("/api/v1/stress", params={"what": "BTC -20"})).json()
    assert own["what"] == "BTC -20 %"
    refused = await tina.get("/api/v1/stress", params={"what": "BTC 20"})
    assert refused.status_code == 404
    assert "rise or fall" in refused.json()["detail"]
    assert (await stranger.get("/api/v1/risk")).status_code == 401
