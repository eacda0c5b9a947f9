"""The dashboard in a real headless Chromium, on a real engine."""

import asyncio
import itertools
import json
import random
import re
from decimal import Decimal, localcontext
from typing import Literal

import pytest
from playwright.async_api import (
    Browser,
    ViewportSize,
    WebSocketRoute,
    expect,
)

from domain.commands import Actor, Door, Halt
from domain.facts import TradingState
from domain.views import DoorView
from gateway.server import GatewayServer
from tests.gateway.browsing import (
    CHECKS,
    DESKTOP,
    NARROW,
    PHONE,
    Visit,
    browser,
    halt,
    served,
    session,
    state,
    visit,
    visiting,
)
from tests.gateway.conftest import serve
from tests.gateway.engine import Engine

__all__ = ["browser", "served", "session", "visit"]
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.timeout(120),
]


async def test_a_link_leads_to_live_figures_and_nothing_leaves_the_machine(visit: Visit):
    await visit.context.clear_cookies()
    page = await visit.log_in("tina")
    assert page.url == f"{visit.running.url}/"
    await expect(page.locator(".environment")).to_have_text("PAPER")
    await expect(state(page)).to_have_text("ACTIVE")
    await expect(page.locator(".fresh")).to_contain_text("live")
    await expect(page.locator(".market-name")).to_have_text("simulated (seed 7)")
    await expect(page.locator(".area-equity canvas").first).to_be_visible()
    first = page.locator(".area-fills tbody tr").first
    before = await first.inner_text()
    visit.running.engine.play(60)
    await expect(first).not_to_have_text(before)
    host = visit.running.url.removeprefix("http://")
    elsewhere = [url for url in visit.requests if not url.startswith((f"http://{host}/", f"ws://{host}/", "data:"))]
    assert elsewhere == []
    assert f"ws://{host}/ws/feed" in visit.requests


async def test_every_page_is_sound_in_either_light_on_desk_and_phone(visit: Visit):
    page = await visit.open()
    links = await page.locator("nav.side a").evaluate_all("(all) => all.map((a) => a.getAttribute('href').slice(2))")
    assert {"overview", "positions", "market", "console"} <= set(links)
    wrong = []
    looks: list[tuple[ViewportSize, Literal["dark", "light"]]]
    looks = [(DESKTOP, "dark"), (DESKTOP, "light"), (PHONE, "dark"), (NARROW, "light")]
    for size, light in looks:
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=light)
        for path in links:
            await visit.go(page, path)
            await page.wait_for_timeout(30)
            wrong += [f"{path} {size['width']} {light}: {what}" for what in await page.evaluate(CHECKS)]
            await visit.shoot(page, f"{path}-{light}-{size['width']}")
    assert wrong == []
    assert [what for what in visit.complaints if "404" not in what] == []


async def test_halt_takes_two_presses_and_a_double_click_is_one(visit: Visit):
    page = await visit.open()
    await page.get_by_role("button", name="Halt trading").dblclick()
    await expect(page.get_by_role("button", name="Press again to halt")).to_be_visible()
    assert visit.trading() is TradingState.ACTIVE
    await page.wait_for_timeout(350)
    await page.get_by_role("button", name="Press again to halt").click()
    await expect(state(page)).to_have_text("HALTED")
    assert visit.trading() is TradingState.HALTED
    await expect(page.locator(".banner.error")).to_contain_text("dashboard button")
    await expect(page.locator(".happenings")).to_contain_text("Trading is HALTED")
    await visit.shoot(page, "halted")


async def test_halt_by_keyboard_alone(visit: Visit):
    page = await visit.open()
    await page.keyboard.press("Shift+H")
    await expect(page.get_by_role("button", name="Press again to halt")).to_be_focused()
    await page.wait_for_timeout(350)
    await page.keyboard.press("Enter")
    await expect(state(page)).to_have_text("HALTED")
    assert visit.trading() is TradingState.HALTED


