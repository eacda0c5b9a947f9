"""Structured logs: ECS JSON to a rotating file, readable lines to the console, secrets in neither.

structlog and stdlib loggers end in the same two outputs. Lines are rendered and cleaned where they are
logged and written by a thread, so that a slow disk never holds up the engine; a full disk loses lines,
counts them and says so once.

    log = structlog.get_logger("engine.core")
    log.info("order placed", action="order_place", symbol="BTC")     other keys become ECS labels
    with correlation(trace_id): ...                                  trace.id on every line inside
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from domain.text import plain
from engine.observe.redact import Redactor, redact_records

ECS_VERSION = "9.4.0"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
CHATTY = (
    "aiohttp.access", "alembic", "apscheduler", "asyncio", "discord", "httpcore", "httpx", "matplotlib",
    "numba", "telegram", "uvicorn.access", "watchfiles", "websockets",
)  # fmt: skip
"""Libraries whose INFO lines say nothing to our readers (httpx prints each URL, and with it a bot's token)."""
_QUEUE_LINES = 20_000
_ECS_NAMES = {
    "action": "event.action",
    "outcome": "event.outcome",
    "duration_ns": "event.duration",
    "trace_id": "trace.id",
    "logger": "log.logger",
    "level": "log.level",
    "timestamp": "@timestamp",
    "event": "message",
    "exception": "error.stack_trace",
    "error_type": "error.type",
    "error_message": "error.message",
}


class LogSetup:
    """The running log outputs; `close` writes what is left and gives the loggers back as they were."""

    def __init__(self, front: _Front, outputs: Sequence[_Output], undo: Callable[[], None]) -> None:
        """Begin to write what `front` queues."""
        self._front = front
        self._outputs = outputs
        self._undo = undo
        self._writer = _Writer(front.lines)
        self._writer.start()

    @property
    def lost_lines(self) -> int:
        """Lines that could not be queued or written."""
        return self._front.lost_lines + sum(getattr(output.handler, "lost_lines", 0) for output in self._outputs)

    def close(self) -> None:
        """Write what is queued, close the file, and take our handler off again; twice does no harm."""
        root = logging.getLogger()
        if self._front not in root.handlers:
            return
        root.removeHandler(self._front)
        self._undo()
        self._writer.stop()
        for output in self._outputs:
            output.handler.close()


def configure_logging(
    redactor: Redactor,
    file: Path | None,
    level: str = "info",
    console_level: str = "warning",
    file_mib: int = 20,
    files: int = 5,
    service: dict[str, str] | None = None,
    console: TextIO | None = None,
) -> LogSetup:
    """Send every log line of this process to `file` (ECS JSON, mode 0600) and to the console (stderr).

    `service` holds ECS fields for every line, such as `service.version`. Raises `OSError` when the file
    cannot be opened.
    """
    stream = console if console is not None else sys.stderr
    outputs = [_Output(_Console(stream), _console_formatter(stream), LEVELS[console_level])]
    if file is not None:
        rotating = _RotatingFile(file, file_mib, files, stream)
        outputs.append(_Output(rotating, _ecs_formatter(service or {}), LEVELS[level]))
    root = logging.getLogger()
    front = _Front(outputs, redactor)
    root.addHandler(front)
    root.setLevel(min(output.level for output in outputs))
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_shared(), _Redaction(redactor), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return LogSetup(front, outputs, redact_records(redactor))


def log_uncaught() -> None:
    """Send exceptions that nobody caught, in any thread, to the log instead of raw to the terminal."""
    log = logging.getLogger("uncaught")

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))

    def thread_hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            hook(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = hook
    threading.excepthook = thread_hook


@contextmanager
def correlation(trace_id: str, **labels: str | int) -> Iterator[None]:
    """Every line logged inside, also by tasks started there, carries this trace id and labels."""
    with structlog.contextvars.bound_contextvars(trace_id=trace_id, **labels):
        yield


def ecs(fields: EventDict, service: dict[str, str]) -> dict[str, Any]:
    """An event as ECS fields: known names where ECS has them, everything else as text under `labels.`."""
    line: dict[str, Any] = {"@timestamp": "", "log.level": "", "message": "", "ecs.version": ECS_VERSION, **service}
    line["process.pid"] = os.getpid()
    line["process.thread.name"] = threading.current_thread().name
    for key, value in fields.items():
        name = _ECS_NAMES.get(key)
        if name == "event.duration" and isinstance(value, int):
            line[name] = value
        elif name:
            line[name] = str(value)
        elif not key.startswith("_"):
            line["labels." + key.replace(".", "_")] = str(value)
    return line


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _error_fields,
        structlog.processors.format_exc_info,
    ]


