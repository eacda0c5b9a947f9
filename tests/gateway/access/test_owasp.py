"""OWASP API Security Top 10, 2023: each risk by its name, against a gateway on a real socket."""

import io
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from domain.access import NewToken, Scope
from domain.commands import Actor, Door
from engine.config import load_config
from engine.config.problem import Problems
from gateway.access.secret import new_token
from gateway.limits import ADDRESS_TIMES, BURST_S, PER_SECOND, Limits, Rate
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
HOUR_NS = 3_600 * 10**9


class Seconds:
    """A monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


CLOCK = Seconds()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[Running]:
    async with serve(Engine(), limits=Limits(now_s=CLOCK)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    CLOCK.now += 1_000
    async with httpx.AsyncClient(base_url=running.url) as client:
        yield client


async def token(running: Running, person: str, *scopes: Scope) -> dict[str, str]:
    wanted = NewToken(name=f"t{time.time_ns()}", person=person, scopes=scopes, life_ns=HOUR_NS)
    secret, _ = await running.doors.accounts.create_token(wanted, Actor(person=person, door=Door.TERMINAL))
    return {"Authorization": f"Bearer {secret}"}


async def test_api1_broken_object_level_authorization(running: Running, http: httpx.AsyncClient):
    """Another's token is neither shown to who is no admin, nor revoked by them; nobody speaks for another by token."""
    await token(running, "adam", Scope.ADMIN)
    [view, *_] = await running.doors.accounts.tokens("adam")
    await running.log_in(http, "tina")
    answer = await http.post("/api/v1/verbs/tokens-revoke", json={"arguments": {"id": view.id}}, headers=running.origin)
    assert (answer.json()["ok"], "another person's" in answer.json()["text"]) == (False, True)
    listed = await http.post("/api/v1/verbs/tokens-list", json={}, headers=running.origin)
    assert view.name not in listed.text
    headers = await token(running, "tina", Scope.TRADE)
    async with httpx.AsyncClient(base_url=running.url, headers=headers) as program:
        spoken = await program.post("/api/v1/verbs/resume", json={"person": "rosa"})
    assert spoken.status_code == 403
    assert (await running.doors.accounts.token_of(view.id)).state == "active"


async def test_api2_broken_authentication(running: Running, http: httpx.AsyncClient):
    """Nothing that was made up, cut, sealed by another or sent in an address lets anybody in; failures are slowed."""
    good = (await token(running, "tina", Scope.READ))["Authorization"].removeprefix("Bearer ")
    for wrong in ("x", new_token(), good[:-1], good.swapcase(), f"{good}x", "mdt_" + "0" * 49, "\u00e9"):
        headers = {b"Authorization": f"Bearer {wrong}".encode()}
        assert (await http.get("/api/v1/status", headers=headers)).status_code in {401, 429}
    assert (await http.get(f"/api/v1/status?token={good}")).status_code == 401
    assert (await http.get("/api/v1/status", headers={"Authorization": f"Basic {good}"})).status_code == 401
    answer = await http.get("/api/v1/status", headers={"Authorization": f"Bearer {new_token()}"})
    assert (answer.status_code, answer.json()["code"]) == (429, "locked")
    assert int(answer.headers["retry-after"]) > 20
    assert (await http.get("/api/v1/status", headers={"Authorization": f"Bearer {good}"})).status_code == 200


async def test_api3_broken_object_property_level_authorization(running: Running, http: httpx.AsyncClient):
    """No answer has a property that is nobody's affair, and no request sets one that it does not know."""
    headers = await token(running, "adam", *Scope)
    for path in ("persons", "settings", "health"):
        text = (await http.get(f"/api/v1/{path}", headers=headers)).text
        assert not re.search(r'"(hash|cookie|totp|api_key_value|telegram_token)"', text), path
    for body in ({"role": "admin"}, {"arguments": {}, "scopes": ["admin"]}, {"arguments": {}, "door": "system"}):
        answer = await http.post("/api/v1/verbs/whoami", json=body, headers=headers)
        assert answer.status_code == 422, body


