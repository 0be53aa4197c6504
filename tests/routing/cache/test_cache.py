"""The cache: exact, bounded, never of errors or cut answers; identical requests in flight are one."""

from __future__ import annotations

import copy
import json
import stat
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import BackendTimeoutError, CancelledError, ServerError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, TextPart, TokenUsage, Tool, ToolCall
from complaint_llm.request import Request, ResponseFormat
from complaint_llm.routing.cache.answer_json import answer_from_json, answer_to_json
from complaint_llm.routing.cache.request_digest import request_digest
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.cache.sqlite_store import CacheFile
from complaint_llm.routing.router import Router
from tests.routing.routing_model import ModelTime, Scripted, answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cached(id: str = "a", script: list[Any] | None = None, **fields: Any) -> Scripted:
    return Scripted(id, script or [answer()], identity=f"{id} model 1", **fields)


class TestHits:
    def test_the_same_request_is_asked_once_and_then_costs_nothing(self) -> None:
        router, backend = Router(cache=Cache()), cached(script=[answer("yes", cost=0.5)])
        first, second = router.answer(ask(), [backend]), router.answer(ask(), [backend])
        assert len(backend.seen) == 1
        assert (first.cost, first.metadata.get("cached")) == (0.5, None)
        assert (second.content, second.cost, second.metadata["cached"]) == ("yes", 0.0, True)
        assert [(a.backend, a.error, a.sent) for a in second.attempts] == [("a", None, False)]

    def test_without_the_backend_s_wish_nothing_is_kept(self) -> None:
        router, backend = Router(cache=Cache()), Scripted("a")
        router.answer(ask(), [backend])
        router.answer(ask(), [backend])
        assert len(backend.seen) == 2

    def test_another_backend_model_or_version_is_another_answer(self) -> None:
        cache = Cache()
        for identity in ("a m 1", "a m 2", "a n 1", "b m 1"):
            backend = Scripted("a", identity=identity)
            Router(cache=cache).answer(ask(), [backend])
            assert len(backend.seen) == 1

    def test_a_later_target_s_answer_is_found_before_anything_is_sent(self) -> None:
        router = Router(cache=Cache())
        first, second = cached("a", [ServerError("x", status=500)]), cached("b")
        router.answer(ask(), [first, second])
        again = router.answer(ask(), [first, second])
        assert (len(first.seen), len(second.seen)) == (1, 1)
        assert again.metadata["cached"]

    def test_a_private_request_is_not_answered_by_what_a_remote_backend_said(self) -> None:
        router = Router(cache=Cache())
        remote, local = cached("a"), cached("b", local=True)
        router.answer(ask(), [remote, local])
        router.answer(ask(privacy="local"), [remote, local])
        assert (len(remote.seen), len(local.seen)) == (1, 1)

    @pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
    def test_cut_answers_are_not_kept(self, reason: Any) -> None:
        router, backend = Router(cache=Cache()), cached(script=[answer()._replace(finish_reason=reason)])
        router.answer(ask(), [backend])
        router.answer(ask(), [backend])
        assert len(backend.seen) == 2

    def test_errors_are_not_kept(self) -> None:
        router, backend = Router(cache=Cache()), cached(script=[ServerError("x", status=500), answer()])
        with pytest.raises(ServerError):
            router.answer(ask(), [backend])
        assert router.answer(ask(), [backend]).content == "hello"

    def test_an_answer_ends_with_its_time_to_live(self) -> None:
        time = ModelTime()
        router, backend = Router(cache=Cache(ttl=10.0, clock=time.clock)), cached()
        router.answer(ask(), [backend])
        time.advance(9.9)
        router.answer(ask(), [backend])
        assert len(backend.seen) == 1
        time.advance(0.1)
        router.answer(ask(), [backend])
        assert len(backend.seen) == 2

    def test_the_least_recently_used_go_first(self) -> None:
        router, backend = Router(cache=Cache(size=2)), cached()
        for text in ("one", "two", "one", "three", "one"):
            router.answer(ask(text), [backend])
        assert [request.messages[0].text for request in backend.seen if isinstance(request, Request)] == [
            "one",
            "two",
            "three",
        ]


