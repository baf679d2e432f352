"""What the words of a refusal are about, and which setting to change.

Endpoints refuse in words of their own. A setting is proposed only if its parameter was sent and the
refusal names it; otherwise the hint lists what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|available context|max_model_len|n_ctx"
    r"|max_tokens must be at least|(prompt|input) is too long|reduce the length"
    r"|too many (input )?tokens",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"api.?key|(bad|invalid|wrong) (key|token|credentials)|unauthori[sz]ed", re.IGNORECASE
)
_HTTPS = re.compile(r"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS", re.IGNORECASE)
_ROLES = re.compile(r"\bsystem\b|\broles?\b|\bdeveloper\b", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|no such"
    r"|not allowed|instead",
    re.IGNORECASE,
)
"""Words about a parameter that is refused whatever its value."""

_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_LEAVE_OUT = {
    "seed": ("set seeded: false", r"\bseed\b"),
    "response_format": (
        "leave structured out, or set structured: {other}",
        r"response.?format|json.?schema|json.?object|\bschema\b|structured",
    ),
    "structured_outputs": (
        "leave structured out, or set structured: {other}",
        r"structured.?outputs|guided",
    ),
    "return_token_ids": ("set token_ids: false", r"return_token_ids|logprobs"),
    "temperature": ("leave temperature out, or set what it names", r"temperature"),
    "top_p": ("leave top_p out", r"top_p"),
}
"""By parameter, the setting to change, and the words by which refusals name it."""


def about_length(reason: str) -> bool:
    """Return whether a refusal says that the prompt is too long."""
    return _TOO_LONG.search(reason) is not None


def about_key(reason: str) -> bool:
    """Return whether a refusal is about the key; some endpoints answer 400 to a wrong one."""
    return _KEY.search(reason) is not None


def about_roles(reason: str) -> bool:
    """Return whether a refusal may be about the roles of the messages."""
    return _ROLES.search(reason) is not None


def wants_https(reason: str) -> bool:
    """Return whether a refusal says that the address must begin with https."""
    return _HTTPS.search(reason) is not None


def setting_to_change(reason: str, sent: Mapping[str, Any]) -> str:
    """Return which setting to change after a refusal.

    Args:
        reason: What the endpoint said.
        sent: The body of the request.

    >>> setting_to_change("seed: Extra inputs are not permitted", {"seed": 1, "temperature": 0})
    'set seeded: false'
    """
    for parameter, (change, words) in _LEAVE_OUT.items():
        if parameter in sent and re.search(words, reason, re.IGNORECASE):
            has_schema = "json_schema" in str(sent.get("response_format"))
            return change.format(other="json_object" if has_schema else "json_schema")
    for parameter, other in _LIMITS.items():
        if parameter in sent and re.search(rf"\b{parameter}\b", reason):
            if _UNKNOWN.search(reason):
                return f"set max_tokens_key: {other}"
            return f"change max_tokens (now {sent[parameter]}) as it says"
    if other_key := next((key for key in sent if key not in _OURS and key in reason), None):
        return f"change {other_key} in extra_body"
    if about_roles(reason) and any(message["role"] == "system" for message in sent["messages"]):
        return "set system: merge"
    extras = [key for key in sent if key not in ("model", "messages")]
    if any(message["role"] == "system" for message in sent["messages"]):
        extras.append("the role system")
    if not extras:
        return "see what it says; nothing but the model and the prompt was sent"
    return (
        f"if one of these is not known there, leave it out: {', '.join(extras)} (settings: seeded, "
        "structured, token_ids, max_tokens_key, system, extra_body)"
    )


_OURS = frozenset({*_LEAVE_OUT, *_LIMITS, "model", "messages", "logprobs", "stop"})
"""Parameters that do not come from `extra_body`."""
