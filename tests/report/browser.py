"""A headless Chromium that is spoken to over a pair of pipes, and tells what pages do."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any


class Browser:
    """One browser with one page, ``width`` pixels wide. ``requests`` and ``complaints`` are what pages asked for and
    complained of."""

    def __init__(self, program: str, *, width: int = 1280, height: int = 1000, patience: float = 120.0) -> None:
        self.width = width
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._patience = patience
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def renumber() -> None:
            # The two may be 3 and 4 themselves, in the wrong order.
            reading, writing = os.dup(to_browser), os.dup(from_browser)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self._process = subprocess.Popen(
            [
                program,
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
                *("--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage"),
                *(
                    f"--user-data-dir={self._profile.name}",
                    "--remote-debugging-pipe",
                    f"--window-size={width},{height}",
                ),
                "about:blank",
            ],
            preexec_fn=renumber,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number = 0
        self._rest = b""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._events: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank", session=None)["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True, session=None)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self._events.clear()
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self._until(lambda: "Page.loadEventFired" in self._events)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, a promise's too."""
        result = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + self._patience
        while not self.run(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.05)

    def prefer(self, scheme: str) -> None:
        """Pages are shown to somebody who prefers this colour scheme, ``light`` or ``dark``."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def pdf(self) -> bytes:
        """The page as it prints."""
        import base64

        return base64.b64decode(self._ask("Page.printToPDF", preferCSSPageSize=True)["data"])

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def _ask(self, method: str, session: str | None = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer: list[dict[str, Any]] = []
        self._until(lambda: bool(answer), number, answer)
        assert "error" not in answer[0], answer[0]
        result: dict[str, Any] = answer[0]["result"]
        return result

    def _until(self, done: Any, number: int = -1, answer: list[dict[str, Any]] | None = None) -> None:
        end = time.monotonic() + self._patience
        while not done():
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser ended"
            *messages, self._rest = (self._rest + data).split(b"\0")
            for message in messages:
                said = json.loads(message)
                if said.get("id") == number and answer is not None:
                    answer.append(said)
                elif "method" in said:
                    self._note(said["method"], said["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" or (method == "Runtime.consoleAPICalled" and params["type"] != "log"):
            self.complaints.append(json.dumps(params))
