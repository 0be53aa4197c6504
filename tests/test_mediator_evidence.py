"""A Mediator's evidence, and the provenance of its answers whichever of its backends gave them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator, MockResponse
from complaint_llm.backends import FallbackBackend, LLMRouterBackend, MockBackend
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.exceptions import InvalidRequestError, ServerError
from complaint_llm.messages import Done, Tool
from tests.end_to_end.everything import write_config


def test_evidence_goes_in_and_comes_out(tmp_path: Path) -> None:
    """By CID and by user, in the folder of the config; what is no bytes is refused."""
    with Mediator.from_config(write_config(tmp_path, [{"id": "a", "type": "mock", "echo": True}])) as mediator:
        record = mediator.submit_evidence(b"a letter", "document", user_id="u", claim_type="eviction")
        assert mediator.get_evidence_by_cid(record["cid"])["claim_type"] == "eviction"
        assert mediator.retrieve_evidence(record["cid"]) == b"a letter"
        assert [each["cid"] for each in mediator.get_user_evidence("u")] == [record["cid"]]
        with pytest.raises(TypeError):
            mediator.submit_evidence("a letter", "document")  # type: ignore[arg-type]
    assert (tmp_path / ".complaint_llm" / "evidence").is_dir()


def test_the_evidence_store_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that need it at the same moment share one, and close() closes that one."""
    import complaint_llm.mediator as module

    opened: list[Any] = []
    original = module.open_evidence

    def slowly(*given: Any) -> Any:
        time.sleep(0.02)
        opened.append(original(*given))
        return opened[-1]

    monkeypatch.setattr(module, "open_evidence", slowly)
    with Mediator([MockBackend(id="a", echo=True)], folder=tmp_path) as mediator, ThreadPoolExecutor(8) as pool:
        stores = set(pool.map(lambda _: id(mediator.evidence), range(8)))
    assert (len(stores), len(opened)) == (1, 1)


