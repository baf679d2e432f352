"""Measure requests per second of the `openai` policy in one process, and of the plain OpenAI SDK.

    python benchmarks/endpoint.py [--in-flight 256] [--latency 50] [--requests 2048] [--json]

The server is another process on loopback. It reads a request, waits, and answers always with the
same completion, at almost no cost. The `openai` policy uses the SDK's aiohttp transport;
`AsyncOpenAI()` uses its default transport, without a limit on connections. With 256 requests in
flight and 50 ms of latency no client can do more than 5,120 a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import openai
from langchain_core.messages import HumanMessage, SystemMessage

from starec_sim.policies.openai import OpenAIPolicy

SYSTEM = "You are the person described in the message: think, choose and answer. " * 10
USER = "<candidates>\n" + 'A. "A Film" | genre: Drama, War | year: 1995\n' * 20 + "</candidates>"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "tiny",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "<ranking>A > B > C</ranking>"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 300, "completion_tokens": 12, "total_tokens": 312},
}
BODY = json.dumps(ANSWER).encode()
RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(BODY) + BODY
)


class Server(asyncio.Protocol):
    """A server that finds only where one HTTP request ends and the next begins."""

    latency_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            _, _, length = self.buffer[:head].lower().partition(b"content-length:")
            end = head + 4 + int(length.split(b"\r\n")[0])
            if len(self.buffer) < end:
                return
            self.buffer = self.buffer[end:]
            asyncio.get_running_loop().call_later(self.latency_s, self.answer)

    def answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(RESPONSE)


async def serve(latency_s: float) -> None:
    Server.latency_s = latency_s
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """Run the server in a separate process, and yield its address."""
    command = [sys.executable, __file__, "--serve", "--latency", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.terminate()


async def drive(ask: Callable[[], Awaitable[object]], requests: int, in_flight: int) -> dict:
    """Send `requests` requests, `in_flight` at once; return the rate and the CPU time of each."""
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            await ask()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"requests_per_s": requests / wall, "cpu_ms_per_request": 1000 * cpu / requests}


async def measure(url: str, requests: int, in_flight: int) -> dict[str, dict[str, float]]:
    policy = OpenAIPolicy(model="tiny", base_url=url, max_in_flight=in_flight)
    sdk = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    asked = [SystemMessage(SYSTEM), HumanMessage(USER)]
    body = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
    results = {}
    try:
        for name, ask in {
            "openai policy": lambda: policy.ainvoke(asked, seed=7),
            "SDK as it comes": lambda: sdk.chat.completions.create(
                model="tiny", messages=body, seed=7
            ),
        }.items():
            await drive(ask, in_flight, in_flight)  # opens the connections
            results[name] = await drive(ask, requests, in_flight)
    finally:
        await policy.aclose()
        await sdk.close()
    ours, theirs = results.values()
    ours["times_sdk"] = ours["requests_per_s"] / theirs["requests_per_s"]
    ours["times_sdk_cpu"] = theirs["cpu_ms_per_request"] / ours["cpu_ms_per_request"]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=50, metavar="MS")
    parser.add_argument("--requests", type=int, default=2048)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency / 1000))
        return
    with server(options.latency) as url:
        results = asyncio.run(measure(url, options.requests, options.in_flight))
    if options.json:
        json.dump(results, sys.stdout)
        return
    print(f"{options.in_flight} in flight, {options.latency:g} ms latency")
    for name, figures in results.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<22}{value:>10,.2f}")


if __name__ == "__main__":
    main()
