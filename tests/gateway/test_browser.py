"""The dashboard in a real headless Chromium, on a real engine. Screenshots go to MOONDEV_SHOTS or a temp folder."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from domain.commands import Actor, Door, Halt
from domain.facts import StrategyStatus, TradingState
from domain.views import DoorView
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine
from tests.needs import chromium

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.timeout(120),
]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visit:
    """A browser at a running gateway, what it asked for and what it complained about."""

    running: Running
    context: BrowserContext
    shots: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def trading(self) -> TradingState:
        """The state in force in the engine's core."""
        return self.running.engine.driver.core.state.trading

    async def page(self) -> Page:
        page = await self.context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        return page

    async def log_in(self, person: str = "tina") -> Page:
        page = await self.page()
        await page.goto(self.running.url + await self.running.access.new_link(person))
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator(".tile-value").first).not_to_have_text("\N{EN DASH}")
        return page

    async def shoot(self, page: Page, name: str, *, full: bool = False) -> None:
        await page.screenshot(path=self.shots / f"{name}.png", full_page=full)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=30_000)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, tmp_path: Path) -> AsyncIterator[Visit]:
    async with serve(Engine(70)) as running:
        context = await browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        shots = Path(os.environ.get("MOONDEV_SHOTS", tmp_path))
        made = Visit(running=running, context=context, shots=shots)
        context.on("request", lambda request: made.requests.append(request.url))
        yield made
        await context.close()


async def test_a_link_leads_to_live_figures_and_nothing_leaves_the_machine(visit: Visit):
    page = await visit.log_in()
    assert page.url == f"{visit.running.url}/"
    await expect(page.locator(".env-paper")).to_have_text("PAPER")
    await expect(page.locator(".market.simulated")).to_have_text("market: simulated (seed 7)")
    await expect(page.locator(".state")).to_have_text("ACTIVE")
    await expect(page.locator(".tile-value").first).to_contain_text(",")
    await expect(page.locator(".area-strategies tbody tr")).to_have_count(2)
    await expect(page.locator(".area-fills tbody tr")).not_to_have_count(0)
    await expect(page.locator(".area-orders tbody tr")).not_to_have_count(0)
    await expect(page.locator(".area-chart canvas")).to_be_visible()
    await expect(page.locator(".area-risk tbody tr").first).to_contain_text("LOW")
    first = page.locator(".area-fills tbody tr").first
    before = await first.inner_text()
    visit.running.engine.play(60)
    await expect(first).not_to_have_text(before)
    await visit.shoot(page, "desktop")
    host = visit.running.url.removeprefix("http://")
    elsewhere = [url for url in visit.requests if not url.startswith((f"http://{host}/", f"ws://{host}/", "data:"))]
    assert elsewhere == []
    assert any(url.startswith(f"ws://{host}/") for url in visit.requests)
    assert len(visit.requests) > 10
    assert visit.complaints == []


async def test_halt_needs_one_press_and_stops_the_real_engine(visit: Visit):
    page = await visit.log_in()
    await page.get_by_role("button", name="HALT").click()
    await expect(page.locator(".state")).to_have_text("HALTED")
    assert visit.trading is TradingState.HALTED
    await expect(page.locator(".reason")).to_contain_text("dashboard button")
    await expect(page.locator(".area-alerts")).to_contain_text("Trading is HALTED")
    visit.running.engine.play(5)
    await expect(page.locator(".area-orders .empty")).to_be_visible()
    await visit.shoot(page, "halted")


async def test_a_flatten_takes_a_second_press_and_opens_an_incident(visit: Visit):
    page = await visit.log_in()
    await page.get_by_role("button", name="Flatten").click()
    await expect(page.get_by_role("button", name="Flatten: sure?")).to_be_visible()
    assert visit.trading is not TradingState.HALTED
    await page.get_by_role("button", name="Flatten: sure?").click()
    await expect(page.locator(".state")).to_have_text("HALTED")
    await expect(page.locator(".reason")).to_contain_text("/incident ack")


async def test_two_demo_persons_resume_what_one_halted(visit: Visit):
    page = await visit.log_in("rosa")
    await visit.running.engine.desk.submit(Halt(reason="drill"), Actor(person="tina", door=Door.TELEGRAM))
    await page.get_by_role("button", name="Resume").click()
    request = page.locator(".area-approvals tbody tr")
    await expect(request).to_have_count(1)
    assert visit.trading is TradingState.HALTED
    await page.locator(".picker").select_option("adam")
    await request.get_by_role("button", name="Approve").click()
    await expect(page.locator(".state")).to_have_text("ACTIVE")
    assert visit.trading is not TradingState.HALTED
    await expect(page.locator(".area-approvals .empty")).to_be_visible()


async def test_what_a_role_does_not_allow_is_refused_in_words(visit: Visit):
    page = await visit.log_in("tina")
    await page.get_by_role("button", name="HALT").click()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Refused, ROLE")).to_be_visible()
    assert visit.trading is TradingState.HALTED


async def test_strategies_are_paused_and_started_by_their_buttons(visit: Visit):
    page = await visit.log_in()

    def status() -> StrategyStatus:
        return visit.running.engine.driver.core.state.strategies["maker-btc"].status

    row = page.locator(".area-strategies tr", has_text="maker-btc")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("paused")
    assert status() is StrategyStatus.PAUSED
    await row.get_by_role("button", name="Start").click()
    await expect(row).to_contain_text("running")
    assert status() is StrategyStatus.RUNNING


