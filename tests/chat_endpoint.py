"""A loopback server with OpenAI's chat format that fails on demand."""

import asyncio
import threading

import pytest
from aiohttp import web


def completion(content="hello", *, finish_reason="stop", usage=(5, 2), **message):
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "fake-mini-1",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
    }
    if usage is not None:
        read, written = usage
        body["usage"] = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
    return body


class Endpoint:
    """Answers with the queued replies in turn; the last one is repeated."""

    completion = staticmethod(completion)

    def __init__(self):
        self.url = ""
        self.bodies = []
        self.headers = []
        self.paths = []
        self.most_at_once = 0
        self._at_once = 0
        self._replies = [{"json": completion()}]
        self._company = asyncio.Event()
        self._stop = asyncio.Event()

    def replies(self, *replies):
        """Queue replies, or functions that make one from the body of a request.

        A reply is a dict of `json`, `text` or `data`, `content_type`, `status`, `headers`, and
        how to answer. `delay_s` answers late, `together` once so many requests are in flight,
        `hang` never; `drop` cuts the connection.
        """
        self._replies = list(replies)

    async def _chat(self, request):
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        self.paths.append(request.path_qs)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        reply = reply(self.bodies[-1]) if callable(reply) else reply
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self._at_once >= reply.get("together", 0):
                self._company.set()
            await self._company.wait()
            if reply.get("hang"):
                await self._stop.wait()
            if reply.get("drop"):
                request.transport.abort()
            await asyncio.sleep(reply.get("delay_s", 0))
        finally:
            self._at_once -= 1
        status, headers = reply.get("status", 200), reply.get("headers")
        if "json" in reply:
            return web.json_response(reply["json"], status=status, headers=headers)
        if "data" in reply:
            return web.Response(body=reply["data"], status=status, headers=headers)
        return web.Response(
            text=reply.get("text", ""),
            status=status,
            headers=headers,
            content_type=reply.get("content_type", "text/html"),
        )

    async def serve(self, ready):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._loop = asyncio.get_running_loop()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)


@pytest.fixture
def endpoint():
    """An endpoint on its own thread, so that a busy client cannot delay it."""
    server, ready = Endpoint(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(ready)))
    thread.start()
    assert ready.wait(10)
    yield server
    server.stop()
    thread.join(10)
