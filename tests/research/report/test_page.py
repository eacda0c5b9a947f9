"""The page: complete in itself, safe against hostile names, whole for any run, readable on a phone."""

import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from exchanges.paper.config import FillModel
from research.market_data import DataKind
from research.measures import measure
from research.report import figures, html, png
from research.result import Result
from tests.needs import chromium
from tests.research.report.made import FIRST_NS, HOSTILE, made, ran

VOID = {"meta", "path", "rect", "br", "link", "img"}


class Read(HTMLParser):
    """Tags that are open, and everything that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.reaches: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "iframe", "object", "img", "link", "form", "a", "base"}:
            self.reaches.append(tag)
        self.reaches += [f"{name}={value}" for name, value in attrs if name.startswith("on") or name in {"src", "href"}]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(page: bytes) -> Read:
    found = Read()
    found.feed(page.decode())
    found.close()
    assert found.open == []
    return found


def page_of(result: Result, **options) -> bytes:
    return html(result, measure(result, draws=200, **options))


def test_the_page_needs_nothing_else_and_is_the_same_for_the_same_run():
    page = page_of(made())
    assert read(page).reaches == []
    assert b"url(" not in page
    assert b"http://" not in page
    assert b"https://" not in page
    assert b"default-src 'none'" in page
    assert page == page_of(made())


def test_names_that_strangers_gave_are_words_and_nothing_else():
    base = made(days=60)
    strategy = replace(base.strategies[0], id=HOSTILE, kind=HOSTILE, params={HOSTILE: HOSTILE}, status=HOSTILE)
    result = replace(
        base,
        strategy=HOSTILE,
        currency=HOSTILE,
        notes=(HOSTILE,),
        alerts=(HOSTILE,) * 100,
        refusals={HOSTILE: 3},
        breakers={HOSTILE: 1},
        strategies=(strategy, strategy),
        sources=(replace(base.sources[0], name=HOSTILE, instrument=HOSTILE, venue=HOSTILE),),
        accounts=(replace(base.accounts[0], id=f"{HOSTILE}:main", currency=HOSTILE),),
        open_positions=tuple(replace(each, instrument=HOSTILE, account=HOSTILE) for each in base.open_positions),
        venues={HOSTILE: next(iter(base.venues.values()))},
        prices={HOSTILE: next(iter(base.prices.values()))},
        trades=tuple(replace(trade, instrument=HOSTILE, strategy=HOSTILE) for trade in base.trades),
        provenance=replace(base.provenance, command=HOSTILE),
    )
    page = page_of(result)
    seen = read(page)
    assert seen.reaches == []
    assert "<script>alert(1)</script>" in "".join(seen.words)
    text = page.decode()
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "and 40 more" in text
    assert png(result, measure(result, draws=0)).startswith(b"\x89PNG")


def curve(values) -> Result:
    samples = tuple((FIRST_NS + n * 86_400 * 10**9, Decimal(value)) for n, value in enumerate(values))
    nothing = {"trades": (), "gross": (), "net": (), "prices": {}, "traded": Decimal(0), "fees": Decimal(0)}
    return replace(ran(), deposit=Decimal(100), equity=samples[-1][1], samples=samples, **nothing)


@pytest.mark.parametrize(
    "result",
    [
        curve([100]),
        curve([100] * 60),
        curve([100, 50, 0, -30, -20] + [-20] * 60),
        curve([100 + n % 7 for n in range(100)]),
        made(days=1, trades=1),
        made(days=40, trades=0),
        replace(made(days=40), deposit=Decimal(0)),
    ],
    ids=["one sample", "constant", "below zero", "no round trips", "one day", "no trades", "no deposit"],
)
def test_every_run_has_a_page_without_a_figure_that_is_none(result):
    found = measure(result, draws=200)
    text = " ".join(read(html(result, found)).words)
    assert not re.search(r"\b(nan|inf|None)\b", text), re.findall(r".{30}\b(?:nan|inf|None)\b", text)
    assert b"NaN" not in figures(result, found)


@pytest.mark.parametrize(
    "result", [curve([100]), curve([100, 50, 0, -30] + [-20] * 60)], ids=["one sample", "below zero"]
)
def test_even_a_run_of_nothing_has_a_picture(result):
    assert png(result, measure(result, draws=0)).startswith(b"\x89PNG")


def test_what_a_reader_must_know_stands_before_every_figure():
    base = ran()
    made_up = page_of(replace(base, data_kind=DataKind.SIMULATED)).decode()
    assert "No evidence of anything" in made_up
    assert made_up.index("SIMULATED MARKET") < made_up.index("Profit after costs")
    same = page_of(replace(base, fill_model=FillModel.SAME_CLOSE)).decode()
    assert "BENCHMARKS ONLY" in same
    gratis = replace(base.sources[0], maker_fee=Decimal(0), taker_fee=Decimal(0))
    free = page_of(replace(base, sources=(*base.sources, gratis))).decode()
    assert "NO FEES on BTC-USDC.PAPER" in free
    broken = replace(base, strategies=(replace(base.strategies[0], status="quarantined ValueError"),))
    assert "did not run to the end: quarantined ValueError" in page_of(broken).decode()
    assert "insufficient data: n = 0 daily returns, at least 30 needed" in page_of(base).decode()


def test_a_year_with_twenty_thousand_round_trips_is_a_small_page():
    result = made(days=700, trades=19_291)
    page = html(result, measure(result, draws=0))
    assert len(page) < 700_000
    assert "The 250 largest profits and losses of 19,291 round trips." in page.decode()


@pytest.mark.browser
def test_a_phone_shows_it_without_sideways_scrolling_and_fetches_nothing(tmp_path):
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_bytes(page_of(made()))
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url))
        page.goto(file.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        heights = page.evaluate(
            "[...document.querySelectorAll('.plot svg')].map(e => e.getBoundingClientRect().height)"
        )
        browser.close()
    assert said == [file.as_uri()]
    assert width == 360
    assert len(heights) > 8
    assert min(heights) > 50