async def test_the_console_speaks_the_verbs_of_the_chats(visit: Visit):
    page = await visit.log_in()
    entry = page.get_by_label("console")
    for line, answer in (("/status", "equity"), ("/nonsense", "/help"), ("/halt <b>now</b>", "HALTED")):
        await entry.fill(line)
        await entry.press("Enter")
        await expect(page.locator(".transcript .said").last).to_have_text(f"tina> {line}")
        await expect(page.locator(".transcript")).to_contain_text(answer, ignore_case=True)
    assert [line for _, line in visit.running.said] == ["/status", "/nonsense", "/halt <b>now</b>"]
    assert visit.trading is TradingState.HALTED
    await visit.shoot(page, "console")


async def test_a_second_use_of_the_link_is_refused(visit: Visit):
    page = await visit.page()
    link = visit.running.url + await visit.running.access.new_link("tina")
    await page.goto(link)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator(".tile-value").first).to_be_visible()
    await page.goto(link)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("main")).to_contain_text("already used or has expired")
    await visit.shoot(page, "refused")


async def test_a_page_of_another_origin_cannot_use_the_session(visit: Visit):
    await visit.log_in()
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
            await fetch(url + "/api/v1/command", simple).catch(() => "refused");
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
    assert visit.trading is TradingState.ACTIVE


async def test_two_tabs_share_what_happens_and_keep_their_own_person(visit: Visit):
    first = await visit.log_in("rosa")
    second = await visit.page()
    await second.goto(visit.running.url)
    await expect(second.locator(".state")).to_have_text("ACTIVE")
    await second.locator(".picker").select_option("adam")
    await first.get_by_role("button", name="HALT").click()
    for page in (first, second):
        await expect(page.locator(".state")).to_have_text("HALTED")
    for page, person in ((first, "Rosa"), (second, "Adam")):
        await page.get_by_label("console").fill("/whoami")
        await page.get_by_label("console").press("Enter")
        await expect(page.locator(".transcript")).to_contain_text(person)


async def test_logging_out_in_one_tab_closes_the_other(visit: Visit):
    first = await visit.log_in()
    second = await visit.page()
    await second.goto(visit.running.url)
    await first.get_by_role("button", name="Log out").click()
    for page in (first, second):
        await expect(page).to_have_url(re.compile("/login$"))


async def test_a_closed_tab_stops_reading_the_desk(visit: Visit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nicegui.core.app.config.reconnect_timeout", 0.3)
    reads = 0
    real = visit.running.engine.desk.status

    def counted() -> object:
        nonlocal reads
        reads += 1
        return real()

    monkeypatch.setattr(visit.running.engine.desk, "status", counted)
    page = await visit.log_in()
    async with asyncio.timeout(30):
        while reads <= 3:  # noqa: ASYNC110 - a count, not an event
            await asyncio.sleep(0.05)
    await page.close()
    async with asyncio.timeout(60):
        seen = -1
        while seen != reads:
            seen = reads
            await asyncio.sleep(0.6)


async def test_a_failing_view_is_said_on_the_screen(visit: Visit, monkeypatch: pytest.MonkeyPatch):
    page = await visit.log_in()

    def broken() -> object:
        raise RuntimeError("no such view")

    with monkeypatch.context() as patch:
        patch.setattr(visit.running.engine.desk, "positions", broken)
        await expect(page.locator(".trouble")).to_contain_text("These figures are old")
    await expect(page.locator(".trouble")).to_be_hidden()


async def test_a_chat_that_is_down_is_said_with_what_to_do(visit: Visit, monkeypatch: pytest.MonkeyPatch):
    page = await visit.log_in()
    await expect(page.locator(".notice")).to_be_hidden()
    down = DoorView(name="telegram", ok=False, text="switched off since noon: put the token into the secrets file")
    monkeypatch.setattr(visit.running.engine.desk, "doors", lambda: (down,))
    await expect(page.locator(".notice")).to_have_text(f"Telegram is {down.text}.")
    await visit.shoot(page, "chat-down")


async def test_a_lost_connection_is_said_at_once_and_the_old_figures_are_dimmed(visit: Visit):
    page = await visit.log_in()
    await visit.running.server.aclose()
    await expect(page.locator("#popup")).to_have_css("opacity", "1")
    await expect(page.locator(".page")).to_have_css("opacity", "0.4")
    await visit.shoot(page, "lost")


async def test_a_phone_shows_everything_in_one_column(visit: Visit):
    page = await visit.log_in()
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await expect(page.get_by_role("button", name="HALT")).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.locator(".area-console").scroll_into_view_if_needed()
    await expect(page.get_by_role("button", name="HALT")).to_be_in_viewport()
    await page.evaluate("window.scrollTo(0, 0)")
    await visit.shoot(page, "phone", full=True)


async def test_nothing_jumps_when_figures_change(visit: Visit):
    page = await visit.log_in()
    places = """() => [...document.querySelectorAll(".panel, .tile, .header")].map((e) => {
        const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height].map(Math.round).join() })"""
    earlier, before = None, await page.evaluate(places)
    while earlier != before:  # fonts and the chart settle first
        await page.wait_for_timeout(500)
        earlier, before = before, await page.evaluate(places)
    visit.running.engine.play(120)
    await visit.running.engine.desk.submit(Halt(reason="drill"), Actor(person="tina", door=Door.TELEGRAM))
    await expect(page.locator(".state")).to_have_text("HALTED")
    assert await page.evaluate(places) == before
    assert await page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