async def test_api4_unrestricted_resource_consumption(running: Running, http: httpx.AsyncClient):
    """Bodies, pages and requests have an end, told with when to come back; each class by itself."""
    headers = await token(running, "tina", Scope.READ, Scope.TRADE)
    too_long = await http.post("/api/v1/verbs/halt", content=b"x" * 70_000, headers=headers)
    assert too_long.status_code == 413
    assert (await http.get("/api/v1/trades?limit=1000000", headers=headers)).status_code == 422
    burst = int(PER_SECOND[Rate.HEAVY] * 5)
    codes = [(await http.get("/api/v1/stress", headers=headers)).status_code for _ in range(burst + 1)]
    assert codes == [200] * burst + [429]
    answer = await http.get("/api/v1/stress", headers=headers)
    assert (answer.json()["code"], answer.headers["retry-after"]) == ("rate", "1")
    assert (await http.get("/api/v1/status", headers=headers)).status_code == 200
    CLOCK.now += 1
    assert (await http.get("/api/v1/stress", headers=headers)).status_code == 200


async def test_api4_a_stranger_who_floods_an_address_makes_nobody_wait_who_was_let_in(
    running: Running, http: httpx.AsyncClient
):
    """Loopback, an office and a proxy are one address for many; any page in a browser can flood it with reads."""
    headers = await token(running, "tina", Scope.READ)
    late = await token(running, "tina", Scope.READ)
    assert (await http.get("/api/v1/stress", headers=headers)).status_code == 200
    most = int(PER_SECOND[Rate.HEAVY] * ADDRESS_TIMES * BURST_S)
    codes = [(await http.get("/api/v1/stress")).status_code for _ in range(most)]
    assert codes == [401] * (most - 1) + [429]
    assert (await http.get("/api/v1/stress", headers=late)).status_code == 429
    assert (await http.get("/api/v1/stress", headers=headers)).status_code == 200


async def test_api5_broken_function_level_authorization(running: Running, http: httpx.AsyncClient):
    """A verb of a higher role is refused at the guard for tokens and by the control room for people. (The matrix
    walks them all.)"""
    for scopes, verb in (
        ((Scope.READ,), "halt"),
        ((Scope.TRADE,), "resume"),
        ((Scope.READ, Scope.TRADE), "users-list"),
    ):
        headers = await token(running, "tina", *scopes)
        assert (await http.post(f"/api/v1/verbs/{verb}", json={}, headers=headers)).status_code == 403
    headers = await token(running, "adam", Scope.READ)
    assert (await http.post("/api/v1/verbs/halt", json={}, headers=headers)).json()["code"] == "scope"
    votes = await token(running, "adam", *Scope)
    for verb in ("approve", "deny", "breakglass", "login", "tokens-create"):
        answer = await http.post(f"/api/v1/verbs/{verb}", json={}, headers=votes)
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_person"), verb


async def test_api6_unrestricted_access_to_sensitive_business_flows(running: Running, http: httpx.AsyncClient):
    """What adds risk asks first, whoever sends it; what stops trading is never slowed down, whatever else was asked."""
    headers = await token(running, "tina", Scope.READ, Scope.TRADE)
    arguments = {"side": "buy", "symbol": "SOL", "qty": "1"}
    answer = await http.post("/api/v1/verbs/order", json={"arguments": arguments}, headers=headers)
    assert "confirm" in answer.json()["text"].lower()
    assert not [view for view in running.engine.desk.orders() if view.owner == "manual"]
    for _ in range(int(PER_SECOND[Rate.WRITE] * 5) + 1):
        answer = await http.post("/api/v1/verbs/cap", json={}, headers=headers)
    assert answer.status_code == 429
    for _ in range(100):
        halted = await http.post("/api/v1/verbs/halt", json={"arguments": {"reason": "now"}}, headers=headers)
        assert halted.status_code == 200
    assert running.engine.desk.status().trading_state == "halted"
    await running.log_in(http, "tina")
    line = "/api/v1/line"
    for _ in range(int(PER_SECOND[Rate.WRITE] * 5) + 1):
        answer = await http.post(line, json={"line": "/whoami"}, headers=running.origin)
    assert answer.status_code == 429
    for said in ("/halt at once", "HALT now", "/flatten BTC", "/stopentry"):
        assert (await http.post(line, json={"line": said}, headers=running.origin)).status_code == 200, said
    for said in ("/halts", "say /halt", ""):
        assert (await http.post(line, json={"line": said}, headers=running.origin)).status_code == 429, said
    http.cookies.clear()
    assert (await http.post(line, json={"line": "/halt"}, headers=running.origin)).status_code == 401


