"""`moondev doctor`: looks for what would stop the service from working, and says how to mend it.

    examine(config, data)    Report: one line a check, as a table or as JSON

Each check answers ok, warn (it works, but) or fail (it will not work), with the fix in words. Nothing is
changed; it may be run beside a running service. Values of secrets are read by the venues' signers alone.
"""

from __future__ import annotations

import datetime as dt
import os
import shlex
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from domain.codec import to_json
from domain.errors import ConfigError, JournalError
from domain.ports import Secrets
from domain.setup import ChannelFound, VaultFound
from domain.views import VenuesFound
from engine.config import Config, remembered
from engine.config.parts import channel_secrets, vault_fields
from engine.core.journal.reserve import RESERVE_FILE
from engine.disk import room
from engine.folder import check_kinds, is_running

OK, WARN, FAIL = "ok", "warn", "fail"
NEEDED_MIB, COMFORTABLE_MIB = 200, 2_000
VERIFY_MIB = 256
"""A larger journal is not verified here, because that takes long."""
REACH_S = 3.0
OLDEST, NEWEST = (3, 11), (3, 13)

Reach = Callable[[str], str]
"""Tries an address; "" when it answers, else why not."""
AskVenues = Callable[[Config, Path], VenuesFound]
"""Looks at every real venue of the settings as a start does, with the keys of a data folder."""
AskVault = Callable[[Path, dict[str, Any], Sequence[str]], list[VaultFound]]
"""Looks at the vault of a data folder, by `engine.config.parts.vault_fields` and the names of needed secrets."""
AskChannels = Callable[[Config, Path], list[ChannelFound]]
"""Looks at every channel of the settings as the service uses it, with the secrets of a data folder."""


class Check(Struct, frozen=True, kw_only=True):
    """The outcome of one check; `fix` says what to do when `status` is not ok."""

    name: str
    status: str
    detail: str
    fix: str = ""


class Report(Struct, frozen=True, kw_only=True):
    """All checks of one examination."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when nothing would stop the service."""
        return all(check.status != FAIL for check in self.checks)

    def as_json(self) -> str:
        """The report for programs."""
        return to_json({"ok": self.ok, "checks": self.checks}).decode() + "\n"

    def as_text(self) -> str:
        """The report for people."""
        lines = []
        for check in self.checks:
            first, *more = check.detail.splitlines() or [""]
            lines.append(f"{check.status.upper() if check.status == FAIL else check.status:5} {check.name:12} {first}")
            lines += [f"{'':18} {line.strip()}" for line in more]
            if check.fix:
                lines.append(f"{'':18} -> {check.fix}")
        bad = sum(check.status == FAIL for check in self.checks)
        lines += ["", "Nothing stands in the way." if self.ok else f"{bad} thing(s) must be mended first."]
        return "\n".join(lines) + "\n"


def examine(
    config_path: Path | None,
    data: Path,
    open_secrets: Callable[[Path], Secrets] | None = None,
    environment: str = "",
    reach: Reach | None = None,
    ask_venues: AskVenues | None = None,
    ask_channels: AskChannels | None = None,
    ask_vault: AskVault | None = None,
) -> Report:
    """Check machine, data folder, settings, secrets and network of one set-up.

    Without `config_path` the settings are those that the service in `data` was last started with. `open_secrets` is
    needed only where the projection's database has a password.
    """
    checks = [_python(), _disk(data), _folder(data)]
    running = is_running(data)
    checks += [_clock(data), _journal(data, running=running)]
    config, settings = _settings(config_path, environment, data)
    checks += settings
    if config is not None:
        checks.append(_projection(config, data, open_secrets))
        needed = _needed(config)
        vault = ask_vault(data, vault_fields(config), needed) if ask_vault is not None else []
        checks += _vault(vault) if vault else [_secrets(data / "secrets", needed)]
        checks.append(_port(config, running=running))
        checks.append(_network(config, reach or reachable))
        if config.venues:
            checks.append(_venues(config, data, ask_venues))
        if ask_channels is not None:
            checks += _channels(ask_channels(config, data))
    return Report(checks=tuple(checks))


