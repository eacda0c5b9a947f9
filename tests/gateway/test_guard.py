"""The gate in front of every route: host, origin, session, headers. Over real sockets."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import httpx
import pytest

from gateway import api, login, routes_verbs, routes_views
from tests.gateway.conftest import Running

SOCKETS = ("/ws/feed", "/ws/nothing")


async def test_a_host_that_is_not_this_address_is_refused(running: Running, tina: httpx.AsyncClient):
    port = running.server.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"localhost.evil:{port}", ""):
        for path in ("/", "/health/live", "/api/v1/status", "/login"):
            answer = await tina.get(path, headers={"Host": host})
            assert answer.status_code == 403, (host, path)
            assert f"open {running.url}" in answer.json()["detail"]


async def test_every_loopback_name_with_the_right_port_is_accepted(running: Running, stranger: httpx.AsyncClient):
    for name in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
        answer = await stranger.get("/health/live", headers={"Host": f"{name}:{running.server.port}"})
        assert answer.status_code == 200, name


async def test_a_foreign_origin_may_neither_read_nor_change(running: Running, tina: httpx.AsyncClient):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"http://localhost:{running.server.port}"):
        headers = {"Origin": origin}
        assert (await tina.post("/api/v1/line", json={"line": "/halt"}, headers=headers)).status_code == 403
        assert (await tina.get("/api/v1/status", headers=headers)).status_code == 403
        assert (await tina.options("/api/v1/line", headers=headers)).status_code == 403
    assert running.said == []


async def test_changing_something_without_an_origin_is_refused(running: Running, tina: httpx.AsyncClient):
    answer = await tina.post("/api/v1/line", json={"line": "/halt"})
    assert answer.status_code == 403
    assert f"send Origin: {running.url}" in answer.json()["detail"]
    assert running.said == []


async def refusal(url: str, cookies: dict[str, str], headers: dict[str, str]) -> int:
    """Status with which a WebSocket handshake is refused."""
    async with aiohttp.ClientSession(cookies=cookies) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url, headers=headers)
        return refused.value.status


async def test_a_websocket_from_elsewhere_is_refused_even_with_the_cookie(running: Running, tina: httpx.AsyncClient):
    evil = f"evil.example:{running.server.port}"
    rebound = {"Host": evil, "Origin": f"http://{evil}"}
    for path in SOCKETS:
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, rebound):
            assert await refusal(running.url + path, dict(tina.cookies), headers) == 403, (path, headers)


async def test_a_websocket_without_a_session_is_refused(running: Running):
    for path in SOCKETS:
        assert await refusal(running.url + path, {}, running.origin) == 401


async def test_without_a_session_there_is_only_the_login_page_and_health(running: Running, stranger: httpx.AsyncClient):
    home = await stranger.get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/login")
    assert (await stranger.get("/login")).status_code == 200
    assert (await stranger.get("/health/live")).status_code == 200
    for path in (
        "/api/v1/status",
        "/api/v1/nothing",
        "/favicon.ico",
        "/static/app.js",
    ):
        assert (await stranger.get(path)).status_code == 401, path
    assert (await stranger.post("/api/v1/line", json={"line": "/halt"}, headers=running.origin)).status_code == 401
    stranger.cookies.set(f"moondev_{running.server.port}", "guessed")
    assert (await stranger.get("/api/v1/status")).status_code == 401


async def test_every_route_of_the_app_is_closed_to_strangers(running: Running, stranger: httpx.AsyncClient):
    routes = (*api.router.routes, *login.router.routes, *routes_views.ROUTES, *routes_verbs.ROUTES)
    paths = {route.path for route in routes}  # type: ignore[attr-defined]
    closed = {path for path in paths if not path.startswith(("/login", "/health"))}
    assert len(closed) > 10
    for path in closed:
        answer = await stranger.post(path.replace("{path:path}", "x"), headers=running.origin)
        assert answer.status_code == 401, path


async def test_a_person_who_left_loses_the_session(running: Running, tina: httpx.AsyncClient):
    assert (await tina.get("/api/v1/status")).status_code == 200
    del running.engine.driver.core.persons["tina"]
    assert (await tina.get("/api/v1/status")).status_code == 401


async def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not(running: Running, tina: httpx.AsyncClient):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1000

    for path in ("/api/v1/line", "/login"):
        for content in (b"x" * 70_000, pieces()):
            answer = await tina.post(path, content=content, headers=running.origin)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_long"), path


async def test_every_answer_carries_the_security_headers(running: Running, tina: httpx.AsyncClient):
    for path in ("/", "/login", "/api/v1/status", "/health/live", "/api/v1/nothing"):
        headers = (await tina.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store")
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


async def test_nothing_may_be_inline_or_evaluated_or_come_from_elsewhere(running: Running, tina: httpx.AsyncClient):
    for path in ("/", "/login", "/static/app.js", "/api/v1/status"):
        policy = (await tina.get(path)).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "script-src 'self';" in policy


async def first_line(running: Running, path: str, *headers: str) -> bytes:
    """What is answered to a request that no honest client sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode())
    answer = await reader.readline()
    writer.close()
    return answer


async def test_two_names_or_two_origins_are_none(running: Running):
    """A proxy in front may have gone by the other one."""
    host, origin = f"Host: 127.0.0.1:{running.server.port}", f"Origin: {running.url}"
    assert b" 200 " in await first_line(running, "/health/live", host, origin)
    for second in ("Host: evil.example", host, "Origin: https://evil.example"):
        assert b" 403 " in await first_line(running, "/health/live", host, origin, second), second


async def test_what_is_open_to_strangers_is_not_left_by_dots(running: Running):
    for path in ("/static/style/../app.js", "/static/style/%2e%2e/app.js", "/static/style/..%2fapp.js"):
        assert b" 401 " in await first_line(running, path, f"Host: 127.0.0.1:{running.server.port}"), path
