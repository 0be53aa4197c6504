"""The process that reads: takes one file after the other from a pipe, and gives back what is in it.

Whatever a file makes a library do happens here: it may end this process and no other. There is no file that it may
write, none of the user's that it opens, and no more memory and CPU than it was given.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from complaint_llm.documents.frames import LENGTHS, encode_document, encode_frame, excess
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.plugin_reader import PluginReader, Reader
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.registry import READERS

_OPEN_FILES = 64
"""For imports, and what a plugin's reader starts; a leak ends here."""


def main(argument: str) -> None:
    """Read files until the pipe ends or nothing came for a while. ``argument`` is JSON, made by ``process``."""
    settings = json.loads(argument)
    limits = Limits(**settings["limits"])
    requests, answers = _take_pipes(settings["life"])
    _limit(limits)
    with requests, answers:
        while select.select([requests], [], [], settings["idle"])[0]:
            lengths = requests.read(LENGTHS.size)
            if len(lengths) < LENGTHS.size:
                return
            header_size, size = LENGTHS.unpack(lengths)
            request = json.loads(requests.read(header_size))
            header, images = _answer(request, requests, size, limits)
            for piece in encode_frame(header, *images):
                answers.write(piece)
            answers.flush()
            if not {"document", "unreadable"} & header.keys():
                return  # what failed may have left something broken behind


def _take_pipes(life: int) -> tuple[BinaryIO, BinaryIO]:
    """The pipes of requests and answers, kept from whoever reads standard input or prints."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    # Nothing is ever written into this pipe: its end is the parent's, and the signal ends this process at work, too.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    if select.select([life], [], [], 0)[0]:
        sys.exit(0)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _limit(limits: Limits) -> None:
    """Take away what reading a file does not need, before the first file comes."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if hasattr(resource, "RLIMIT_AS"):
        _lower(resource.RLIMIT_AS, _own_size() + limits.memory_bytes)


def _lower(kind: int, value: int) -> None:
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        return  # not every system has every limit, or lets it be set


def _own_size() -> int:
    """Bytes of address space in use now."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _move_cpu_limit(seconds: float) -> None:
    """The next file may use this much CPU, whatever those before it took."""
    used = time.process_time()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 2, hard))
    except (OSError, ValueError):
        return


def _answer(
    request: Mapping[str, Any], requests: BinaryIO, size: int, limits: Limits
) -> tuple[dict[str, Any], list[bytes]]:
    try:
        # What is read may hold every word of a client: of an error nothing but its kind is given back.
        _move_cpu_limit(limits.seconds)
        data = requests.read(size)
        reader = _reader(request)
        pages = None if request["pages"] is None else Pages(tuple((first, last) for first, last in request["pages"]))
        document: Any = reader(io.BytesIO(data), limits, pages)
        if not isinstance(document, ReadDocument):
            return {"failed": "TypeError"}, []
        too_much = excess(document, limits)
        if too_much is not None:
            return {"unreadable": too_much}, []
        header, images = encode_document(document)
        return {"document": header}, images
    except UnreadableError as error:
        return {"unreadable": str(error)}, []
    except MemoryError:
        return {"failed": "MemoryError"}, []
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        return {"missing": "" if missing == "complaint_llm" else missing, "failed": "ModuleNotFoundError"}, []
    except BaseException as error:  # noqa: BLE001 - the process ends after it
        return {"failed": type(error).__name__}, []


def _reader(request: Mapping[str, Any]) -> Reader:
    plugin = request["plugin"]
    if plugin is not None:
        return PluginReader(*plugin).load()
    found: Reader = import_module(READERS[request["media_type"]]).read
    return found