def _error_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    info = event.get("exc_info")
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if error is None and info:
        error = sys.exc_info()[1]
    if error is not None:
        event["error_type"] = type(error).__name__
        event["error_message"] = plain(error, 2_000)
    return event


def _ecs_formatter(service: dict[str, str]) -> logging.Formatter:
    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        return json.dumps(ecs(event, service), ensure_ascii=False, separators=(",", ":"))

    return _formatter(render)


def _console_formatter(stream: TextIO) -> logging.Formatter:
    colors = hasattr(stream, "isatty") and stream.isatty()
    readable = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        for key in ("error_type", "error_message"):
            event.pop(key, None)
        return str(readable(logger, method, event))

    return _formatter(render)


def _formatter(render: Callable[[WrappedLogger, str, EventDict], str]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(), processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
    )


class _Redaction:
    """structlog processor: cleans every value before anything renders it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        clean = self._redactor
        return {clean.clean(key): value if key[:1] == "_" else clean.clean_value(value) for key, value in event.items()}


class _Output(NamedTuple):
    """Where lines go, how they are rendered, and from which level on."""

    handler: logging.Handler
    formatter: logging.Formatter
    level: int


class _Front(logging.Handler):
    """Renders and cleans a record where it was logged, and queues the finished lines for the writer thread."""

    def __init__(self, outputs: Sequence[_Output], redactor: Redactor) -> None:
        super().__init__()
        self.lines: queue.Queue[Any] = queue.Queue(_QUEUE_LINES)
        self.lost_lines = 0
        self._outputs = outputs
        self._redactor = redactor

    def emit(self, record: logging.LogRecord) -> None:
        for output in self._outputs:
            if record.levelno >= output.level:
                try:
                    text = self._redactor.clean(output.formatter.format(record))
                    line = logging.LogRecord(record.name, record.levelno, "", 0, text, None, None)
                    self.lines.put_nowait((output.handler, line))
                except Exception:  # noqa: BLE001 - a value whose str() fails, or a full queue: logging never raises
                    self.lost_lines += 1


class _Writer(logging.handlers.QueueListener):
    """The thread that writes finished lines."""

    def handle(self, record: Any) -> None:  # noqa: ANN401 - what `_Front` queued
        handler, line = record
        handler.handle(line)


class _Console(logging.StreamHandler[TextIO]):
    """Readable lines for people; a terminal that is gone takes nothing with it."""

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        pass


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """JSON lines; the first line that the disk refuses is said on the console, the others are counted."""

    def __init__(self, file: Path, file_mib: int, files: int, console: TextIO) -> None:
        self.lost_lines = 0
        self._console = console
        self._refused = False
        file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            file, maxBytes=file_mib * 2**20, backupCount=files, encoding="utf-8", errors="backslashreplace"
        )

    def _open(self) -> TextIOWrapper:
        # a pipe without a reader would be waited for: with O_NONBLOCK it is an error
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")

    def close(self) -> None:
        """Close the file; what a full disk still refuses then is no reason to fail."""
        with suppress(OSError):
            super().close()

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        self.lost_lines += 1
        if not self._refused:
            self._refused = True
            error = sys.exc_info()[1]
            self._console.write(f"The log file {self.baseFilename} cannot be written ({error}); trading goes on.\n")
