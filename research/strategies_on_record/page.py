"""docs/strategies.md, put together from what ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from msgspec import Struct

from research.measures.numbers import money, percent
from research.strategies_on_record.planted import Came
from research.strategies_on_record.ran import DEPOSIT, SEED
from research.strategies_on_record.said import SAID, Said
from research.strategies_on_record.sharing import Shared
from research.strategies_on_record.told import PARTS, Shown, day, moved_table, part_row, shown, table, told
from research.strategies_on_record.walk import BLOCKS, TRIALS, Moved

WIDTH = 120
COMMAND = ".venv/bin/python -m research.strategies_on_record DATA_FOLDER --out docs/strategies.md"


class Source(Struct, frozen=True, kw_only=True):
    """A recorded file that was used."""

    name: str
    sha256: str
    rows: int
    first_ns: int
    last_ns: int


class Everything(Struct, frozen=True, kw_only=True):
    """All that ran. `moved` are parameters that were moved over made-up markets, by kind."""

    shown: tuple[Shown, ...]
    came: tuple[Came, ...]
    moved: dict[str, tuple[Moved, ...]]
    shared: tuple[Shared, ...]
    sources: tuple[Source, ...]
    fundings: tuple[str, ...]
    """Files of recorded fundings."""
    code_hash: str
    lock_hash: str


def page(all_of_it: Everything) -> str:
    """The whole page."""
    parts = [_head(), _glance(all_of_it)]
    parts += [_section(kind, said, all_of_it) for kind, said in SAID.items()]
    parts += [_sharing(all_of_it.shared)] if all_of_it.shared else []
    parts += [_made_up(all_of_it.came), _origin(all_of_it), _tail()]
    return "\n".join(wrapped("\n\n".join("\n".join(part) for part in parts).split("\n"))) + "\n"


def wrapped(lines: Sequence[str]) -> Iterator[str]:
    """Lines of at most 120 letters; tables and headings stay as they are."""
    for line in lines:
        if len(line) <= WIDTH or line.startswith(("|", "#")):
            yield line
        else:
            yield from wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)


def _head() -> Iterator[str]:
    yield f"""# Strategies, and what they did

Ten kinds are built in, and an [allocator](risk.md) that shares equity out by risk parity. Each is one readable
file in `engine/strategies/`; its docstring has the rule line by line, `./moondev backtest --strategy KIND`
tries it. **None of them is known to earn money.** They are here because their rules are; what recorded data say
of them stands below, losers included. (`ema_cross` and `two_leg` are plain references for tests and tutorials,
and not judged here.)

This page is made by a command, words and all, and never edited:

```
{COMMAND}
```

