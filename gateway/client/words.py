"""Views and answers for a terminal: a table where there are rows, names and values where there is one thing."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.client.client import Said

COLUMNS: Final = {
    "positions": "instrument qty entry_price mark_price unrealised realised fees liquidation_price owner account",
    "orders": "instrument side qty filled price trigger role status age_s cid owner",
    "strategies": "id kind status detail instruments realised unrealised fees fills",
    "pnl": "account equity day_pnl total_pnl realised unrealised fees funding currency day",
    "balances": "account equity cash unrealised margin_used free currency",
    "limits": "rule scope used value unit share source",
    "breakers": "name operation state measure threshold until_ns why",
    "venues": "venue network connected detail clock_off_ms breakers",
    "pending": "id what text requester votes votes_needed expires_ns",
    "trades": "ts_ns instrument side qty price fee realised owner liquidity",
    "alerts": "id severity state title text count last_ns by",
    "jobs": "id state person text progress note",
    "prices": "instrument price",
    "health": "name ok text",
    "audit": "ts_ns person door verb ok reason text",
}
"""What is shown of the rows of a view, for people; `--json` has everything."""
ROWS: Final = {"health": "parts"}
"""Where a view that is one thing has its rows."""
LEFT_OUT: Final = {"risk": ("correlation",), "status": ("seq", "epoch")}
BAD: Final = frozenset({"halted", "open", "forced_open", "critical", "error", "quarantined", "failed", "down", "no"})
WIDEST: Final = 240
"""Characters of a cell."""
TENTH: Final = Decimal("0.1")
PIPE_WIDTH: Final = 200
"""Where the output is no terminal."""


def shown_view(view: str, raw: bytes) -> str:
    """A view as text, ending with a line feed."""
    value = json.loads(raw, parse_float=Decimal)
    rows, rest, more = value, {}, ""
    if isinstance(value, dict) and set(value) >= {"items", "next"}:
        rows, more = value["items"], value["next"]
    elif isinstance(value, dict) and view in ROWS:
        rest = {name: one for name, one in value.items() if name != ROWS[view]}
        rows = value[ROWS[view]]
    if isinstance(rows, dict):
        return _printed(_pairs({name: one for name, one in rows.items() if name not in LEFT_OUT.get(view, ())}))
    parts: list[Any] = [_pairs(rest)] if rest else []
    parts.append(_grid(rows, COLUMNS.get(view, "").split()) if rows else Text("Nothing."))
    return _printed(*parts, *([Text("There is more: --json, or the argument cursor.", "dim")] if more else []))


def shown_answer(said: Said, *, as_json: bool) -> str:
    """What a verb came to, as text or JSON, ending with a line feed."""
    if as_json:
        return msgspec.json.encode(said).decode() + "\n"
    lines = [said.text]
    for action in said.message.actions:
        given = "".join(f" {name}={value}" for name, value in action.arguments.items())
        lines.append(f"{action.label}: moondev verb {action.verb}{given}")
    return "\n".join(lines) + "\n"


def _grid(rows: list[Any], wanted: list[str]) -> Table | Text:
    if not all(isinstance(row, dict) for row in rows):
        return Text("\n".join(str(row) for row in rows))
    names = [name for name in wanted if name in rows[0]] or [n for n, one in rows[0].items() if _is_plain(one)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        is_number = all(_number(row.get(name)) is not None or row.get(name) in (None, "") for row in rows)
        title = name.removesuffix("_ns").replace("_", " ")
        table.add_column(title, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    return table


def _pairs(value: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, one in value.items():
        title = name.removesuffix("_ns").replace("_", " ")
        if isinstance(one, list) and one and all(isinstance(row, dict) for row in one):
            table.add_row(title, _grid(one, []))
        elif isinstance(one, dict) and one:
            table.add_row(title, _pairs(one))
        elif one not in (None, "", [], {}):
            table.add_row(title, _cell(name, one))
    return table


def _cell(name: str, value: Any) -> Text:  # noqa: ANN401 - JSON of any shape
    if value is None or value == "" or (name.endswith("_ns") and value == 0):
        return Text("")
    if name.endswith("_ns") and isinstance(value, int) and value > 10**18:
        return Text(f"{datetime.fromtimestamp(value // 10**9, UTC):%Y-%m-%d %H:%M:%S}Z")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, list | dict):
        value = ", ".join(map(str, value)) if all(_is_plain(one) for one in value) else json.dumps(value, default=str)
    number = _number(value)
    if number is not None:
        number = number.quantize(TENTH) if name.endswith("_s") else number
        return Text(_trimmed(number), "red" if number < 0 else "")
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return Text(text if len(text) <= WIDEST else f"{text[:WIDEST]}…", "red" if text in BAD else "")


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _trimmed(number: Decimal) -> str:
    text = f"{number:,f}" if abs(number) >= 10_000 else f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_plain(value: object) -> bool:
    return not isinstance(value, list | dict)


def _printed(*parts: Table | Text) -> str:
    out = io.StringIO()
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal else PIPE_WIDTH
    console = Console(
        file=out, width=width, force_terminal=is_terminal, no_color=not is_terminal or "NO_COLOR" in os.environ
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
