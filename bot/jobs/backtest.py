"""`/backtest` and `/jobs`: words to a job, a job's output to a message.

/backtest turtle BTC 30d                       the data store's finest candles of the last 30 days
/backtest turtle BTC 2026-10 stop_atr=1.5      a month, with a parameter
/backtest turtle BTC,ETH 30d                   several: one strategy over all, or one each where the kind takes one
/backtest turtle BTC simulated:48h             a made-up market: shows that it runs, proves nothing
/backtest plan momentum                        the plan momentum.yaml of the data folder's plans, with its own span
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.call import Call, Effect, Verb
from bot.jobs.queue import OPEN, Job, JobRefused, progress_text
from bot.message import Block, Message, Pairs, Picture, Table, Text, age_text, refusal, utc_text
from bot.parse import Argument, UsageError, params_of, suggest, symbols
from bot.rows import kinds
from bot.times import EXAMPLES, period_of, span_of
from domain.settings import HOUR_NS, RoleName

if TYPE_CHECKING:
    pass

SIMULATED: Final = "simulated"
PLAN: Final = "plan"
PLAN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
MOST_SYMBOLS: Final = 10
SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
PARAM: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}=[A-Za-z0-9_.:+/-]{1,40}")
NAME: Final = re.compile(r"J?([0-9]{1,9})", re.IGNORECASE)
RANGES: Final = f"{EXAMPLES}, or {SIMULATED}:24h"
MOST_SIMULATED_H: Final = 24 * 31
NAME_WIDTH: Final = 15
"""Of the first column of what `moondev backtest` prints."""
IN_WORDS: Final = frozenset({"Verdict", "PNL", "Max drawdown"})
"""What of the figures tells a picture to who cannot see it."""
LEFT_OUT: Final = frozenset({"Tested", "State hash", "Took", "Latency", "Events", "JSON", "Page", "Picture"})
"""Lines for engineers; `./moondev backtest` prints them."""


async def backtest(call: Call) -> Message:
    """Put a backtest in the queue; its id at once."""
    jobs = call.room.jobs
    if not jobs.program:
        return refusal("backtest: refused", "Backtests cannot be run from here; ./moondev backtest runs them.")
    strategy, symbol = call.arguments["strategy"], call.arguments["symbol"]
    span, params = call.arguments.get("range", ""), _params(call.arguments.get("params", ""))
    zone = call.room.zone(call.person.id)
    if strategy == PLAN:
        command, what = _plan(symbol, span, params, zone)
    else:
        known = [kind for kind in kinds(call.desk) if not kind.startswith("bench_")]
        if strategy not in known:
            raise UsageError(f"no kind of strategy is called {strategy!r}: {suggest(strategy, [*known, PLAN])}")
        command, what = _one(strategy, symbol, span, params, zone)
    try:
        job, ahead = await jobs.add(call.person.id, call.actor.chat, what, command, call.request_id)
    except JobRefused as error:
        return refusal("backtest: refused", f"Refused: {error}.")
    waits = f"{ahead} before it." if ahead else "It begins now, with what processor time trading leaves."
    answer = "Progress and figures come here." if job.chat else f"Look at it with /jobs show {job.name}."
    lines = (what, f"{waits} {answer} /jobs cancel {job.name} ends it.")
    return Message(title=f"{job.name}: {job.state}", blocks=tuple(map(Text, lines)))


def _plan(name: str, span: str, params: str, zone: str) -> tuple[list[str], str]:
    """The command line of a plan, and what it is in words. Raises `UsageError`."""
    if not PLAN_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no plan's name: a-z 0-9 _ -, as the file in the data folder's plans")
    if params:
        raise UsageError("parameters stand in the plan itself")
    if span.partition(":")[0].lower() in {SIMULATED, "sim"}:
        raise UsageError("what a plan runs over stands in the plan; a range such as 30d bounds it")
    options, words = _range(span, [], zone) if span else ([], "its own span")
    return [name, *options], f"Backtest of plan {name}: {words}"


def _one(strategy: str, symbol: str, span: str, params: str, zone: str) -> tuple[list[str], str]:
    """The command line of a strategy, and what it is in words. Raises `UsageError`."""
    names = list(dict.fromkeys(name.upper() for name in symbol.split(",")))
    for name in names:
        if not SYMBOL.fullmatch(name):
            raise UsageError(f"{name!r} is no instrument. For example: BTC, or several: BTC,ETH")
    if len(names) > MOST_SYMBOLS:
        raise UsageError(f"{len(names)} instruments at once, {MOST_SYMBOLS} are allowed: write a plan")
    if not span:
        raise UsageError(f"RANGE is missing. A range is {RANGES}")
    where, words = _range(span, names, zone)
    with_params = f" with {params.replace(',', ', ')}" if params else ""
    command = [f"--strategy={strategy}", *where, *([f"--params={params}"] if params else [])]
    return command, f"Backtest of {strategy} on {', '.join(names)}{with_params}: {words}"


def _range(text: str, names: list[str], zone: str) -> tuple[list[str], str]:
    """Options of the command line for a range of these instruments, and it in words. Raises `UsageError`."""
    first, _, length = text.partition(":")
    if first.lower() in {SIMULATED, "sim"}:
        hours = span_of(length) / HOUR_NS if length else 24.0
        if hours > MOST_SIMULATED_H:
            raise UsageError(f"{text}: at most {MOST_SIMULATED_H // 24} days of a simulated market")
        options = [f"--simulated-hours={hours:g}", *(f"--instrument={name}" for name in names)]
        return options, f"{length or '24h'} of a SIMULATED market"
    try:
        period = period_of(text, time.time_ns(), zone)
    except UsageError as error:
        raise UsageError(f"{error}. A range is {RANGES}") from None
    options = [*(f"--stored={name}" for name in names), f"--to={_iso(period.until_ns)}"]
    return [*options, *([f"--from={_iso(period.since_ns)}"] if period.since_ns else [])], period.words


def _iso(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}"


def _params(text: str) -> str:
    """`a=1 b=2` as the command line takes it. Raises `UsageError`."""
    params_of(text)  # says what is given twice, or is no number that anything takes
    for word in text.split():
        if not PARAM.fullmatch(word):
            raise UsageError(f"{word}: a parameter is NAME=VALUE, without commas. For example: stop_atr=1.5")
    return ",".join(text.split())


async def list_jobs(call: Call) -> Message:
    """The newest jobs."""
    jobs = await call.room.jobs.last()
    if not jobs:
        return Message(title="No jobs", blocks=(Text("Begin one: /backtest turtle BTC 30d"),))
    rows = tuple((job.name, _state(call, job), job.person, job.words) for job in jobs)
    return Message(title=f"Jobs: {len(jobs)}", blocks=(Table(("job", "state", "by", "what"), rows, left=4),))


async def show_job(call: Call) -> Message:
    """One job: how far it is, or what came out."""
    job = await _asked(call)
    result = await call.room.jobs.result(job) if job.state == "done" else None
    if result is not None:
        return result
    rows = [("state", _state(call, job)), ("by", job.person), ("asked", utc_text(job.created_ns))]
    if job.note:
        rows.append(("why", job.note))
    if job.state == "done":
        rows.append(("result", "no longer kept: ask for it again"))
    return Message(title=f"{job.name}: {job.state}", blocks=(Text(job.words), Pairs(tuple(rows))))


async def cancel_job(call: Call) -> Message:
    """End a job: one's own, or anybody's for role risk and higher."""
    job = await _asked(call)
    if job.person != call.person.id and call.person.role < RoleName.RISK:
        return refusal("jobs cancel: refused", f"{job.name} is {job.person}'s: they end it, or somebody of role risk.")
    if not await call.room.jobs.cancel(job.id, call.person.id):
        return refusal("jobs cancel: refused", f"{job.name} is {job.state} already.")
    return Message(title=f"{job.name}: cancelled", blocks=(Text(job.words),))


async def _asked(call: Call) -> Job:
    match = NAME.fullmatch(call.arguments["id"])
    job = await call.room.jobs.get(int(match[1])) if match else None
    if job is None:
        names = [one.name for one in await call.room.jobs.last()]
        raise UsageError(f"there is no job {call.arguments['id']!r}: {suggest(call.arguments['id'].upper(), names)}")
    return job


def _state(call: Call, job: Job) -> str:
    if job.state == "running":
        jobs = call.room.jobs
        return f"running {progress_text(jobs.progress.get(job.id, 0.0), (time.time_ns() - job.started_ns) / 1e9)}"
    if job.state in OPEN or not job.started_ns:
        return job.state
    return f"{job.state}, {age_text((job.ended_ns - job.started_ns) / 1e9)}"


def figures_of(output: str) -> tuple[tuple[str, str], ...]:
    """Names and values of what `moondev backtest` printed, without what is for engineers."""
    rows = ((line[:NAME_WIDTH].strip(), line[NAME_WIDTH:].strip()) for line in output.splitlines())
    return tuple((name, text) for name, text in rows if text and name not in LEFT_OUT)


async def shown(job: Job, output: str, file: Path) -> Message:
    """What a finished backtest has to show: its figures, and the picture of its report. Raises `ValueError`."""
    figures = figures_of(output)
    if not figures:
        raise ValueError("nothing was printed")
    blocks: list[Block] = [Text(job.words), Pairs(figures)]
    pictures: tuple[Picture, ...] = ()
    try:
        png = await asyncio.to_thread(file.with_suffix(".png").read_bytes)
        told = ", ".join(f"{name} {text}" for name, text in figures if name in IN_WORDS)
        pictures = (Picture(name=f"{job.name}.png", png=png, words=f"{job.words}. {told}"),)
    except OSError as error:
        blocks.append(Text(f"Without the picture: {error.strerror or error}."))
    return Message(title=f"{job.name}: done", blocks=tuple(blocks), pictures=pictures)


JOB: Final = Argument(name="id", help="the job, such as J7")
VERBS: Final = (
    Verb(
        name="backtest",
        help="Run a strategy over the past, beside trading: an id at once, then figures and a chart",
        handler=backtest,
        role=RoleName.TRADER,
        arguments=(
            Argument(name="strategy", help=f"which kind, see /strategies load; or {PLAN}", complete=kinds),
            Argument(
                name="symbol", help="instruments of the data store: BTC or BTC,ETH; a plan's name", complete=symbols
            ),
            Argument(
                name="range",
                help=f"30d, mtd, all, 2026-10, 2026-10-01..2026-10-15, or {SIMULATED}:24h",
                required=False,
            ),
            Argument(name="params", help="KEY=VALUE, several with spaces between", required=False, rest=True),
        ),
        examples=("/backtest turtle BTC 30d", "/backtest turtle BTC,ETH 2026-10 stop_atr=1.5", "/backtest plan trends"),
    ),
    Verb(name="jobs list", help="Backtests that run, wait or are done", handler=list_jobs, examples=("/jobs",)),
    Verb(
        name="jobs show",
        help="How far a job is, or what came out",
        handler=show_job,
        arguments=(JOB,),
        examples=("/jobs show J7",),
    ),
    Verb(
        name="jobs cancel",
        help="End a job that runs or waits",
        handler=cancel_job,
        role=RoleName.TRADER,
        arguments=(JOB,),
        effect=Effect.LOWERS,
        examples=("/jobs cancel J7",),
    ),
)
