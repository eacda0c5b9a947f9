"""The OpenAPI 3.1 document, written from the tables of views and verbs, so that it says what is so.

Schemas are those of the structs that are sent. Every field of an answer is always there; amounts are strings of plain
decimals, times integers of 64 bits. Served to who is logged in at /api/v1/openapi.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from domain.verb_views import MessageView, VerbView
from gateway import openapi_fixed as fixed
from gateway.arguments import arguments_schema
from gateway.openapi_fixed import Schema, needs, problems
from gateway.routes_verbs import LineBody
from gateway.routes_views import MeView
from gateway.views import VIEWS, View

REF: Final = "#/components/schemas/{name}"
DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?$"
SOMETIMES: Final = frozenset({"machine", "stress"})
"""Views without a required argument that may have nothing to show: 404."""
TAG_VIEWS, TAG_VERBS = "views", "verbs"


def document(verbs: Iterable[VerbView], version: str) -> dict[str, Any]:
    """The whole document."""
    schemas, answers = _schemas()
    paths: dict[str, Any] = {
        f"/api/v1/{name}": {"get": _view(name, view, answers[name])} for name, view in VIEWS.items()
    }
    for verb in verbs:
        paths[f"/api/v1/verbs/{verb.path}"] = {"post": _verb(verb)}
    paths |= fixed.paths(_parameters(VIEWS["audit"].asked))
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "MoonDev AlgoTrade", "version": version, "description": fixed.ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [
            {"name": TAG_VIEWS, "description": "What can be read."},
            {"name": TAG_VERBS, "description": "What can be commanded: the verbs of the chat."},
            {"name": "health", "description": "For whoever watches over the service."},
        ],
        "paths": paths,
        "components": {
            "schemas": {**schemas, **fixed.SCHEMAS},
            "responses": fixed.RESPONSES,
            "headers": fixed.HEADERS,
            "securitySchemes": fixed.SECURITY,
        },
    }


def _schemas() -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The schemas of everything that is sent, and of each view the one of its answer."""
    kinds = [*(view.answer for view in VIEWS.values()), MessageView, MeView, LineBody]
    found, components = msgspec.json.schema_components(kinds, ref_template=REF)
    named = {name: _exact(schema, is_sent=name != "LineBody") for name, schema in components.items()}
    return named, dict(zip(VIEWS, map(_exact, found), strict=False))


def _exact(schema: Any, *, is_sent: bool = True) -> Any:  # noqa: ANN401 - JSON Schema of any shape
    """A schema with what msgspec leaves open: the form of amounts, the size of integers, that every field is there."""
    if isinstance(schema, list):
        return [_exact(item, is_sent=is_sent) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: _exact(value, is_sent=is_sent) for name, value in schema.items() if not (is_sent and name == "default")
    }
    if made.get("type") == "string" and made.get("format") == "decimal":
        made["pattern"] = DECIMAL
    elif made.get("type") == "integer":
        made["format"] = "int64"
    elif made.get("type") == "object" and "properties" in made and is_sent:
        made["required"] = list(made["properties"])
    return made


def _view(name: str, view: View, answer: Schema) -> dict[str, Any]:
    asked = _parameters(view.asked)
    is_of_one = name in SOMETIMES or any(parameter["required"] for parameter in asked)
    statuses = ["401", "403", "422", "429", "500", "503", *(["404"] if is_of_one else [])]
    return {
        "operationId": f"get-{name}",
        "tags": [TAG_VIEWS],
        "summary": view.text,
        "description": needs("GET", f"/api/v1/{name}"),
        "parameters": asked,
        "responses": {
            "200": {"description": view.text, "content": {"application/json": {"schema": answer}}},
            **problems(*statuses),
        },
    }


def _parameters(asked: type[Struct]) -> list[dict[str, Any]]:
    """The query parameters that a struct of arguments stands for."""
    [_], components = msgspec.json.schema_components([asked], ref_template=REF)
    schema = components[asked.__name__]
    found = []
    for name, field in schema["properties"].items():
        kept = _exact(dict(field), is_sent=False)
        text = kept.pop("description", "")
        needed = name in schema["required"]
        row = {"name": name, "in": "query", "required": needed, "schema": kept}
        found.append({**row, "description": text} if text else row)
    return found


def _verb(verb: VerbView) -> dict[str, Any]:
    effect = {
        "reads": "It only looks.",
        "lowers": "It lowers risk and is carried out at once.",
        "adds": "It may add risk.",
    }[verb.effect]
    said = [verb.help + ".", effect, f"Role {verb.role} or higher; {verb.gate_text}."]
    said += [f"With `{verb.adds_with}` it may add risk."] if verb.adds_with else []
    said += [f"As people type it: {', '.join(f'`{line}`' for line in verb.examples)}."] if verb.examples else []
    return {
        "operationId": f"verb-{verb.path}",
        "tags": [TAG_VERBS],
        "summary": verb.help,
        "description": " ".join(said),
        "parameters": [fixed.KEY],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _body(verb), **_examples(verb)}},
        },
        "responses": fixed.VERB_RESPONSES,
    }


def _body(verb: VerbView) -> Schema:
    arguments = arguments_schema(verb)
    return {
        "type": "object",
        "properties": {"arguments": arguments, "person": fixed.PERSON},
        "required": ["arguments"] if arguments["required"] else [],
        "additionalProperties": False,
    }


def _examples(verb: VerbView) -> Mapping[str, Any]:
    said = zip(verb.examples, verb.example_arguments, strict=True)
    found = {line: {"value": {"arguments": given}} for line, given in said}
    return {"examples": found} if found else {}
