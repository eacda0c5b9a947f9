"""docs/verbs.md, the table of verbs, made from `bot.verbs.VERBS`: `python -m tools.verbs`."""

from __future__ import annotations

from pathlib import Path

from bot.call import GATES, Verb
from bot.verbs import VERBS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verbs.md"
HEAD = """# The verbs

Said on Telegram and Discord, on the dashboard's console and in the terminal alike. This page is made from
`bot/verbs.py` by `python -m tools.verbs`; how it is used is in [chat.md](chat.md).

| verb | least role | gate | what it does | for example | also |
|---|---|---|---|---|---|
"""
GATES_HEAD = "Gates stand between a line and its effect; without one it is carried out at once:"


def row(verb: Verb) -> str:
    """One verb."""
    examples = " ".join(f"`{example}`" for example in verb.examples)
    also = " ".join(f"`/{alias}`" for alias in verb.aliases)
    cells = (f"`{verb.usage}`", verb.role.name.lower(), verb.gate, verb.help, examples, also)
    return " ".join(["|", *(f"{cell.replace('|', chr(92) + '|')} |" if cell else "|" for cell in cells)])


def page() -> str:
    """The whole page."""
    rows = "\n".join(row(verb) for verb in VERBS if not verb.hidden)
    gates = "\n".join(f"- `{gate}`: {words}" for gate, words in GATES.items() if gate)
    return f"{HEAD}{rows}\n\n{GATES_HEAD}\n\n{gates}\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
