"""Wires what people look up afterwards to the data folder it is in: journal, log, secrets and parts of the service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import ConfigError
from domain.ports import Secrets
from domain.record_views import AuditPage, AuditQuery, KeyStatus, PartView
from domain.reports import Happened
from engine.chain import SHOWN, chain_of
from engine.codes import Codes
from engine.desk_records import Log
from engine.entry import entry_of
from engine.machine import Machine
from engine.observe.redact import Redactor
from engine.observe.tail import tail
from engine.reading import reading
from engine.storage.audit import search
from engine.storage.happened import Chronicle
from engine.verifier import Verifier

if TYPE_CHECKING:
    from engine.config import Config
    from engine.runtime import Runtime

OWN = ("projection: ", "journal: ")
"""Problems that have a part of their own."""


def log_of(file: Path, names: Sequence[tuple[str, str]], secrets: Secrets) -> Log:
    """Reads the end of a log file; what has become a secret since it was written is taken out now."""

    async def read(limit: int, level: str) -> list[str]:
        redactor = Redactor()
        for _, name in names:
            with suppress(ConfigError):
                redactor.add(secrets.get(name))
        return await reading(tail, file, limit, level, redactor.clean)

    return read


def keys_of(file: Path, names: Sequence[tuple[str, str]], secrets: Secrets) -> Callable[[], tuple[KeyStatus, ...]]:
    """Tells of keys without showing them; `file` is where they are kept."""

    def look() -> tuple[KeyStatus, ...]:
        changed_ns = file.stat().st_mtime_ns if file.exists() else 0
        return tuple(
            KeyStatus(account=account, name=name, fingerprint=fingerprint(secrets, name), changed_ns=changed_ns)
            for account, name in names
        )

    return look


def fingerprint(secrets: Secrets, name: str) -> str:
    """The beginning of a secret's SHA-256, "" when there is none: enough to see that it is another one."""
    try:
        return hashlib.sha256(secrets.get(name).encode()).hexdigest()[:SHOWN]
    except ConfigError:
        return ""


def key_names(config: Config) -> list[tuple[str, str]]:
    """What each secret of the settings is for, and its name."""
    accounts = [account for item in config.venues for account in item.accounts]
    names = [(account.id, name) for account in accounts for name in (account.api_key, account.key) if name]
    bots = (("Telegram bot", config.telegram), ("Discord bot", config.discord))
    return [*names, *((use, bot.token_secret) for use, bot in bots if bot.enabled)]


def parts_of(runtime: Runtime) -> tuple[PartView, ...]:
    """How the engine's own parts are, and what waits in front of each."""
    loop, journal, projection = runtime.loop, runtime.journal, runtime.projection
    failure, trouble = str(loop.failure or ""), projection.trouble or projection.gap
    waiting = f"run {runtime.epoch}, {len(loop.urgent) + len(loop.inbox)} events wait"
    unwritten = max(0, journal.last_seq - journal.durable_seq)
    return (
        PartView(name="engine", ok=not failure, text=failure or waiting),
        PartView(name="journal", ok=not failure, text=f"event {journal.last_seq}, {unwritten} not on disk yet"),
        PartView(name="projection", ok=not trouble, text=trouble or f"{projection.pending} facts wait"),
        *(PartView(name="helper", ok=False, text=text) for text in runtime.problems() if not text.startswith(OWN)),
    )


async def _happened(runtime: Runtime, since_ns: int, until_ns: int) -> Happened:
    return await Chronicle(runtime.projection.projector).happened(since_ns, until_ns)


async def _search(runtime: Runtime, wanted: AuditQuery) -> AuditPage:
    return await search(runtime.projection.projector, runtime.desk.records, wanted)


def wire(runtime: Runtime, secrets: Secrets) -> None:
    """Tell a running engine's desk where its records are, and who checks one-time codes."""
    runtime.desk.codes = Codes(secrets, runtime.clock)
    data, names, records = runtime.data, key_names(runtime.config), runtime.desk.records
    records.chain = chain_of(data / "journal")
    records.entry = entry_of(data / "journal")
    records.machine = Machine(runtime).look
    records.happened = partial(_happened, runtime)
    records.search = partial(_search, runtime)
    records.verifier = Verifier(runtime.journal, runtime.clock)
    records.log = log_of(data / "moondev.log", names, secrets)
    records.keys = keys_of(data / "secrets", names, secrets)
    records.parts = partial(parts_of, runtime)
