"""Every route of the app, and who may use it: nobody gets further than the table says, and the table forgets none."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.routing import Mount, Route, WebSocketRoute

from bot.rules import verb_rules
from bot.verbs import VERBS
from domain.access import NewToken, Scope
from domain.commands import Actor, Door
from domain.settings import Person, RoleName
from gateway.access.table import ROUTES, Table
from gateway.guard import CSRF_HEADER
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = {"vera": RoleName.VIEWER, "tina": RoleName.TRADER, "rosa": RoleName.RISK, "adam": RoleName.ADMIN}
OPEN = {"/health/live", "/health/ready", "/login", "/login/{token}", "/login/{token:path}"}
"""Said here once more, by hand: what strangers see."""
NEEDS = {
    **dict.fromkeys(("audit", "audit-entry", "audit-head", "chain", "audit.jsonl"), RoleName.RISK),
    **dict.fromkeys(("settings", "settings-history"), RoleName.ADMIN),
}
PERSONS_ONLY = {"/", "/logout", "/api/v1/command", "/api/v1/line", "/api/v1/step-up"}
BY_PERSON = {
    "approve", "deny", "breakglass", "review", "link", "unlink", "login", "tokens-create", "tokens-revoke",
    "tokens-resume", "sessions-end", "stepup", "timezone", "subscribe", "unsubscribe", "schedule-set", "schedule-off",
}  # fmt: skip
SCOPE_OF_ROLE = {RoleName.TRADER: Scope.TRADE, RoleName.RISK: Scope.RISK, RoleName.ADMIN: Scope.ADMIN}
HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-",
}


@dataclass
class Caller:
    """Somebody who asks."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    role: RoleName | None = None
    scopes: frozenset[Scope] | None = None
    """None: a person, with a cookie."""
    is_bad: bool = False


@dataclass
class Crowd:
    """A gateway and everybody who asks it."""

    running: Running
    http: httpx.AsyncClient
    callers: list[Caller]

    def named(self, name: str) -> Caller:
        return next(one for one in self.callers if one.name == name)

    async def ask(self, caller: Caller, method: str, path: str, **options: object) -> httpx.Response:
        self.http.cookies.clear()
        return await self.http.request(method, path, headers=caller.headers, **options)  # type: ignore[arg-type]


async def person(running: Running, name: str) -> Caller:
    async with httpx.AsyncClient(base_url=running.url) as client:
        await running.log_in(client, name)
        cookie = "; ".join(f"{one}={value}" for one, value in client.cookies.items())
    return Caller(name, {"Cookie": cookie, **running.origin}, ROLES[name])


