"""Logging in and out: an inert page, a button that spends the link, a cookie.

GET  /login            says how to get a link
GET  /login/{token}    a page with a button; changes nothing, so a chat's link preview cannot spend the link
POST /login            spends the link, sets the cookie, goes to the dashboard
POST /logout           ends the session
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from domain.breakers import BreachSource
from domain.security import SecurityBreach
from gateway.auth import SESSION_LIFE_NS, LinkRefused
from gateway.gateway import Gateway
from gateway.guard import cookie_name

router = APIRouter()

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product}</title><link rel="icon" href="/static/style/moon.svg" type="image/svg+xml">
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
    form = (
        '<p>Log in on this browser. The link works once.</p><form method="post" action="/login">'
        f'<input type="hidden" name="token" value="{escape(token)}"><button>Log in</button></form>'
    )
    return _page(request.state.gateway, form)


@router.post("/login/{token:path}")  # noqa: FAST003 - the token is not looked at
async def refuse_link(request: Request) -> Response:
    """A link that is posted to is not spent; without this route its address would be logged as an unknown page."""
    return _without_link(request.state.gateway, "Open the link and press its button.", 405)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Spend the link and open a session."""
    gateway: Gateway = request.state.gateway
    form = parse_qs((await request.body()).decode(errors="replace"))
    token = form.get("token", [""])[0]
    try:
        secret, _ = gateway.auth.redeem(token)
    except LinkRefused as refusal:
        origin = request.client.host if request.client is not None else "nowhere"
        text = f"a login link that is none, or is spent, from {origin}"
        gateway.desk.report(SecurityBreach(source="dashboard", text=text, kind=BreachSource.LOGIN))
        return _without_link(gateway, str(refusal), 403)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        cookie_name(request.scope),
        secret,
        max_age=SESSION_LIFE_NS // 1_000_000_000,
        path="/",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session; its open pages notice at their next refresh."""
    request.state.gateway.auth.end(request.state.session)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request.scope), path="/")
    return answer