async def test_the_console_speaks_the_verbs_of_the_chats(visit: Visit):
    page = await visit.open()
    await visit.go(page, "console")
    entry = page.get_by_label("Command line")
    for line, answer in (("/status", "equity"), ("/xyzzy", "/help"), ("/halt <b>now</b>", "HALTED")):
        await entry.fill(line)
        await entry.press("Enter")
        await expect(page.locator(".said b").last).to_have_text(line)
        await expect(page.locator(".answer").last).to_contain_text(answer, ignore_case=True)
    assert visit.trading() is TradingState.HALTED
    assert await page.locator(".transcript b b").count() == 0
    await entry.press("ArrowUp")
    await entry.press("ArrowUp")
    await expect(entry).to_have_value("/xyzzy")
    await visit.shoot(page, "console")


async def test_an_order_is_previewed_and_confirmed_by_keyboard_alone(visit: Visit):
    page = await visit.open()
    await visit.go(page, "market/SOL-USDC-PERP.PAPER")
    button = page.get_by_role("button", name="New order", exact=True)
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Quantity")).to_be_focused()
    await page.keyboard.type("5")
    await page.keyboard.press("Enter")
    yes = page.get_by_role("button", name="Confirm")
    await expect(page.locator("dialog")).to_contain_text("SOL")
    await expect(page.locator(".countdown")).to_contain_text("s left")
    await visit.shoot(page, "confirm")
    await yes.focus()
    await page.keyboard.press("Enter")
    await expect(yes).to_have_count(0)
    visit.running.engine.play(2)
    held = {(one.instrument, str(one.qty)) for one in visit.running.engine.desk.positions() if one.qty}
    assert ("SOL-USDC-PERP.PAPER", "5.00") in held


async def test_a_close_says_what_it_does_and_escape_leaves_all_as_it_was(visit: Visit):
    page = await visit.open()
    await visit.go(page, "positions/orders")
    row = page.locator("tbody tr").first
    before = len(visit.running.engine.desk.orders())
    await row.get_by_role("button", name="Cancel").click()
    await expect(page.locator("dialog")).to_be_visible()
    await expect(page.locator("dialog")).to_contain_text("maker-btc")
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)
    assert len(visit.running.engine.desk.orders()) == before


async def test_what_a_role_does_not_allow_is_refused_in_words(visit: Visit):
    page = await visit.open()
    await halt(page)
    await page.get_by_role("button", name="Ask to resume").click()
    await expect(page.locator(".toast.error, dialog")).to_contain_text("trader")
    assert visit.trading() is TradingState.HALTED


async def test_two_demo_persons_resume_what_one_halted(visit: Visit):
    page = await visit.open()
    await visit.running.engine.desk.submit(Halt(reason="drill"), Actor(person="tina", door=Door.TELEGRAM))
    await page.get_by_label("Act as").select_option("rosa")
    await page.get_by_role("button", name="Ask to resume").click()
    await expect(page.locator(".toast, dialog").first).to_be_visible()  # the feed may tell of it before it is answered
    await expect(page.locator(".attention")).to_contain_text("1 of 2 votes")
    assert visit.trading() is TradingState.HALTED
    (request,) = visit.running.engine.desk.pending()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_label("Act as").select_option("adam")
    await visit.go(page, "console")
    await page.get_by_label("Command line").fill(f"/approve {request.id}")
    await page.keyboard.press("Enter")
    await expect(state(page)).to_have_text("ACTIVE")
    assert visit.trading() is TradingState.ACTIVE


async def test_a_lost_connection_is_said_figures_are_dimmed_and_it_recovers(browser: Browser):
    async with serve(Engine(5)) as running, visiting(browser, running) as visit:
        page = await visit.log_in("tina")
        app, port = running.server._app, running.server.port
        await running.server.aclose()
        await expect(page.locator(".banner.error")).to_contain_text("Disconnected")
        await expect(page.locator(".fresh")).to_contain_text("disconnected")
        await expect(page.locator("main > .stats")).to_have_css("opacity", "0.45")
        await visit.shoot(page, "lost")
        again = GatewayServer(app, port=port)
        task = asyncio.create_task(again.run())
        await expect(page.locator(".banner.error")).to_have_count(0)
        await expect(page.locator(".fresh")).to_contain_text(re.compile("live|polling"))
        await again.aclose()
        await asyncio.wait_for(task, 20)


