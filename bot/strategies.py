"""The verbs of strategies: look at them, pause one at once, and start, load, change or unload one after a question.

Each question shows what would change; when that is another thing by the time of the yes, it is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.call import Call, Verb
from bot.message import Block, Code, Message, Pairs, Table, Text, age_text, base_name, money, refusal, signed
from bot.outcome import submit
from bot.parse import Argument, UsageError, account_of, accounts, instrument_of, params_of, suggest, symbols
from bot.previews import Preview
from bot.rows import PARAMS, STRATEGY, acts, kinds, lowers, reads
from domain import commands
from domain.account import venue_of
from domain.commands import LoadStrategy, ReloadStrategy, SetParams, StartStrategy, UnloadStrategy
from domain.facts import TradingState
from domain.instrument import AccountId, InstrumentId
from domain.settings import StrategySpec
from domain.strategy_views import AboutStrategy, StrategyProposal
from domain.views import StrategyView

if TYPE_CHECKING:
    from bot.confirm import Confirms
    from engine.desk import Desk

SHOWN_HASH: Final = 12
SHOWN_LINES: Final = 40
"""Of the difference between two texts of a strategy."""


async def listed(call: Call) -> Message:
    """Every loaded strategy, one row each, with what it wanted last and when that was."""
    found = call.desk.strategies()
    if not found:
        kinds = ", ".join(call.desk.strategy_kinds())
        return Message(
            title="No strategies loaded", blocks=(Text(f"Load one: /strategies load KIND ID. Kinds: {kinds}"),)
        )
    rows = tuple(
        (
            view.id,
            view.status,
            money(view.realised + view.unrealised - view.fees, sign=True),
            str(view.fills),
            signal_of(call.desk, view),
        )
        for view in found
    )
    columns = ("id", "status", "net", "fills", "last signal")
    return Message(title=f"Strategies: {len(found)}", blocks=(Table(columns, rows, left=2),))


def signal_of(desk: Desk, view: StrategyView) -> str:
    """What a strategy wanted last, and how long ago that changed."""
    if not view.signal_ns:
        return "none yet"
    return f"{view.signal}, {age_text((desk.clock.now_ns() - view.signal_ns) / 1e9)} ago"


async def show(call: Call) -> Message:
    """One strategy in full."""
    view = strategy_of(call)
    rows = [
        ("kind", view.kind),
        ("status", f"{view.status} ({view.detail})" if view.detail else view.status),
        ("account", view.account),
        ("instruments", ", ".join(view.instruments)),
        ("last signal", signal_of(call.desk, view)),
        ("wants", view.desired or "nothing"),
        ("realised", money(view.realised, sign=True)),
        ("unrealised", money(view.unrealised, sign=True)),
        ("fees", money(view.fees)),
        ("fills", str(view.fills)),
        ("source", view.source_hash[:SHOWN_HASH] or "built in"),
    ]
    rows += [(name, str(value)) for name, value in sorted(view.params.items())]
    return Message(title=f"Strategy {view.id}", blocks=(Pairs(tuple(rows)),))


def strategy_of(call: Call) -> StrategyView:
    """The strategy that the argument `id` names. Raises `UsageError` with the nearest ones."""
    wanted = call.arguments["id"]
    views = {view.id.lower(): view for view in call.desk.strategies()}
    found = views.get(wanted.lower())
    if found is None:
        raise UsageError(f"no strategy is called {wanted!r}: {suggest(wanted, [view.id for view in views.values()])}")
    return found


async def pause(call: Call) -> Message:
    """Pull a strategy's quotes and entries at once; its protections stay."""
    return await submit(call, commands.PauseStrategy(strategy=strategy_of(call).id))


async def start(call: Call) -> Message:
    """Ask whether a strategy is to act again."""
    return await ask(call, StartStrategy(strategy=strategy_of(call).id))


async def unload(call: Call) -> Message:
    """Ask whether a strategy is to be forgotten."""
    keep = "position" in call.arguments
    return await ask(call, UnloadStrategy(strategy=strategy_of(call).id, keep_position=keep))


async def set_params(call: Call) -> Message:
    """Ask whether a strategy is to have other parameters."""
    params = params_of(call.arguments["params"])
    return await ask(call, SetParams(strategy=strategy_of(call).id, params=params))


async def reload(call: Call) -> Message:
    """Ask whether a strategy is to run its file as it is now."""
    return await ask(call, ReloadStrategy(strategy=strategy_of(call).id))


