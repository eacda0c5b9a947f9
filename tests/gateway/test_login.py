"""Logging in and out over real sockets."""

import httpx
import pytest

from domain.breakers import BreachSource
from domain.security import SecurityBreach
from domain.settings import Environment
from gateway.access.journal import Housekeeping
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine


async def test_opening_a_link_changes_nothing_so_a_preview_cannot_spend_it(
    running: Running, stranger: httpx.AsyncClient
):
    link = await running.access.new_link("tina")
    async with httpx.AsyncClient(base_url=running.url) as preview:
        for _ in range(3):
            page = await preview.get(link)
            assert page.status_code == 200
            assert 'method="post"' in page.text
            assert "moondev_login=" in page.headers["set-cookie"]
            assert (await preview.get("/api/v1/status")).status_code == 401
    assert (await running.press(stranger, link)).status_code == 303


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    running: Running, stranger: httpx.AsyncClient
):
    link = await running.access.new_link("tina")
    answer = await running.press(stranger, link)
    cookie = answer.headers.get_list("set-cookie")[0]
    assert cookie.startswith(f"moondev_{running.server.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=43200" in cookie
    assert link.removeprefix("/login/") not in cookie


async def test_a_link_works_once(running: Running, stranger: httpx.AsyncClient):
    link = await running.access.new_link("tina")
    assert (await running.press(stranger, link)).status_code == 303
    again = await running.press(stranger, link)
    assert again.status_code == 403
    assert "already used or has expired" in again.text


async def test_a_link_is_not_spent_by_a_foreign_page(running: Running, stranger: httpx.AsyncClient):
    link = await running.access.new_link("tina")
    token = link.removeprefix("/login/")
    evil = await stranger.post("/login", data={"token": token}, headers={"Origin": "https://evil.example"})
    assert evil.status_code == 403
    assert (await running.press(stranger, link)).status_code == 303


async def test_the_button_counts_only_in_the_browser_that_opened_the_link(
    running: Running, stranger: httpx.AsyncClient
):
    """Else whoever makes another's browser post a link of their own has them work in a stranger's session."""
    link = await running.access.new_link("tina")
    token = link.removeprefix("/login/")
    for fields in ({"token": token}, {"token": token, "nonce": ""}, {"token": token, "nonce": "guessed"}):
        answer = await stranger.post("/login", data=fields, headers=running.origin)
        assert answer.status_code == 403
        assert "did not open the link" in answer.text
    await stranger.get(link)
    stolen = await stranger.post("/login", data={"token": token, "nonce": "another's"}, headers=running.origin)
    assert stolen.status_code == 403
    assert (await running.press(stranger, link)).status_code == 303


async def test_a_link_that_is_posted_to_is_not_spent_and_reaches_no_log(
    running: Running, stranger: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    path = await running.access.new_link("tina")
    token = path.removeprefix("/login/")
    for wrong in (path, f"{path}/"):
        answer = await stranger.post(wrong, headers=running.origin)
        assert answer.status_code == 405
        assert token not in answer.text
    assert token not in caplog.text
    assert (await running.press(stranger, path)).status_code == 303


async def test_what_stands_in_a_link_is_escaped_in_the_page(running: Running, stranger: httpx.AsyncClient):
    page = await stranger.get('/login/"><script>alert(1)')
    assert "<script" not in page.text


async def test_logging_out_ends_the_session(running: Running, tina: httpx.AsyncClient):
    kept = dict(tina.cookies)
    assert (await tina.post("/logout", headers=running.origin)).status_code == 303
    tina.cookies.update(kept)
    assert (await tina.get("/api/v1/status")).status_code == 401


async def test_in_paper_a_session_may_act_as_another_person_and_elsewhere_not():
    for environment, status in ((Environment.PAPER, 200), (Environment.LIVE, 403), (Environment.TESTNET, 403)):
        async with serve(Engine(), environment) as made, httpx.AsyncClient(base_url=made.url) as client:
            await made.log_in(client)
            answer = await client.post("/api/v1/line", json={"line": "/x", "person": "rosa"}, headers=made.origin)
            assert answer.status_code == status
            assert [actor.person for actor, _ in made.said] == (["rosa"] if status == 200 else [])
            own = await client.post("/api/v1/line", json={"line": "/x", "person": "tina"}, headers=made.origin)
            assert own.status_code == 200
            resume = {"arguments": {"reason": "drill"}, "person": "rosa"}
            answer = await client.post("/api/v1/verbs/resume", json=resume, headers=made.origin)
            assert answer.status_code == status


async def test_a_login_that_fails_on_this_machine_counts_as_a_breach_and_its_token_is_not_told(
    running: Running, stranger: httpx.AsyncClient
):
    seen: list[object] = []
    token = "no-such-token-1234567890"
    assert (await running.press(stranger, f"/login/{token}")).status_code == 403
    await Housekeeping(running.access, seen.append, running.engine.desk.persons).look()
    (breach,) = seen
    assert isinstance(breach, SecurityBreach)
    assert (breach.source, breach.kind) == ("dashboard", BreachSource.LOGIN)
    assert token not in breach.text
