"""What the terminal and the log are told: where lines go, the greeting of a start, the last words and the exit code."""

from __future__ import annotations

import traceback
from pathlib import Path

from engine.config import Config
from engine.observe.logging import LogSetup, configure_logging, log_uncaught
from engine.observe.redact import Redactor
from engine.runtime import Runtime
from engine.watchdog.heart import RunEnded

EXIT_JOURNAL = 3
EXIT_CORE = 4
EXIT_ENDED = 5


def open_log(config: Config, data: Path, version: str, name: str = "moondev") -> tuple[LogSetup, Redactor]:
    """Send this process's log lines where the settings say; the redactor is to be told every secret. Raises OSError."""
    redactor, section = Redactor(), config.logging
    log = configure_logging(
        redactor,
        data / f"{name}.log",
        section.level,
        section.console_level,
        section.file_mib,
        section.files,
        {"service.name": name, "service.version": version, "service.environment": config.environment},
    )
    log_uncaught()
    return log, redactor


def greeting(runtime: Runtime, link: str) -> str:
    """Who runs, on which market and venues, and where to look and to speak."""
    recovery = runtime.recovery
    known = f"{recovery.events} events after the snapshot at {recovery.snapshot_seq}"
    lines = [
        "",
        f"MoonDev AlgoTrade  {runtime.settings.environment.label}  run {runtime.epoch}",
        f"Market     {runtime.desk.market}",
    ]
    for view in runtime.desk.venues():
        state = "connected" if view.connected else f"NOT connected: {view.detail}"
        lines.append(f"Venue      {view.venue}, {view.network}, {state}")
    lines += [
        f"Recovered  {known if runtime.epoch > 1 else 'nothing: this is the first start'}",
        f"Dashboard  {link}   (one login, valid 10 minutes)",
        f"           another one: ./moondev login --data {runtime.data} --as PERSON",
        f"Console    ./moondev console --data {runtime.data}",
        f"Halt       ./moondev halt --data {runtime.data}",
        f"Chat       {_chat(runtime)}",
        "Stop with Ctrl-C; everything is kept.",
        "",
    ]
    return "\n".join(lines)


def _chat(runtime: Runtime) -> str:
    """Which chat is switched on, or how to get it."""
    doors = (("Telegram", runtime.config.telegram), ("Discord", runtime.config.discord))
    on = [name for name, door in doors if door.enabled]
    return f"{' and '.join(on)} (state: /health)" if on else "off; to connect Telegram and Discord: ./moondev init"


def farewell(runtime: Runtime) -> tuple[int, str]:
    """Exit code and last words; the code is 0 and there are none after a clean stop."""
    if runtime.loop.failure is not None:
        return EXIT_JOURNAL, (
            f"The engine stopped because its journal cannot be written: {runtime.loop.failure}\n"
            "Quotes and entries were cancelled; protections stay at the venue. Free space or mend the disk, then "
            "start again: recovery finds everything."
        )
    engine = runtime.engine
    error = None if engine is None or engine.cancelled() else engine.exception()
    if error is None:
        return 0, ""
    if isinstance(error, RunEnded):
        return EXIT_ENDED, f"The engine stopped: {error}"
    traceback.print_exception(error)
    return EXIT_CORE, (
        "The engine stopped at an error of its own; orders rest at the venue as they are. Start again: recovery "
        "replays the journal and reconciles. If it stops at the same event, report the lines above."
    )
