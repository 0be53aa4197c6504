"""Connections are reused, replaced, cancelled and closed; nobody gets a stranger's."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendConnectionError, CancelledError
from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import Transport
from complaint_llm.transport.connection import Connection
from complaint_llm.transport.dial import Abandoned, Dialer
from complaint_llm.transport.origin import parse_origin
from tests.transport.faulty import HANG, REQUEST, Drip, FaultyServer, Pause, ok

BODY = b"{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(transport: Transport, **options):
    return transport.request("POST", "/v1", BODY, deadline=Deadline(5), **options)


def test_one_connection_serves_many_requests() -> None:
    """Keep-alive: plain answers, chunked ones and finished streams all give their connection back."""
    chunked = CHUNKED + b"2\r\nhi\r\n0\r\n\r\n"
    with FaultyServer([REQUEST, ok(), REQUEST, chunked, REQUEST, chunked, REQUEST, ok(b"end")]) as server:
        transport = Transport(server.url)
        post(transport)
        post(transport)
        with transport.stream("POST", "/v1", BODY, deadline=Deadline(5)) as stream:
            assert list(stream) == [b"hi"]
        assert post(transport).body == b"end"
        transport.close()
    assert server.connections == 1


def test_stream_closed_after_its_last_event_keeps_the_connection() -> None:
    """Readers stop at [DONE]; the end of the chunks lies in the buffer then, so nothing needs to be thrown away."""
    with FaultyServer([REQUEST, CHUNKED + b"6\r\n[DONE]\r\n0\r\n\r\n", REQUEST, ok()]) as server:
        transport = Transport(server.url)
        stream = transport.stream("POST", "/v1", BODY, deadline=Deadline(5))
        assert stream.next_chunk() == b"[DONE]"
        stream.close()
        post(transport)
        transport.close()
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ok(b"hi") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["connection close", "HTTP/1.0", "more than one answer"],
)
def test_connection_that_must_not_be_reused_is_not(answer: bytes) -> None:
    """Close is honoured, and bytes that nobody asked for are never taken for the next answer."""
    with FaultyServer([REQUEST, answer, HANG], [REQUEST, ok(b"good")]) as server:
        transport = Transport(server.url)
        assert post(transport).body == b"hi"
        assert post(transport).body == b"good"
        transport.close()
    assert server.connections == 2


def test_idle_connection_that_the_server_closed_is_replaced_before_sending() -> None:
    """The stale check sees the close; the request goes out once, on a new connection."""
    with FaultyServer([REQUEST, ok()]) as server:
        transport = Transport(server.url)
        post(transport)
        time.sleep(0.05)
        post(transport)
        transport.close()
    assert (server.connections, len(server.requests)) == (2, 2)


def test_reused_connection_that_fails_while_sending_is_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was not wholly sent on a reused connection is sent again, silently, on a new one."""
    with FaultyServer([REQUEST, ok()]) as server:
        transport = Transport(server.url)
        post(transport)
        monkeypatch.setattr(Connection, "quiet", lambda self: True)  # the close arrives after the check
        big = bytes(8 << 20)
        assert transport.request("POST", "/v1", big, deadline=Deadline(5)).status == 200
        transport.close()
    assert server.connections == 2
    assert server.requests[-1].endswith(big)


