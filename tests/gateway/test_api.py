"""The small API: the desk's views, commands, health."""

import httpx
import msgspec

from domain.commands import Actor, Door, Halt, Resume
from domain.views import DoorView, VenueView
from gateway.encoding import to_json
from tests.gateway.conftest import Running


async def test_every_view_is_what_the_desk_says(running: Running, tina: httpx.AsyncClient):
    running.engine.play(70)
    desk = running.engine.desk
    views = {
        "status": desk.status(),
        "positions": desk.positions(),
        "orders": desk.orders(),
        "strategies": desk.strategies(),
        "pnl": desk.pnl(),
        "trades": desk.trades(100),
        "equity": desk.equity_curve(),
    }
    for name, said in views.items():
        assert said, name
        answer = await tina.get(f"/api/v1/{name}")
        assert answer.headers["content-type"] == "application/json"
        shown = answer.json()
        rows = shown["items"] if name == "trades" else shown["items"][::-1] if name == "equity" else shown
        assert rows == msgspec.json.decode(to_json(said)), name


async def test_pending_requests_are_served(running: Running, tina: httpx.AsyncClient):
    assert (await tina.get("/api/v1/pending")).json() == []
    await running.engine.desk.submit(Halt(), Actor(person="tina", door=Door.DASHBOARD))
    await running.engine.desk.submit(Resume(), Actor(person="rosa", door=Door.DASHBOARD))
    [request] = (await tina.get("/api/v1/pending")).json()
    assert (request["requester"], request["votes_needed"], request["status"]) == ("rosa", 2, "pending")


async def test_trades_and_orders_are_cut_as_asked(running: Running, tina: httpx.AsyncClient):
    running.engine.play(70)
    assert len((await tina.get("/api/v1/trades", params={"limit": 5})).json()["items"]) == 5
    working = (await tina.get("/api/v1/orders")).json()
    recent = (await tina.get("/api/v1/orders", params={"recent": "true"})).json()
    assert recent[: len(working)] == working
    assert len(recent) > len(working) > 0


async def test_a_limit_out_of_range_is_refused(running: Running, tina: httpx.AsyncClient):
    for limit in ("0", "-1", "2001", "many"):
        assert (await tina.get("/api/v1/trades", params={"limit": limit})).status_code == 422


async def test_a_command_line_reaches_the_console_as_the_logged_in_person(running: Running, tina: httpx.AsyncClient):
    answer = await tina.post("/api/v1/line", json={"line": "/status"}, headers=running.origin)
    assert "equity" in answer.json()["text"].lower()
    [(actor, line)] = running.said
    assert isinstance(actor, Actor)
    assert (actor.person, actor.door, line) == ("tina", Door.DASHBOARD, "/status")


async def test_a_malformed_command_is_refused(running: Running, tina: httpx.AsyncClient):
    bodies: list[object] = [{}, {"line": ""}, {"line": "x" * 1001}, {"line": "/x", "extra": 1}, [], {"line": 7}]
    for body in bodies:
        assert (await tina.post("/api/v1/line", json=body, headers=running.origin)).status_code == 422
    assert running.said == []


async def test_a_command_as_somebody_unknown_is_refused(running: Running, tina: httpx.AsyncClient):
    answer = await tina.post("/api/v1/line", json={"line": "/x", "person": "eve"}, headers=running.origin)
    assert answer.status_code == 403
    assert "eve" in answer.json()["detail"]


async def test_readiness_gives_the_reasons_of_desk_and_service(running: Running, stranger: httpx.AsyncClient):
    ready = await stranger.get("/health/ready")
    well = {"status": "ready", "reasons": [], "trading": "active", "chat": {}}
    assert (ready.status_code, ready.json()) == (200, well)
    running.unhealthy.append("telegram is down")
    running.engine.driver.core.state.accounts["PAPER:main"].reconciled = False
    ready = await stranger.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["reasons"][-1] == "telegram is down"
    assert len(ready.json()["reasons"]) == 2
    assert (await stranger.get("/health/live")).json() == {"status": "live"}


async def test_readiness_stands_apart_from_the_trading_state_and_the_chats(
    running: Running, tina: httpx.AsyncClient, stranger: httpx.AsyncClient
):
    running.engine.desk.doors = lambda: (DoorView(name="telegram", ok=False, text="not connected since noon"),)
    await tina.post("/api/v1/line", json={"line": "/halt"}, headers=running.origin)
    ready = await stranger.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["trading"] == "halted"
    assert ready.json()["chat"] == {"telegram": "not connected since noon"}


async def test_the_venues_are_told(running: Running, tina: httpx.AsyncClient):
    assert (await tina.get("/api/v1/venues")).json() == []
    running.engine.desk.venues = lambda: (VenueView(venue="BYBIT", network="testnet", connected=True),)
    [venue] = (await tina.get("/api/v1/venues")).json()
    assert (venue["venue"], venue["connected"], venue["waiting"]) == ("BYBIT", True, [])


async def test_an_unknown_api_path_is_said_to_be_unknown(running: Running, tina: httpx.AsyncClient):
    answer = await tina.get("/api/v2/status")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_no_text_is_refused_in_a_sentence(running: Running, tina: httpx.AsyncClient):
    bodies = (
        b'{"line": "/halt \\ud83d"}',
        b'{"line": "/x", "person": "\\udc00"}',
        b'{"\\ud800": 1}',
        b"\xff\xfe",
        b"[" * 9000,
    )
    for body in bodies:
        headers = running.origin | {"content-type": "application/json"}
        answer = await tina.post("/api/v1/line", content=body, headers=headers)
        assert answer.status_code in {400, 422}, body[:50]
        assert answer.json()["detail"], body[:50]
    assert running.said == []
