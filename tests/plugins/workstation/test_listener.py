"""The engine's own listener is reachable by nobody else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from complaint_llm.testing import FaultyServer
from tests.peers import need_peer
from tests.plugins.workstation.local_models import SLOTS, opened

pytestmark = pytest.mark.peer("llama.cpp")


def sockets_of(process: int) -> list[tuple[str, str]]:
    """The listening sockets of a process: ("unix", path) or ("tcp", "address:port")."""
    inodes = set()
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            target = os.readlink(f"/proc/{process}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for kind, place in (("tcp", 9), ("tcp6", 9)):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[place] in inodes and fields[3] == "0A":
                found.append((kind, fields[1]))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[6] in inodes and fields[3] == "00010000":
            found.append(("unix", fields[7] if len(fields) > 7 else ""))
    return found


def test_nobody_else_reaches_the_engine_s_listener(gguf: Path) -> None:
    """Each listening socket of the process is tried: none has a name under which it could be reached."""
    before = set(sockets_of(os.getpid()))
    with opened(gguf) as backend:
        backend.load()
        mine = [each for each in sockets_of(os.getpid()) if each not in before]
        assert all(kind == "unix" for kind, _ in mine), mine
        for _, path in mine:
            assert not Path(path).exists()
            with socket.socket(socket.AF_UNIX) as tried, pytest.raises(OSError):
                tried.connect(path)
        assert backend.generate("hi", max_tokens=2)


TRY_AS_ANOTHER = """
import json, os, pwd, socket, sys
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
for kind, place in json.loads(sys.argv[1]):
    if kind == "unix":
        family, address = socket.AF_UNIX, place.replace("@", chr(0), 1) if place.startswith("@") else place
    else:
        family = socket.AF_INET if kind == "tcp" else socket.AF_INET6
        address = ("127.0.0.1" if kind == "tcp" else "::1", int(place.rpartition(":")[2], 16))
    with socket.socket(family) as tried:
        tried.settimeout(5)
        try:
            tried.connect(address)
            tried.sendall(b"GET /health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            if tried.recv(1):
                print(place)
        except OSError:
            pass
"""


def answers_to_another_user(sockets: list[tuple[str, str]]) -> list[str]:
    """Which of these listening sockets answer a request of the user ``nobody``."""
    done = subprocess.run(
        [*need_peer("root").split(), sys.executable, "-c", TRY_AS_ANOTHER, json.dumps(sockets)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("keys", [{}, {"n_parallel": SLOTS}, {"n_ctx": 256}], ids=str)
def test_another_user_of_the_machine_gets_no_answer(gguf: Path, keys: dict[str, Any]) -> None:
    """A second user tries every listening socket of the process, while the model is loaded and while it answers: only
    the one that the test itself opened for all answers."""
    with FaultyServer() as open_to_all, opened(gguf, **keys) as backend:
        backend.load()
        stream = backend.stream_generate("hi", max_tokens=200, seed=2)
        next(stream)
        found = sockets_of(os.getpid())
        answered = answers_to_another_user(found)
        stream.close()
    assert [int(place.rpartition(":")[2], 16) for place in answered] == [urlsplit(open_to_all.url).port]
    assert len(found) > 1