async def load(call: Call) -> Message:
    """Ask whether to load a strategy of a known kind under a new id; several instruments are joined by commas."""
    desk, kind = call.desk, call.arguments["kind"].lower()
    kinds = desk.strategy_kinds()
    if kind not in kinds:
        raise UsageError(f"no strategy kind is called {kind!r}: {suggest(kind, kinds)}")
    instruments = tuple(instrument_of(desk, name) for name in call.arguments["symbols"].split(",") if name)
    if not instruments:
        raise UsageError("SYMBOLS names at least one instrument, for example: BTC or BTC,ETH")
    accounts = accounts_of(desk, call.arguments["account"], instruments)
    params = params_of(call.arguments.get("params", ""))
    spec = StrategySpec(
        id=call.arguments["id"],
        kind=kind,
        account=accounts[0],
        accounts=accounts[1:],
        instruments=instruments,
        params=params,
    )
    return await ask(call, LoadStrategy(spec=spec))


def accounts_of(desk: Desk, text: str, instruments: Sequence[InstrumentId]) -> tuple[AccountId, ...]:
    """The accounts that a person means, joined by commas, and the only one at every other venue of the instruments."""
    named = [account_of(desk, name, instruments[0]) for name in text.split(",")]
    for instrument in instruments:
        if instrument.partition(".")[2] not in [venue_of(account) for account in named]:
            named.append(account_of(desk, "", instrument))
    return tuple(named)


async def ask(call: Call, command: AboutStrategy, first: str = "") -> Message:
    """Show what the command would come to, and ask; refused at once where it could not be. `first` says why again."""
    view = call.desk.strategy_commands.proposed(command)
    if view.problem:
        text = f"{view.problem.rstrip('.')}. Nothing was done."
        return refusal(f"{call.verb}: refused", f"{first} {text}".strip())
    why = (Text(first),) if first else ()
    blocks: list[Block] = [*why, Pairs(tuple(_rows(call.desk, view)))]
    if view.changes:
        blocks += [Text("Parameters:"), *map(Text, view.changes)]
    blocks += _difference(view)
    if view.usual:
        blocks.append(Text(f"As usual: {', '.join(view.usual)}."))
    blocks += map(Text, _notes(call.desk, command, view))
    return await call.room.confirms.ask(
        call, title=f"{_title(command)}?", blocks=blocks, command=command, shown=_shown(command, view)
    )


def _difference(view: StrategyProposal) -> list[Block]:
    """How the text of its file differs from what runs, as far as a message has room."""
    if not view.text:
        return []
    left = len(view.text) - SHOWN_LINES
    more = [Text(f"{left} more lines: look at the file itself.")] if left > 0 else []
    return [Text("Its text, - as it runs, + as it would:"), Code("\n".join(view.text[:SHOWN_LINES])), *more]


def _title(command: AboutStrategy) -> str:
    match command:
        case LoadStrategy(spec=spec):
            return f"Load {spec.kind} as {spec.id}"
        case StartStrategy():
            return f"Start {command.strategy}"
        case ReloadStrategy():
            return f"Reload {command.strategy}"
        case SetParams():
            return f"Change parameters of {command.strategy}"
        case UnloadStrategy():
            return f"Unload {command.strategy}{' and keep its position' if command.keep_position else ''}"


def _rows(desk: Desk, view: StrategyProposal) -> list[tuple[str, str]]:
    names = desk.instruments()
    held = [f"{signed(qty)} {base_name(instrument, names)}" for instrument, qty in view.held]
    rows = [("kind", view.kind), ("account", view.account), ("instruments", ", ".join(view.instruments))]
    if view.status:
        rows.append(("status", f"{view.status} ({view.detail})" if view.detail else view.status))
        reduce = f", {view.protections} of them only reduce" if view.protections else ""
        rows.append(("open orders", f"{view.orders or 'none'}{reduce}"))
    rows.append(("position", ", ".join(held) or "none"))
    if view.signal:
        rows.append(("it wants", view.signal))
    if view.source_hash != view.source_before and view.source_hash:
        before = f", another text than before ({view.source_before[:SHOWN_HASH]})" if view.source_before else ""
        rows.append(("source", f"{view.source_hash[:SHOWN_HASH]}{before}"))
    return rows


