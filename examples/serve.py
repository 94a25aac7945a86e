"""An export folder behind HTTP: requests that come within milliseconds of each other are answered by one forward pass.

python examples/serve.py EXPORT_FOLDER [--port 8000]
curl localhost:8000 --data '["a text", {"text": "another"}]'      a list of rows in, a list of answers out

It needs onnxruntime and tokenizers, and the folder's own predict.py; examples/Containerfile makes an image of the two.
Whatever shares a pass changes no answer of an fp32 file, nor of an int8 one that was quantised statically.
"""

import argparse
import contextlib
import itertools
import json
import queue
import runpy
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

AT_ONCE = 32  # rows of a pass; a request with more is one by itself
WAIT = 0.003  # seconds that the first row of a pass waits for others
LARGEST = 1 << 20  # bytes of a request

Ask = Callable[[list[Any]], list[Any]]


class Batcher:
    """Lets many threads share a model, which one thread asks."""

    def __init__(self, model: Ask) -> None:
        self.model = model
        self.waiting: queue.Queue[tuple[list[Any], Future[list[Any]]]] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def __call__(self, rows: list[Any]) -> list[Any]:
        """The answers to some rows; a `ValueError` where they are not what the model reads."""
        answers: Future[list[Any]] = Future()
        self.waiting.put((rows, answers))
        return answers.result()

    def _work(self) -> None:
        while True:
            requests = [self.waiting.get()]
            until = time.monotonic() + WAIT
            with contextlib.suppress(queue.Empty):
                while sum(len(rows) for rows, _ in requests) < AT_ONCE:
                    requests.append(self.waiting.get(timeout=max(0.0, until - time.monotonic())))
            self._answer(requests)

    def _answer(self, requests: list[tuple[list[Any], Future[list[Any]]]]) -> None:
        try:
            answers = iter(self.model([row for rows, _ in requests for row in rows]))
        except Exception as error:  # whatever it is, it is for the one who asked to hear, not for those beside
            if len(requests) == 1:
                requests[0][1].set_exception(error)
            else:
                for request in requests:
                    self._answer([request])
        else:
            for rows, found in requests:
                found.set_result(list(itertools.islice(answers, len(rows))))


class Server(ThreadingHTTPServer):
    """Answers lists of rows with lists of answers."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], model: Ask) -> None:
        super().__init__(address, Handler)
        self.ask = Batcher(model)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet: the second of two would wait for the first one's receipt, 40 ms
    server: Server

    def do_GET(self) -> None:
        """Says that it is alive."""
        self._reply(200, {"ready": True})

    def do_POST(self) -> None:
        """Rows in, answers out; 400 for what the model does not read."""
        try:
            size = int(self.headers["Content-Length"])
            if not 0 < size <= LARGEST:
                self.close_connection = True  # its body is not read
                return self._reply(413, {"error": f"a request has at most {LARGEST} bytes"})
            rows = json.loads(self.rfile.read(size))
            if not isinstance(rows, list):
                raise ValueError("a request is a list of rows")
            self._reply(200, self.server.ask(rows))
        except (ValueError, TypeError) as error:
            self._reply(400, {"error": str(error)})

    def _reply(self, code: int, content: Any) -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing for each request."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answer over HTTP.")
    parser.add_argument("folder", type=Path, help="an export folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", help="as of predict.py")
    asked = parser.parse_args()
    model = runpy.run_path(str(asked.folder / "predict.py"))["Model"](asked.folder, asked.model)
    server = Server((asked.host, asked.port), model)
    # A container's first process ends by no signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"http://{asked.host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
