"""A vision-language model behind any endpoint that speaks OpenAI's chat protocol: one question, yes or no.

Only a clear yes and a clear no are answers. Everything else, and every error, is a failed score.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from threading import Timer
from typing import Any, final
from urllib.parse import urlsplit

import numpy as np

from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.pictures import unreadable
from safelight.core.ports import Preset, Reads
from safelight.core.records import digest
from safelight.core.valid import number
from safelight.judges import failed
from safelight.store.images import png

ANSWERS = {"yes": 1.0, "no": 0.0}
ASK = "Answer with one word: yes or no."
LARGEST = 1_000_000  # bytes of an answer


@final
class Vlm:
    """The value of "yes" is 1 or 0: what the model answers to `question` about a picture uint8 [h, w, 3].

    url: the endpoint, such as http://localhost:8000/v1. model: its name there. timeout: seconds for one
    picture, all in all. The key is read from the environment variable OPENAI_API_KEY, if there is one.

    A served model has no hash that could be checked: the content hash is that of url, model and question.

    Raises:
        BadInput: a setting cannot be used.
    """

    name, version, range, labels = "vlm", "1", (0.0, 1.0), ("yes",)
    presets: Mapping[str, Preset] = {"default": Preset(("yes",), 0.5)}
    reads: Reads = "image"
    any_model = True

    def __init__(self, url: str, model: str, question: str, timeout: float = 30.0) -> None:
        self.place = urlsplit(url)
        if self.place.scheme not in ("http", "https") or not self.place.hostname:
            raise BadInput(f"url must be like http://localhost:8000/v1, got {url!r}")
        for what, text in (("model", model), ("question", question)):
            if not text.strip():
                raise BadInput(f"{what} is empty: a vlm judge needs one")
        number("timeout", timeout, 0.0, above=True)
        self.model, self.question, self.timeout = model, question, timeout
        self.content_hash = digest([url, model, question])

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [self._score(item) for item in items]

    def _score(self, item: Any) -> Score:
        if problem := unreadable(item):
            return failed(problem)
        try:
            said = json.loads(self._post(self._request(item)))["choices"][0]["message"]["content"]
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            return failed(f"{self.model} gave no answer: {error!r:.200}")
        word = said.strip().rstrip(".!").lower() if isinstance(said, str) else ""
        if word not in ANSWERS:
            return failed(f"{self.model} answered neither yes nor no: {said!r:.80}")
        return Score({"yes": ANSWERS[word]})

    def _request(self, image: np.ndarray) -> dict[str, Any]:
        shown = f"data:image/png;base64,{b64encode(png(image)).decode()}"
        content = [
            {"type": "text", "text": f"{self.question} {ASK}"},
            {"type": "image_url", "image_url": {"url": shown}},
        ]
        return {
            "model": self.model, "messages": [{"role": "user", "content": content}], "temperature": 0,
        }  # fmt: skip

    def _post(self, request: Mapping[str, Any]) -> bytes:
        """The body of the answer. No redirect is followed: it would take the key elsewhere."""
        kind = HTTPSConnection if self.place.scheme == "https" else HTTPConnection
        connection = kind(self.place.hostname or "", self.place.port, timeout=self.timeout)
        head = {"Content-Type": "application/json"}
        if key := os.environ.get("OPENAI_API_KEY"):
            head["Authorization"] = f"Bearer {key}"
        connection.connect()
        socket = connection.sock  # its own timeout begins anew with every byte
        late = Timer(self.timeout, socket.shutdown, [SHUT_RDWR])
        late.start()
        try:
            path = f"{self.place.path.rstrip('/')}/chat/completions"
            connection.request("POST", path, json.dumps(request), head)
            answer = connection.getresponse()
            body = answer.read(LARGEST)
            if answer.status != 200:
                raise HTTPException(f"status {answer.status}: {body[:80]!r}")
            return body
        finally:
            late.cancel()
            connection.close()
