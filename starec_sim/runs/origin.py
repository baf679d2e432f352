"""Whether a run was made by this user on this machine.

A key that never leaves the machine signs the manifest of each new run. Who makes a folder elsewhere
cannot sign it. The folder may be moved; `docs/decisions/0039-code-of-other-peoples-folders.md` says
what is signed, and why.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

_KEY, _KEY_BYTES = "key", 32


def state_folder() -> Path:
    """Return the folder of what this program keeps for a user on a machine."""
    if told := os.environ.get("XDG_STATE_HOME"):
        return Path(told) / "starec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "starec"
    return Path.home() / ".local/state/starec"


def signature(facts: Mapping[str, Any]) -> str | None:
    """Return the signature of JSON values by the key of this user; None if no key can be kept."""
    key = _key()
    if key is None:
        return None
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), sha256).hexdigest()


def is_signed(facts: Mapping[str, Any], stored: str | None) -> bool:
    """Return whether a signature was made with the key of this user."""
    if not stored:
        return False
    return hmac.compare_digest((signature(facts) or "").encode(), stored.encode())


def _key() -> bytes | None:
    """Return the key, which is made when it is first needed."""
    try:
        path = state_folder() / _KEY
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except (OSError, RuntimeError):  # a home that is missing or cannot be written to
        return None
    return key if len(key) == _KEY_BYTES else None
