"""A real server on this machine that answers well, badly, slowly, or not at all."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight import judges
from safelight.core.errors import BadInput
from safelight.judges.vlm import Vlm

NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


class Server(ThreadingHTTPServer):
    """Calls `answer` for every request, and keeps what it was sent."""

    answer: Callable[[Handler], None]
    asked: list[tuple[str, dict[str, str], dict[str, Any]]]
    daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.answer(self)

    def say(self, body: bytes, status: int = 200, *headers: tuple[str, str]):
        self.send_response(status)
        for header in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def chat(content: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def ask(server: Server, timeout: float = 5.0):
    [score] = Vlm(server.url, "m", "Is it a cat?", timeout)([NOISE])
    return score


@pytest.mark.parametrize(
    ("said", "value"),
    [("yes", 1.0), ("no", 0.0), ("Yes.", 1.0), (" NO\n", 0.0), ("no!", 0.0)],
)
def test_a_clear_answer_is_a_value(server, said, value):
    server.answer = lambda handler: handler.say(chat(said))
    assert ask(server).values == {"yes": value}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "maybe",
        "yes and no",
        "no, it is not",
        "Yes, but",
        "I cannot help with that",
        "nope",
        None,
        ["yes"],
        1,
    ],
)
def test_anything_else_is_no_answer(server, said):
    server.answer = lambda handler: handler.say(chat(said))
    score = ask(server)
    assert (score.values, score.status) == (None, "failed")
    assert "neither yes nor no" in score.detail


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"yes", 200),
        (b"\xff\xfe", 200),
        (b"[]", 200),
        (b'{"choices": []}', 200),
        (b'{"choices": [{"text": "yes"}]}', 200),
        (chat("yes") + b"x" * 2_000_000, 200),
        (chat("yes"), 500),
        (chat("no"), 401),
        (chat("no"), 404),
    ],
    ids=range(10),
)
def test_a_wrong_reply_fails(server, body, status):
    server.answer = lambda handler: handler.say(body, status)
    score = ask(server)
    assert (score.values, score.status) == (None, "failed")
    assert (f"status {status}" in score.detail) == (status != 200)


def silent(handler: Handler) -> None:
    time.sleep(1.5)


def dripping(handler: Handler) -> None:
    """A byte now and then: no pause is as long as the timeout, the whole is."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(15):
            handler.wfile.write(b"X-Wait: 1\r\n")
            time.sleep(0.1)
        handler.say(chat("no"))
    except OSError:
        pass  # the judge has gone


@pytest.mark.parametrize("answer", [silent, dripping])
def test_a_slow_reply_fails_in_time(server, answer):
    server.answer = answer
    begun = time.monotonic()
    assert ask(server, timeout=0.4).status == "failed"
    assert time.monotonic() - begun < 1.3


def test_a_connection_that_is_cut_and_one_that_is_refused_fail(server):
    server.answer = lambda handler: handler.connection.close()
    assert ask(server).status == "failed"
    [score] = Vlm("http://127.0.0.1:9", "m", "q", 1.0)([NOISE])
    assert score.status == "failed"


def test_a_redirect_is_not_followed(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.answer = lambda handler: handler.say(b"", 307, ("Location", f"{server.url}/elsewhere"))
    score = ask(server)
    assert "status 307" in score.detail
    assert "secret" not in score.detail
    assert len(server.asked) == 1


def test_the_picture_the_question_and_the_key_arrive(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.answer = lambda handler: handler.say(chat("yes"))
    ask(server)
    [(path, head, body)] = server.asked
    assert (path, head["Authorization"]) == ("/v1/chat/completions", "Bearer secret")
    assert (body["model"], body["temperature"]) == ("m", 0)
    text, image = body["messages"][0]["content"]
    assert text["text"] == "Is it a cat? Answer with one word: yes or no."
    kind, _, data = image["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(BytesIO(b64decode(data)))), NOISE)


def test_items_are_judged_one_by_one(server):
    said = iter([chat("yes"), b"?", chat("no")])
    server.answer = lambda handler: handler.say(next(said))
    scores = Vlm(server.url, "m", "q")([NOISE, None, NOISE, NOISE])
    assert [s.values for s in scores] == [{"yes": 1.0}, None, None, {"yes": 0.0}]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "localhost:8000"}, "url must be like http://localhost:8000/v1"),
        ({"url": "file:///etc"}, "url must be like"),
        ({"model": ""}, "model is empty"),
        ({"question": " "}, "question is empty"),
        ({"timeout": 0}, "timeout must be a finite number"),
    ],
)
def test_unusable_settings_are_refused(settings, said):
    with pytest.raises(BadInput, match=said):
        Vlm(**({"url": "http://x", "model": "m", "question": "q"} | settings))


def test_settings_come_by_name_and_their_lack_is_said():
    with pytest.raises(BadInput, match="the judge vlm has to be told its url and question"):
        judges.load("vlm", model="m")
    judge, preset = judges.load("vlm", url="http://x", model="m", question="q")
    assert (judge.version, preset.threshold) == ("1", 0.5)
    other, _ = judges.load("vlm", url="http://x", model="m", question="r")
    assert judge.content_hash != other.content_hash
    assert list(judges.kinds("vlm")) == ["url", "model", "question", "timeout"]
