"""Signing in with a browser: with a token, or at the identity provider (authorization code with PKCE).

A session's cookie holds a random secret and nothing else; the session itself stands in the database and ends there.
"""

import asyncio
import base64
import binascii
import html
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

from litestar import MediaType, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery

from federation.identity.identity import CredentialError
from federation.logs import Log
from gateway.api.requests import PUBLIC, AnyRequest, GivenWaypost
from gateway.door.authentication import COOKIE, cookie_of, session_secret
from gateway.door.front import client_of
from gateway.door.groups import ProviderError
from gateway.door.oidc import Attempt, is_same
from gateway.pages.page import HEADERS, local_path
from gateway.waypost import Waypost

log = Log(__name__)
ATTEMPT_COOKIE = "__Host-waypost-sign-in"
ATTEMPT_SECONDS = 600
ERROR = re.compile(r"[a-z_]{1,40}")
"""An error code of RFC 6749 4.1.2.1."""
ENDED = "Your session has ended: sign in again, and you are back where you were."
NOTHING_ENDED = "Nothing was ended: your browser sent no session that stands here."
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Sign in · Waypost</title>
    <link rel="icon" href="/static/waypost/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/static/pico/pico.min.css">
    <link rel="stylesheet" href="/static/waypost/waypost.css">
  </head>
  <body>
    <main class="container sign-in">
      <img src="/static/waypost/icon.svg" alt="" width="44" height="44">
      <h1>Sign in to Waypost</h1>
      {problem}
      {provider}
      <form method="post" action="/sign-in">
        <input type="hidden" name="next" value="{next}">
        <label>Token
          <input type="password" name="token" autocomplete="current-password" spellcheck="false" required>
        </label>
        <button type="submit">Sign in with a token</button>
      </form>
      <p class="quiet">An operator makes tokens: <code>waypost token create NAME --role viewer</code></p>
    </main>
  </body>
