"""One TLS context for each CA bundle, sessions resumed, and neither lets anybody in who was not let in before."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from complaint_llm.call import Deadline
from complaint_llm.exceptions import BackendConnectionError
from complaint_llm.transport import Transport
from tests.transport.faulty import REQUEST, RESET, FaultyServer, ok
from tests.transport.reach import TLS

OURS, STRANGERS = TLS / "ours.pem", TLS / "strangers.pem"
"""Two authorities. What ours signed for provider.test, second.test, localhost and 127.0.0.1 is valid until 2120."""


def say_goodbye(sock: socket.socket) -> None:
    """End TLS as servers do: without it OpenSSL forgets a TLS 1.2 session."""
    assert isinstance(sock, ssl.SSLSocket)
    with suppress(OSError):
        sock.unwrap()


CLOSING = [REQUEST, ok(headers=b"Connection: close\r\n"), say_goodbye]


def server_tls(name: str = "good") -> ssl.SSLContext:
    """A server's context, with a certificate for ``HOSTS`` that ours signed or with one of tls/refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = shutil.copyfile(OURS, tmp_path / "bundle.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return str(path)


@pytest.fixture
def bundles_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles that were read into contexts, in order."""
    read: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, cafile=None, capath=None, cadata=None) -> None:
        read.append(str(cafile or capath))
        load(self, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted, raising=False)
    return read


def ask(transport: Transport) -> int:
    return transport.request("POST", "/v1", b"{}", deadline=Deadline(5)).status


def refusal(transport: Transport) -> BackendConnectionError:
    with pytest.raises(BackendConnectionError) as caught:
        ask(transport)
    assert not caught.value.sent
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def opened() -> Iterator[Callable[..., Transport]]:
    """Makes transports, which are closed at the end."""
    made: list[Transport] = []

    def make(server: FaultyServer, host: str = "127.0.0.1") -> Transport:
        made.append(Transport(f"https://{host}:{server.port}"))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("backends", [1, 2, 5, 20, 60])
def test_backends_with_one_bundle_share_one_context(backends: int, bundle, bundles_read, opened):
    """However many there are, its certificates are read once."""
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        assert {ask(opened(server)) for _ in range(backends)} == {200}
    assert bundles_read == [bundle]


def test_threads_that_begin_together_read_a_bundle_once(bundle, bundles_read, opened):
    """Twelve first connections at one moment wait for one context rather than make twelve."""
    together, statuses = threading.Barrier(12), []
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:

        def one() -> None:
            transport = opened(server)
            together.wait(10)
            statuses.append(ask(transport))

        threads = [threading.Thread(target=one) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 12
    assert bundles_read == [bundle]


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard link"])
def test_a_bundle_under_two_names_is_one(link, bundle, bundles_read, opened, tmp_path, monkeypatch):
    """What counts is the file, not how a variable spells it."""
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        link(bundle, tmp_path / "other.pem")
        first = opened(server)
        ask(first)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        ask(opened(server))
    assert len(bundles_read) == 1


def test_a_context_goes_with_its_last_backend(bundle, bundles_read):
    """Nothing is kept for a process whose backends are gone."""
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        for _ in range(2):
            transport = Transport(f"https://127.0.0.1:{server.port}")
            ask(transport)
            transport.close()
            del transport
            gc.collect()
    assert bundles_read == [bundle, bundle]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("connections", [2, 3, 6])
@pytest.mark.parametrize("same_backend", [True, False], ids=["one backend", "a backend each"])
def test_sessions_are_resumed(version, connections, same_backend, bundle, opened):
    """A server that closes after each answer sees one whole handshake, by every backend that names it."""
    tls = server_tls()
    tls.minimum_version = tls.maximum_version = version
    with FaultyServer(CLOSING, tls=tls) as server:
        kept = opened(server)
        for _ in range(connections):
            assert ask(kept if same_backend else opened(server)) == 200
        assert server.connections == connections
    assert tls.session_stats()["hits"] == connections - 1


@pytest.mark.parametrize("how", ["no tickets", "tickets it no longer takes", "a broken handshake between"])
def test_a_server_that_resumes_nothing_is_answered_by_whole_handshakes(how, bundle, opened):
    """Without tickets, or with keys that were changed meanwhile, it costs a handshake and no error."""
    first, later = server_tls(), server_tls()
    if how == "no tickets":
        first.num_tickets = later.num_tickets = 0
    choose = iter([first, later, later, later])
    front = server_tls()
    front.sni_callback = lambda sock, name, context: setattr(sock, "context", next(choose))
    script = [CLOSING, [RESET], CLOSING] if how == "a broken handshake between" else [CLOSING]
    with FaultyServer(*script, tls=front) as server:
        transport = opened(server, "localhost")
        assert ask(transport) == 200
        if len(script) == 3:
            with pytest.raises(BackendConnectionError):
                ask(transport)
        assert ask(transport) == 200
    assert first.session_stats()["hits"] == later.session_stats()["hits"] == 0


@pytest.mark.parametrize("certificate", sorted(path.stem for path in (TLS / "refused").iterdir()))
@pytest.mark.parametrize("after_a_good_one", [False, True], ids=["first", "after a good one"])
def test_a_certificate_that_does_not_fit_is_refused(certificate, after_a_good_one, bundle, opened, names):
    """In one line that says what is wrong, with a context of its own or with one that trusted another server."""
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as good:
        if after_a_good_one:
            assert ask(opened(good, "provider.test")) == 200
        with FaultyServer([REQUEST, ok()], tls=server_tls(f"refused/{certificate}")) as server:
            assert "certificate" in str(refusal(opened(server, "provider.test")))
        assert server.requests == []


@pytest.mark.parametrize("first", ["ours", "stranger's", "both"])
@pytest.mark.parametrize("then", ["ours", "stranger's", "both"])
def test_bundles_never_share_what_they_trust(first, then, opened, tmp_path, monkeypatch):
    """A server is accepted under its own authority's bundle only, whichever other bundle accepted it just before."""
    ours, theirs = OURS.read_bytes(), STRANGERS.read_bytes()
    texts = {"ours": ours, "stranger's": theirs, "both": theirs + ours}
    for name, text in texts.items():
        (tmp_path / f"{name}.pem").write_bytes(text)
    with FaultyServer(CLOSING, tls=server_tls()) as server:
        for name in (first, then, first):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / f"{name}.pem"))
            transport = opened(server)
            if name == "stranger's":
                assert "certificate" in str(refusal(transport))
            else:
                assert ask(transport) == 200