class TestDigest:
    def test_it_is_the_same_for_equal_requests_whatever_their_deadline(self) -> None:
        one = ask(seconds=1, params={"temperature": 0.0, "seed": 1})
        two = ask(seconds=99, params=MappingProxyType({"seed": 1, "temperature": 0.0}))
        assert request_digest(one) == request_digest(two)

    @pytest.mark.parametrize(
        "fields",
        [
            {"model": "other"},
            {"params": {"temperature": 0.1}},
            {"tools": (Tool("look_up"),)},
            {"response_format": ResponseFormat("json_object")},
            {"response_format": ResponseFormat("json_schema", {"type": "object"})},
            {"extra_body": {"top_a": 1}},
            {"privacy": "local"},
        ],
    )
    def test_whatever_shapes_the_answer_changes_it(self, fields: dict[str, Any]) -> None:
        assert request_digest(ask(**fields)) != request_digest(ask())

    def test_messages_with_the_same_text_in_other_places_differ(self) -> None:
        texts = [
            (Message("user", "ab"),),
            (Message("user", "a"), Message("user", "b")),
            (Message("assistant", "ab"),),
            (Message("user", (TextPart("ab"),)),),
            (Message("user", "ab", name="x"),),
        ]
        digests = {request_digest(ask()._replace(messages=messages)) for messages in texts}
        assert len(digests) == len(texts)

    def test_images_count_by_their_bytes(self, tmp_path: Path) -> None:
        file = tmp_path / "a.png"

        def digest(part: ImagePart) -> str:
            return request_digest(ask()._replace(messages=(Message("user", (part,)),)))

        file.write_bytes(b"GIF89a one")
        first = digest(ImagePart(path=str(file)))
        assert first == digest(ImagePart(data=b"GIF89a one"))
        file.write_bytes(b"GIF89a two")
        assert digest(ImagePart(path=str(file))) != first

    @given(st.text(), st.text())
    def test_different_texts_have_different_digests(self, one: str, two: str) -> None:
        assert (request_digest(ask(one)) == request_digest(ask(two))) == (one == two)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), json_values, max_size=3)
outputs = st.builds(
    InferenceOutput,
    content=st.text(),
    tool_calls=st.lists(st.builds(ToolCall, st.text(), st.text(), st.none() | objects, st.text()), max_size=2).map(
        tuple
    ),
    reasoning=st.none() | st.text(),
    confidence=st.none() | st.floats(0, 1),
    token_usage=st.builds(TokenUsage, st.integers(0), st.integers(0), st.integers(0), st.none() | st.integers(0)),
    finish_reason=st.sampled_from(["stop", "tool_calls", None]),
    parsed=json_values,
    backend=st.text(),
    model=st.text(),
    metadata=objects,
    extra=st.none() | objects,
    cost=st.none(),
    attempts=st.just(()),
    provenance=st.none(),
)


@given(outputs)
def test_an_answer_comes_back_from_json_as_it_went_in(output: InferenceOutput) -> None:
    assert answer_from_json(answer_to_json(output)) == output