def test_reused_connection_that_closes_after_a_whole_request_is_not_resent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been received: the caller decides, not the transport."""
    with FaultyServer([REQUEST, ok(), REQUEST]) as server:
        transport = Transport(server.url)
        post(transport)
        with pytest.raises(BackendConnectionError) as caught:
            post(transport)
        assert caught.value.maybe_received
        transport.close()
    assert server.connections == 1


def test_new_connection_that_fails_while_sending_is_an_error() -> None:
    """Only a reused one earns a second try."""
    with FaultyServer([Pause(0.05)]) as server:
        transport = Transport(server.url)
        with pytest.raises(BackendConnectionError) as caught:
            transport.request("POST", "/v1", bytes(64 << 20), deadline=Deadline(5))
        assert not caught.value.maybe_received
    assert server.connections == 1


def test_sixteen_threads_use_at_most_one_connection_each() -> None:
    """No error, no lost or swapped answer, and connections are reused."""

    def echo(sock) -> None:
        from tests.transport.faulty import read_request

        while True:
            sock.sendall(ok(read_request(sock).partition(b"\r\n\r\n")[2]))

    with FaultyServer([echo]) as server:
        transport = Transport(server.url)

        def work(thread: int) -> None:
            for n in range(40):
                body = b"%d-%d" % (thread, n)
                assert transport.request("POST", "/v1", body, deadline=Deadline(20)).body == body

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(work, range(16)))
        transport.close()
        assert server.connections <= 16
        assert transport.connections == (0, 0)


@pytest.mark.parametrize("script", [[REQUEST, HANG], [REQUEST, Drip(ok(bytes(999)), 0.02)]], ids=["silent", "dripping"])
def test_cancel_wakes_a_waiting_request(script, steady_clock: SteadyClock) -> None:
    """Another thread's cancel ends the wait at once and says why; what was sent may have been received."""
    with FaultyServer(script) as server:
        transport, token = Transport(server.url), CancelToken()
        timer = threading.Timer(0.15, token.cancel, ("another answered first",))
        timer.start()
        began = steady_clock()
        with pytest.raises(CancelledError, match="another answered first") as caught:
            post(transport, cancel=token)
        assert steady_clock() - began < 0.5
        assert caught.value.maybe_received
        assert transport.connections.in_use == 0
        timer.join()


def test_cancelled_token_sends_nothing() -> None:
    """A call that was cancelled before it began leaves the machine alone."""
    with FaultyServer([REQUEST, ok()]) as server:
        token = CancelToken()
        token.cancel("no longer wanted")
        with pytest.raises(CancelledError, match="no longer wanted") as caught:
            post(Transport(server.url), cancel=token)
        assert not caught.value.sent
    assert server.requests == []


def test_late_cancel_does_not_reach_the_connections_next_user() -> None:
    """A token is detached before the connection goes back: cancelling afterwards harms nobody."""
    with FaultyServer([REQUEST, ok(), REQUEST, Pause(0.2), ok(b"mine")]) as server:
        transport, token = Transport(server.url), CancelToken()
        post(transport, cancel=token)
        timer = threading.Timer(0.1, token.cancel)
        timer.start()
        assert post(transport).body == b"mine"
        timer.join()
        transport.close()
    assert server.connections == 1


def test_close_ends_what_is_in_flight_and_refuses_what_follows() -> None:
    """Requests and streams in other threads get CancelledError saying so; no socket stays."""
    with FaultyServer([REQUEST, HANG]) as server:
        transport = Transport(server.url)
        with ThreadPoolExecutor(2) as threads:
            waiting = [threads.submit(post, transport) for _ in range(2)]
            while len(server.requests) < 2:
                time.sleep(0.01)
            transport.close()
            for one in waiting:
                with pytest.raises(CancelledError, match="closed"):
                    one.result(15)
        with pytest.raises(CancelledError) as caught:
            post(transport)
        assert not caught.value.sent
        assert transport.connections.in_use == 0


def test_stream_is_closed_by_another_thread_while_it_waits(steady_clock: SteadyClock) -> None:
    """The waiting reader wakes with CancelledError, and the connection is gone at once."""
    with FaultyServer([REQUEST, CHUNKED + b"2\r\nhi\r\n", HANG]) as server:
        transport = Transport(server.url)
        stream = transport.stream("POST", "/v1", BODY, deadline=Deadline(20))
        assert stream.next_chunk() == b"hi"
        timer = threading.Timer(0.1, stream.close)
        timer.start()
        began = steady_clock()
        with pytest.raises(CancelledError):
            stream.next_chunk()
        assert steady_clock() - began < 1
        timer.join()
        with pytest.raises(CancelledError):
            stream.next_chunk()
        assert transport.connections.in_use == 0


def test_stream_that_failed_never_looks_finished() -> None:
    """After an error the next step raises again; only a proper end is an end."""
    with FaultyServer([REQUEST, CHUNKED + b"2\r\nhi\r\n"]) as server:
        stream = Transport(server.url).stream("POST", "/v1", BODY, deadline=Deadline(5))
        assert stream.next_chunk() == b"hi"
        for _ in range(2):
            with pytest.raises(Exception, match=r"cut|closed"):
                stream.next_chunk()


def test_abandoned_stream_frees_its_connection() -> None:
    """A stream that nobody closed closes with its last reference."""
    with FaultyServer([REQUEST, CHUNKED + b"2\r\nhi\r\n", HANG]) as server:
        transport = Transport(server.url)
        stream = transport.stream("POST", "/v1", BODY, deadline=Deadline(5))
        stream.next_chunk()
        del stream
        gc.collect()
        assert transport.connections == (0, 0)


