"""A key that must show nowhere, every way to ask with it, and what a run showed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm import Mediator, load_config
from tests.end_to_end.everything import everything, files_with, inside, write_config

if TYPE_CHECKING:
    import pytest

CANARY = "sk-canary-7f3a9b2c4d5e6f70"
SAID = CANARY.encode()
BASES = {"openai": "/v1", "anthropic": "", "google": "", "lmstudio": "/v1", "openrouter": "/v1"}


class Seen:
    """Collects what a run showed; never keeps the canary in a frame that a traceback could print."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._caplog = caplog
        self._capfd = capfd
        self.texts: list[str] = []
        self.errors: list[BaseException] = []

    def failing(self, work: Callable[[], Any]) -> Any:
        """Do it; keep what it raises."""
        try:
            return work()
        except Exception as error:
            self.errors.append(error)
            return None

    def check(self) -> None:
        """Nothing of it holds the canary."""
        out, err = self._capfd.readouterr()
        logs = [repr((record.getMessage(), record.args, record.__dict__)) for record in self._caplog.records]
        found = {
            "stdout": out,
            "stderr": err,
            "log": self._caplog.text + "\n".join(logs),
            "errors": "\n".join(everything(error) for error in self.errors),
            "reprs": "\n".join(self.texts),
        }
        leaks = {where: _around(text) for where, text in found.items() if CANARY in text}
        assert leaks == {}
        assert files_with(self._folder, SAID, but=[".env"]) == []


def _around(text: str) -> str:
    at = text.index(CANARY)
    return text[max(0, at - 600) : at + 100]


def run_all(seen: Seen, config: Path) -> None:
    """Every way to ask, then every way to look at it."""
    loaded = seen.failing(lambda: load_config(config))
    if loaded is None:
        return
    mediator = seen.failing(lambda: Mediator.from_loaded(loaded))
    if mediator is None:
        return
    folder = config.parent
    seen.failing(lambda: mediator.infer("ask"))
    seen.failing(lambda: list(mediator.infer_stream("ask")))
    seen.failing(lambda: mediator.embed("ask"))
    for result in seen.failing(lambda: list(mediator.batch(["ask"], journal=folder / "run.journal"))) or ():
        seen.texts.append(repr(result))
        if result.error is not None:
            seen.errors.append(result.error)
    seen.failing(lambda: mediator.batch_generate(["ask"]))
    seen.failing(lambda: seen.texts.append(repr(mediator.explain("ask"))))
    backend = seen.failing(lambda: mediator.backend("first"))
    seen.failing(lambda: mediator.as_member().member("first").check(0.2))
    seen.failing(lambda: seen.texts.append(repr(mediator.model_info("first"))))
    loaded.save(folder / "saved.json")
    loaded.save(folder / "saved.yaml")
    looked_at = [mediator, loaded, backend, getattr(backend, "options", None), loaded.entry("first"), loaded.host]
    looked_at += [getattr(backend, name) for name in ("transport", "redact") if hasattr(backend, name)]
    seen.texts.append(inside(looked_at) + repr(getattr(backend, "api_key", None)))
    mediator.close()


def config_for(folder: Path, kind: str, port: int, seconds: float = 5.0, **keys: Any) -> Path:
    backend = {
        "id": "first",
        "type": kind,
        "base_url": f"http://127.0.0.1:{port}{BASES[kind]}",
        "api_key": "${CANARY_KEY}",
        "model": "m",
        **({} if kind == "anthropic" else {"embedding_model": "m"}),
        "max_retries": 0,
        "verbose": True,
        "custom_headers": {"X-Extra": "Token $CANARY_TOKEN"},
        **keys,
    }
    return write_config(folder, [backend], MEDIATOR={"timeout": seconds, "provenance": "full"}, LOG={"level": "DEBUG"})
