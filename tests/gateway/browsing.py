"""A real headless Chromium at a served gateway. Screenshots go to MOONDEV_SHOTS, if set."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    StorageState,
    ViewportSize,
    async_playwright,
    expect,
)

from domain.commands import Actor, Door, Resume
from domain.facts import TradingState
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine
from tests.needs import chromium

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
NARROW = ViewportSize(width=320, height=640)
CHECKS = (Path(__file__).parent / "dashboard" / "checks.js").read_text()
VIOLATIONS = """
addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
"""


@dataclass
class Visit:
    """A browser at a running gateway, what it asked for and what it complained about."""

    running: Running
    context: BrowserContext
    shots: Path | None
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def trading(self) -> TradingState:
        """The state in force in the engine's core."""
        return self.running.engine.driver.core.state.trading

    async def page(self) -> Page:
        page = await self.context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        return page

    async def open(self, path: str = "overview") -> Page:
        """A page of the session that the module shares."""
        page = await self.page()
        await page.goto(f"{self.running.url}/#/{path}")
        await expect(page.locator(".fresh")).to_contain_text("live")
        return page

    async def log_in(self, person: str) -> Page:
        """A page of a session of its own, by link."""
        page = await self.page()
        await page.goto(self.running.url + await self.running.access.new_link(person))
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator(".stat-value").first).to_contain_text(".")
        return page

    async def go(self, page: Page, path: str) -> None:
        await page.evaluate("(path) => { location.hash = `#/${path}` }", path)
        await expect(page.locator("main h1")).to_be_visible()

    async def shoot(self, page: Page, name: str, *, full: bool = False) -> None:
        if self.shots is not None:
            await page.screenshot(path=self.shots / f"{name}.png", full_page=full)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=30_000)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """An engine whose control room has its database: jobs, alerts, deliveries."""
    engine = Engine(70, ops=tmp_path_factory.mktemp("ops") / "ops.db")
    await engine.room.store.start()
    async with serve(engine) as running:
        yield running
    await engine.room.store.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(browser: Browser, served: Running) -> StorageState:
    """Tina's cookie, for the tests that are not about logging in."""
    async with await browser.new_context() as context:
        await Visit(running=served, context=context, shots=None).log_in("tina")
        return await context.storage_state()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, served: Running, session: StorageState) -> AsyncIterator[Visit]:
    async with visiting(browser, served, session) as made:
        yield made
    served.said.clear()
    if made.trading() is not TradingState.ACTIVE:
        await resume(served)


@contextlib.asynccontextmanager
async def visiting(browser: Browser, running: Running, session: StorageState | None = None) -> AsyncIterator[Visit]:
    """A browser of its own at a gateway, with or without a session."""
    context = await browser.new_context(viewport=DESKTOP, color_scheme="dark", storage_state=session)
    await context.add_init_script(VIOLATIONS)
    shots = os.environ.get("MOONDEV_SHOTS")
    made = Visit(running=running, context=context, shots=Path(shots) if shots else None)
    context.on("request", lambda request: made.requests.append(request.url))
    yield made
    await context.close()


async def resume(running: Running) -> None:
    """Trade again, as two persons agree to it."""
    desk = running.engine.desk
    done = await desk.submit(Resume(reason="next test"), Actor(person="rosa", door=Door.TELEGRAM))
    await running.engine.console(Actor(person="adam", door=Door.TELEGRAM), f"/approve {done.request}")
    running.engine.play(10)


def state(page: Page) -> Locator:
    return page.locator("header.top > .badge")


async def halt(page: Page) -> None:
    await page.get_by_role("button", name="Halt trading").click()
    await page.wait_for_timeout(350)
    await page.get_by_role("button", name="Press again to halt").click()