**How to read it.** The deposit is {DEPOSIT:,} of the quote currency (of the basket of alts that is BTC, which
no market would have taken: read shares of it); fees are those of the first configured contract (maker 0.015 %,
taker 0.045 %); latencies, limits, breakers and the gate are as they run. Parameters are defaults but for those
that are named, and bars are those of the file unless `interval_s` is named; but for the walk-forward nothing
was fitted. The part called first is in sample, if anybody looked; the last, out of sample, is a run of its own.
**Walk-forward**: the data are cut into {BLOCKS} blocks; {TRIALS} points spread evenly over the ranges named are
run; on four blocks the one whose neighbourhood did best is chosen, and the next block is traded with it, on a
fresh account, whose first ten trades are not yet cut by its own record (half Kelly): sizes are larger than in
the other rows. Its ranges, and how many points, were chosen after the first results of these files had been
seen, and another choice moved figures of a few hundred by as much. "Of it costs" are fees less funding
received; slippage and spread are in the prices. Intervals are 95 %. Beside every figure stands doing nothing,
which is 0, and holding: all of the deposit in the same instruments. Where data cannot carry a claim, a figure
says `insufficient data: n = ...`: 30 daily returns or 30 round trips are the least."""


def _glance(all_of_it: Everything) -> Iterator[str]:
    yield "## At a glance"
    yield ""
    rows = []
    for kind, said in SAID.items():
        link = f"[{said.title}](#{said.title.lower().replace(' ', '-').replace(':', '')})"
        for one in (one for one in all_of_it.shown if one.case.kind == kind):
            last = one.parts[-1].measures
            walk = one.walk
            forward = "" if walk is None else "insufficient data" if walk.part is None else _net(walk.part.measures.pnl)
            mean = told(last.trips.expectancy, sign=True)
            rows.append([link, one.case.title, _net(last.pnl), mean, forward, last.verdict.headline])
        if not any(one.case.kind == kind for one in all_of_it.shown):
            rows.append([link, "nothing recorded", "", "insufficient data: n = 0", "", "Nothing is known of it"])
    yield counted(all_of_it.shown)
    yield ""
    heads = ["strategy", "data", "PNL out of sample", "mean round trip", "walk-forward PNL", "what it says"]
    yield from table(heads, rows)


def counted(shown_cases: Sequence[Shown]) -> str:
    """How many of the cases on bars earned, in a paragraph."""
    last = [one.parts[-1].measures for one in shown_cases if not one.case.is_ticks]
    means = [found.trips.expectancy for found in last]
    forward = [one.walk.part.measures.pnl for one in shown_cases if one.walk is not None and one.walk.part is not None]
    return (
        f"Of {len(last)} cases on bars {_count(found.pnl > 0 for found in last)} earned out of sample after costs and "
        f"{_count(found.pnl < 0 for found in last)} lost; before costs "
        f"{_count(found.costs.gross > 0 for found in last)} earned. The interval of the mean round trip is wholly "
        f"above nothing in {_count((mean.low or 0) > 0 for mean in means)}, wholly below in "
        f"{_count((mean.high or 0) < 0 for mean in means)}. Walked forward, {_count(pnl > 0 for pnl in forward)} of "
        f"{len(forward)} earned. Read with each gain what is to be borne in mind with it, at the end of its section."
    )


def _count(flags: Iterable[bool]) -> int:
    return sum(flags)


def _net(value: float) -> str:
    return money(value, sign=True)


def _section(kind: str, said: Said, all_of_it: Everything) -> Iterator[str]:
    yield f"## {said.title}"
    yield ""
    yield f"`{kind}`. {said.does}"
    yield ""
    yield f"**Should lose**: {said.loses[0].lower()}{said.loses[1:]} Source: {said.source}."
    for one in (one for one in all_of_it.shown if one.case.kind == kind):
        yield ""
        yield from shown(one)
    if kind == "funding_arbitrage":
        yield ""
        yield _no_fundings(all_of_it.fundings)
    if all_of_it.moved.get(kind):
        yield ""
        yield "No recording is long enough to move parameters over. On its own [made-up market](#on-made-up-markets):"
        yield ""
        yield from moved_table(all_of_it.moved[kind])
    if said.mind:
        yield ""
        yield f"**Bear in mind**: {said.mind}"


def _no_fundings(files: Sequence[str]) -> str:
    known = f"there is {', '.join(files)}, of one venue, without a book" if files else "there are none at all"
    return (
        "**insufficient data: n = 0.** It needs the fundings and books of one asset at two venues over the same hours; "
        f"{known}. That it trades, and the same live as in a test, is proved on markets made for it "
        "(`tests/research/test_paper_equals_backtest.py`), and what it should have earned there is reckoned below."
    )


def _sharing(shared: Sequence[Shared]) -> Iterator[str]:
    plain, parity = shared
    yield "## Risk parity"
    yield ""
    yield (
        "The [allocator](risk.md) gives each strategy the share of equity at which all of them contribute the same "
        "risk, from a shrunk covariance of what they earned by the hour. It believes that risk can be known from the "
        "weeks before and profit cannot."
    )
    yield ""
    yield (
        "**Should lose**: it adds no profit; it loses what its strategies lose, and when calm before was no promise. "
        "Source: Maillard, Roncalli & Teiletche 2010; Spinu 2013."
    )
    yield ""
    names = ", ".join(f"{name} {share:.0%}" for name, share in parity.shares.items())
    yield f"**Four kinds on four alts, one account** ({day(plain.part.start_ns)} to {day(plain.part.end_ns)}; defaults)"
    yield ""
    yield from table(PARTS, [part_row(one.part) for one in shared])
    yield ""
    quarter = plain.part.measures.pnl / len(plain.shares)
    fall = plain.part.measures.drawdowns.deepest.fraction / len(plain.shares)
    mine = parity.part.measures
    yield (
        f"Shares at the end: {names}. The first row sizes each strategy by all of the equity; an equal part each would "
        f"have come to about {money(quarter, sign=True)} with a fall of {percent(fall)}, against "
        f"{money(mine.pnl, sign=True)} and {percent(mine.drawdowns.deepest.fraction)}. "
        f"{mine.sharpe.caveat.partition(', at least')[0].capitalize()}: no claim."
    )


def _made_up(came: Sequence[Came]) -> Iterator[str]:
    yield "## On made-up markets"
    yield ""
    yield (
        "Each kind where what it believes was planted, and where it was not, over the seeds that are counted. It "
        "shows whether the machinery finds what is there and leaves what is not; it is evidence of nothing else. "
        "What is planted is far stronger than anything in a market, and some of it was made stronger, or longer, until "
        "it was found: a clean table is partly by construction. What is not as it should be stands in bold. "
        "Judged by the mean round trip after costs where it is planted, before costs where it is not. What both "
        "arbitrages should earn is reckoned by hand."
    )
    yield ""
    rows = [
        [
            f"`{one.case.kind}`",
            ("" if one.case.is_there else "not so: ") + one.case.market,
            str(one.case.draws),
            f"{sum(len(result.trades) for result in one.results):,}",
            _net(one.pnl),
            told(one.net, sign=True),
            told(one.gross, sign=True),
            one.verdict,
            f"`{one.results[0].provenance.run_id}`",
        ]
        for one in came
    ]
    yield from table(
        ["kind", "planted", "seeds", "trips", "PNL", "mean round trip", "before costs", "came to", "first run"], rows
    )


def _origin(all_of_it: Everything) -> Iterator[str]:
    yield "## Where it comes from"
    yield ""
    yield (
        f"Program `{all_of_it.code_hash[:12]}`, locked dependencies `{all_of_it.lock_hash[:12]}`, seed {SEED} "
        "(resampling, points, made-up markets). A run's id is a hash over program, dependencies, settings, span, data, "
        "seed and the strategy's source: with other code the figures may stay, the id does not."
    )
    yield ""
    rows = [
        [source.name, f"`{source.sha256[:12]}`", f"{source.rows:,}" if source.rows else "", _span(source)]
        for source in all_of_it.sources
    ]
    yield from table(["file", "SHA-256", "rows", "from, to"], rows)


def _span(source: Source) -> str:
    return f"{day(source.first_ns)}, {day(source.last_ns)}" if source.last_ns else "minutes"


def _tail() -> Iterator[str]:
    yield """## How far a test can be believed

[How to read a report](research.md), [is it honest?](research.md), and what a test on bars cannot know: where
inside a bar a price was first, how long the queue was, what the own order would have moved. Live code and test
code are one, and `tests/research/test_paper_equals_backtest.py` holds every kind to it: the same requests at
the same times, the same fills to the cent."""
