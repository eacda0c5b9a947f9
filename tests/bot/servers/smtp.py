"""A real mail server (aiosmtpd) on loopback, in a thread of its own, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
from email.message import EmailMessage
from email.policy import default
from functools import partial

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER = "desk"
PASSWORD = "smtp-password-canary-77aa"


class MailServer:
    """Start it; `mails` holds what it took, `answers` what it says at a step instead of taking: `answers["RCPT"]`."""

    def __init__(self, *, login: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.steps: list[str] = []
        self.answers: dict[str, list[str]] = {}
        self.hang_after_data = False
        self.port = 0
        self._login = login
        self._tls = tls
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        made = partial(
            SMTP,
            self,
            loop=self._loop,
            tls_context=self._tls,
            authenticator=self._check,
            auth_required=self._login,
            hostname="mail.test",
        )
        serving = self._loop.create_server(made, "127.0.0.1", 0)
        future = asyncio.run_coroutine_threadsafe(serving, self._loop)
        self._server = await asyncio.wrap_future(future)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._loop.is_closed():
            return

        async def close() -> None:
            if self._server is not None:
                self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(close(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _check(self, _server, _session, _envelope, mechanism, auth) -> AuthResult:
        self.steps.append(f"AUTH {mechanism}")
        right = isinstance(auth, LoginPassword) and (auth.login, auth.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    def _answer(self, step: str, taken: str) -> str:
        self.steps.append(step)
        told = self.answers.get(step)
        return told.pop(0) if told else taken

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:  # noqa: N802 - the library looks for this name
        answer = self._answer("MAIL", "250 OK")
        envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802 - the library looks for this name
        answer = self._answer("RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - as above
        answer = self._answer("DATA", "250 queued")
        if answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        if self.hang_after_data:
            self.hang_after_data = False
            server.transport.abort()
        return answer