def reachable(url: str) -> str:
    """Try a TCP connection to the host of a URL; "" when it answers."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme in {"http", "ws"} else 443)
    try:
        with closing(socket.create_connection((parts.hostname or "", port), timeout=REACH_S)):
            return ""
    except OSError as error:
        return f"{parts.hostname}: {error.strerror or error}"


def _check(name: str, status: str, detail: str, fix: str = "") -> Check:
    return Check(name=name, status=status, detail=detail, fix=fix)


def _python() -> Check:
    version = sys.version.split()[0]
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return _check("python", OK, version)
    return _check("python", FAIL, version, "install Python 3.11, 3.12 or 3.13 and start moondev with it")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def _disk(data: Path) -> Check:
    found = room(data)
    free_mib = found.free_mib
    says = f"{free_mib / 1024:.1f} GiB free"
    if found.mib_per_day is not None:
        says += f", the journal grows by {found.mib_per_day:,.0f} MiB a day: {found.days_left} days left"
    if free_mib < NEEDED_MIB:
        return _check("disk", FAIL, says, f"free at least {NEEDED_MIB} MiB: the journal must be written")
    if free_mib < COMFORTABLE_MIB or found.is_low:
        return _check("disk", WARN, says, "make room; `moondev archive` moves old market data away")
    return _check("disk", OK, says)


def _folder(data: Path) -> Check:
    place = _existing(data)
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        fix = f"make it writable, or choose another folder with --data: `chown -R $USER {shlex.quote(str(place))}`"
        return _check("data folder", FAIL, f"{place} cannot be written: {error.strerror}", fix)
    if not data.exists():
        return _check("data folder", OK, f"{data} will be made")
    try:
        check_kinds(data)
    except ConfigError as error:
        return _check("data folder", FAIL, str(error), "move it away")
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        return _check(
            "data folder", WARN, f"{data} is open to others (mode {mode:04o})", f"`chmod 700 {shlex.quote(str(data))}`"
        )
    return _check("data folder", OK, str(data))


def _clock(data: Path) -> Check:
    now = dt.datetime.now(dt.UTC)
    text = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    fix = "set the clock and keep it right: `timedatectl set-ntp true`"
    if now.year < 2025:
        return _check("clock", FAIL, f"{text} cannot be right", fix)
    written = [file.stat().st_mtime for file in (data / "journal").glob("*") if file.is_file()]
    ahead_s = max(written, default=0.0) - now.timestamp()
    if ahead_s > 60:
        return _check("clock", WARN, f"{text} is {ahead_s:.0f} s before the journal's last write: it was set back", fix)
    return _check("clock", OK, text)


def _journal(data: Path, *, running: bool) -> Check:
    folder = data / "journal"
    files = [file for file in folder.glob("**/*") if file.is_file() and file.name != RESERVE_FILE]
    size_mib = sum(file.stat().st_size for file in files) / 2**20
    if not folder.is_dir() or not size_mib:
        return _check("journal", OK, "none yet: this is a first start")
    if running:
        return _check("journal", OK, f"{size_mib:.0f} MiB, in use by the running service")
    if size_mib > VERIFY_MIB:
        return _check("journal", OK, f"{size_mib:.0f} MiB, not verified here: `moondev audit verify` does it")
    from engine.core.journal import describe, verify

    fix = "keep a copy of the folder; `moondev audit verify` says what is lost and from where a replay is possible"
    try:
        report = verify(folder)
    except (JournalError, OSError) as error:
        return _check("journal", FAIL, str(error), fix)
    lines = "\n".join(describe(report))
    return (
        _check("journal", OK, f"{size_mib:.1f} MiB, the chain is whole")
        if report.ok
        else _check("journal", FAIL, lines, fix)
    )


def _projection(config: Config, data: Path, open_secrets: Callable[[Path], Secrets] | None) -> Check:
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from engine.core.journal import archived
    from engine.storage.database import database_url
    from engine.storage.projector import glance

    fix = "nothing to do: it is rebuilt from the journal at the next start (or now: `moondev rebuild`)"
    if away := sorted({moved.to for moved in archived(data / "journal").values()}):
        fix = f"put the archived segments from {', '.join(away)} back into {data / 'journal'}, then `moondev rebuild`"
    try:
        url = database_url(config, data, open_secrets(data) if open_secrets is not None else None)
    except ConfigError as error:
        return _check("projection", FAIL, str(error), "mend storage.url or the secret that it names")
    where = make_url(url).render_as_string(hide_password=True)
    try:
        cursor, _ = glance(url, thorough=True)
    except ConfigError as error:
        return _check("projection", FAIL, str(error), "mend storage.url in the settings file")
    except SQLAlchemyError as error:
        return _check("projection", WARN, f"{where} cannot be read: {str(error).splitlines()[0]}", fix)
    if cursor is None:
        return _check("projection", OK, f"{where}: none yet")
    if not cursor.complete:
        return _check("projection", WARN, f"{where}: incomplete", fix)
    skipped = f", {cursor.skipped} facts skipped" if cursor.skipped else ""
    return _check("projection", OK, f"{where}: up to event {cursor.seq}{skipped}")


def _settings(path: Path | None, environment: str, data: Path) -> tuple[Config | None, list[Check]]:
    """Settings and the user's strategies, judged as a first start would."""
    from engine.catalogue import catalogue, start_settings

    own = catalogue(data / "strategies")
    config, is_named = None, path is not None
    path = path or remembered(data)
    name = str(path or "the built-in paper set-up")
    if path is not None and not is_named:
        name += " (of the last start here; --config names another)"
    if path is not None and not path.is_file():
        fix = "look at its name" if is_named else "name the settings file with --config"
        return None, [_check("settings", FAIL, f"{name} is not there", fix)]
    try:
        config = start_settings(path, environment, own, has_run=False)
        told = f"{name}: {len(config.strategies)} strategies, {len(config.persons)} persons"
        checks = [_check("settings", OK, told)]
    except ConfigError as error:
        fix = "mend the lines named; `moondev config check` looks again"
        checks = [_check("settings", FAIL, str(error), fix)]
    if own.broken:
        lacking = [item for item in config.strategies if item.kind not in own.kinds] if config is not None else []
        lines = [*own.broken.values(), *(f"{item.id} ({item.kind}) will be in quarantine" for item in lacking)]
        fix = "mend the file, or move it out of the folder; until then its strategies are not available"
        checks.append(_check("strategies", WARN, "\n".join(lines), fix))
    return config, checks


