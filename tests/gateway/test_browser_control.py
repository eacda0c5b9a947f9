"""The pages of control in a real headless Chromium: votes, what-if, parameters, audit, limits, settings, alerts."""

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page, StorageState, expect

from bot.alerts import Alerts
from bot.store import OpsStore
from domain.commands import Actor, Deny, Door, ManualTarget, SetParams
from domain.facts import Severity
from engine.codes import Codes
from tests.bot.world import Secrets
from tests.gateway.browsing import Visit, browser, visiting
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine

__all__ = ["browser"]
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.timeout(120),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """An engine whose control room has a database, for jobs and alerts."""
    engine = Engine(70, ops=tmp_path_factory.mktemp("ops") / "ops.db")
    await engine.room.store.start()
    room = engine.room
    reader = Alerts(
        engine.desk, room.outbox, room.config.alerts, room.alerts, recipients=(), rooms={}, private=room.contacts
    )
    following = asyncio.create_task(reader.run())
    async with serve(engine) as running:
        yield running
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await room.store.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cookies(browser: Browser, served: Running) -> dict[str, StorageState]:
    """A session of each person."""
    found: dict[str, StorageState] = {}
    for person in ("tina", "rosa", "adam"):
        async with httpx.AsyncClient(base_url=served.url) as client:
            await served.log_in(client, person)
            kept = [{"name": c.name, "value": c.value, "url": served.url} for c in client.cookies.jar]
        async with await browser.new_context() as context:
            await context.add_cookies(kept)  # type: ignore[arg-type]
            found[person] = await context.storage_state()
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rosas(browser: Browser, served: Running, cookies: dict[str, StorageState]) -> AsyncIterator[Visit]:
    """Rosa's browser."""
    async with visiting(browser, served, cookies["rosa"]) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def adams(browser: Browser, served: Running, cookies: dict[str, StorageState]) -> AsyncIterator[Visit]:
    """Adam's browser."""
    async with visiting(browser, served, cookies["adam"]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def rosa(rosas: Visit) -> AsyncIterator[Visit]:
    """Rosa, of role risk, at the dashboard; nothing may go wrong on its console."""
    yield rosas
    assert rosas.complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def adam(adams: Visit) -> AsyncIterator[Visit]:
    """Adam, of role admin; as above."""
    yield adams
    assert adams.complaints == []


async def at(visit: Visit, path: str) -> Page:
    """One page of the dashboard, in the tab that is open."""
    if not visit.context.pages:
        return await visit.open(path)
    page = visit.context.pages[0]
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await visit.go(page, path)
    return page


def tina(served: Running) -> Actor:
    return Actor(person="tina", door=Door.TELEGRAM)


async def confirm(page: Page) -> None:
    """Say yes to the question that is asked, and close what is said then, if it is long."""
    await page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    await page.keyboard.press("Escape")


async def test_a_second_person_votes_on_what_they_see_and_it_is_carried_out(
    rosa: Visit,
    served: Running,
    browser: Browser,
    cookies: dict[str, StorageState],
):
    engine = served.engine
    instrument = engine.desk.instrument("SOL") or ""
    qty = Decimal(60)
    done = await engine.desk.submit(ManualTarget(account="PAPER:main", instrument=instrument, qty=qty), tina(served))
    page = await at(rosa, "approvals")
    card = page.get_by_role("article", name=f"Request {done.request}")
    await expect(card).to_contain_text("tina wants")
    await expect(card.locator(".voters li", has_text="Tina")).to_contain_text("role risk or higher")
    await expect(card.get_by_role("timer")).to_contain_text(re.compile(r"1:\d\d left"))
    view = engine.desk.request(done.request)
    assert view is not None
    await expect(card.locator("dd.mono").first).to_have_text(view.digest)
    await rosa.shoot(page, "approvals")
    await card.get_by_role("button", name=f"Approve {done.request}").click()
    await expect(page.locator("tbody tr", has_text=done.request)).to_contain_text("approved")
    decided = engine.desk.request(done.request)
    assert decided is not None
    assert (decided.status, decided.votes) == ("approved", ("rosa",))
    engine.play(2)
    assert any(one.instrument == instrument and one.qty == qty for one in engine.desk.positions())


async def test_a_request_is_denied_with_the_reason_on_record(rosa: Visit, served: Running):
    asked = SetParams(strategy="maker-btc", params={"qty": 0.02})
    name = (await served.engine.desk.submit(asked, tina(served))).request
    page = await at(rosa, "approvals")
    card = page.get_by_role("article", name=f"Request {name}")
    await card.get_by_role("button", name="Deny").click()
    await card.get_by_label("Why, for the record").fill("too much <b>for now</b>")
    await page.keyboard.press("Enter")
    row = page.locator("tbody tr", has_text=name)
    await expect(row).to_contain_text("too much <b>for now</b>")
    request = served.engine.desk.request(name)
    assert request is not None
    assert request.status == "denied"


async def test_a_vote_with_a_code_takes_the_right_one_and_a_wrong_one_is_said(rosa: Visit, served: Running):
    engine, core, secret = served.engine, served.engine.driver.core, pyotp.random_base32()
    before, codes = core.state.settings, engine.desk.codes
    core.state.settings = replace(before, approvals=replace(before.approvals, codes=True))
    engine.desk.codes = Codes(Secrets({"totp_rosa": secret}), engine)
    asked = SetParams(strategy="maker-btc", params={"qty": 0.02})
    name = (await engine.desk.submit(asked, Actor(person="adam", door=Door.TELEGRAM))).request
    try:
        page = await at(rosa, "approvals")
        card = page.get_by_role("article", name=f"Request {name}")
        vote, code = card.get_by_role("button", name=f"Approve {name}"), card.get_by_label("One-time code")
        await expect(vote).to_be_disabled()
        await code.fill("000 000")
        await vote.click()
        await expect(page.locator(".toast.error, dialog")).to_contain_text("code")
        await page.keyboard.press("Escape")
        await code.fill(pyotp.TOTP(secret).generate_otp(engine.now_ns() // (30 * 10**9)))
        await vote.click()
        await expect(card.locator(".voters li", has_text="Rosa")).to_contain_text("has voted")
        view = engine.desk.request(name)
        assert view is not None
        assert view.votes == ("rosa",)
    finally:
        core.state.settings, engine.desk.codes = before, codes
        await engine.desk.submit(Deny(request=name, reason="over"), tina(served))


async def test_what_if_says_what_a_shock_would_do(rosa: Visit, served: Running):
    page = await at(rosa, "risk/losses")
    await page.get_by_label("A move").fill("BTC -20")
    await page.keyboard.press("Enter")
    shown = page.locator(".shock").first
    await expect(shown).to_contain_text("exit cost")
    found = served.engine.desk.stress("BTC -20")
    assert not isinstance(found, str)
    await expect(shown).to_contain_text(found[0].what)
    await rosa.shoot(page, "risk-losses")
    await page.get_by_label("A move").fill("nonsense")
    await page.keyboard.press("Enter")
    await expect(page.locator(".state.failed")).to_be_visible()
    rosa.complaints[:] = [text for text in rosa.complaints if "404" not in text]


async def test_limits_on_the_page_are_those_of_limits_in_chat(rosa: Visit, served: Running):
    page = await at(rosa, "risk")
    rows = page.get_by_role("region", name="Limits").locator("tbody tr")
    await expect(rows).to_have_count(len(served.engine.desk.rules()) + 1)
    shown = {
        (await row.locator("td").first.locator("b").inner_text()): await row.locator("td").nth(4).inner_text()
        for row in await rows.all()
    }
    said = await served.engine.console(tina(served), "/limits")
    units = "USD|fraction|times|count|seconds|per second"
    for name, value in re.findall(rf"^(\w+) +([0-9.]+) (?:{units})", said, re.MULTILINE):
        text = re.sub(r"[^0-9.]", "", shown[name.replace("_", " ")]) or "0"
        is_part = "%" in shown[name.replace("_", " ")]
        assert float(text) == pytest.approx(float(value) * (100 if is_part else 1)), name
    await rosa.shoot(page, "risk")


async def test_a_parameter_is_changed_and_the_history_says_who(rosa: Visit, served: Running):
    page = await at(rosa, "strategies/maker-btc")
    await page.get_by_role("button", name="Change parameters").click()
    await page.get_by_label("pause_s").fill("77")
    await expect(page.get_by_role("dialog")).to_contain_text("adds no risk")
    await page.get_by_label("min_edge_bps").fill("0.05")
    await expect(page.get_by_role("dialog")).to_contain_text("may add risk")
    await page.get_by_label("min_edge_bps").fill("0.1")
    await rosa.shoot(page, "strategy-change")
    await page.get_by_role("button", name="Change", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("-> 77")
    await confirm(page)
    newest = page.get_by_role("region", name="History of parameters").locator("tbody tr").first
    await expect(newest).to_contain_text("rosa")
    await expect(newest).to_contain_text("77")
    assert served.engine.desk.records.params("maker-btc")[0].after["pause_s"] == 77
    await rosa.shoot(page, "strategy", full=True)


async def test_a_setting_that_lowers_risk_is_confirmed_and_then_in_the_history(adam: Visit):
    page = await at(adam, "settings")
    await page.get_by_label("Find").fill("risk.max_exposure")
    await page.locator("tbody tr", has_text="max_exposure").click()
    await page.get_by_label("New value").fill("41000")
    await page.get_by_label("Why").fill("a thin <market>")
    await page.get_by_role("button", name="Propose it").click()
    await confirm(page)
    await expect(page.locator("tbody tr", has_text="max_exposure")).to_contain_text("41000")
    await page.get_by_role("tab", name="History").click()
    newest = page.get_by_role("region", name="Versions of the settings").locator("tbody tr").first
    await expect(newest).to_contain_text("50000 -> 41000")
    await expect(newest).to_contain_text("a thin <market>")
    await adam.shoot(page, "settings-history")


async def test_the_audit_is_searched_and_exported_with_exact_times(rosa: Visit, served: Running, tmp_path: Path):
    await served.engine.desk.submit(ManualTarget(account="PAPER:main", instrument="NONE", qty=Decimal(1)), tina(served))
    page = await at(rosa, "audit")
    await page.get_by_label("Person").select_option("tina")
    await page.get_by_label(re.compile("^Outcome")).select_option("refused")
    rows = page.get_by_role("region", name="Commands").locator("tbody tr")
    await expect(rows.first).to_contain_text("manual")
    await expect(page.get_by_text("rosa", exact=True)).to_have_count(0)
    known = [row for row in served.engine.desk.records.commands(100, "tina") if not row.ok]
    await expect(rows).to_have_count(len(known))
    exported: dict[str, Any] = {}
    for name in ("Export CSV", "JSON lines"):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=name).click()
        path = tmp_path / (await download.value).suggested_filename
        await (await download.value).save_as(path)
        exported[path.suffix] = path.read_text()
    table = list(csv.DictReader(exported[".csv"].splitlines()))
    lines = [json.loads(line) for line in exported[".jsonl"].splitlines()]
    assert [row["ts_ns"] for row in table] == [row["ts_ns"] for row in lines] == [str(row.ts_ns) for row in known]
    assert [row["text"] for row in lines] == [row.text for row in known]
    await rows.first.click()
    await expect(page.get_by_role("dialog")).to_contain_text("no journal")
    await rosa.shoot(page, "audit")


async def test_who_may_not_look_is_told_which_role_it_takes(
    browser: Browser, served: Running, cookies: dict[str, StorageState]
):
    async with visiting(browser, served, cookies["tina"]) as visit:
        page = await visit.open("audit")
        await expect(page.locator("main")).to_contain_text("takes role risk or higher")
        await visit.go(page, "settings")
        await expect(page.locator("main")).to_contain_text("take role admin")
        await visit.go(page, "risk")
        await page.locator("tbody tr").first.click()
        await expect(page.get_by_role("button", name="Override")).to_be_disabled()
        assert visit.complaints == []


async def test_an_alert_is_looked_after_muted_and_told_again(
    rosa: Visit, served: Running, monkeypatch: pytest.MonkeyPatch
):
    alerts = served.engine.room.alerts
    monkeypatch.setattr(alerts, "now_ns", served.engine.now_ns)  # a mute is over by the clock by which it was made
    where, text = {"venue": "BYBIT"}, "No price for 41 s."
    await alerts.raise_alert("feed_stale", where, Severity.WARNING, "Feed is stale", text, lasts=True)
    page = await at(rosa, "alerts")
    row = page.locator("tbody tr", has_text="Feed is stale")
    await row.get_by_role("button", name="Ack").click()
    await expect(row).to_contain_text("looked after: rosa")
    await row.get_by_role("button", name="Mute").click()
    await page.get_by_label("Why").fill("maintenance")
    await page.get_by_role("dialog").get_by_role("button", name="Mute", exact=True).click()
    await page.get_by_role("tab", name="Mutes").click()
    mute = page.locator("tbody tr", has_text="maintenance")
    await expect(mute).to_contain_text("feed stale")
    await mute.get_by_role("button", name="Unmute").click()
    await expect(page.get_by_text("Nothing is muted")).to_be_visible()


async def test_a_report_shows_its_curve_and_each_target_beside_the_honest_figure(rosa: Visit, served: Running):
    jobs = served.engine.room.jobs
    job, _ = await jobs.add("rosa", "", "Backtest of turtle on BTC: 24h of a SIMULATED market", ["x"], "k1")
    await served.engine.room.store.run(lambda: finish(served.engine.room.store, job.id))
    jobs._folder.mkdir(exist_ok=True)
    (jobs._folder / f"{job.id}.txt").write_text("PNL            +12.50 USDC\n")
    (jobs._folder / f"{job.id}.json").write_text(json.dumps(REPORT))
    page = await at(rosa, "backtests")
    await page.get_by_role("link", name="Report").click()
    await expect(page.locator(".banner.warning", has_text="SIMULATED")).to_be_visible()
    await expect(page.locator("svg.curve")).to_have_attribute("aria-label", re.compile("deepest fall 10.00 %"))
    sharpe = page.locator("tbody tr", has_text="Sharpe")
    await expect(sharpe).to_contain_text("no evidence")
    await expect(page.locator("tbody tr", has_text="Win rate")).to_contain_text("insufficient data: n = 1")
    await rosa.shoot(page, "backtest", full=True)


def finish(store: OpsStore, number: int) -> None:
    with store.db as db:
        db.execute(
            "update jobs set state = 'done', started_ns = created_ns, ended_ns = created_ns where id = ?", (number,)
        )


HOUR_NS = 3_600_000_000_000
REPORT = {
    "strategy": "turtle", "params": {"entry_bars": 20}, "instrument": "BTC-USDC-PERP.PAPER", "data": "simulated seed 7",
    "data_kind": "simulated", "fill_model": "next_open", "approver": "auto", "notes": ["made up"], "first_ns": HOUR_NS,
    "last_ns": 25 * HOUR_NS, "currency": "USDC", "deposit": "1000", "equity": "1012.5", "realised": "20",
    "unrealised": "0", "fees": "7.5", "funding": "0", "orders": 4, "fills": 2, "exposure": 0.25,
    "sharpe": {"value": None, "n": 1, "caveat": "insufficient data: n = 1 daily returns"},
    "max_drawdown": {"amount": "100", "fraction": 0.1, "peak_ns": 0, "trough_ns": 0}, "maker_fee": "0.00015",
    "taker_fee": "0.00045", "refusals": {}, "alerts": [],
    "trades": [{"side": 1, "opened_ns": 0, "closed_ns": 1, "qty": "1", "fills": 2, "fees": "7.5", "pnl": "12.5"}],
    "samples": [[HOUR_NS, "1000"], [9 * HOUR_NS, "900"], [25 * HOUR_NS, "1012.5"]],
}  # fmt: skip

MODELS = """async () => {
  const m = await import("/static/lib/models.js");
  return {
    diff: m.paramsDiff({a: 1, b: "x", c: true}, {a: 1, b: "y", d: null}),
    risk: [["raised", 1, 2], ["raised", 2, 1], ["lowered", 1, 2], ["always", 1, 2], ["never", 1, 2],
           ["raised", "a", "b"], ["raised", 1, 1.0], ["raised", true, false]].map((each) => m.riskOf(...each)),
    words: m.paramWords([{name: "a", after: 2}, {name: "on", after: false}]),
    net: m.netOf({realised: "0.1", unrealised: "0.2", fees: "0.05", funding: "-0.01"}),
    limit: [["0.05", "fraction"], ["1000000", "USD"], ["3", "times"], [null, "count"], ["0.125", "fraction"],
            ["60", "seconds"]].map((each) => m.limitText(...each)),
    csv: m.csvOf([{a: '=1+1,"x"', b: "-5"}, {a: "two\\nlines", b: "-cmd"}, {a: "+49 30", b: null}], ["a", "b"]),
    shades: ["1", "-1", "0.5", "0"].map(m.shade),
    falls: m.drawdownsOf([{equity: "100"}, {equity: "50"}, {equity: "200"}, {equity: "150"}]),
    tree: m.settingsTree([{path: "risk.a", value: "1", source: "default"}, {path: "risk.b", value: "2", source: "file"},
                          {path: "x.c", value: "3", source: "default"}], {changed: true}),
  };
}"""


async def test_what_pages_work_out_is_right(rosa: Visit):
    page = await at(rosa, "overview")
    found = await page.evaluate(MODELS)
    assert [(row["name"], row["kind"]) for row in found["diff"]] == [("b", "changed"), ("c", "removed"), ("d", "added")]
    assert found["risk"] == ["adds", "lowers", "lowers", "adds", "lowers", "adds", "same", "adds"]
    assert found["words"] == "a=2 on=false"
    assert found["net"] == "0.24"
    space = "\N{NARROW NO-BREAK SPACE}"
    assert found["limit"] == [
        f"5{space}%",
        "1,000,000.00 USD",
        "3 \N{MULTIPLICATION SIGN}",
        "not set",
        f"12.5{space}%",
        "60 s",
    ]
    rows = list(csv.reader(found["csv"].splitlines(keepends=True)))
    assert rows == [["a", "b"], ['\'=1+1,"x"', "-5"], ["two\nlines", "'-cmd"], ["'+49 30", "none"]]
    assert found["shades"] == [6, 6, 3, 0]
    assert found["falls"] == [0, -0.5, 0, -0.25]
    assert [(group["section"], len(group["rows"]), group["total"]) for group in found["tree"]] == [("risk", 1, 2)]