async def test_a_gap_in_the_feed_is_noticed_and_begun_anew(visit: Visit):
    begun: list[str] = []
    numbered = itertools.count()

    def leaky(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def from_page(message: str | bytes) -> None:
            begun.append(json.loads(message)["type"])
            server.send(message)

        def from_server(message: str | bytes) -> None:
            if '"type":"snapshot"' in str(message) or next(numbered) != 2:  # the third one is lost
                route.send(message)

        route.on_message(from_page)
        server.on_message(from_server)

    page = await visit.page()
    await page.route_web_socket("**/ws/feed", leaky)
    await page.goto(visit.running.url)
    async with asyncio.timeout(30):
        while len(begun) < 2:
            visit.running.engine.play(1)
            await page.wait_for_timeout(100)
    assert begun[:2] == ["start", "start"]
    await expect(page.locator(".fresh")).to_contain_text("live")


async def test_an_engine_that_does_not_answer_is_said_though_the_gateway_does(visit: Visit):
    routes: list[WebSocketRoute] = []
    last, is_away = 0, False

    def away(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def on(message: str | bytes) -> None:
            nonlocal last
            if not is_away:
                last = json.loads(message)["n"]
                route.send(message)

        server.on_message(on)
        routes.append(route)

    page = await visit.page()
    await page.route_web_socket("**/ws/feed", away)
    await page.goto(visit.running.url)
    await expect(page.locator(".fresh")).to_contain_text("live")
    is_away = True
    routes[0].send(json.dumps({"n": last + 1, "type": "link", "connected": False, "ts_ns": 1, "text": "gone"}))
    await expect(page.locator(".banner.error")).to_contain_text("The engine does not answer")
    await expect(page.locator(".fresh")).to_contain_text("no engine")


async def test_amounts_are_rounded_as_python_rounds_them_and_never_pass_through_a_double(visit: Visit):
    page = await visit.open()
    numbers = random.Random(7)
    texts = [f"{numbers.choice(('', '-'))}{numbers.getrandbits(90)}E-{numbers.randrange(30)}" for _ in range(200)]
    texts += ["0", "-0.005", "0.005", "0.015", "1E+3", "0E-8", "123456789012345678901234567890.125", "-1.5", "2.5"]
    told = await page.evaluate(
        """async (texts) => {
            const {add, cmp, fixed, mul, sub} = await import("/static/lib/decimal.js");
            const {money, percent} = await import("/static/lib/format.js");
            return texts.map((a, i) => {
                const b = texts[(i + 1) % texts.length];
                return [fixed(a, 2), add(a, b), sub(a, b), mul(a, b), cmp(a, b), money(a, {sign: true}), percent(a)];
            });
        }""",
        texts,
    )
    with localcontext() as context:
        context.prec = 200
        for i, (rounded, added, less, times, order, shown, share) in enumerate(told):
            a, b = Decimal(texts[i]), Decimal(texts[(i + 1) % len(texts)])
            cents = a.quantize(Decimal("0.01"))
            assert [Decimal(one) for one in (rounded, added, less, times)] == [cents, a + b, a - b, a * b]
            assert order == (a > b) - (a < b)
            assert shown.replace("\N{MINUS SIGN}", "-") == (f"{cents:+,.2f}" if cents else "0.00")
            hundredths = (a * 100).quantize(Decimal("0.01"))
            assert Decimal(share.replace("\N{MINUS SIGN}", "-").replace(",", "")[:-2]) == hundredths


async def test_a_phone_has_halt_and_the_pages_within_a_thumbs_reach(visit: Visit):
    page = await visit.open()
    await page.set_viewport_size(PHONE)
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("dialog").get_by_role("link", name="Console").click()
    await expect(page.get_by_label("Command line")).to_be_in_viewport()
    await page.locator("nav.bottom").get_by_role("link", name="Overview").click()
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await expect(page.get_by_role("button", name="Halt trading")).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


async def test_a_wall_shows_and_offers_nothing_to_press(visit: Visit):
    page = await visit.open()
    await page.set_viewport_size({"width": 1920, "height": 1080})
    await page.goto(f"{visit.running.url}/?wall")
    await expect(page.locator(".stat-value").first).to_contain_text(".")
    await expect(page.get_by_role("button", name="Halt trading")).to_have_count(0)
    size = await page.locator(".stat-value").first.evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 30
    await visit.shoot(page, "wall")


async def test_a_second_use_of_the_link_is_refused(visit: Visit):
    await visit.context.clear_cookies()
    page = await visit.page()
    link = visit.running.url + await visit.running.access.new_link("tina")
    await page.goto(link)
    await visit.shoot(page, "login")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("main h1")).to_be_visible()
    await page.goto(link)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("main")).to_contain_text("already used or has expired")
    assert await page.locator("main").evaluate("(e) => getComputedStyle(e).borderRadius") == "12px"