def _needed(config: Config) -> list[str]:
    """Names of the secrets without which something that is switched on does not work."""
    needed = channel_secrets(config)
    needed += [name for name in (config.storage.password_secret, config.gateway.database) if name]
    accounts = [account for venue in config.venues for account in venue.accounts]
    return [*needed, *(name for account in accounts for name in (account.api_key, account.key) if name is not None)]


def _vault(found: Sequence[VaultFound]) -> Iterator[Check]:
    good = [one.text for one in found if one.ok]
    bad = [one for one in found if not one.ok]
    if good:
        yield _check("vault", OK, "\n".join(good))
    for one in bad:
        yield _check("vault", FAIL if one.severe else WARN, one.text, one.fix)


def _secrets(file: Path, needed: Sequence[str]) -> Check:
    quoted = shlex.quote(str(file))
    try:
        info = file.lstat()
    except OSError:
        if not needed:
            return _check("secrets", OK, "none needed: chat is off, and paper needs no key")
        fix = f"write `{needed[0]} = ...` into {file}, then `chmod 600 {quoted}`"
        return _check("secrets", FAIL, f"{file} is missing", fix)
    if not stat.S_ISREG(info.st_mode):
        return _check("secrets", FAIL, f"{file} is no regular file", "put the file itself there, not a link")
    if info.st_uid != os.geteuid():
        return _check("secrets", FAIL, f"{file} belongs to user {info.st_uid}", f"`chown {os.geteuid()} {quoted}`")
    if stat.S_IMODE(info.st_mode) != 0o600:
        mode = stat.S_IMODE(info.st_mode)
        return _check("secrets", FAIL, f"{file} has mode {mode:04o}", f"`chmod 600 {quoted}`")
    missing = sorted(set(needed) - set(_secret_names(file)))
    if missing:
        return _check(
            "secrets", FAIL, f"{', '.join(missing)} is missing in {file}", f"add the line `{missing[0]} = ...`"
        )
    return _check("secrets", OK, f"{file} is private" + (f" and has {', '.join(needed)}" if needed else ""))


