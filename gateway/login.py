"""Logging in and out: an inert page, a button that spends the link, a cookie.

GET  /login            says how to get a link
GET  /login/{token}    a page with a button; changes nothing, so a chat's link preview cannot spend the link
POST /login            spends the link, sets the cookie, goes to the dashboard
POST /logout           ends the session
POST /api/v1/step-up   a one-time code: for some minutes the session may do what takes one
POST /api/v1/ticket    a ticket that opens one WebSocket

The page gives its browser a nonce, in a cookie and in the form; the button counts only with both. So whoever makes
another's browser post a link of their own logs nobody in.
"""

from __future__ import annotations

import secrets
import uuid
from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from domain.access import AccessRefused
from domain.settings import SECOND_NS
from gateway.access.access import MustWait
from gateway.access.caller import Caller
from gateway.access.network import cookie_name
from gateway.access.refuse import refuse
from gateway.gateway import Gateway

router = APIRouter()
NONCE: Final = "moondev_login"
AGENT_LENGTH: Final = 200

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{product}</title>
<link rel="icon" href="/static/style/moon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style/login.css">
</head><body><main><h1>{product}</h1>{content}</main></body></html>
"""


def _page(gateway: Gateway, content: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(PAGE.format(product=escape(gateway.config.product), content=content), status)


def _without_link(gateway: Gateway, problem: str, status: int = 200) -> HTMLResponse:
    hint = escape(gateway.config.login_hint)
    return _page(gateway, f'<p>{escape(problem)} {hint}</p><a href="/">Open the dashboard</a>', status)


@router.get("/login")
async def ask_for_link(request: Request) -> Response:
    """Say how to get a login link; a browser that has a session goes on from here."""
    return _without_link(request.state.gateway, "You need a login link.")


@router.get("/login/{token}")
async def show_button(request: Request, token: str) -> Response:
    """Show the button that spends the link."""
    gateway: Gateway = request.state.gateway
    nonce = secrets.token_urlsafe(16)
    form = (
        '<p>Log in on this browser. The link works once.</p><form method="post" action="/login">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        f'<input type="hidden" name="nonce" value="{nonce}"><button>Log in</button></form>'
    )
    answer = _page(gateway, form)
    answer.set_cookie(
        NONCE,
        nonce,
        max_age=gateway.access.rules.link_ns // SECOND_NS,
        path="/login",
        httponly=True,
        samesite="strict",
        secure=_is_tls(request),
    )
    return answer


@router.post("/login/{token:path}")  # noqa: FAST003 - the token is not looked at
async def refuse_link(request: Request) -> Response:
    """A link that is posted to is not spent; without this route its address would be logged as an unknown page."""
    return _without_link(request.state.gateway, "Open the link and press its button.", 405)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Spend the link and open a session."""
    gateway: Gateway = request.state.gateway
    form = parse_qs((await request.body()).decode(errors="replace"))
    token, nonce = (form.get(name, [""])[0] for name in ("token", "nonce"))
    given = request.cookies.get(NONCE, "")
    if not nonce or not secrets.compare_digest(nonce.encode(), given.encode()):
        return _without_link(gateway, "This browser did not open the link: open it here, and press its button.", 403)
    agent = request.headers.get("user-agent", "")[:AGENT_LENGTH]
    try:
        secret, _ = await gateway.access.redeem(token, request.state.ip, agent)
    except MustWait as refusal:
        answer: Response = _without_link(gateway, f"{refusal}.", 429)
        answer.headers["retry-after"] = str(refusal.wait_s)
        return answer
    except AccessRefused as refusal:
        return _without_link(gateway, str(refusal), 403)
    answer = RedirectResponse("/", 303)
    is_tls = _is_tls(request)
    answer.set_cookie(
        cookie_name(request.scope, is_tls=is_tls),
        secret,
        max_age=gateway.access.rules.session_ns // SECOND_NS,
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_tls,
    )
    answer.delete_cookie(NONCE, path="/login")
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session; its open pages and feeds end within two seconds."""
    caller: Caller = request.state.caller
    await request.state.gateway.access.end(caller.identity, caller.ip)
    answer = RedirectResponse("/login", 303)
    is_tls = _is_tls(request)
    answer.delete_cookie(cookie_name(request.scope, is_tls=is_tls), path="/", secure=is_tls)
    return answer


def _is_tls(request: Request) -> bool:
    gateway: Gateway = request.state.gateway
    return gateway.network.scheme(request.scope) == "https"


class Code(BaseModel):
    """A one-time code, as the authenticator shows it."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(pattern=r"^[0-9]{3}[ -]?[0-9]{3}$", examples=["123456"])]


class Proven(BaseModel):
    """Until when the session may do what takes a code, ns UTC."""

    until_ns: int


class Ticket(BaseModel):
    """What opens one WebSocket: `/ws/feed?ticket=...`, within `seconds`, from the same address."""

    ticket: str
    seconds: int


@router.post("/api/v1/step-up", response_model=Proven)
async def step_up(request: Request, body: Code) -> Response:
    """Prove with a one-time code that the session's person is at the keyboard. Three wrong ones end the session."""
    gateway: Gateway = request.state.gateway
    caller: Caller = request.state.caller
    answer = await gateway.source.say(caller.actor(), f"/stepup {body.code}", f"step-up:{uuid.uuid4().hex}")
    gateway.access.forget()
    if answer.ok:
        return JSONResponse({"until_ns": gateway.access.now_ns() + gateway.access.rules.step_up_ns})
    return refuse(403, "code_wrong", answer.text)


@router.post("/api/v1/ticket", response_model=Ticket)
async def ticket(request: Request) -> Response:
    """A ticket that opens one WebSocket, where a program cannot send its token with the handshake."""
    gateway: Gateway = request.state.gateway
    caller: Caller = request.state.caller
    try:
        made = await gateway.access.ticket(caller.identity, caller.ip)
    except AccessRefused as refusal:
        return refuse(429, "rate", f"{refusal}", wait_s=30)
    return JSONResponse({"ticket": made, "seconds": gateway.access.rules.ticket_ns // SECOND_NS})
