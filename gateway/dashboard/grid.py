"""The dashboard's table: our own component, because a refresh must not replace a button under a finger.

Rows are keyed, so the browser patches only the cells that changed, and nothing is sent when none did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

from nicegui.element import Element
from nicegui.events import GenericEventArguments


class Column(TypedDict, total=False):
    """A column: heading, `num` (right-aligned), `wide` (a phone does without it), `grow` (takes spare width)."""

    label: str
    num: bool
    wide: bool
    grow: bool


class Cell(TypedDict, total=False):
    """A cell: its text, CSS classes, a hint for the pointer, or buttons as (action, label, classes)."""

    text: str
    tone: str
    hint: str
    buttons: list[tuple[str, str, str]]


class Row(TypedDict):
    """A row; `key` is unique in its table and goes with the buttons' actions."""

    key: str
    cells: list[Cell]


def cell(text: str, tone: str = "", hint: str = "") -> Cell:
    """Make a cell with text."""
    made: Cell = {"text": text}
    if tone:
        made["tone"] = tone
    if hint:
        made["hint"] = hint
    return made


class Grid(Element, component="grid.js"):
    """A dense table with fixed headings; `empty` is shown when there are no rows."""

    def __init__(self, columns: Sequence[Column], empty: str) -> None:
        super().__init__()
        self._props["columns"] = list(columns)
        self._props["empty"] = empty
        self._props["rows"] = []

    def show(self, rows: list[Row]) -> None:
        """Show these rows; does nothing when they are the same as before."""
        if rows != self._props["rows"]:
            self._props["rows"] = rows
            self.update()

    def on_act(self, handler: Callable[[str, str], object]) -> Grid:
        """Call `handler(action, row key)` when a button of a row is pressed."""

        def act(event: GenericEventArguments) -> object:
            action, key = event.args
            return handler(str(action), str(key))

        self.on("act", act)
        return self
