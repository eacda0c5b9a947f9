"""Lines are ECS JSON, no secret is in any of them, and a bad disk costs lines and nothing else."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import structlog

from engine.observe.logging import configure_logging, correlation
from engine.observe.redact import Redactor

CANARY = "canary-77c1-do-not-print"
BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
ECS = {
    "@timestamp": str, "log.level": str, "message": str, "ecs.version": str, "log.logger": str, "event.action": str,
    "event.outcome": str, "event.duration": int, "trace.id": str, "error.type": str, "error.message": str,
    "error.stack_trace": str, "process.pid": int, "process.thread.name": str, "service.name": str,
    "service.version": str, "service.environment": str,
}  # fmt: skip
"""The fields that we write, with their types as ECS 9.4 has them; all others are text under `labels.`."""


@pytest.fixture
def logs(tmp_path):
    """Configured logging; `read()` closes it and returns lines and console text."""
    root_level = logging.getLogger().level
    console = io.StringIO()
    redactor = Redactor()
    redactor.add(CANARY)
    file = tmp_path / "logs" / "moondev.json"
    service = {"service.name": "moondev", "service.version": "0.1.0", "service.environment": "paper"}
    setup = configure_logging(redactor, file, service=service, console=console)

    class Logs:
        path = file
        text = console
        running = setup

        @staticmethod
        def read():
            setup.close()
            return [json.loads(line) for line in file.read_text().splitlines()], console.getvalue()

    yield Logs
    setup.close()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.getLogger().setLevel(root_level)


def test_every_line_is_ecs(logs):
    log = structlog.get_logger("engine.core")
    with correlation("req-1", person="tina"):
        log.info("order placed", action="order_place", symbol="BTC", qty=5, duration_ns=1200, outcome="success")
    logging.getLogger("somelib").warning("low on %s", "fuel", extra={"x": 1})
    try:
        raise ValueError("no good")
    except ValueError:
        log.exception("it broke")
        logging.getLogger("somelib").exception("it broke too")
    lines, _ = logs.read()
    assert len(lines) == 4
    for line in lines:
        for key, value in line.items():
            assert isinstance(value, ECS.get(key, str)), key
            assert key in ECS or key.startswith("labels."), key
        assert {"@timestamp", "log.level", "message", "ecs.version"} <= line.keys()
        assert line["@timestamp"].endswith("Z")
    first = lines[0]
    assert next(iter(first)) == "@timestamp"
    assert first["event.action"] == "order_place"
    assert first["event.duration"] == 1200
    assert first["trace.id"] == "req-1"
    assert (first["labels.symbol"], first["labels.qty"], first["labels.person"]) == ("BTC", "5", "tina")
    assert first["log.logger"] == "engine.core"
    assert "trace.id" not in lines[1]
    assert (lines[2]["error.type"], lines[2]["error.message"]) == ("ValueError", "no good")
    assert "Traceback" in lines[3]["error.stack_trace"]


async def test_the_trace_id_follows_tasks_and_does_not_leak_between_them(logs):
    log = structlog.get_logger("t")

    async def work(name: str) -> None:
        with correlation(name):
            await asyncio.sleep(0)
            log.warning("from", who=name)

    await asyncio.gather(*(work(f"r{i}") for i in range(20)))
    lines, _ = logs.read()
    assert len(lines) == 20
    assert all(line["trace.id"] == line["labels.who"] for line in lines)


def test_no_secret_reaches_file_or_console_by_any_way(logs):
    log = structlog.get_logger("engine")
    other = logging.getLogger("httpx")

    class Url:
        def __str__(self) -> str:
            return f"https://api.telegram.org/bot{BOT}/sendMessage?x={CANARY}"

    log.error(f"in the text {CANARY}")  # noqa: G004 - as careless people do
    log.error("as a value", key=CANARY, deep={"a": [CANARY, Url()]}, url=Url())
    log.error("as a key", **{CANARY: 1})
    other.error("HTTP Request: %s %s", "POST", Url())
    other.error("in extra", extra={"token": CANARY})
    with correlation(CANARY):
        log.error("as trace id")
    try:
        raise RuntimeError(f"refused {CANARY} at {Url()}")
    except RuntimeError as error:
        log.exception("with a trace")
        other.exception("with a trace %s", error)
        log.error("as an object", error=error)  # noqa: TRY400 - as above
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"careful {CANARY}", UserWarning, stacklevel=1)
    lines, console = logs.read()
    assert len(lines) >= 9
    for text in (logs.path.read_text(), console):
        assert CANARY not in text
        assert BOT not in text
        assert "[redacted]" in text


def test_chatty_libraries_are_quiet_until_something_is_wrong(logs):
    logging.getLogger("httpx").info("HTTP Request: POST https://x")
    logging.getLogger("telegram.ext.Application").info("started")
    logging.getLogger("discord.gateway").info("connected")
    logging.getLogger("discord.gateway").warning("cannot keep up")
    lines, _ = logs.read()
    assert [line["message"] for line in lines] == ["cannot keep up"]


def test_the_console_shows_warnings_and_the_file_more(logs):
    log = structlog.get_logger("engine")
    log.debug("one")
    log.info("two")
    log.warning("three")
    lines, console = logs.read()
    assert [line["message"] for line in lines] == ["two", "three"]
    assert "three" in console
    assert "two" not in console


def test_the_log_file_is_private_and_rotates(tmp_path):
    setup = configure_logging(Redactor(), tmp_path / "a.json", file_mib=1, files=2, console=io.StringIO())
    log = structlog.get_logger("x")
    for _ in range(40):
        log.info("x" * 100_000)
    setup.close()
    structlog.reset_defaults()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.json", "a.json.1", "a.json.2"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_full_disk_loses_lines_says_so_once_and_never_raises():
    console = io.StringIO()
    setup = configure_logging(Redactor(), None, console=console)
    setup.close()
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    setup = configure_logging(Redactor(), full, file_mib=0, console=console)
    log = structlog.get_logger("x")
    for number in range(5):
        log.info("line", n=number)
    setup.close()
    structlog.reset_defaults()
    assert setup.lost_lines == 5
    assert console.getvalue().count("cannot be written") == 1
    assert "No space left" in console.getvalue()


def test_a_value_that_cannot_be_shown_costs_its_line_and_nothing_else(logs):
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    structlog.get_logger("a").warning("unshowable", value=Broken())
    logging.getLogger("a").warning("unshowable %s", Broken())
    logs.running._front.handle(logging.LogRecord("a", logging.ERROR, "", 0, "%d", ("not a number",), None))
    lines, _ = logs.read()
    assert lines[0]["labels.value"] == "<Broken that cannot be shown>"
    assert len(lines) == logs.running.lost_lines == 2


def test_lines_of_many_threads_all_arrive(logs):
    def work(name: int) -> None:
        for number in range(100):
            structlog.get_logger("t").info("line", thread=name, n=number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines, _ = logs.read()
    assert len({(line["labels.thread"], line["labels.n"]) for line in lines}) == 800


def test_exceptions_that_nobody_caught_are_logged_clean(tmp_path):
    code = f"""
import pathlib, threading
from engine.observe.logging import configure_logging, log_uncaught
from engine.observe.redact import Redactor
redactor = Redactor()
redactor.add({CANARY!r})
setup = configure_logging(redactor, pathlib.Path({str(tmp_path / "a.json")!r}))
log_uncaught()
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
import atexit
atexit.register(setup.close)
raise RuntimeError("lost {CANARY}")
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    written = (tmp_path / "a.json").read_text()
    assert CANARY not in written + done.stderr + done.stdout
    assert "ZeroDivisionError" in written
    assert "lost [redacted]" in written
    assert "uncaught RuntimeError" in done.stderr


def test_a_pipe_in_the_logs_place_is_an_error_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "moondev.log")
    with pytest.raises(OSError, match=r"moondev\.log"):
        configure_logging(Redactor(), tmp_path / "moondev.log")


def test_what_people_write_loses_registered_secrets_and_nothing_that_only_looks_like_one():
    redactor = Redactor()
    redactor.add(CANARY)
    assert redactor.mask(f"halt {CANARY} now, token=abcdefgh") == "halt [redacted] now, token=abcdefgh"
