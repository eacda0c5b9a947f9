"""A verdict as a section of a report's page, or as a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import DecodeError
from msgspec.json import decode

from domain.codec import to_json
from domain.errors import ConfigError
from research.result import Result

HERE = Path(__file__).parent
STYLE = HERE.parent / "report" / "templates" / "style.css"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ verdict.subject }}: is it honest?</title>
<style>{{ style }}</style>
</head>
<body>
<header><h1>{{ verdict.subject }}</h1></header>
{{ section }}
</body>
</html>
"""


def environment() -> Environment:
    """Templates that escape whatever they are given."""
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def section_html(verdict: Mapping[str, Any]) -> Markup:
    """The section; `verdict` as `words.section` gives it, or as it was read from the file that `--json` wrote."""
    return Markup(environment().get_template("section.html.jinja").render(verdict=verdict))  # noqa: S704 - escaped


def verdict_of(path: Path, result: Result) -> dict[str, Any]:
    """A verdict that `--json` wrote, if it is of a result's strategy, parameters and data. Raises `ConfigError`."""
    try:
        verdict: dict[str, Any] = decode(path.read_bytes(), type=dict[str, Any])
        of = (verdict["source_hash"], verdict["params"], sorted(verdict["sha256"]))
    except (OSError, DecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no verdict of moondev check-strategy --json: {error}") from error
    wanted = (result.source_hash, decode(to_json(result.params)), sorted(source.sha256 for source in result.sources))
    names = ("another version of the strategy", "other parameters", "other data")
    for mine, other, name in zip(of, wanted, names, strict=True):
        if mine != other:
            raise ConfigError(f"{path}: the verdict on {verdict.get('subject')} is about {name} than this result's")
    return verdict


def page_html(verdict: Mapping[str, Any]) -> str:
    """A page of its own, in the report's style."""
    style = Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704 - our own file
    template = environment().from_string(PAGE)
    return template.render(verdict=verdict, section=section_html(verdict), style=style)