def test_a_session_is_for_the_name_it_was_made_with(bundle, opened, names):
    """A second name of the same server and port is verified anew, and refused where the certificate lacks it."""
    names["other.test"] = names["second.test"] = ["127.0.0.1"]
    tls = server_tls()
    with FaultyServer(CLOSING, tls=tls) as server:
        assert ask(opened(server, "provider.test")) == 200
        assert ask(opened(server, "second.test")) == 200
        assert "certificate" in str(refusal(opened(server, "other.test")))
    assert tls.session_stats()["hits"] == 0


@pytest.mark.parametrize("how", ["written over", "replaced"])
def test_a_changed_bundle_counts_from_the_next_connection(how, bundle, opened, tmp_path):
    """An authority that was taken out is trusted no longer, and no session made under it is resumed."""
    with FaultyServer(CLOSING, tls=server_tls()) as server:
        transport = opened(server)
        assert ask(transport) == 200
        new = shutil.copyfile(STRANGERS, tmp_path / "new.pem")
        if how == "replaced":
            new.replace(bundle)
        else:
            Path(bundle).write_bytes(new.read_bytes())
        assert "certificate" in str(refusal(transport))
        assert "certificate" in str(refusal(opened(server)))


@pytest.mark.parametrize("how", ["gone", "empty", "no certificate"])
def test_a_bundle_that_cannot_be_read_now_leaves_the_last_one(how, bundle, opened, tmp_path):
    """While a package is being replaced a running batch goes on; a backend that never read it says so."""
    with FaultyServer(CLOSING, tls=server_tls()) as server:
        transport, late = opened(server), opened(server)
        assert ask(transport) == 200
        if how == "gone":
            os.unlink(bundle)
        else:
            Path(bundle).write_text("" if how == "empty" else "no certificate")
        assert ask(transport) == 200
        assert bundle in str(refusal(late))


def test_a_folder_of_certificates_is_a_bundle_too(bundles_read, opened, tmp_path, monkeypatch):
    """Named by a variable, in the layout of c_rehash, and shared like a file."""
    folder = str(shutil.copytree(TLS / "folder", tmp_path / "folder"))
    monkeypatch.setenv("SSL_CERT_FILE", folder)
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        assert [ask(opened(server)) for _ in range(3)] == [200] * 3
    assert bundles_read == [folder]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_asks_while_a_thread_of_its_parent_reads_the_bundle(bundle, opened, tmp_path, monkeypatch):
    """A lock that nobody in the child will release holds nothing up there; the parent goes on as well."""
    load, reading, go_on = ssl.SSLContext.load_verify_locations, threading.Event(), threading.Event()
    parent = os.getpid()

    def slow(self: ssl.SSLContext, *given, **options) -> None:
        if os.getpid() == parent:
            reading.set()
            assert go_on.wait(20)
        load(self, *given, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", slow, raising=False)
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        first, statuses = opened(server), []
        thread = threading.Thread(target=lambda: statuses.append(ask(first)))
        thread.start()
        assert reading.wait(10)
        child = os.fork()
        if child == 0:
            threading.Timer(15, os._exit, [9]).start()
            status = 8
            try:
                status = 0 if ask(opened(server)) == 200 else 7
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        go_on.set()
        thread.join()
    assert statuses == [200]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_child_resume_the_same_session(bundle, opened):
    """Each on connections of its own; neither disturbs the other."""
    tls = server_tls()
    with FaultyServer(CLOSING, tls=tls) as server:
        transport = opened(server)
        assert ask(transport) == 200
        child = os.fork()
        if child == 0:
            status = 8
            try:
                status = 0 if ask(transport) == 200 else 7
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ask(transport) == 200
    assert tls.session_stats()["hits"] == 2
