"""A run as OpenTelemetry spans, by the conventions for generative AI of version 1.41.0.

A visit is a trace: a span `invoke_agent` over one span `chat` for each call of a policy. A file has
one request of OTLP in JSON on each line, as the collector's `otlpjsonfile` receiver reads it.

A record says how long calls took, and not when they began. So the spans of a visit follow each
other without gaps from the start of the run; the attribute `starec.times` says so.
"""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starec_sim.errors import RunError
from starec_sim.exports.visits import RecordedVisit, recorded_visits
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.whole_file import whole_file
from starec_sim.types import Turn

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
"""The version of the conventions that the names of attributes are from."""
_TIMES = "starts are laid out from the start of the run; durations are recorded"
_INTERNAL, _CLIENT = 1, 3
"""Kinds of spans."""
_ERROR = 2
"""The status of a span whose call failed."""
_TIMEOUT_S = 10.0
_IDS = ("traceId", "spanId", "parentSpanId")
_NOT_THIS_FORM = 415
"""The status of a collector that takes no requests in JSON."""


def write_otel(run: Path, file: Path) -> int:
    """Write the spans of a run to a file, and return how many there are.

    Raises:
        RunError: The run cannot be read, or the file cannot be written.
    """
    spans = 0
    with whole_file(file) as out:
        for request, count in _requests(run):
            out.write(json.dumps(request, ensure_ascii=False) + "\n")
            spans += count
    return spans


def send_otel(run: Path, endpoint: str) -> int:
    """Send the spans of a run to a collector, and return how many there are.

    Args:
        run: The run's folder.
        endpoint: The collector's address, e.g. http://127.0.0.1:4318.

    Raises:
        RunError: The run cannot be read, or the collector does not take the spans.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RunError(
            f'"{endpoint}" is no address of a collector', hint="--endpoint http://127.0.0.1:4318"
        )
    url = endpoint.rstrip("/")
    url = url if url.endswith("/v1/traces") else f"{url}/v1/traces"
    # A collector on this machine is never reached through a proxy.
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    handlers = [urllib.request.ProxyHandler({})] if local else []
    opener, spans = urllib.request.build_opener(*handlers), 0
    collector = _Collector(opener, url)
    for request, count in _requests(run):
        try:
            collector.send(request)
        except urllib.error.HTTPError as error:
            raise RunError(
                f"the collector at {parts.netloc} answers {error.code} after {spans} spans",
                hint=f"it must take OTLP over HTTP at {url}",
            ) from None
        except OSError as error:
            raise RunError(
                f"the collector at {parts.netloc} cannot be reached after {spans} spans: "
                f"{getattr(error, 'reason', error)}",
                hint="start it, or write a file: --to otel --out spans.jsonl",
            ) from None
        spans += count
    return spans


class _Collector:
    """Takes requests in JSON, or in binary if it takes no JSON."""

    def __init__(self, opener: urllib.request.OpenerDirector, url: str) -> None:
        self._opener, self._url = opener, url
        self._encode: Callable[[dict[str, Any]], bytes] = _as_json
        self._content_type = "application/json"

    def send(self, request: dict[str, Any]) -> None:
        try:
            self._post(self._encode(request))
        except urllib.error.HTTPError as error:
            if error.code != _NOT_THIS_FORM or self._encode is not _as_json:
                raise
            self._encode = _protobuf_encoder(urlsplit(self._url).netloc)
            self._content_type = "application/x-protobuf"
            self._post(self._encode(request))

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(self._url, body, {"Content-Type": self._content_type})
        self._opener.open(request, timeout=_TIMEOUT_S).close()


def _as_json(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode()


def _protobuf_encoder(collector: str) -> Callable[[dict[str, Any]], bytes]:
    """Return what writes requests in binary, for collectors such as Phoenix that take no JSON."""
    try:
        from google.protobuf.json_format import ParseDict
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    except ImportError:
        raise RunError(
            f"the collector at {collector} takes no JSON, and binary requests need the package "
            "opentelemetry-proto",
            hint="pip install 'starec-sim[interop]'",
        ) from None

    def encode(request: dict[str, Any]) -> bytes:
        message = trace_service_pb2.ExportTraceServiceRequest()
        # Ids are hexadecimal in OTLP's JSON, and base64 in that of protobuf.
        encoded: bytes = ParseDict(_with_base64_ids(request), message).SerializeToString()
        return encoded

    return encode


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: b64encode(bytes.fromhex(each)).decode() if key in _IDS else _with_base64_ids(each)
        for key, each in value.items()
    }


def _requests(run: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield a request of OTLP for each visit, and its number of spans."""
    manifest = read_manifest(run)
    with reading(run) as reader:
        reader.require("everything", "`starec export --to otel`")
        for visit in recorded_visits(reader):
            spans = _spans(run.name, manifest, visit)
            resource = _attributes(
                {
                    "service.name": "starec-sim",
                    "starec.run": run.name,
                    "starec.arm": visit.trial.arm,
                    "starec.seed": visit.trial.seed,
                    "starec.times": _TIMES,
                }
            )
            scoped = {"scope": {"name": "starec_sim"}, "spans": spans, "schemaUrl": SCHEMA}
            body = {"resource": {"attributes": resource}, "scopeSpans": [scoped]}
            yield {"resourceSpans": [body]}, len(spans)


