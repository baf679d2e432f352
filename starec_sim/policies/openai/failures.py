"""The failure of a call as a `PolicyError`: what happened, and what to change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starec_sim.errors import PolicyError
from starec_sim.policies.gateway.failures import cause_of_status, retry_after_s
from starec_sim.policies.openai.target import Target

if TYPE_CHECKING:
    import openai

_TOO_LONG = re.compile(
    r"context (length|window|size)|max_model_len|max_tokens must be at least", re.IGNORECASE
)
"""What servers write about a prompt that is too long."""


def explain(error: Exception, target: Target) -> PolicyError:
    """Return an error of the SDK or of its transport as a `PolicyError`."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, target)
    # The transport reports a refused connection as a time-out: only the first cause is reliable.
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, TimeoutError):
        return PolicyError(
            f"{target.url} was silent for timeout_s = {target.timeout_s:g} seconds",
            hint="raise timeout_s, or lower max_in_flight if the server has too much to do",
            cause="time-out",
        )
    why = target.quote(f"{type(cause).__name__}: {cause}", 300)
    return PolicyError(
        f"no connection to {target.url}: {why}",
        hint=f"is the server running? try: curl {target.url}/models",
        cause="endpoint",
    )


def _explain_status(error: openai.APIStatusError, target: Target) -> PolicyError:
    url, status, code = target.url, error.status_code, str(error.code or "")
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    reason = target.quote(str(body or "no reason given"), 300)
    if status in (401, 403):
        variable = target.key_variable
        sent = f"the key in {variable}" if target.key else "no key"
        sent += f", {variable} unset" if variable and not target.key else ""
        what = f"{url} does not let us in with {sent} ({status})"
        hint = f"export {variable or 'SOME_KEY'}=... and name that variable in api_key_env"
    elif status == 404:
        what = f'{url} has no model "{target.model}", or is not the address of an API (404)'
        hint = f"see what it has with: curl {url}/models"
        hint += "" if re.search(r"/v\d", url) else f"; should base_url be {url}/v1?"
    elif status == 429:
        what = f"{url} takes no more requests (429)"
        hint = "set `limits` of the policy; if the quota is used up, top it up"
    elif status >= 500:
        what, hint = f"{url} failed ({status})", "see the server's log"
    elif code == "context_length_exceeded" or _TOO_LONG.search(reason):
        what = f'the prompt does not fit the context of "{target.model}" ({status})'
        hint = "lower max_tokens, show the user less, or serve the model with a longer context"
    else:
        what = f"{url} refused the request ({status})"
        hint = "change what it names: max_tokens_key, seeded, structured, token_ids, extra_body"
    return PolicyError(
        f"{what}: {reason}",
        hint=hint,
        cause=cause_of_status(status, code),
        retry_after_s=retry_after_s(error.response.headers),
    )
