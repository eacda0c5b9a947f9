"""The verbs of the settings: look at them, change one, see who changed what, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.call import Call
from bot.confirm import confirm
from bot.message import Message, Pairs, Text, refusal, utc_text
from bot.outcome import submit
from bot.parse import Argument, UsageError, symbols
from bot.previews import Preview
from bot.rows import REASON, acts, reads
from domain import commands
from domain.errors import ConfigError
from domain.facts import Severity
from domain.settings import RoleName
from domain.views import SettingsChangeView

if TYPE_CHECKING:
    from bot.confirm import Confirms
    from engine.desk import Desk

SHOWN = 60
SHOWN_VERSIONS = 10
CONFIRM = "confirm"
NONE = "none"
CHANGES = "changes"
_CLOSES = {"{": "}", "[": "]", '"': '"', "'": "'"}


async def get(call: Call) -> Message:
    """Every setting below a path; without one, which version is in force and what can be looked at."""
    path = call.arguments.get("path", "")
    view = call.desk.settings.version()
    if not path:
        sections = dict.fromkeys(name.partition(".")[0] for name, _ in call.desk.settings.values(""))
        rows = [("environment", view.environment), ("version", f"{view.version}, {view.hash[:8]}")]
        rows.append(("sections", ", ".join(sections)))
        file = tuple(Text(f"The settings file says otherwise: {line}") for line in view.file)
        hint = (Text("./moondev apply-settings FILE asks for the file's."),) if view.file else ()
        return Message(title="Settings", blocks=(Pairs(tuple(rows)), *file, *hint))
    found = values(call, path)
    more = (Text(f"and {len(found) - SHOWN} more: say a longer path"),) if len(found) > SHOWN else ()
    return Message(title=f"Settings: {path}", blocks=(Pairs(tuple(found[:SHOWN])), *more))


def values(call: Call, path: str) -> list[tuple[str, str]]:
    """Settings below a path. Raises `UsageError`."""
    try:
        return call.desk.settings.values(path)
    except ConfigError as error:
        raise UsageError(str(error)) from None


async def change(call: Call) -> Message:
    """Change one setting: what adds risk is asked of the quorum, what lowers it is done when it is confirmed."""
    return await _set(call, call.arguments["path"], call.arguments["value"])


async def _set(call: Call, path: str, rest: str) -> Message:
    value, left = value_and_rest(rest)
    word, _, why = left.partition(" ")
    is_confirmed = word.lower() == CONFIRM
    reason = why.strip() if is_confirmed else left
    proposal = call.desk.settings.proposed(path, value)
    change = commands.ChangeSettings(path=path, value=value, reason=reason)
    if proposal.problems or proposal.adds_risk or is_confirmed:
        return await submit(call, change)
    lines = [
        *proposal.changes,
        f"It lowers risk and is done at once. Or: /{call.verb} {given(call)}{value} {CONFIRM} [WHY]",
    ]
    title = f"{call.verb}: not done yet"
    return await confirm(call, title=title, blocks=tuple(map(Text, lines)), command=change, severity=Severity.WARNING)


def given(call: Call) -> str:
    """The arguments before the value, as they were typed."""
    return "".join(f"{text} " for name, text in call.arguments.items() if name != "value")


def value_and_rest(text: str) -> tuple[str, str]:
    """The value that a line begins with, and what follows it: a word, or what stands in brackets or quotes."""
    closing = _CLOSES.get(text[:1])
    if closing is None:
        value, _, rest = text.partition(" ")
        return value, rest.strip()
    depth = 0
    for i, char in enumerate(text):
        depth += (char == text[0] and text[0] in "{[") - (char == closing and text[0] in "{[")
        if (char == closing and i and depth == 0) or (closing in "\"'" and i and char == closing):
            return text[: i + 1], text[i + 1 :].strip()
    raise UsageError(f"{closing} is missing at the end of the value")


async def history(call: Call) -> Message:
    """Who changed what, when and why, newest first."""
    view = call.desk.settings.version()
    if not view.changes:
        return Message(title="Settings: never changed", blocks=(Text("They are as the first start found them."),))
    blocks = [block for change in view.changes[:SHOWN_VERSIONS] for block in _version(change)]
    if len(view.changes) > SHOWN_VERSIONS:
        blocks.append(Text("Older ones: ./moondev config history"))
    return Message(title=f"Settings: version {view.version}", blocks=tuple(blocks))


def _version(change: SettingsChangeView) -> tuple[Text, Pairs]:
    rows = [("by", change.by), ("why", change.why or "not said")]
    rows += [("changed", line) for line in change.changes]
    return Text(f"{change.number}  {utc_text(change.ts_ns)}  {change.hash[:8]}"), Pairs(tuple(rows))


async def differences(call: Call) -> Message:
    """What has changed since a version; without one, how the settings file differs from what is in force."""
    view = call.desk.settings.version()
    wanted = call.arguments.get("version", "")
    if not wanted:
        said = view.file or ("The settings file says the same as what is in force.",)
        return Message(title="Settings: the file", blocks=tuple(map(Text, said)))
    number = int(wanted)
    if number > view.version:
        raise UsageError(f"there is no version {number}; {view.version} is in force")
    newer = [change for change in reversed(view.changes) if change.number > number]
    lines = [f"{change.number}: {line}" for change in newer for line in change.changes]
    return Message(title=f"Settings since version {number}", blocks=tuple(map(Text, lines or ["Nothing has changed."])))


async def rollback(call: Call) -> Message:
    """Ask whether to go back to a version, with every value that would change."""
    number = int(call.arguments["version"])
    reason = call.arguments.get("reason", "") or f"back to version {number}"
    return await ask_back(call, commands.ChangeSettings(rollback=number, reason=reason))


async def ask_back(call: Call, command: commands.ChangeSettings, first: str = "") -> Message:
    """What going back would change, and ask; refused at once where it cannot be. `first` says why it is asked again."""
    view = call.desk.settings.back_to(command.rollback)
    if view.problems:
        return refusal(f"{call.verb}: refused", f"{first} Refused: {'; '.join(view.problems)}.".strip())
    judged = "It lowers risk and is done when you confirm it."
    if view.adds_risk:
        judged = (
            f"It adds risk, or may: when you have confirmed it, it waits until {call.desk.settings.votes} others agree."
        )
    lines = [*([first] if first else []), *view.changes, judged]
    return await call.room.confirms.ask(
        call,
        title=f"Back to version {command.rollback} of the settings?",
        blocks=tuple(map(Text, lines)),
        command=command,
        severity=Severity.WARNING,
        shown={CHANGES: "; ".join(view.changes)},
    )


async def recheck(call: Call, preview: Preview) -> Message | None:
    """Look at a way back once more; None when it would change what was shown."""
    command = preview.command
    if not isinstance(command, commands.ChangeSettings) or command.rollback < 0:
        return None
    view = call.desk.settings.back_to(command.rollback)
    if not view.problems and "; ".join(view.changes) == preview.shown.get(CHANGES):
        return None
    asked = structs.replace(call, verb=preview.verb)
    return await ask_back(asked, command, "Not sent: the settings have changed meanwhile.")


def register(confirms: Confirms) -> None:
    """Let a confirmed way back be looked at again."""
    confirms.rechecks[commands.ChangeSettings] = recheck


async def limits(call: Call) -> Message:
    """Every limit with the value that holds, for the portfolio or for one instrument, and where something is set."""
    symbol = call.arguments.get("symbol", "")
    name = call.desk.instrument(symbol) if symbol else None
    if symbol and name is None:
        raise UsageError(f"no instrument is called {symbol!r}")
    found = [(key, text) for key, text in values(call, "risk") if text != NONE and (name is None or name in key)]
    holds = Pairs(tuple(call.desk.settings.limits(name or "")))
    told = (Text("Set:"), Pairs(tuple(found[:SHOWN]))) if found else ()
    of = f"in force for {name}" if name else "in force for the portfolio"
    return Message(title=f"Limits {of}", blocks=(holds, *told))


async def set_limit(call: Call) -> Message:
    """Set a limit of the portfolio, a venue, a strategy or an instrument."""
    return await _set(call, limit_path(call, call.arguments["scope"], call.arguments["limit"]), call.arguments["value"])


def limit_path(call: Call, scope: str, limit: str) -> str:
    """Where a limit stands in the settings. Raises `UsageError`."""
    rules = [name for name, _ in call.desk.settings.limits()]
    kind, _, name = scope.partition(":")
    kind = kind.lower()
    if kind == "portfolio" and not name:
        return f"risk.portfolio.{limit}" if limit in rules else f"risk.{limit}"
    if name and kind in {"venue", "strategy"}:
        return f"risk.{kind}.{name}.{limit}"
    instrument = call.desk.instrument(name or scope)
    if instrument is None:
        raise UsageError(f"{scope!r} is no scope: portfolio, venue:NAME, strategy:ID, or an instrument")
    return f"risk.instrument.{instrument}.{limit}" if limit in rules else f"risk.limits.{instrument}.{limit}"


def _paths(desk: Desk) -> list[str]:
    return [name for name, _ in desk.settings.values("")]


def _sections(desk: Desk) -> list[str]:
    paths = _paths(desk)
    return list(dict.fromkeys([*(name.partition(".")[0] for name in paths), *paths]))


def _limits(desk: Desk) -> list[str]:
    return [name for name, _ in desk.settings.limits()]


PATH = Argument(name="path", help="a path in the settings, for example risk.max_exposure", complete=_paths)
VALUE = Argument(name="value", help="the new value, or none; then `confirm`, then why", rest=True)
VERSION = Argument(name="version", help="its number, see /config history", whole=True)

VERBS: Final = (
    reads(
        "config get",
        "Settings below a path, or which version is in force",
        get,
        Argument(name="path", help="for example risk or persons.anna", required=False, complete=_sections),
        aliases=("config list", "config show", "show_config"),
        role=RoleName.ADMIN,
        examples=("/config get risk", "/config get persons.anna"),
    ),
    acts(
        "config set",
        "Change one setting; what adds risk needs others",
        change,
        PATH,
        VALUE,
        role=RoleName.ADMIN,
        examples=("/config set risk.max_exposure 40000 the market is thin",),
        gate="C or P2",
    ),
    reads(
        "config history",
        "Who changed which setting, when and why",
        history,
        role=RoleName.ADMIN,
        examples=("/config history",),
    ),
    reads(
        "config diff",
        "What changed since a version, or how the settings file differs",
        differences,
        Argument(name="version", help="its number, see /config history", required=False, whole=True),
        role=RoleName.ADMIN,
        examples=("/config diff 3",),
    ),
    acts(
        "config rollback",
        "Go back to an earlier version",
        rollback,
        VERSION,
        REASON,
        role=RoleName.ADMIN,
        examples=("/config rollback 3 it was better",),
        gate="C, P2 to add",
    ),
    reads(
        "limits show",
        "Every limit with the value that holds, and what is set",
        limits,
        Argument(name="symbol", help="only what holds for this instrument", required=False, complete=symbols),
        aliases=("limits list",),
        examples=("/limits", "/limits show BTC"),
    ),
    acts(
        "limits set",
        "Set a limit; what adds risk needs others",
        set_limit,
        Argument(name="scope", help="portfolio, venue:NAME, strategy:ID or an instrument", complete=symbols),
        Argument(name="limit", help="its name, see /limits show", complete=_limits),
        VALUE,
        role=RoleName.RISK,
        examples=("/limits set BTC max_order_notional 1000",),
        gate="C or P2",
    ),
)
