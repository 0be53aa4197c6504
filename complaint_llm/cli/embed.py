"""``complaint-llm embed``: the vectors of texts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.embed_input import Columns, TextToEmbed, read_files
from complaint_llm.cli.options import SECONDS, OutputFile
from complaint_llm.cli.streams import read_all
from complaint_llm.cli.terminal import tell, write
from complaint_llm.cli.token_words import token_count
from complaint_llm.exceptions import ComplaintLLMError, ResponseFormatError
from complaint_llm.private_folder import open_private

if TYPE_CHECKING:
    from complaint_llm.messages import TokenUsage

USUAL_BATCH = 100


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    *("-f", "--file", "files"),
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A text, a table (.csv, .tsv) or JSON lines (.jsonl); repeat for several.",
)
@click.option("--lines", "by_line", is_flag=True, help="Of a file of text each line is a text, not the whole.")
@click.option("--text", "text_key", default="text", show_default=True, help="The column, or key, of the text.")
@click.option("--id", "id_key", default="id", show_default=True, help="The column, or key, of the id.")
@click.option("-o", "--output", type=OutputFile(), help="Write here: .csv, or JSON lines of id and embedding.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines of id and embedding, not vectors alone.")
@click.option(
    "--batch-size", type=click.IntRange(1), default=USUAL_BATCH, show_default=True, help="How many texts a request has."
)
@click.option("-b", "--backend", help="Ask only this backend (its id).")
@click.option("-m", "--model", help="The embedding model; otherwise the backend's embedding_model.")
@click.option("--timeout", type=SECONDS, help="Seconds for each request.")
@click.option("--privacy", type=click.Choice(["local"]), help="Nothing may leave this machine.")
@click.option("--matter", metavar="NUMBER", help="The matter that it belongs to.")
@click.option("-u", "--usage", is_flag=True, help="Say backend, model, tokens and price at the end, on stderr.")
@click.pass_obj
def embed(
    app: App,
    /,
    texts: tuple[str, ...],
    files: tuple[Path, ...],
    by_line: bool,
    text_key: str,
    id_key: str,
    output: str | None,
    as_json: bool,
    batch_size: int,
    usage: bool,
    **given: Any,
) -> None:
    """Print the vector of each TEXT as a JSON array a line, in order; without TEXT and files each line of standard
    input is one. All vectors are of one model.

    A file of text is one text, with the file's name as its id (with --lines each line is one); a row of a table and a
    line of JSON have their own id, else the place where they stand. With -o the vectors go to a file as they come: if a
    request fails, those before it are kept there.

    Example: complaint-llm embed -f intakes.csv --text story -o vectors.jsonl
    """
    if texts and files:
        raise click.UsageError("give texts or files, not both")
    params = {key: value for key, value in given.items() if value is not None}
    if files:
        wanted: Iterable[TextToEmbed] = read_files(files, Columns(id_key, text_key), by_line=by_line)
    else:
        lines = list(texts) or [line.rstrip("\n") for line in io.StringIO(read_all())]
        wanted = [TextToEmbed(str(number), text) for number, text in enumerate(lines, 1)]
    with app.open_mediator() as mediator, _Vectors(output, as_json=as_json or bool(files)) as vectors:
        used = _Used()
        try:
            for part in _parts(iter(wanted), batch_size):
                found = mediator.embeddings([each.text for each in part], **params)
                used.add(found.model, found.token_usage, found.cost)
                for each, vector in zip(part, found.vectors, strict=True):
                    vectors.write(each.id, vector)
        except (ComplaintLLMError, click.UsageError):
            if vectors.count and output is not None:
                tell(f"{vectors.count} vectors are in {output}; what failed comes after them")
            raise
    if usage and used.model is not None:
        cost = "price unknown" if used.cost is None else f"${used.cost:.6f}"
        tokens = token_count(used.tokens, complete=used.complete)
        tell(f"{found.backend} ({used.model}): {vectors.count:,} vectors, {tokens}, {cost}")


class _Used:
    """What all requests took together."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.tokens, self.complete = 0, True
        self.cost: float | None = 0.0

    def add(self, model: str, usage: TokenUsage, cost: float | None) -> None:
        """Raises ResponseFormatError for vectors of another model: they cannot be compared."""
        if self.model not in (None, model):
            raise ResponseFormatError(f"the vectors were of {self.model} and are of {model} now: choose one by -m")
        self.model = model
        self.tokens += usage.total_tokens
        self.complete = self.complete and usage.is_complete
        self.cost = None if cost is None or self.cost is None else self.cost + cost


class _Vectors:
    """Where vectors go, each as it comes: the file, opened for the first of them, or standard output."""

    def __init__(self, path: str | None, *, as_json: bool) -> None:
        self.count = 0
        self._path = path
        self._as_json = as_json or path is not None
        self._file: TextIO | None = None
        self._open = ExitStack()

    def __enter__(self) -> _Vectors:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def write(self, id: str, vector: tuple[float, ...]) -> None:
        """Write one."""
        self.count += 1
        line = json.dumps({"id": id, "embedding": vector} if self._as_json else vector, ensure_ascii=False)
        if self._path is None:
            write(line)
            return
        if self._file is None:
            made = open(self._path, "w", encoding="utf-8", newline="", opener=open_private)  # noqa: SIM115
            self._file = self._open.enter_context(made)
            if self._path.lower().endswith(".csv"):
                csv.writer(self._file).writerow(("id", "embedding"))
        if self._path.lower().endswith(".csv"):
            from complaint_llm.batch.output.export import harmless  # cold start: batches

            csv.writer(self._file).writerow((harmless(id), json.dumps(vector)))
        else:
            self._file.write(line + "\n")


def _parts(texts: Iterator[TextToEmbed], size: int) -> Iterator[list[TextToEmbed]]:
    while part := list(islice(texts, size)):
        yield part