def test_deadline_that_is_moved_moves_the_limit_of_a_stream_under_way() -> None:
    """What a consumer holds a piece for does not count: a paused and resumed deadline gives the time back."""
    now = 0.0
    with FaultyServer([REQUEST, CHUNKED + b"1\r\na\r\n", Pause(0.05), b"1\r\nb\r\n0\r\n\r\n"]) as server:
        transport, deadline = Transport(server.url), Deadline(20, lambda: now)
        with transport.stream("POST", "/v1", BODY, deadline=deadline) as stream:
            assert stream.next_chunk() == b"a"
            deadline.pause()
            now += 1000
            deadline.resume()
            assert stream.next_chunk() == b"b"
        transport.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_shares_no_connection() -> None:
    """The child opens its own; the parent's goes on working."""
    with FaultyServer([REQUEST, ok(b"1"), REQUEST, ok(b"2")], [REQUEST, ok(b"child")]) as server:
        transport = Transport(server.url)
        assert post(transport).body == b"1"
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if post(transport).body == b"child" else 1)
            finally:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
        assert post(transport).body == b"2"
        transport.close()
    assert server.connections == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_does_not_end_a_stream_that_its_parent_reads() -> None:
    """What a child drops or closes is its handle, not the connection: the parent's reader gets the rest."""
    forked = threading.Event()

    def rest(sock: socket.socket) -> None:
        forked.wait(10)
        sock.sendall(b"1\r\nb\r\n0\r\n\r\n")

    with FaultyServer([REQUEST, CHUNKED + b"1\r\na\r\n", rest]) as server:
        transport = Transport(server.url)
        stream = transport.stream("POST", "/v1", b"{}", deadline=Deadline(10))
        assert stream.next_chunk() == b"a"
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(stream))
        reader.start()
        while not stream.reading:
            time.sleep(0.001)
        pid = os.fork()
        if pid == 0:
            stream.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        forked.set()
        reader.join(10)
        assert got == [b"b"]
        transport.close()


def test_connections_idle_for_long_are_closed() -> None:
    """After a burst the spare ones go, by the clock that was given; none is used after a minute."""
    now = [0.0]
    with FaultyServer([REQUEST, ok(), HANG]) as server:
        transport = Transport(server.url, clock=lambda: now[0])
        post(transport)
        assert transport.connections == (1, 0)
        now[0] = 61.0
        post(transport)
        assert transport.connections == (1, 0)
        transport.close()
    assert server.connections == 2


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files by /proc")
def test_nothing_stays_open_after_faults_and_close() -> None:
    """Answers, errors, cancelled calls, abandoned and closed streams leave no descriptor and no thread behind."""

    def open_things() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before = open_things()
    cut = CHUNKED + b"2\r\nhi\r\n"
    scripts = [
        [REQUEST, ok(), HANG],
        [REQUEST],
        [REQUEST, cut],
        [REQUEST, cut, HANG],
        [REQUEST, cut, HANG],
        [REQUEST, HANG],
    ]
    for script in scripts:
        with FaultyServer(script) as server:
            transport = Transport(server.url)
            token = CancelToken()
            timer = threading.Timer(0.1, token.cancel)
            timer.start()
            try:
                stream = transport.stream("POST", "/v1", BODY, deadline=Deadline(0.3), cancel=token)
                stream.next_chunk()
                if script is scripts[4]:
                    stream.close()
                else:
                    stream.read()
            except Exception as error:
                del error
            timer.join()
            transport.close()
            stream = None
    assert open_things() == before


@pytest.mark.parametrize("end", [Connection.abort, Connection.close])
def test_a_socket_whose_connection_ended_before_it_was_there_is_closed(end: Callable[[Connection], None]) -> None:
    """Not left to the collector: a hedge that loses ends a connection at any moment."""
    made: list[socket.socket] = []

    class Late(Connection):
        def watch(self, sock: socket.socket) -> bool:
            made.append(sock)
            end(self)
            return super().watch(sock)

    with pytest.raises(Abandoned):
        Dialer(parse_origin("http://127.0.0.1:9"), 1.0).dial(Late(), Deadline(5), None)
    assert [sock.fileno() for sock in made] == [-1]