async def program(running: Running, owner: str, *scopes: Scope, networks: tuple[str, ...] = ()) -> tuple[Caller, str]:
    name = f"{owner}:{'+'.join(scopes)}{''.join(networks)}"
    wanted = NewToken(name=name[:40], person=owner, scopes=scopes, life_ns=3600 * 10**9, networks=networks)
    token, view = await running.doors.accounts.create_token(wanted, Actor(person=owner, door=Door.TERMINAL))
    return Caller(name, {"Authorization": f"Bearer {token}"}, ROLES[owner], frozenset(scopes)), view.id


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def crowd() -> AsyncIterator[Crowd]:
    engine = Engine()
    engine.driver.core.persons["vera"] = Person(id="vera", name="Vera", role=RoleName.VIEWER)
    async with serve(engine) as running, httpx.AsyncClient(base_url=running.url) as http:
        callers = [Caller("nobody", dict(running.origin))]
        callers += [await person(running, name) for name in ROLES]
        for owner, scopes in (
            ("vera", (Scope.READ,)),
            ("tina", (Scope.READ,)),
            ("tina", (Scope.READ, Scope.TRADE)),
            ("rosa", (Scope.RISK,)),
            *(("adam", (scope,)) for scope in Scope),
            ("adam", tuple(Scope)),
        ):
            callers.append((await program(running, owner, *scopes))[0])
        revoked, revoked_id = await program(running, "adam", Scope.READ, Scope.ADMIN)
        await running.doors.accounts.revoke_token(revoked_id, Actor(person="adam", door=Door.TERMINAL))
        expired, expired_id = await program(running, "adam", Scope.READ, Scope.RISK)
        await running.access.write(
            lambda connection: connection.exec_driver_sql(
                f"UPDATE access_tokens SET expires_ns = 1 WHERE id = {expired_id[1:]}"
            )
        )
        elsewhere, _ = await program(running, "adam", *Scope, networks=("203.0.113.0/24",))
        for name, bad in (("revoked", revoked), ("expired", expired), ("other address", elsewhere)):
            callers.append(Caller(name, bad.headers, is_bad=True))
        yield Crowd(running, http, callers)


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Method and template of everything that the app answers; a verb's route once for each verb."""
    found: list[tuple[str, str]] = []

    def walk(items: list, before: str) -> None:
        for route in items:
            inner = getattr(route, "original_router", None)
            if isinstance(route, Mount):
                found.append(("GET", f"{before}{route.path}/{{path:path}}"))
            elif isinstance(route, WebSocketRoute) or "WebSocket" in type(route).__name__:
                found.append(("WS", before + route.path))
            elif isinstance(route, Route):
                found.extend((method, before + route.path) for method in sorted((route.methods or set()) - {"HEAD"}))
            elif inner is not None:
                walk(inner.routes, before)
            else:
                raise AssertionError(f"a kind of route that this test does not know: {route!r}")

    walk(app.router.routes, "")
    verbs = [f"/api/v1/verbs/{verb.name.replace(' ', '-')}" for verb in VERBS]
    plain = [one for one in found if one[1] != "/api/v1/verbs/{verb}"]
    return [*plain, *(("POST", path) for path in verbs)]


def sample(path: str) -> str:
    return path.replace("{token:path}", "none/x").replace("{token}", "none").replace("{path:path}", "style/tokens.css")


def may(caller: Caller, method: str, path: str) -> bool:
    """Who may, by the words of the rules and not by the table."""
    if path in OPEN or path.startswith("/static"):
        return path in OPEN or "style" in sample(path)
    if caller.role is None or caller.is_bad:
        return False
    verb = path.removeprefix("/api/v1/verbs/")
    if verb != path:
        if caller.scopes is None:
            return True  # the control room answers, in words
        row = next(one for one in VERBS if one.name.replace(" ", "-") == verb)
        changes = row.effect.value != "reads"
        scope = SCOPE_OF_ROLE.get(row.role, Scope.TRADE if changes else Scope.READ)
        return verb not in BY_PERSON and caller.role >= row.role and scope in caller.scopes
    if caller.scopes is not None and path in PERSONS_ONLY:
        return False
    needed = NEEDS.get(path.removeprefix("/api/v1/"), RoleName.VIEWER)
    scope = SCOPE_OF_ROLE.get(needed, Scope.READ)
    return caller.role >= needed and (caller.scopes is None or scope in caller.scopes)


async def test_every_route_of_the_app_is_in_the_table_and_the_table_names_no_other(crowd: Crowd):
    table = Table(verb_rules())
    found = routes(crowd.running.app)
    assert len(found) > 100
    for method, path in found:
        if path != "/api/{path:path}":  # answers with 404 and 405 alone
            assert table.find(method, sample(path)) is not None, (method, path)
    there = {(method, path) for method, path in found}
    for method, path in ROUTES:
        if "{verb}" not in path and not path.startswith("/static"):
            assert (method, path) in there, (method, path)


async def test_every_caller_gets_as_far_as_the_rules_say_on_every_route_and_every_answer_has_the_headers(crowd: Crowd):
    """Bodies are no JSON, so that a verb that is reached is not carried out."""
    asked = 0
    for method, path in routes(crowd.running.app):
        if method == "WS" or path in {"/api/{path:path}", "/logout"}:
            continue
        for caller in crowd.callers:
            answer = await crowd.ask(caller, method, sample(path))
            is_told = answer.status_code in {401, 403, 429} or answer.headers.get("location") == "/login"
            if path == "/login" and method == "POST":
                is_told = False
            allowed = may(caller, method, path)
            assert is_told is not allowed, (caller.name, method, path, answer.status_code, answer.text[:200])
            for name, value in HEADERS.items():
                assert value in answer.headers[name], (name, method, path)
            assert "server" not in answer.headers
            if is_told and "location" not in answer.headers:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"]
            asked += 1
    assert asked > 1_500