def _notes(desk: Desk, command: AboutStrategy, view: StrategyProposal) -> list[str]:
    """What it does beside what was asked for, what keeps it from acting, and whose vote it takes."""
    notes = []
    match command:
        case LoadStrategy() if view.held:
            notes.append("What is held there becomes its own.")
        case SetParams() | ReloadStrategy():
            notes.append("It warms up again: its quotes and entries are pulled, its protections stay.")
        case StartStrategy() if view.status == "quarantined":
            notes.append("It failed before: its code is read anew, and it warms up.")
        case UnloadStrategy() if view.held:
            notes.append("The position stays, with what protects it; no strategy looks after it any more.")
        case UnloadStrategy():
            notes.append("Its quotes and entries are pulled.")
    if not isinstance(command, UnloadStrategy):
        at = {one.venue: one.trading_state for one in desk.status().trading_at}
        states = [at.get(venue_of(account), TradingState.ACTIVE) for account in view.account.split(", ")]
        state = max(states, key=[one.value for one in TradingState].index)
        notes += [f"Trading is {state.upper()} there: it adds nothing before that is over."] * (state != "active")
    if view.votes:
        who = "another person agrees" if view.votes == 1 else f"{view.votes} others agree"
        notes.append(f"When you have confirmed it, it waits until {who}.")
    return notes


def _shown(command: AboutStrategy, view: StrategyProposal) -> dict[str, str]:
    """What must not change between question and yes. Sizes of positions and orders may: they do all the time."""
    return {
        "it is": view.status,
        "its kind, account or instruments are": f"{view.kind} on {view.account}: {', '.join(view.instruments)}",
        "the parameters would be": "; ".join([*view.changes, *view.usual]),
        "it holds": ", ".join(instrument for instrument, _ in view.held) if isinstance(command, UnloadStrategy) else "",
        "its code is": view.source_hash[:SHOWN_HASH],
        "votes of others it needs:": str(view.votes),
    }


async def recheck(call: Call, preview: Preview) -> Message | None:
    """Look at it once more; None when what was shown still holds."""
    command = preview.command
    if not isinstance(command, AboutStrategy):
        return None
    view = call.desk.strategy_commands.proposed(command)
    now = _shown(command, view)
    moved = [f"{what} {now[what] or 'nothing'}" for what in now if now[what] != preview.shown.get(what)]
    if not moved and not view.problem:
        return None
    first = f"Not sent: {'; '.join(moved)} by now. Look again." if moved and not view.problem else ""
    return await ask(structs.replace(call, verb=preview.verb), command, first)


def register(confirms: Confirms) -> None:
    """Let confirmed commands about strategies be looked at again."""
    for kind in (LoadStrategy, StartStrategy, SetParams, ReloadStrategy, UnloadStrategy):
        confirms.rechecks[kind] = recheck


VERBS: Final[tuple[Verb, ...]] = (
    reads(
        "strategies list",
        "Every loaded strategy: state, profit, and what it wanted last",
        listed,
        aliases=("bots",),
        examples=("/strategies",),
    ),
    reads("strategies show", "One strategy in full", show, STRATEGY, examples=("/strategies show turtle1",)),
    acts(
        "strategies start",
        "Let a paused strategy act again",
        start,
        STRATEGY,
        examples=("/strategies start turtle1",),
        gate="C, P1 live",
    ),
    lowers(
        "strategies pause",
        "Pull its quotes and entries; protections stay",
        pause,
        STRATEGY,
        aliases=("strategies stop",),
        examples=("/strategies pause turtle1",),
    ),
    acts(
        "strategies load",
        "Load a strategy under a new id",
        load,
        Argument(name="kind", help="which strategy", complete=kinds),
        Argument(name="id", help="a name of your choice, not yet used"),
        Argument(name="symbols", help="instruments, joined by commas", complete=symbols),
        Argument(name="account", help="where it trades; one at each venue, joined by commas", complete=accounts),
        structs.replace(PARAMS, required=False),
        examples=("/strategies load turtle turtle1 BTC main entry_bars=20",),
        gate="C, P1 live",
    ),
    acts(
        "strategies unload",
        "Cancel its quotes and entries and forget it",
        unload,
        STRATEGY,
        Argument(name="position", help="keep the position it holds", required=False, choices=("keep",)),
        examples=("/strategies unload turtle1", "/strategies unload turtle1 keep"),
        gate="C",
    ),
    acts(
        "strategies set",
        "Change parameters; it warms up again",
        set_params,
        STRATEGY,
        PARAMS,
        examples=("/strategies set turtle1 entry_bars=30",),
        gate="C, P2 to add",
    ),
    acts(
        "strategies reload",
        "Run its file as it is now, after a look at what changed; it warms up again",
        reload,
        STRATEGY,
        examples=("/strategies reload my-breakout",),
        gate="C, P1 live",
    ),
)
