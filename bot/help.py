"""What `/help` says, and what other bots' words mean here. A person is shown what they may do, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bot.call import GATES, Verb
from bot.message import Block, Message, Pairs, Text, refusal
from domain.settings import Person, RoleName
from domain.verdict import Reason

NOTHING: Final = (
    "Nothing was done. To stop trading: /halt. To trade again: /resume. "
    "For one strategy: /strategies pause ID, /strategies start ID."
)
ELSEWHERE: Final = {
    "start": NOTHING,
    "stop": NOTHING,
    "pause": NOTHING,
    "forcelong": "Nothing was done. To buy: /order buy SYMBOL AMOUNT.",
    "forcebuy": "Nothing was done. To buy: /order buy SYMBOL AMOUNT.",
    "forceshort": "Nothing was done. To sell: /order sell SYMBOL AMOUNT.",
    "trade": "Nothing was done. To buy or sell: /order buy SYMBOL AMOUNT.",
    "reload_config": "Nothing was done. One value: /config set. A file: ./moondev apply-settings FILE.",
    "set_risk": "Nothing was done. Limits: /limits show, /limits set. Settings: /config set.",
    "locks": "What keeps trading back: /status, /breakers, /limits. One instrument: /hold SYMBOL.",
    "connect": "Nothing was done. Keys go into the file `secrets` on the machine; /keys status shows them.",
}
"""Words that people bring from freqtrade, hummingbot, Condor and OctoBot, and that mean something else here or too much
to guess: they do nothing, and say what does."""


TOPICS: Final = {
    "Look": (
        "status", "positions", "orders", "trades", "balance", "pnl", "daily", "weekly", "monthly", "performance",
        "chart", "risk", "venues", "health",
    ),
    "Stop and go on": ("halt", "flatten", "resume", "breakglass", "incident", "breakers", "breaker"),
    "Trade": ("order", "confirm", "cancel", "hold", "cap"),
    "Strategies": ("strategies", "backtest", "jobs"),
    "Decide together": ("pending", "approve", "deny", "review", "override", "overrides"),
    "Limits and settings": ("limits", "config"),
    "Alerts and news": (
        "alerts", "ack", "report", "schedule", "subscribe", "unsubscribe", "subscriptions",
    ),
    "Records": ("audit", "logs"),
    "People": (
        "whoami", "login", "timezone", "link", "unlink", "sessions", "tokens", "users", "keys", "help",
    ),
}  # fmt: skip
"""First words of the verbs in the order in which help shows them."""

SHORT: Final = 64
FIRST: Final = ("status", "positions", "orders", "pnl", "order", "halt", "pending", "alerts list")
"""What people look for first."""


def topic_of(name: str) -> str:
    """Under which topic help shows a verb."""
    first = name.partition(" ")[0]
    return next((topic for topic, names in TOPICS.items() if first in names), "More")


def may(person: Person, verb: Verb) -> bool:
    """Whether a verb is offered to a person."""
    return not verb.hidden and person.role >= verb.role


def overview(person: Person, verbs: Iterable[Verb], groups: Mapping[str, str]) -> tuple[Block, ...]:
    """Everything that a person may do, by topic and a line each; verbs of two words in one line by their first."""
    lines: dict[str, str] = {}
    for verb in verbs:
        if not may(person, verb):
            continue
        first, _, second = verb.name.partition(" ")
        if first not in groups:
            lines[first] = f"/{first} · {_in_short(verb.help)}"
        elif first in lines:
            lines[first] += f"|{second}"
        else:
            lines[first] = f"/{first} {second}"
    known = {first for names in TOPICS.values() for first in names}
    topics = {**TOPICS, "More": tuple(first for first in lines if first not in known)}
    found = {topic: [lines[first] for first in names if first in lines] for topic, names in topics.items()}
    texts = tuple(Text("\n".join((f"— {topic} —", *of_topic))) for topic, of_topic in found.items() if of_topic)
    return (*texts, Text("What one takes, with examples: /help VERB"))


def _in_short(text: str) -> str:
    """A help's first part, for a line or two on a phone."""
    first = text.partition(";")[0]
    return first if len(first) <= SHORT else first.partition(":")[0]


def group(person: Person, first: str, verbs: Iterable[Verb]) -> Message:
    """The verbs of a first word, with their examples."""
    rows = tuple(
        (verb.usage, f"{verb.help}. For example: {verb.examples[0]}" if verb.examples else verb.help)
        for verb in verbs
        if may(person, verb) and verb.name.partition(" ")[0] == first
    )
    return Message(title=f"/{first}", blocks=tuple(Text(f"{usage}\n    {text}") for usage, text in rows))


def in_full(person: Person, verb: Verb) -> Message:
    """One verb: arguments, gate, examples, other names; for who may not use it, only that."""
    if not may(person, verb):
        return not_allowed(person, verb.name, verb.role)
    rows = [("usage", verb.usage), *((f"  {argument.usage}", argument.help) for argument in verb.arguments)]
    rows.append(("role", f"{verb.role.name.lower()} or higher"))
    rows += [("then", GATES[verb.gate])] if verb.gate else []
    rows += [("for example", example) for example in verb.examples]
    if verb.aliases:
        rows.append(("also", ", ".join(f"/{alias}" for alias in verb.aliases)))
    return Message(title=f"/{verb.name}", blocks=(Text(verb.help), Pairs(tuple(rows))))


def not_allowed(person: Person, name: str, role: RoleName) -> Message:
    """A verb that takes a higher role."""
    return refusal(
        f"{name}: refused",
        f"Your role does not allow this: it needs {role.name.lower()}, you are {person.role.name.lower()}. "
        f"[{Reason.ROLE.value}]",
    )


def hello(person: Person, name: str, verbs: Sequence[Verb], groups: Mapping[str, str]) -> Message:
    """The answer to a word that does nothing here: what does, and where the rest is; short enough for a phone."""
    mine = {verb.name: verb.help for verb in verbs if may(person, verb)}
    count = len({name.partition(" ")[0] if name.partition(" ")[0] in groups else name for name in mine})
    first = Pairs(tuple((f"/{name}", mine[name]) for name in FIRST if name in mine))
    more = Text(f"/help shows all {count} that you may use, /help VERB one of them with examples.")
    return Message(title=f"Hello {person.name}", blocks=(Text(ELSEWHERE[name]), first, more))
