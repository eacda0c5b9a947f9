"""The parts of the OpenAPI document that no table has: problems, headers, who may come in, and the single routes."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from gateway.access.table import ROUTES

Schema: TypeAlias = dict[str, Any]

ABOUT: Final = (
    "Everything that chat can do. Amounts are strings of plain decimals; times are nanoseconds UTC, integers beyond "
    "2**53. Lists that grow come in pages, newest first: `next` goes into `cursor`. Errors are "
    "`application/problem+json` with a `code`. A refused verb is no error: 200 with `ok` false."
)
PROBLEM_JSON: Final = "application/problem+json"
SECURITY: Final[Schema] = {
    "token": {"type": "http", "scheme": "bearer", "description": "Made with `/tokens` in chat or `moondev token`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "moondev_{port}",
        "description": "Of a browser that logged in. What changes something takes Origin and X-Requested-With too.",
    },
}
SCHEMAS: dict[str, Schema] = {
    "Problem": {
        "description": "An error as RFC 9457 has it. Programs go by `code`.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"type": "string", "pattern": "^[a-z_]+$"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
    "VerbAnswer": {
        "description": "What a verb came to. `ok` false is a refusal; `text` is all of it in plain text.",
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "text": {"type": "string"},
            "message": {"$ref": "#/components/schemas/MessageView"},
        },
        "required": ["ok", "text", "message"],
    },
    "Ready": {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ready", "not ready"]},
            "reasons": {"type": "array", "items": {"type": "string"}},
            "trading": {"type": "string"},
            "chat": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["status", "reasons", "trading", "chat"],
    },
}
SCHEMAS |= {
    name: {"type": "object", "properties": properties, "required": list(properties)}
    for name, properties in (
        ("Proven", {"until_ns": {"type": "integer", "format": "int64"}}),
        ("Ticket", {"ticket": {"type": "string"}, "seconds": {"type": "integer"}}),
    )
}
HEADERS: Final[Schema] = {
    "Retry-After": {"description": "Ask again after so many seconds.", "schema": {"type": "integer"}},
    "Idempotency-Replayed": {
        "description": "`true`: this is the answer that the first request with this key got.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_TEXTS: Final = {
    "400": "The body is no JSON, or the request is none.",
    "401": "Nobody is logged in, or the token is not good.",
    "403": "Role, scope, origin or person do not allow it.",
    "404": "There is nothing of that name.",
    "405": "This address takes other methods.",
    "413": "The body is too long.",
    "415": "The body is not application/json.",
    "422": "An argument cannot be right; `detail` says which. Or the Idempotency-Key was used for another request.",
    "429": "Too much at once, or too many failures.",
    "500": "It failed inside; what changes something may or may not have been carried out.",
    "503": "The engine or the access database does not answer.",
}
_WAIT: Final = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
RESPONSES: Final[Schema] = {
    f"Problem{status}": {
        "description": text,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        **(
            {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
            if status in {"429", "503"}
            else {}
        ),
    }
    for status, text in _TEXTS.items()
}
KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body within a day: carried out once, both get the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}
PERSON: Final[Schema] = {
    "type": "string",
    "maxLength": 100,
    "description": "In paper, a session may speak as another person, to try approvals alone. Empty: as oneself.",
}


def problems(*statuses: str) -> dict[str, Schema]:
    """The responses of an operation that are errors."""
    return {status: {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}


VERB_RESPONSES: Final[Schema] = {
    "200": {
        "description": "What it came to; `ok` false is a refusal.",
        "headers": {"Idempotency-Replayed": {"$ref": "#/components/headers/Idempotency-Replayed"}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/VerbAnswer"}}},
    },
    **problems("400", "401", "403", "404", "413", "415", "422", "429", "500", "503"),
}


def needs(method: str, path: str) -> str:
    """Which role and scope a route takes, in a sentence."""
    rule = ROUTES[method, path]
    role = f"Role {rule.role.name.lower()} or higher" if rule.role is not None else "Open to everybody"
    return f"{role}; {f'a token needs the scope {rule.scope}' if rule.scope is not None else 'not for tokens'}."


def paths(audit: list[Schema]) -> dict[str, Any]:
    """The routes that are in no table; `audit` are the parameters of the view of that name."""
    usual = problems("401", "403", "422", "429", "500", "503")
    lines = {"description": "Rows as in `audit`.", "content": {"application/jsonl": {"schema": {"type": "string"}}}}
    alive = {"type": "object", "properties": {"status": {"const": "live"}}, "required": ["status"]}
    ready = {"200": _json("It can.", _ref("Ready")), "503": _json("It cannot.", _ref("Ready"))}
    open_: Schema = {"security": []}
    return {
        "/api/v1/me": _get("me", "Who asks: person, role, scopes", _json("You.", _ref("MeView")), usual),
        "/api/v1/audit.jsonl": _get(
            "audit.jsonl", "Everything that matches as a file: a JSON object a line", lines, usual, parameters=audit
        ),
        "/api/v1/openapi.json": _get("openapi.json", "This document", _json("It.", {"type": "object"}), usual),
        "/api/v1/line": _post("line", "A line as typed at a console", _ref("LineBody"), VERB_RESPONSES, keyed=True),
        "/api/v1/step-up": _post("step-up", "Give a one-time code: opens what takes one, for minutes", _CODE, {
            "200": _json("It was right.", _ref("Proven")), **usual, **problems("413"),
        }),
        "/api/v1/ticket": _post("ticket", "A ticket that opens one WebSocket: `/ws/feed?ticket=...`", None, {
            "200": _json("Use it within `seconds`.", _ref("Ticket")), **usual, **problems("413"),
        }),
        "/health/live": _get("live", "Answers while the gateway's loop turns", _json("It turns.", alive), {
            **problems("403", "429", "500")
        }, **open_),
        "/health/ready": _get("ready", "Whether the service can do what it is told, and if not, why", None, {
            **ready, **problems("403", "429", "500"),
        }, **open_),
    }  # fmt: skip


_CODE: Final[Schema] = {
    "type": "object",
    "properties": {"code": {"type": "string", "pattern": "^[0-9]{3}[ -]?[0-9]{3}$"}},
    "required": ["code"],
    "additionalProperties": False,
}


def _get(name: str, text: str, answer: Schema | None, others: Schema, **more: Any) -> Schema:  # noqa: ANN401
    tag = "health" if name in {"live", "ready"} else "views"
    path = f"/health/{name}" if tag == "health" else f"/api/v1/{name}"
    responses = {"200": answer, **others} if answer is not None else others
    said = {"operationId": f"get-{name}", "tags": [tag], "summary": text, "description": needs("GET", path)}
    return {"get": {**said, **more, "responses": responses}}


def _post(name: str, text: str, body: Schema | None, responses: Schema, *, keyed: bool = False) -> Schema:
    said: Schema = {"operationId": f"post-{name}", "tags": ["verbs"], "summary": text}
    said["description"] = needs("POST", f"/api/v1/{name}")
    if keyed:
        said["parameters"] = [KEY]
    if body is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"post": {**said, "responses": responses}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(text: str, schema: Schema) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
