"""Players: whoever answers with the weights that are being trained, and how they get new ones."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from langchain_core.language_models.chat_models import BaseChatModel

from starec_sim.errors import ConfigError, PolicyError
from starec_sim.learning.models import Method
from starec_sim.policies.gateway import Policy

_PATIENCE_S = 120.0
"""How long a server may take to read an adapter."""


class WeightSync(Protocol):
    """Answers in the simulation."""

    def load(self, version: Path, name: str) -> None:
        """Answer with this version from now on.

        Args:
            version: Its folder.
            name: What a server is to call it; no other version of any training is called so.

        Raises:
            PolicyError: It cannot be read.
        """
        ...


class LocalWeightSync:
    """Plays in this process: any policy that has `load`, as `local` has."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model: Any = model

    def load(self, version: Path, name: str) -> None:
        """Put the version in the engine's place; a base stays where it is below its adapter."""
        self._model.load(str(version))


class ServedWeightSync:
    """Plays behind a vLLM server, which reads each version as a LoRA adapter by its path.

    The server needs `--enable-lora`, `VLLM_ALLOW_RUNTIME_LORA_UPDATING=1`, and the same disk.
    """

    def __init__(self, model: Any) -> None:
        self._model: Any = model
        self._url = str(model.base_url).rstrip("/")
        self._loaded = ""

    def load(self, version: Path, name: str) -> None:
        """Let the server read the adapter, and ask for it by its name."""
        self._post("load_lora_adapter", {"lora_name": name, "lora_path": str(version.resolve())})
        if self._loaded and self._loaded != name:
            # A server that was started anew in between has forgotten it already.
            self._post("unload_lora_adapter", {"lora_name": self._loaded}, gone=404)
        self._loaded = self._model.model = name

    def _post(self, what: str, values: Mapping[str, str], gone: int | None = None) -> None:
        headers = {"Content-Type": "application/json"}
        if key := self._model.key():
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self._url}/{what}", json.dumps(values).encode(), headers
        )
        # The same way as the questions go, which is around the proxies of the environment.
        around = [] if self._model.trust_env else [urllib.request.ProxyHandler({})]
        try:
            with urllib.request.build_opener(*around).open(request, timeout=_PATIENCE_S):
                return
        except urllib.error.HTTPError as error:
            said = error.read(300).decode(errors="replace")
            # Each examination, and each training that is gone on with, loads a version once more.
            if error.code == gone or (error.code == 400 and "already" in said):
                return
            why = f"{error.code} {said}"
        except OSError as error:
            why = str(error)
        asked = values.get("lora_path", values["lora_name"])
        raise PolicyError(
            f"{self._url}/{what} did not take {asked}: {why}",
            hint="start it with --enable-lora --max-lora-rank RANK and "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, on a machine that sees this folder; if it wants a "
            "key, name the variable that holds it in api_key_env",
        )


def player_of(policy: Policy, method: Method) -> WeightSync:
    """Return how a policy gets new weights.

    Args:
        policy: Who plays.
        method: Whether the weights are whole, or an adapter.

    Raises:
        ConfigError: It cannot get any.
    """
    model = policy.model
    if callable(getattr(model, "load", None)):
        return LocalWeightSync(model)
    if getattr(model, "token_ids", False) and getattr(model, "base_url", None):
        if method == "full":
            raise ConfigError(
                "train.method: full, but a server reads new weights as an adapter only",
                hint="set train.method to lora, or let `local` play",
            )
        return ServedWeightSync(model)
    raise ConfigError(
        f"policies.fast: {type(model).__name__} can neither load weights nor report its tokens",
        hint="train `local`, or `openai` with token_ids: true and the base_url of a vLLM server",
    )
