"""A polled socket reads and writes whole, within its timeout, in the clear and over TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import wire as wire_module
from complaint_llm.transport.secure import PolledTLS
from complaint_llm.transport.wire import PolledWire, wire_over

TLS = Path(__file__).parent / "tls"
BIG = bytes(range(256)) * (1 << 14)  # 4 MiB: more than the kernel's buffers hold


class Ends(NamedTuple):
    """The wire under test, its socket, and the peer's socket, which blocks."""

    wire: PolledWire
    sock: socket.socket
    peer: socket.socket


@pytest.fixture(params=["plain", "tls"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    near, far = socket.socketpair()
    if request.param == "tls":
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(TLS / "server.pem")
        client = ssl.create_default_context(cafile=str(TLS / "authority.pem"))
        client.check_hostname = False
        made: list[ssl.SSLSocket] = []
        accepting = threading.Thread(target=lambda: made.append(server.wrap_socket(far, server_side=True)))
        accepting.start()
        near = client.wrap_socket(near)
        accepting.join()
        far = made[0]
    far.settimeout(10)
    with near, far:
        yield Ends(PolledTLS(near) if request.param == "tls" else PolledWire(near), near, far)


def receive(wire: PolledWire, size: int) -> bytes:
    """Exactly ``size`` bytes."""
    data = bytearray(size)
    view = memoryview(data)
    have = 0
    while have < size:
        count = wire.recv_into(view[have:])
        assert count
        have += count
    return bytes(data)


def test_more_than_the_kernel_holds_is_sent_whole_to_a_slow_reader(ends: Ends) -> None:
    """Sending goes on where a full buffer broke it off, without a byte lost or doubled."""
    got = bytearray()

    def read_slowly() -> None:
        while len(got) < len(BIG):
            piece = ends.peer.recv(100_000)
            assert piece
            got.extend(piece)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    ends.wire.settimeout(10)
    ends.wire.sendall(memoryview(BIG))
    reader.join(10)
    assert bytes(got) == BIG


def test_an_answer_in_many_pieces_is_read_whole(ends: Ends) -> None:
    """What TLS has decrypted already is read without waiting for more to come."""
    writer = threading.Thread(target=ends.peer.sendall, args=(BIG,))
    writer.start()
    ends.wire.settimeout(5)
    assert receive(ends.wire, len(BIG)) == BIG
    writer.join(10)


def test_silence_ends_with_the_timeout(ends: Ends) -> None:
    """A peer that says nothing costs the timeout and no more."""
    ends.wire.settimeout(0.05)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        ends.wire.recv_into(memoryview(bytearray(10)))
    assert 0.04 <= time.monotonic() - begin < 2


def test_a_timeout_may_be_infinite(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for piece by piece: the system's poll knows only so many milliseconds."""
    monkeypatch.setattr(wire_module, "_LONGEST", 0.01)
    threading.Timer(0.1, ends.peer.sendall, (b"late",)).start()
    ends.wire.settimeout(float("inf"))
    assert receive(ends.wire, 4) == b"late"
    monkeypatch.undo()
    threading.Timer(0.05, ends.peer.sendall, (b"late",)).start()
    assert receive(ends.wire, 4) == b"late"


def test_a_peer_that_does_not_read_ends_sending_with_the_timeout(ends: Ends) -> None:
    """The timeout is for the whole operation, not for each piece of it."""
    ends.wire.settimeout(0.05)
    with pytest.raises(TimeoutError):
        ends.wire.sendall(memoryview(BIG))


def test_without_a_timeout_nothing_is_waited_for(ends: Ends) -> None:
    """A look whether something lies unread returns at once."""
    ends.wire.settimeout(0)
    with pytest.raises(BlockingIOError):
        ends.wire.recv_into(memoryview(bytearray(10)))
    ends.peer.sendall(b"late")
    select.select([ends.sock], [], [], 5)
    assert receive(ends.wire, 4) == b"late"


def test_the_peers_end_is_read_as_an_end(ends: Ends) -> None:
    """A connection that the peer closed gives no bytes, at once."""
    ends.peer.close()
    ends.wire.settimeout(5)
    assert ends.wire.recv_into(memoryview(bytearray(10))) == 0


def test_a_shutdown_wakes_a_reader_that_waits(ends: Ends, steady_clock: SteadyClock) -> None:
    """Another thread can break a wait off."""
    threading.Timer(0.05, socket.socket.shutdown, (ends.sock, socket.SHUT_RDWR)).start()
    ends.wire.settimeout(10)
    begin = steady_clock()
    # TLS may call an end without its farewell an error.
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert ends.wire.recv_into(memoryview(bytearray(10))) == 0
    assert steady_clock() - begin < 5


def test_a_closed_socket_is_an_error_though_its_number_is_taken_again(ends: Ends, steady_clock: SteadyClock) -> None:
    """The number of a closed descriptor is soon another file's: nothing may wait for that one."""
    number = ends.sock.fileno()
    ends.sock.close()
    others = [socket.socket() for _ in range(50)]
    try:
        assert number in [other.fileno() for other in others]
        ends.wire.settimeout(5)
        begin = steady_clock()
        with pytest.raises(OSError):
            ends.wire.recv_into(memoryview(bytearray(10)))
        assert steady_clock() - begin < 2
    finally:
        for other in others:
            other.close()


def test_readiness_without_bytes_is_waited_out() -> None:
    """Linux may say that there is something to read and then drop it: that is neither an error nor the end."""
    near, far = socket.socketpair()
    with near, far:
        wire = PolledWire(near)
        real, calls = wire._recv_into, []

        def nothing_at_first(buffer: memoryview) -> int:
            calls.append(1)
            if len(calls) == 1:
                raise BlockingIOError
            return real(buffer)

        wire._recv_into = nothing_at_first
        far.sendall(b"here")
        wire.settimeout(5)
        assert receive(wire, 4) == b"here"
        assert len(calls) == 2


@pytest.fixture
def connected() -> Iterator[tuple[PolledWire, socket.socket]]:
    """A wire over TCP, and its peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with near, far:
        yield PolledWire(near), far


def look(wire: PolledWire) -> bytes | None:
    """What lies unread, None for nothing."""
    buffer = bytearray(10)
    wire.settimeout(0)
    try:
        return bytes(buffer[: wire.recv_into(memoryview(buffer))])
    except BlockingIOError:
        return None


def test_looking_for_what_came_unasked_sees_bytes_and_the_end(connected: tuple[PolledWire, socket.socket]) -> None:
    """An idle connection on which something came, or that the peer closed or reset, is known before it is used."""
    wire, peer = connected
    assert look(wire) is None
    wire.settimeout(5)
    peer.sendall(b"answer")
    assert receive(wire, 6) == b"answer"
    assert look(wire) is None
    peer.sendall(b"unasked")
    select.select([wire._sock], [], [], 5)
    assert look(wire) == b"unasked"
    assert look(wire) is None
    peer.shutdown(socket.SHUT_WR)
    select.select([wire._sock], [], [], 5)
    assert look(wire) == b""


def test_looking_sees_a_reset(connected: tuple[PolledWire, socket.socket]) -> None:
    """A connection that the peer reset is an error, not silence."""
    wire, peer = connected
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    select.select([wire._sock], [], [], 5)
    with pytest.raises(ConnectionResetError):
        look(wire)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much has come")
def test_looking_at_a_silent_connection_does_not_receive(connected: tuple[PolledWire, socket.socket]) -> None:
    """Each receive gives the interpreter's lock up, which costs a batch with many workers a twelfth of its time."""
    wire, peer = connected
    peer.sendall(b"answer")
    wire.settimeout(5)
    assert receive(wire, 6) == b"answer"

    def never(buffer: memoryview) -> int:
        raise AssertionError("received")

    wire._recv_into = never
    assert look(wire) is None
    peer.sendall(b"unasked")
    select.select([wire._sock], [], [], 5)
    with pytest.raises(AssertionError, match="received"):
        look(wire)


def test_where_there_is_no_poll_the_socket_serves_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no poll."""
    near, far = socket.socketpair()
    with near, far:
        monkeypatch.delattr(select, "poll")
        wire: Any = wire_over(near)
        assert wire is near
