"""The small pieces that widgets are made of: boxes, panels and plain buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement


def box(classes: str) -> Element:
    """A plain block with CSS classes; use it as a context."""
    return ui.element("div").classes(classes)


def panel(title: str, area: str) -> Element:
    """A titled panel in the page's grid area; what is made in its context becomes its content."""
    with box(f"panel {area}") as outer:
        text(title, "panel-title")
    return outer


def text(content: str = "", classes: str = "") -> ui.label:
    """A line of text."""
    return ui.label(content).classes(classes)


class Picker(ui.element):
    """A native select of (value, label) pairs; calls `on_pick(value)`."""

    def __init__(self, options: dict[str, str], picked: str, on_pick: Callable[[str], Any]) -> None:
        super().__init__("select")
        self.classes("picker")
        with self:
            for value, label in options.items():
                TextElement(tag="option", text=label).props(
                    f"value={value!r}" + (" selected" if value == picked else "")
                )
        self.on("change", lambda event: on_pick(str(event.args)), js_handler="(event) => emit(event.target.value)")


class Button(TextElement):
    """A native button, so that it looks the same everywhere and is never replaced."""

    def __init__(self, label: str, classes: str, on_click: Callable[[], Any]) -> None:
        super().__init__(tag="button", text=label)
        self.classes(f"btn {classes}")
        self.props("type=button")
        self.on("click", lambda _: on_click())
