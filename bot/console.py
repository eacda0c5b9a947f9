"""The console: the same verbs in a terminal and on the dashboard."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import structlog

from bot.message import failure
from bot.render import plain
from bot.verbs import VERBS, run_line
from domain.commands import Actor
from domain.errors import MoonDevError

if TYPE_CHECKING:
    from bot.room import ControlRoom

log = structlog.get_logger("bot.console")

Console: TypeAlias = Callable[[Actor, str], Awaitable[str]]
"""A line for a person, carried out; the answer as plain text."""
LEAVE = frozenset({"exit", "quit", "/exit", "/quit"})


def make_console(room: ControlRoom) -> Console:
    """The console of a running service, for the dashboard and for a terminal beside it."""

    async def run(actor: Actor, line: str) -> str:
        try:
            return plain(await run_line(room, actor, line, f"{actor.door.value}:{uuid.uuid4().hex}"))
        except Exception as error:  # noqa: BLE001 - told to the person; the console must take the next line
            log.error("console command failed", door=actor.door.value, error=type(error).__name__)  # noqa: TRY400
            return plain(failure(type(error).__name__))

    return run


async def repl(
    ask: Callable[[str], Awaitable[str]],
    *,
    environment: str,
    person: str,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
) -> None:
    """Read lines, ask, write answers, until `exit` or the end of the input.

    The prompt names the environment and the person, so that nobody types into the wrong one. An answer
    that cannot be had is told and the next line is read.
    """
    complete_verbs()
    prompt = f"{environment.upper()} {person}> "
    while True:
        try:
            line = (await asyncio.to_thread(read, prompt)).strip()
        except (EOFError, KeyboardInterrupt):
            return
        if line.lower() in LEAVE:
            return
        if not line:
            continue
        try:
            write(await ask(line))
        except (MoonDevError, OSError) as error:
            write(f"No answer: {error}. The line may or may not have arrived: see /status.")


def complete_verbs() -> None:
    """Let the tab key complete verbs, where the terminal can."""
    try:
        import readline
    except ImportError:
        return
    names = [f"/{verb.name}" for verb in VERBS if not verb.hidden]

    def complete(text: str, state: int) -> str | None:
        typed = readline.get_line_buffer()
        hits = [name for name in names if name.startswith(typed)]
        return hits[state][len(typed) - len(text) :] if state < len(hits) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