def _secret_names(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        name = line.replace(":", "=", 1).partition("=")[0].strip()
        if name and not name.startswith("#"):
            yield name


def _port(config: Config, *, running: bool) -> Check:
    host, port = config.gateway.host, config.gateway.port
    where = f"{host}:{port}"
    if not config.gateway.enabled or port == 0:
        return _check("dashboard", OK, "off" if not config.gateway.enabled else f"{host}, any free port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if running:
            return _check("dashboard", OK, f"{where} is in use by the running service")
        fix = "stop what uses it, or set another gateway.port in the settings file"
        return _check("dashboard", FAIL, f"{where}: {error.strerror}", fix)
    return _check("dashboard", OK, f"{where} is free")


def _venues(config: Config, data: Path, ask: AskVenues | None) -> Check:
    """Whether each real venue is reached, has the contracts, and would be opened with its keys and modes."""
    names = [f"{item.id} ({config.network_of(item)}), {len(item.accounts)} account(s)" for item in config.venues]
    try:
        found = ask(config, data) if ask is not None else VenuesFound()
    except ConfigError as error:
        found = VenuesFound(problems=(str(error),))
    keys = [f"the key of {key.account} cannot withdraw: {key.cannot_withdraw}" for key in found.keys]
    if found.problems:
        fix = "docs/venues.md says what each venue needs; the others trade meanwhile, once there was a first start"
        return _check("venues", FAIL, "\n".join([*found.problems, *keys]), fix)
    asked = "" if ask is None else ": they answer, list every contract, and a start would take their accounts"
    return _check("venues", OK, "\n".join([f"{'; '.join(names)}{asked}", *keys]))


def _channels(found: list[ChannelFound]) -> Iterator[Check]:
    """How people are reached; nothing where no channel is switched on."""
    good = [f"{one.where}: {one.text}" for one in found if one.ok]
    bad = [one for one in found if not one.ok]
    if good and not bad:
        yield _check("channels", OK, "\n".join(good))
    for one in bad:
        yield _check("channels", FAIL if one.severe else WARN, f"{one.where}: {one.text}", one.fix)


def _network(config: Config, reach: Reach) -> Check:
    is_read = config.data_feed.source == "hyperliquid" and config.instruments
    wanted = {config.data_feed.api_url: "prices"} if is_read else {}
    if config.telegram.enabled:
        wanted[config.telegram.base_url] = "Telegram"
    if config.discord.enabled:
        wanted[config.discord.api_url] = "Discord"
    problems = [f"{what}: {problem}" for url, what in wanted.items() if (problem := reach(url))]
    if not problems:
        return _check("network", OK, f"{', '.join(wanted.values())} can be reached" if wanted else "not needed")
    section = config.data_feed
    if problems[0].startswith("prices") and section.fallback == "none":
        fix = "check network and proxy, or set data_feed.fallback: synthetic"
        return _check("network", FAIL, "; ".join(problems), fix)
    fix = "check network and proxy; until then the market is simulated and chat is silent"
    return _check("network", WARN, "; ".join(problems), fix)