def _spans(run: str, manifest: Manifest, visit: RecordedVisit) -> list[dict[str, Any]]:
    name = visit.name(run)
    trace, root = _id(name, 16), _id(f"{name}/visit", 8)
    started = now = int(datetime.fromisoformat(manifest.started).timestamp() * 1e9)
    spans = []
    for step in visit.steps:
        for turn in step.turns:
            end = now + int(turn.latency_s * 1e9)
            key = f"{name}/{step.step}/{turn.node}/{turn.attempt}"
            span = _chat(turn, step.step)
            spans.append({**span, **_times(trace, _id(key, 8), now, end), "parentSpanId": root})
            now = end
    attributes: dict[str, str | int | float | None] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "user",
        "gen_ai.conversation.id": name,
        "starec.user": visit.user.id,
        "starec.round": visit.round + 1,
    }
    agent = {
        "name": "invoke_agent user",
        "kind": _INTERNAL,
        "attributes": _attributes(attributes),
        **_times(trace, root, started, now),
    }
    return [agent, *spans]


def _chat(turn: Turn, step: int) -> dict[str, Any]:
    asked = [{"role": role, "parts": [_text(text)]} for role, text in turn.messages]
    reason = turn.ending or "stop"
    said = [{"role": "assistant", "parts": [_text(turn.completion)], "finish_reason": reason}]
    provider, _, model = turn.policy.partition(":")
    attributes: dict[str, str | int | float | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model or provider,
        "gen_ai.input.messages": json.dumps(asked, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps(said if not turn.failure else [], ensure_ascii=False),
        "gen_ai.usage.input_tokens": turn.tokens_in,
        "gen_ai.usage.output_tokens": turn.tokens_out,
        "error.type": turn.failure.partition(":")[0] or None,
        "starec.node": turn.node,
        "starec.attempt": turn.attempt + 1,
        "starec.step": step + 1,
        "starec.source": turn.source,
        "starec.unreadable": turn.error or None,
        "starec.cost_usd": turn.cost_usd,
    }
    failed = {"status": {"code": _ERROR, "message": turn.failure}} if turn.failure else {}
    return {
        "name": f"chat {model or provider}",
        "kind": _CLIENT,
        "attributes": _attributes(attributes),
        **failed,
    }


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def _times(trace: str, span: str, start_ns: int, end_ns: int) -> dict[str, str]:
    return {
        "traceId": trace,
        "spanId": span,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(end_ns),
    }


def _attributes(values: Mapping[str, str | int | float | None]) -> list[dict[str, Any]]:
    """Return attributes in the form of OTLP; those without a value are left out."""
    typed = []
    for key, value in values.items():
        if isinstance(value, int):
            typed.append({"key": key, "value": {"intValue": str(value)}})
        elif isinstance(value, float):
            typed.append({"key": key, "value": {"doubleValue": value}})
        elif value is not None:
            typed.append({"key": key, "value": {"stringValue": value}})
    return typed


def _id(name: str, size: int) -> str:
    """Return the id of a span or trace: the same export gives the same ids."""
    return hashlib.sha256(name.encode()).hexdigest()[: 2 * size]