async def test_api7_server_side_request_forgery(running: Running, http: httpx.AsyncClient):
    """No route takes an address to call: names that look like one are names that are not known."""
    headers = await token(running, "adam", *Scope)
    for path in ("candles", "book", "strategy", "job", "audit-entry"):
        for target in ("http://169.254.169.254/latest", "file:///etc/passwd", "//evil.example"):
            answer = await http.get(f"/api/v1/{path}", params={"instrument": target, "id": target}, headers=headers)
            assert answer.status_code in {404, 422}, (path, answer.text[:200])
    document = (await http.get("/api/v1/openapi.json", headers=headers)).json()
    names = re.findall(r'"name": ?"([^"]+)"', json.dumps(document))
    assert not {name for name in names if re.search(r"url|callback|webhook|host", name.lower())}


async def test_api8_security_misconfiguration(running: Running, http: httpx.AsyncClient, tmp_path: Path):
    """It listens on loopback, or with TLS; no documents, listings, traces or foreign readers; the log has no secret."""
    for path in ("/docs", "/redoc", "/openapi.json", "/static/", "/static/../app.py", "/.git/config", "/metrics"):
        assert (await http.get(path)).status_code in {401, 404}, path
    for method in ("TRACE", "PUT", "PATCH", "DELETE", "CONNECT"):
        assert (await http.request(method, "/api/v1/status")).status_code in {400, 401, 403, 405}, method
    answer = await http.options(
        "/api/v1/status", headers={"Origin": running.url, "Access-Control-Request-Method": "GET"}
    )
    assert not [name for name in answer.headers if name.startswith("access-control")]
    for text, why in (
        ("gateway: {host: 0.0.0.0}", "without TLS"),
        ("gateway: {host: 0.0.0.0, tls: {certificate: c.pem, key: k.pem}}", "under which name"),
        ("gateway: {behind_proxy: [0.0.0.0/0], hosts: [a.example]}", "everybody"),
        ("gateway: {hosts: ['https://a.example']}", "without https://"),
        ("gateway: {behind_proxy: [10.0.0.1/8]}", "a network such as"),
    ):
        (tmp_path / "settings.yaml").write_text(text)
        with pytest.raises(Problems, match=why):
            load_config(tmp_path / "settings.yaml")


async def test_api9_improper_inventory_management(running: Running, http: httpx.AsyncClient):
    """There is one version, its document names what there is, and old or forgotten addresses are not there."""
    headers = await token(running, "adam", *Scope)
    for path in ("/api/v0/status", "/api/v2/status", "/api/status", "/v1/status", "/admin", "/debug"):
        assert (await http.get(path, headers=headers)).status_code == 404, path
    document = (await http.get("/api/v1/openapi.json", headers=headers)).json()
    assert "/api/v1/status" in document["paths"]


async def test_api10_unsafe_consumption_of_apis(running: Running, http: httpx.AsyncClient):
    """What a proxy or a browser claims is not believed: addresses, names, origins, schemes."""
    headers = await token(running, "tina", Scope.READ)
    for name, value in (
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=10.0.0.1;proto=https"),
        ("X-Original-URL", "/api/v1/settings"),
        ("X-HTTP-Method-Override", "DELETE"),
    ):
        answer = await http.get("/api/v1/status", headers={**headers, name: value})
        assert answer.status_code == 200, name
        assert "strict-transport-security" not in answer.headers
        assert "positions" not in answer.url.path
    for host in ("evil.example", f"127.0.0.1.evil.example:{running.server.port}"):
        assert (await http.get("/api/v1/status", headers={**headers, "Host": host})).json()["code"] == "host"


async def test_no_secret_is_in_the_log_whatever_fails(running: Running, http: httpx.AsyncClient, monkeypatch):
    """Access log, refusals, tracebacks: tokens, cookies and links are in none of them."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(lambda record: record.name.partition(".")[0] not in {"httpx", "httpcore"})  # the client's own
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        headers = await token(running, "tina", Scope.READ)
        link = await running.access.new_link("tina")
        await running.press(http, link)
        monkeypatch.setattr(running.engine.desk, "risk", lambda: 1 / 0)
        for path in ("/api/v1/risk", "/api/v1/nothing", "/metrics", link):
            await http.get(path, headers=headers)
            await http.get(path)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    said = written.getvalue()
    secrets = [headers["Authorization"].removeprefix("Bearer "), link.removeprefix("/login/"), *http.cookies.values()]
    assert len(secrets) >= 3
    assert not [secret for secret in secrets if secret in said]