async def test_a_page_of_another_origin_cannot_use_the_session(visit: Visit):
    await visit.open()
    evil = await visit.context.new_page()
    host = visit.running.url.replace("127.0.0.1", "localhost")
    await evil.goto(f"{host}/login")  # the same machine, another origin; its own policy is set aside for the test
    session = await visit.context.new_cdp_session(evil)
    await session.send("Page.setBypassCSP", {"enabled": True})
    await evil.reload()
    outcome = await evil.evaluate(
        """async (url) => {
            const body = '{"line": "/halt"}';
            const simple = {method: "POST", mode: "no-cors", credentials: "include", body};
            await fetch(url + "/api/v1/line", simple).catch(() => "refused");
            const socket = await new Promise((done) => {
                const made = new WebSocket(url.replace("http", "ws") + "/ws/feed");
                made.onopen = () => done("open"); made.onerror = () => done("refused");
            });
            return socket;
        }""",
        visit.running.url,
    )
    assert outcome == "refused"
    assert visit.running.said == []
    assert visit.trading() is TradingState.ACTIVE


async def test_logging_out_in_one_tab_closes_the_other(visit: Visit):
    await visit.context.clear_cookies()
    first = await visit.log_in("tina")
    second = await visit.open()
    await first.get_by_role("button", name="Log out").click()
    for page in (first, second):
        await expect(page).to_have_url(re.compile("/login$"))


async def test_a_chat_that_is_down_and_a_view_that_fails_are_said(visit: Visit, monkeypatch: pytest.MonkeyPatch):
    page = await visit.open()
    down = DoorView(name="telegram", ok=False, text="switched off since noon: put the token into the secrets file")

    def broken() -> object:
        raise RuntimeError("no such view")

    with monkeypatch.context() as patch:
        patch.setattr(visit.running.engine.desk, "doors", lambda: (down,))
        await expect(page.locator(".banner.warning")).to_contain_text(f"telegram is {down.text}")
        patch.setattr(visit.running.engine.desk, "orders", lambda **_: broken())
        await visit.go(page, "positions/recent")
        await expect(page.locator(".state.failed")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".state.failed")).to_have_count(0)


async def test_nothing_jumps_when_figures_change(visit: Visit):
    page = await visit.open()
    await expect(page.locator(".area-equity canvas").first).to_be_visible()
    await page.evaluate("document.fonts.ready.then(() => 1)")
    places = """() => [...document.querySelectorAll(".card, .stat, .top > *")].map((e) => {
        const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height].map(Math.round).join() })"""
    earlier, before = None, await page.evaluate(places)
    while earlier != before:  # fonts and the chart settle first
        await page.wait_for_timeout(300)
        earlier, before = before, await page.evaluate(places)
    visit.running.engine.play(120)
    await visit.running.engine.desk.submit(Halt(reason="drill"), Actor(person="tina", door=Door.TELEGRAM))
    await expect(state(page)).to_have_text("HALTED")