async def test_what_is_not_in_the_table_is_refused_although_the_app_would_answer(crowd: Crowd):
    reached: list[str] = []

    async def forgotten() -> str:
        reached.append("here")
        return "secret"

    crowd.running.app.add_api_route("/api/v1/forgotten", forgotten)
    crowd.running.app.add_api_route("/forgotten", forgotten)
    routes_of = crowd.running.app.router.routes
    routes_of.insert(0, routes_of.pop())
    routes_of.insert(0, routes_of.pop())
    for path in ("/api/v1/forgotten", "/forgotten"):
        assert (await crowd.ask(crowd.named("adam"), "GET", path)).status_code == 404
        assert (await crowd.ask(crowd.named("nobody"), "GET", path)).status_code == 401
    del routes_of[:2]
    assert reached == []


async def test_the_live_feed_opens_for_whoever_may_read_and_a_ticket_opens_it_once(crowd: Crowd):
    url = f"{crowd.running.url}/ws/feed"

    async def status(headers: dict[str, str], query: str = "") -> int:
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(url + query, headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as refused:
                return refused.status

    for caller in crowd.callers:
        reads = caller.role is not None and (caller.scopes is None or Scope.READ in caller.scopes)
        refused = 403 if caller.role is not None and not caller.is_bad else 401
        expected = {101} if reads and not caller.is_bad else {refused, 429} if caller.is_bad else {refused}
        assert await status(caller.headers) in expected, caller.name
    tina = crowd.named("tina")
    without_origin = {"Cookie": tina.headers["Cookie"]}
    assert await status(without_origin) == 403
    assert await status({**tina.headers, "Origin": "https://evil.example"}) == 403
    answer = await crowd.ask(tina, "POST", "/api/v1/ticket")
    ticket = f"?ticket={answer.json()['ticket']}"
    assert [await status({}, ticket), await status({}, ticket)] == [101, 401]


async def test_a_cookie_alone_changes_nothing(crowd: Crowd):
    tina, body = crowd.named("tina"), {"arguments": {"reason": "forged"}}
    for missing, code in (("Origin", "origin"), (CSRF_HEADER, "csrf")):
        headers = {name: value for name, value in tina.headers.items() if name != missing}
        answer = await crowd.http.post("/api/v1/verbs/halt", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert crowd.running.engine.desk.status().trading_state == "active"


async def test_an_answer_that_failed_inside_says_nothing_of_it_and_has_the_headers(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
):
    def breaks() -> None:
        raise RuntimeError("the inside: a secret path")

    monkeypatch.setattr(crowd.running.engine.desk, "positions", breaks)
    monkeypatch.setattr(crowd.running.engine.desk, "ready", breaks)
    answer = await crowd.ask(crowd.named("nobody"), "GET", "/health/ready")
    assert answer.status_code == 500
    assert "a secret path" not in answer.text
    for name, value in HEADERS.items():
        assert value in answer.headers[name]


async def test_a_role_that_changes_and_a_person_who_goes_count_at_the_next_request(crowd: Crowd):
    persons = crowd.running.engine.driver.core.persons
    kept = persons["rosa"]
    rosa, token = crowd.named("rosa"), crowd.named("rosa:risk")
    assert (await crowd.ask(rosa, "GET", "/api/v1/audit")).status_code == 200
    with contextlib.ExitStack() as back:
        back.callback(persons.__setitem__, "rosa", kept)
        from msgspec.structs import replace

        persons["rosa"] = replace(kept, role=RoleName.TRADER)
        for caller in (rosa, token):
            assert (await crowd.ask(caller, "GET", "/api/v1/audit")).json()["code"] == "role"
        del persons["rosa"]
        for caller in (rosa, token):
            assert (await crowd.ask(caller, "GET", "/api/v1/status")).status_code == 401