</html>
"""


@get(
    ["/sign-in", "/auth/sign-in"],
    opt=PUBLIC,
    media_type=MediaType.HTML,
    include_in_schema=False,
    sync_to_thread=False,
)
def sign_in_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[str]:
    """A form for a token, and the way to the identity provider where there is one."""
    if waypost.settings.auth.mode == "local":
        return _go("/")
    target = local_path(next)
    ended = target != "/" and session_secret(request.scope) is not None
    return _page(waypost, target, ENDED if ended else "")


@post("/sign-in", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False)
async def sign_in_with_token(request: AnyRequest, waypost: GivenWaypost) -> Response[str]:
    """Begin a session with a token."""
    form = await request.form()
    target = local_path(str(form.get("next") or "/"))
    try:
        secret = await asyncio.to_thread(_begin_with_token, waypost, str(form.get("token") or "").strip())
    except CredentialError as error:
        waypost.denials.sign_in_refused(client_of(request.scope), error.reason)
        return _page(waypost, target, f"This token does not let you in: {error}", 401)
    return _go(target, _cookie(COOKIE, secret, waypost.settings.auth.session_hours * 3600))


@get("/auth/login", opt=PUBLIC, include_in_schema=False, sync_to_thread=True)
def begin_sign_in(
    request: AnyRequest,
    waypost: GivenWaypost,
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[str]:
    """Send the browser to the identity provider."""
    if waypost.provider is None:
        return _go("/sign-in")
    attempt = Attempt.new()
    values = [attempt.state, attempt.nonce, attempt.verifier, local_path(next)]
    kept = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    address = waypost.provider.sign_in_url(attempt, _redirect(request, waypost))
    return _go(address, _cookie(ATTEMPT_COOKIE, kept, ATTEMPT_SECONDS))


@get("/auth/callback", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=True)
def end_sign_in(request: AnyRequest, waypost: GivenWaypost, code: FromQuery[str] = "") -> Response[str]:
    """Take the browser back from the identity provider and begin its session."""
    provider = waypost.provider
    kept = _kept(cookie_of(request.scope, ATTEMPT_COOKIE) or "")
    state = request.query_params.get("state", "")
    is_ours = provider is not None and kept is not None and is_same(kept[0].state, state)
    if is_ours and not code:
        said = request.query_params.get("error", "")
        return _refused(request, waypost, f"it says {said if ERROR.fullmatch(said) else 'no code'}")
    if provider is None or kept is None or not is_ours:
        waypost.denials.sign_in_refused(client_of(request.scope), "not begun here")
        return _page(waypost, "/", "This sign-in was not begun here or took too long: begin again", 401)
    attempt, target = kept
    try:
        person = provider.redeem(code, attempt, _redirect(request, waypost))
        waypost.denials.admit_sign_in(waypost.identity.directory.principal_of(person))
    except ProviderError as error:
        log.warning("nobody can sign in", error=error.whole)
        waypost.denials.sign_in_refused(client_of(request.scope), "no answer of the identity provider")
        return _page(waypost, target, f"Signing in failed: {error}", 503)
    except CredentialError as error:
        return _refused(request, waypost, error.reason, target)
    life = timedelta(hours=waypost.settings.auth.session_hours)
    secret = waypost.identity.sign_in_as_person(person, life, person.renewal)
    if person.remark or not waypost.identity.directory.of_session(secret).principal.roles:
        target = "/account?" + urlencode({"next": target})  # which says what is missing
    return _go(target, _cookie(COOKIE, secret, life.total_seconds()), _cookie(ATTEMPT_COOKIE, "", 0))


@post("/auth/logout", opt=PUBLIC, include_in_schema=False, sync_to_thread=True)
def sign_out(request: AnyRequest, waypost: GivenWaypost) -> Response[str]:
    """End the session; where there is none that stands, say so: somebody may rely on being out."""
    secret = session_secret(request.scope)
    if secret is None or not waypost.identity.sign_out(secret):
        return _page(waypost, "/", NOTHING_ENDED, cookies=[_cookie(COOKIE, "", 0)])
    return _go("/sign-in", _cookie(COOKIE, "", 0))


def _refused(request: AnyRequest, waypost: Waypost, reason: str, target: str = "/") -> Response[str]:
    waypost.denials.sign_in_refused(client_of(request.scope), reason)
    return _page(waypost, target, f"Signing in failed. The identity provider's answer: {reason}", 401)


def _begin_with_token(waypost: Waypost, token: str) -> str:
    known = waypost.identity.directory.of_token(token)
    waypost.denials.admit_sign_in(known.principal.id)
    return waypost.identity.sign_in_with_token(known, timedelta(hours=waypost.settings.auth.session_hours))


def _redirect(request: AnyRequest, waypost: Waypost) -> str:
    public = waypost.settings.server.public_url
    return f"{public or str(request.base_url).rstrip('/')}/auth/callback"


def _kept(cookie: str) -> tuple[Attempt, str] | None:
    try:
        state, nonce, verifier, target = json.loads(base64.urlsafe_b64decode(cookie))
        return Attempt(str(state), str(nonce), str(verifier)), local_path(str(target))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None


def _cookie(name: str, value: str, seconds: float) -> Cookie:
    return Cookie(
        name, value=value, max_age=int(seconds), path="/", secure=True, httponly=True, samesite="lax"
    )


def _go(target: str, *cookies: Cookie) -> Response[str]:
    headers = {"Location": target, "Cache-Control": "no-store"}
    return Response("", status_code=303, headers=headers, cookies=list(cookies), media_type=MediaType.TEXT)


def _page(
    waypost: Waypost, target: str, problem: str = "", status: int = 200, cookies: Sequence[Cookie] = ()
) -> Response[str]:
    next_ = html.escape(target)
    text = PAGE.format(
        problem=f'<p role="alert">{html.escape(problem)}</p>' if problem else "",
        provider=""
        if waypost.provider is None
        else f'<p><a role="button" href="/auth/login?{html.escape(urlencode({"next": target}))}">'
        "Sign in with your organisation</a></p>",
        next=next_,
    )
    return Response(
        text, status_code=status, media_type=MediaType.HTML, headers=dict(HEADERS), cookies=list(cookies)
    )
