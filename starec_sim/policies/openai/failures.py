"""The failure of a call as a `PolicyError`: what happened, and what to change."""

from __future__ import annotations

import re
import socket
import ssl
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starec_sim.errors import PolicyError
from starec_sim.policies.gateway.failures import cause_of_status, retry_after_s
from starec_sim.policies.openai.refusals import (
    about_key,
    about_length,
    setting_to_change,
    wants_https,
)
from starec_sim.policies.openai.target import Target

if TYPE_CHECKING:
    import openai


def explain(error: Exception, target: Target, sent: Mapping[str, Any]) -> PolicyError:
    """Return an error of the SDK or of its transport as a `PolicyError`.

    Args:
        error: What was raised.
        target: The endpoint.
        sent: The body of the request.
    """
    import openai
    from aiohttp.http_exceptions import HttpProcessingError

    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, target, sent)
    # The transport reports a refused connection as a time-out: only the first cause is reliable.
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, PolicyError):
        return cause
    if isinstance(cause, TimeoutError):
        return PolicyError(
            f"{target.url} was silent for timeout_s = {target.timeout_s:g} seconds",
            hint="raise timeout_s, or lower max_in_flight if the server has too much to do",
            cause="time-out",
        )
    why = target.quote(f"{type(cause).__name__}: {cause}", 300)
    if type(cause).__name__ == "TooManyRedirects":
        return PolicyError(
            f"{target.url} redirects again and again",
            hint="write the address of the API itself as base_url; see the server's log",
            cause="closed",
        )
    if isinstance(cause, HttpProcessingError | zlib.error):
        return PolicyError(
            f"{target.url} answers in what is no valid HTTP: {why}",
            hint="base_url must be the API itself; see the log of the server or of a proxy",
            cause="endpoint",
        )
    return PolicyError(
        f"no connection to {target.url}: {why}",
        hint=_connection_hint(cause, target),
        cause="endpoint",
    )


def _connection_hint(cause: BaseException, target: Target) -> str:
    """Return what to do about a connection that failed."""
    if isinstance(cause, socket.gaierror):
        return "no host has this name: check the spelling of base_url, and the network"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "its certificate is not trusted here: export SSL_CERT_FILE=... with that of its "
            "authority and set trust_env: true"
        )
    if isinstance(cause, ssl.SSLError):
        plain = target.url.replace("https://", "http://", 1)
        return f"it does not speak TLS: if it is a plain server, write base_url: {plain}"
    return f"is the server running? try: curl {target.url}/models"


def _explain_status(
    error: openai.APIStatusError, target: Target, sent: Mapping[str, Any]
) -> PolicyError:
    url, status, code = target.url, error.status_code, str(error.code or "")
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    reason = target.quote(str(body or "no reason given"), 300)
    cause = cause_of_status(status, code)
    if status < 400:
        what = f"{url} answered with the status {status}, which is no answer"
        hint = "base_url must be the API itself; see the log of the server or of a proxy"
    elif status == 402 or (status == 429 and cause == "closed"):
        what, hint = f"the account at {url} has no credit ({status})", "top it up"
    elif status == 401 or (cause in ("refused", "denied") and about_key(reason)):
        cause = "closed" if cause == "refused" else cause
        variable = target.key_variable
        carried = f"the key in {variable}" if target.key else "no key"
        carried += f", {variable} unset" if variable and not target.key else ""
        what = f"{url} does not let us in with {carried} ({status})"
        hint = _key_hint(target)
    elif status == 403:
        what = f"{url} refused the request (403)"
        hint = f"if the key may not use {target.model}: {_key_hint(target)}"
    elif status == 404:
        what, hint = _explain_not_found(target, reason)
    elif status == 405:
        what = f"{url}/chat/completions takes no questions (405)"
        hint = "write the address of the API as base_url, usually ending in /v1"
    elif cause == "overload":
        what = f"{url} takes no more requests ({status})"
        hint = "set `limits` of the policy, or try again later"
    elif status >= 500:
        what, hint = f"{url} failed ({status})", "see the server's log"
    elif code == "context_length_exceeded" or about_length(reason):
        what = f'the prompt does not fit the context of "{target.model}" ({status})'
        hint = (
            f"lower max_tokens{_now(sent)} or agent.history_shown, or serve the model with a "
            "longer context"
        )
    elif wants_https(reason):
        what = f"{url} refused the request ({status})"
        hint = f"write base_url: {url.replace('http://', 'https://', 1)}"
    else:
        what = f"{url} refused the request ({status})"
        hint = f"{setting_to_change(reason, sent)}; then start anew, a resume keeps its settings"
    return PolicyError(
        f"{what}: {reason}",
        hint=hint,
        cause=cause,
        retry_after_s=retry_after_s(error.response.headers),
    )


def _key_hint(target: Target) -> str:
    return f"export {target.key_variable or 'SOME_KEY'}=... and name that variable in api_key_env"


def _explain_not_found(target: Target, reason: str) -> tuple[str, str]:
    """Return what happened and what to change, of a response with status 404."""
    url = target.url
    if "model" in reason.lower() or target.model in reason:
        what = f'{url} has no model "{target.model}" (404)'
        return what, f"see what it has with: curl {url}/models"
    what = f'{url} answers nothing at /chat/completions, or has no model "{target.model}" (404)'
    if not re.search(r"/v\d", url):
        return what, f"should base_url be {url}/v1? see what is there: curl {url}/v1/models"
    return what, f"see whether it is the API, and which models it has, with: curl {url}/models"


def _now(sent: Mapping[str, Any]) -> str:
    limit = sent.get("max_tokens") or sent.get("max_completion_tokens")
    return f" (now {limit})" if limit else ""
