"""``complaint-llm models pull``: fetch the files of local models before they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import tell, tell_line, write
from complaint_llm.exceptions import BackendError, ComplaintLLMError

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend
    from complaint_llm.backends.local_model import PulledModel

FILE_TYPE = "workstation"
"""The type whose models are single files of the Hub."""


class Pull(NamedTuple):
    """The file of one backend; ``backend`` is None where the file itself was named."""

    backend: str | None
    file: PulledModel

    def as_lines(self) -> Iterator[str]:
        """For people."""
        yield self.file.source if self.backend is None else f"{self.backend}: {self.file.source}"
        yield f"  file     {self.file.path}"
        yield f"  size     {self.file.size:,} bytes"
        yield f"  sha256   {self.file.sha256}"
        yield f"  license  {self.file.license or 'none named'}"

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {"backend": self.backend, **self.file._asdict(), "path": str(self.file.path)}


@click.command(short_help="Fetch the files of local models from the Hub.")
@click.argument("what", metavar="[BACKEND|REPO/FILE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def pull(app: App, what: str | None, as_json: bool) -> None:
    """Fetch the GGUF file of each backend (or of BACKEND alone, or OWNER/REPO/FILE) from the Hugging Face Hub, if it is
    not on this machine, and check its content. A terminal shows a progress bar; a fetch that broke off goes on.

    Printed are the file, its size, SHA-256 and license. A file that is not the one of the config's "sha256" is
    refused. No prompt is sent. Exit code 1 if a file could not be had.

    Example: complaint-llm models pull
    """
    pulls: list[Pull] = []
    faults: list[str] = []
    for found in _pulls(app, what):
        if isinstance(found, Pull):
            pulls.append(found)
        else:
            faults.append(found)
    if as_json:
        write(json.dumps([each.as_json() for each in pulls], ensure_ascii=False, indent=2))
    else:
        for line in (line for each in pulls for line in each.as_lines()):
            write(line)
    for line in faults:
        tell_line(line)
    if not pulls and not faults:
        tell("no backend of the config names a file of the Hub (repo and filename)")
    if faults:
        raise SystemExit(1)


def _pulls(app: App, what: str | None) -> Iterator[Pull | str]:
    """Each file, or why it could not be had. Raises ConfigError, also for a BACKEND that is not there."""
    from complaint_llm.cli.leaf_routes import leaf_routes  # cold start: clients

    repo, filename = _split(what or "")
    if repo:
        with app.open_host().backend_type(FILE_TYPE).factory()(id=FILE_TYPE, repo=repo, filename=filename) as backend:
            found = _pull_of(backend, None)
            if found is not None:
                yield found
        return
    with app.open_backends() as mediator:
        routes, faults = leaf_routes(mediator, what)
        yield from faults
        for route in routes:
            try:
                client = route.client
            except (ComplaintLLMError, TypeError) as error:
                yield f"{route.id}: {error}"
                continue
            found = _pull_of(client, route.id)
            if found is not None:
                yield found
            elif what is not None:
                yield f"{route.id}: there is nothing to fetch: it names no file of the Hub (repo and filename)"


def _pull_of(backend: Backend, id: str | None) -> Pull | str | None:
    from complaint_llm.backends.local_model import LocalModelBackend  # cold start: backends

    try:
        file = backend.pull(tell_line) if isinstance(backend, LocalModelBackend) else None
    except BackendError as error:
        return str(error)
    return None if file is None else Pull(id, file)


def _split(what: str) -> tuple[str, str]:
    """The repository and the file that REPO/FILE names; two empty texts where it is the id of a backend."""
    owner, _, rest = what.partition("/")
    name, _, filename = rest.partition("/")
    return (f"{owner}/{name}", filename) if owner and name and filename else ("", "")