def test_provenance_names_each_answer_and_cites_its_evidence(tmp_path: Path) -> None:
    """The CID is on the output, plain and streamed; evidence that is not there is refused before anything is sent."""
    backend = MockBackend(id="a", echo=True)
    with Mediator([backend], provenance="digests", folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(b"a letter", "document")["cid"]
        first = mediator.infer("x", cite=[cid])
        (done,) = (event for event in mediator.infer_stream("x") if isinstance(event, Done))
        assert first.provenance
        assert done.output.provenance not in (None, first.provenance)
        asked = backend.call_count()
        with pytest.raises(Exception, match="bafkrei"):
            mediator.infer("x", cite=["bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"])
        assert backend.call_count() == asked
    with Mediator([backend]) as mediator, pytest.raises(InvalidRequestError, match="provenance"):
        mediator.infer("x", cite=[cid])


def records(mediator: Mediator) -> list[dict[str, Any]]:
    """The provenance records in their order, as they are on disk after the Mediator was closed."""
    with mediator.evidence.database.transaction("read") as connection:
        rows = connection.execute("SELECT cid, data FROM provenance ORDER BY seq").fetchall()
    return [decode_provenance(name, data) for name, data in rows]


def written(mediator: Mediator, count: int) -> list[dict[str, Any]]:
    """The first ``count`` records, once they are on disk: a thread of their own writes them."""
    end = time.monotonic() + 60
    while len(found := records(mediator)) < count:
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_answers_of_composed_backends_have_their_records(tmp_path: Path, streamed: bool) -> None:
    """The backend that answered is inside another one, and MEDIATOR does not name it."""
    down = MockBackend(id="down", max_retries=0).with_response(MockResponse.error(ServerError("HTTP 500", status=500)))
    inner = FallbackBackend(primary=down, fallbacks=[MockBackend(id="inner", echo=True, temperature=0.5)])
    router = LLMRouterBackend("router", MockBackend(id="routed", echo=True), "m")
    for part, name, sent in ((inner, "inner", {"temperature": 0.5}), (router, "routed", {})):
        with Mediator([part], provenance="digests", folder=tmp_path / name) as mediator:
            if streamed:
                (output,) = (event.output for event in mediator.infer_stream("x") if isinstance(event, Done))
            else:
                output = mediator.infer("x")
            (record,) = written(mediator, 1)
            assert output.provenance is not None
            assert (record["backend"], record["parameters"]) == (name, sent)


def test_what_was_sent_is_recorded_each_time_anew(tmp_path: Path) -> None:
    """A call's own parameters and the backend's, which are those that it was made with."""
    stop = ["END"]
    backends = [MockBackend(id="a", echo=True, stop=stop), MockBackend(id="b", echo=True, seed=7)]
    with Mediator(backends, provenance="digests", folder=tmp_path) as mediator:
        mediator.infer("x", backend="a")
        stop.append("STOP")
        mediator.infer("x", backend="a")
        mediator.infer("x", backend="b")
        mediator.infer("x", backend="b", temperature=0.5)
        mediator.infer("x", backend="b")
        assert [record["parameters"] for record in written(mediator, 5)] == [
            {"stop": ["END"]},
            {"stop": ["END"]},
            {"seed": 7},
            {"seed": 7, "temperature": 0.5},
            {"seed": 7},
        ]


def test_names_with_marks_of_formats_are_kept_as_they_are(tmp_path: Path) -> None:
    """A record is made from a template: what looks like a place in it is not one."""
    backend = MockBackend(id="100%b", model="50%% %s", echo=True)
    with Mediator([backend], provenance="digests", folder=tmp_path) as mediator:
        mediator.infer("x")
        (record,) = written(mediator, 1)
    assert (record["backend"], record["model"]) == ("100%b", "50%% %s")


@pytest.mark.parametrize("with_parameters", [False, True])
@pytest.mark.parametrize("changed", ["messages", "metadata", "stop", "tools"])
def test_what_a_caller_changes_after_the_answer_is_in_no_record(
    changed: str, with_parameters: bool, tmp_path: Path
) -> None:
    """A record says what was asked and answered then, however late it is made."""
    found = []
    for place in ("as it was", "changed"):
        stop, schema = ["end"], {"type": "object", "properties": {}}
        message = {"role": "user", "content": "x"}
        parameters: dict[str, Any] = {"stop": stop, "tools": [Tool("f", "d", schema)]} if with_parameters else {}
        with Mediator([MockBackend(id="a", echo=True)], provenance="digests", folder=tmp_path / place) as mediator:
            output = mediator.infer([message], **parameters)
            if place == "changed":
                change: dict[str, Callable[[], None]] = {
                    "messages": lambda message=message: message.update(content="y"),
                    "metadata": lambda output=output: output.metadata.update(demo=False, cached=True),
                    "stop": lambda stop=stop: stop.append("another"),
                    "tools": lambda schema=schema: schema["properties"].update(x={}),
                }
                change[changed]()
            (record,) = written(mediator, 1)
        found.append({key: record[key] for key in ("demo", "cached", "prompt", "parameters")})
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["one backend", "inside another"])
def test_an_answer_right_before_the_end_has_its_record(kind: str, tmp_path: Path) -> None:
    """What was sent is recorded also where everything is closed before the record is made."""
    backends: list[dict[str, Any]] = [{"id": "a", "type": "mock", "echo": True, "temperature": 0.5}]
    if kind != "one backend":
        backends = [{"id": "outer", "type": "fallback", "primary": "a", "fallbacks": ["a"]}, *backends]
    path = write_config(tmp_path, backends, MEDIATOR={"provenance": "digests", "backends": [backends[0]["id"]]})
    with Mediator.from_config(path) as mediator:
        output = mediator.infer("x")
    with Mediator.from_config(path) as mediator:
        (record,) = written(mediator, 1)
    assert (record["backend"], record["parameters"]) == ("a", {"temperature": 0.5})
    assert output.provenance is not None