class TestFile:
    def test_answers_are_found_again_after_a_restart(self, tmp_path: Path) -> None:
        path = tmp_path / "cache" / "answers.db"
        for expected in (1, 0):
            cache, backend = Cache(file=CacheFile(path, 100)), cached()
            assert Router(cache=cache).answer(ask("caf\u00e9 \U0001f600"), [backend]).content == "hello"
            assert len(backend.seen) == expected
            cache.close()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (path.parent / ".gitignore").read_text() == "*\n"

    def test_what_has_expired_is_not_found_and_the_oldest_go_first(self, tmp_path: Path) -> None:
        now = [1000.0]
        file = CacheFile(tmp_path / "c" / "a.db", 3, lambda: now[0])
        for number in range(5):
            now[0] += 1
            file.put(str(number), answer(str(number)), 10.0)
        file.close()
        assert [number for number in range(5) if file.get(str(number), ask()) is not None] == [2, 3, 4]
        found = file.get("4", ask())
        assert found is not None
        assert found[1] == 10.0
        now[0] += 9.5
        assert [number for number in range(5) if file.get(str(number), ask()) is not None] == [4]
        file.close()

    def test_what_has_no_json_form_is_kept_in_memory_only(self, tmp_path: Path) -> None:
        file = CacheFile(tmp_path / "c" / "a.db", 3)
        odd = answer()._replace(metadata={"object": object()})
        backend = cached(script=[odd])
        router = Router(cache=Cache(file=file))
        router.answer(ask(), [backend])
        router.answer(ask(), [backend])
        assert len(backend.seen) == 1
        file.close()

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"content": 1}', json.dumps({"parsed": None})])
    def test_a_damaged_entry_is_as_good_as_none(self, tmp_path: Path, text: str) -> None:
        import sqlite3

        path = tmp_path / "c" / "a.db"
        file = CacheFile(path, 3)
        file.put("k", answer(), None)
        file.close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE answers SET answer = ?", (text,))
        db.close()
        assert file.get("k", ask()) is None
        file.close()

    def test_a_file_that_is_no_database_costs_a_warning_and_no_answer(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "a.db"
        path.write_bytes(b"a text of somebody else" * 100)
        cache = Cache(file=CacheFile(path, 3))
        for text in ("one", "two"):
            assert Router(cache=cache).answer(ask(text), [cached()]).content == "hello"
        cache.close()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "a.db cannot be used" in caplog.text
        assert path.read_bytes() == b"a text of somebody else" * 100

    def test_closing_ends_its_thread(self, tmp_path: Path) -> None:
        before = threading.active_count()
        file = CacheFile(tmp_path / "c" / "a.db", 3)
        file.put("k", answer(), None)
        file.close()
        assert threading.active_count() <= before


class TestSingleFlight:
    def run(self, time: ModelTime, backend: Scripted, requests: list[Request], *others: Scripted) -> list[Any]:
        router = Router(cache=Cache(clock=time.clock, make_waiter=time.waiter), clock=time.clock, sleep=time.sleep)
        results: list[Any] = [None] * len(requests)

        def call(place: int) -> Callable[[], None]:
            def run() -> None:
                time.sleep(place * 0.001)
                try:
                    results[place] = router.answer(requests[place], [backend, *others])
                except Exception as error:
                    results[place] = error

            return run

        time.run([call(place) for place in range(len(requests))])
        return results

    def slow(
        self, time: ModelTime, seconds: float, end: InferenceOutput | Exception
    ) -> Callable[[Request], InferenceOutput]:
        def attempt(request: Request) -> InferenceOutput:
            left = request.deadline.remaining()
            time.sleep(min(seconds, left))
            if left < seconds:
                raise BackendTimeoutError("late", maybe_received=True)
            if isinstance(end, Exception):
                raise copy.copy(end)
            return end

        return attempt

    def test_identical_requests_in_flight_are_asked_once(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, answer("one", cost=0.25))])
        results = self.run(time, backend, [ask(time=time) for _ in range(20)])
        assert len(backend.seen) == 1
        assert {result.content for result in results} == {"one"}
        assert sum(result.cost for result in results) == 0.25

    @pytest.mark.parametrize("callers", [2, 3, 5])
    @pytest.mark.parametrize("excluded", [{"lacking": "no tools"}, {"local": False}])
    def test_who_must_not_be_asked_makes_no_others_wait_for_one_answer(
        self, excluded: dict[str, Any], callers: int
    ) -> None:
        """Of two backends only the one whose answers are not kept may answer: each caller gets an answer of its own."""
        time = ModelTime()
        asked = Scripted("b", [self.slow(time, 5.0, answer("one", cost=0.25))], local=True)
        private: Any = "local" if "local" in excluded else None
        requests = [ask(time=time, privacy=private) for _ in range(callers)]
        results = self.run(time, asked, requests, cached(**excluded))
        assert len(asked.seen) == callers
        assert [(result.cost, result.metadata) for result in results] == [(0.25, {})] * callers

    @pytest.mark.parametrize("callers", [1, 2, 3, 7])
    @pytest.mark.parametrize("where", ["metadata", "tool_calls", "parsed", "extra"])
    def test_what_one_caller_writes_on_its_answer_no_other_sees(self, where: str, callers: int) -> None:
        """Each writes as soon as it has its answer, the one that asked before the others have theirs; and what is kept
        is nobody's."""
        time = ModelTime()
        given = answer()._replace(
            metadata={"list": []},
            tool_calls=(ToolCall("i", "f", {"list": []}),),
            parsed={"list": []},
            extra={"list": []},
        )
        router = Router(cache=Cache(clock=time.clock, make_waiter=time.waiter), clock=time.clock, sleep=time.sleep)
        backend = cached(script=[self.slow(time, 5.0, given)])
        seen: dict[int, list[int]] = {}

        def list_in(output: InferenceOutput) -> list[int]:
            found: Any = output.tool_calls[0].arguments if where == "tool_calls" else getattr(output, where)
            written: list[int] = found["list"]
            return written

        def call(place: int) -> None:
            time.sleep(place * 0.001)
            seen[place] = list_in(router.answer(ask(time=time), [backend]))
            seen[place].append(place)

        time.run([lambda place=place: call(place) for place in range(callers)])
        assert seen == {place: [place] for place in range(callers)}
        assert list_in(router.answer(ask(time=time), [backend])) == []
        assert len(backend.seen) == 1

    def test_different_ones_do_not_wait_for_each_other(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, answer())])
        self.run(time, backend, [ask(str(number), time=time) for number in range(5)])
        assert len(backend.seen) == 5
        assert time.clock() == pytest.approx(1005.004)

    def test_an_error_of_the_leader_is_everybody_s_own(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, ServerError("500", status=500))])
        results = self.run(time, backend, [ask(time=time) for _ in range(4)])
        assert len(backend.seen) == 1
        assert all(isinstance(result, ServerError) for result in results)
        assert len({id(result) for result in results}) == 4

    def test_a_leader_that_fails_by_its_own_deadline_hands_over(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, answer("late"))])
        hasty, patient = ask(seconds=2.0, time=time), [ask(seconds=60.0, time=time) for _ in range(3)]
        results = self.run(time, backend, [hasty, *patient])
        assert isinstance(results[0], BackendTimeoutError)
        assert [result.content for result in results[1:]] == ["late"] * 3
        assert len(backend.seen) == 2

    def test_a_follower_keeps_its_own_deadline(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, answer("late"))])
        results = self.run(time, backend, [ask(seconds=60.0, time=time), ask(seconds=2.0, time=time)])
        assert results[0].content == "late"
        assert isinstance(results[1], BackendTimeoutError)
        assert not results[1].sent

    def test_a_follower_that_is_cancelled_does_not_wait(self) -> None:
        time = ModelTime()
        requests = [ask(seconds=60.0, time=time) for _ in range(2)]

        def attempt(request: Request) -> InferenceOutput:
            time.sleep(1.0)
            requests[1].cancel.cancel("closed")
            time.sleep(4.0)
            return answer()

        results = self.run(time, cached(script=[attempt]), requests)
        assert results[0].content == "hello"
        assert isinstance(results[1], CancelledError)

    def test_different_privacy_is_different_flights(self) -> None:
        time = ModelTime()
        backend = cached(script=[self.slow(time, 5.0, answer())], local=True)
        self.run(time, backend, [ask(time=time), ask(time=time, privacy="local")])
        assert len(backend.seen) == 2
