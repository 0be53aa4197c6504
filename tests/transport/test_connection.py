"""A connection reads and sends all, within its deadline, in the clear and over TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from complaint_llm.call import Deadline
from complaint_llm.transport.connection import Connection, time_left

TLS = Path(__file__).parent / "tls"
BIG = bytes(range(256)) * (1 << 14)  # 4 MiB: more than the kernel's buffers hold


class Ends(NamedTuple):
    """The connection under test, its socket, and the peer's socket, which blocks."""

    connection: Connection
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
        yield Ends(connection_over(near), near, far)


def connection_over(sock: socket.socket) -> Connection:
    """A connection that took the socket over."""
    connection = Connection()
    connection.watch(sock)
    connection.open(sock)
    return connection


def receive(connection: Connection, size: int, seconds: float = 5) -> bytes:
    """Exactly ``size`` bytes, fewer at the peer's end."""
    connection.raw.expect(Deadline(seconds), None, None)
    return connection.reader.read(size)


def send(connection: Connection, data: bytes, seconds: float = 10) -> None:
    connection.send(memoryview(data), time_left(Deadline(seconds)))


@pytest.fixture(params=["new", "looked at"])
def looked_at(request: pytest.FixtureRequest, ends: Ends) -> Ends:
    """The same, before its first use or after a look such as an idle connection gets before it is used again."""
    assert request.param == "new" or ends.connection.quiet()
    return ends


def test_more_than_the_kernel_holds_is_sent_to_a_slow_reader(looked_at: Ends) -> None:
    """Sending goes on where a full buffer broke it off, without a byte lost or doubled."""
    ends = looked_at
    got = bytearray()

    def read_slowly() -> None:
        while len(got) < len(BIG):
            piece = ends.peer.recv(100_000)
            assert piece
            got.extend(piece)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    send(ends.connection, BIG)
    reader.join(10)
    assert bytes(got) == BIG


def test_an_answer_in_many_pieces_is_read_to_its_end(ends: Ends) -> None:
    """What TLS has decrypted already is read without waiting for more to come."""
    writer = threading.Thread(target=ends.peer.sendall, args=(BIG,))
    writer.start()
    assert receive(ends.connection, len(BIG)) == BIG
    writer.join(10)


def test_silence_ends_with_the_deadline(ends: Ends) -> None:
    """A peer that says nothing costs the time that is left and no more."""
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(ends.connection, 10, seconds=0.05)
    assert 0.04 <= time.monotonic() - begin < 2


def test_a_deadline_that_passed_waits_for_nothing(ends: Ends) -> None:
    """Neither is anything sent nor read after it, be it there."""
    ends.peer.sendall(b"late")
    with pytest.raises(TimeoutError):
        receive(ends.connection, 4, seconds=-1)
    with pytest.raises(TimeoutError):
        send(ends.connection, b"late", seconds=-1)


@pytest.mark.parametrize("seconds", [float("inf"), 1e12, 1e8])
def test_a_deadline_may_be_infinite(ends: Ends, seconds: float) -> None:
    """The system's timeouts end after some days; a deadline that lies beyond is taken all the same."""
    ends.peer.sendall(b"here")
    assert receive(ends.connection, 4, seconds) == b"here"
    send(ends.connection, b"here", seconds)
    assert ends.peer.recv(4) == b"here"


def test_a_peer_that_does_not_read_ends_sending_with_the_deadline(looked_at: Ends) -> None:
    """The deadline is for the whole operation, not for each piece of it."""
    with pytest.raises(TimeoutError):
        send(looked_at.connection, BIG, seconds=0.05)


def test_a_request_that_finds_no_room_waits_for_it() -> None:
    """Where the kernel takes not a byte at once, the time that is left is used."""
    near, far = socket.socketpair()
    with near, far:
        connection = connection_over(near)
        assert connection.quiet()
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += near.send(BIG)
        got = bytearray()
        reader = threading.Timer(
            0.02, lambda: [got.extend(far.recv(1 << 20)) for _ in iter(lambda: len(got) > filled, True)]
        )
        reader.start()
        send(connection, b"!")
        reader.join(10)
        assert got.endswith(b"!")


def test_a_peer_that_reads_drop_by_drop_does_not_stretch_the_deadline(ends: Ends) -> None:
    """The time of all pieces together is what counts, of TLS' records too."""
    over = threading.Event()

    def sip() -> None:
        while not over.wait(0.01):
            ends.peer.recv(20_000)

    reader = threading.Thread(target=sip)
    reader.start()
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        send(ends.connection, BIG * 4, seconds=0.2)
    assert time.monotonic() - begin < 2
    over.set()
    reader.join(10)


def test_a_look_waits_for_nothing_and_sees_what_came(ends: Ends) -> None:
    """An idle connection on which something came is known before it is used."""
    assert ends.connection.quiet()
    ends.peer.sendall(b"unasked")
    select.select([ends.sock], [], [], 5)
    assert not ends.connection.quiet()


def test_a_look_after_an_answer_sees_nothing_but_what_follows(ends: Ends) -> None:
    """What was read already does not count."""
    ends.peer.sendall(b"answer")
    assert receive(ends.connection, 6) == b"answer"
    assert ends.connection.quiet()
    ends.peer.sendall(b"more")
    select.select([ends.sock], [], [], 5)
    assert not ends.connection.quiet()


def test_the_peers_end_is_read_as_an_end(ends: Ends) -> None:
    """A connection that the peer closed gives no bytes, at once."""
    ends.peer.close()
    assert receive(ends.connection, 10) == b""
    assert not ends.connection.quiet()


def test_a_look_sees_the_peers_end() -> None:
    """Half a close, as a server makes that tires of an idle connection, is enough; so is a reset."""
    for reset in (False, True):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        with near, far:
            connection = connection_over(near)
            assert connection.quiet()
            if reset:
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                far.close()
            else:
                far.shutdown(socket.SHUT_WR)
            select.select([near], [], [], 5)
            assert not connection.quiet()


def test_an_abort_wakes_a_reader_that_waits(ends: Ends) -> None:
    """Another thread can break a wait off."""
    timer = threading.Timer(0.05, ends.connection.abort)
    timer.start()
    begin = time.monotonic()
    # TLS may call an end without its farewell an error.
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert receive(ends.connection, 10, seconds=10) == b""
    assert time.monotonic() - begin < 5
    timer.join()


def test_a_closed_socket_is_an_error_though_its_number_is_taken_again(ends: Ends) -> None:
    """The number of a closed descriptor is soon another file's: nothing may wait for that one."""
    number = ends.sock.fileno()
    ends.connection.close()
    others = [socket.socket() for _ in range(50)]
    try:
        assert number in [other.fileno() for other in others]
        begin = time.monotonic()
        with pytest.raises(OSError):
            receive(ends.connection, 10)
        assert time.monotonic() - begin < 2
    finally:
        for other in others:
            other.close()
