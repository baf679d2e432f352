"""How the policy that plays gets the weights that are being trained."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from starec_sim.errors import ConfigError, PolicyError
from starec_sim.learning.models import Method
from starec_sim.policies.abilities import Loadable, ServedWeights
from starec_sim.policies.gateway import Policy
from starec_sim.policies.gateway.failures import quoted

_PATIENCE_S = 120.0
"""Seconds that a server may take to read an adapter."""


class WeightSync(Protocol):
    """Gives new weights to the policy that plays."""

    def load(self, version: Path, name: str) -> None:
        """Let the policy answer with this version from now on.

        Args:
            version: The folder of the weights.
            name: What a server calls it; unique over all trainings that it serves.

        Raises:
            PolicyError: It cannot be read.
        """
        ...


class LocalWeightSync:
    """For a policy in this process that can load weights, as `local` can."""

    def __init__(self, model: Loadable) -> None:
        self._model = model

    def load(self, version: Path, name: str) -> None:
        """Replace the weights; under an adapter, the base stays loaded."""
        self._model.load(str(version))


class ServedWeightSync:
    """For a policy behind a vLLM server, which reads each version as a LoRA adapter by its path.

    The server needs `--enable-lora`, `VLLM_ALLOW_RUNTIME_LORA_UPDATING=1`, and the same disk.
    """

    def __init__(self, model: ServedWeights) -> None:
        self._model = model
        self._url = str(model.base_url).rstrip("/")
        self._loaded = ""

    def load(self, version: Path, name: str) -> None:
        """Let the server read the adapter, and ask for it by its name from now on."""
        self._post("load_lora_adapter", {"lora_name": name, "lora_path": str(version.resolve())})
        if self._loaded and self._loaded != name:
            # A server that was restarted in between does not have it any more.
            self._post("unload_lora_adapter", {"lora_name": self._loaded}, gone=404)
        self._loaded = self._model.model = name

    def _post(self, what: str, values: Mapping[str, str], gone: int | None = None) -> None:
        headers = {"Content-Type": "application/json"}
        if key := self._model.key():
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self._url}/{what}", json.dumps(values).encode(), headers
        )
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        # As for calls: the proxies of the environment are used only if the settings trust them.
        if not self._model.trust_env:
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=_PATIENCE_S):
                return
        except urllib.error.HTTPError as error:
            body = error.read(300).decode(errors="replace")
            # A resumed training loads a version again.
            if error.code == gone or (error.code == 400 and "already" in body):
                return
            why = f"{error.code} {quoted(body, 300)}"
        except OSError as error:
            why = str(error)
        version = values.get("lora_path", values["lora_name"])
        raise PolicyError(
            f"{self._url}/{what} did not take {version}: {why}",
            hint="start it with --enable-lora --max-lora-rank RANK and "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, on a machine that sees this folder; if it wants a "
            "key, name the variable that holds it in api_key_env",
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would send the key on, and turn the request into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


def weight_sync_of(policy: Policy, method: Method) -> WeightSync:
    """Return what gives a policy its new weights.

    Args:
        policy: The one that plays.
        method: Whether all weights are trained, or an adapter.

    Raises:
        ConfigError: The policy cannot get new weights.
    """
    model = policy.model
    if isinstance(model, Loadable):
        return LocalWeightSync(model)
    if isinstance(model, ServedWeights) and model.token_ids and model.base_url:
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
