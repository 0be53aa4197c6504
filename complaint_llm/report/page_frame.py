"""What all pages have in common: templates, the policy that forbids requests, printed margins, the way to a file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import BatchError, ConfigError
from complaint_llm.report.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
DEMONSTRATION = "DEMONSTRATION: made by plain rules, not by a language model. Not for use on anybody's matter."


def frame(environment: Environment, style: str, script: str) -> Mapping[str, Any]:
    """The values that ``base.html`` takes: a page's own style and script, and the policy that allows just these."""
    style = template_source("base.css") + style
    return {
        "style": environment.filters["html"](style),
        "script": environment.filters["html"](script),
        "policy": "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{source_hash(style)}'; script-src '{source_hash(script)}'",
    }


def write_text(path: Path, text: str) -> None:
    """Write it so that ``path`` is either as before or complete; for its owner alone. Raises BatchError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(number)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BatchError(f"{path}: the page cannot be written: {error.strerror}") from error


def environment() -> Environment:
    """What templates are rendered with. Raises ConfigError without Jinja2."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # extra
        from markupsafe import Markup  # extra
    except ImportError as error:
        raise ConfigError("a page needs Jinja2: pip install 'complaint-llm[report]'") from error
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is put into the page goes through here: text from outside shows its unseen characters.
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["html"] = Markup
    return environment


def template_source(name: str) -> str:
    """A file that goes into a page as it is."""
    return (_FOLDER / "templates" / name).read_text(encoding="utf-8")


def printed_margins(band: str, notice: str) -> str:
    """What stands in the margins of each printed page: the band above, the notice below."""
    font = "font: {} system-ui, sans-serif; white-space: pre-wrap"
    above = f"@top-center {{ content: {_css_string(band)}; {font.format('700 9pt/1.2')}; }}" if band else ""
    place = "width: 85%; vertical-align: top; padding-top: 4mm"
    below = f"@bottom-left {{ content: {_css_string(notice)}; {font.format('7pt/1.25')}; {place}; }}" if notice else ""
    number = f"@bottom-right {{ content: counter(page); {font.format('8pt/1.25')}; }}"
    return f"@page {{ margin: 20mm 16mm 24mm; {above} {below} {number} }}\n"


def _css_string(text: str) -> str:
    """A text as a string of CSS: all but plain characters by their code points."""
    return '"' + "".join(each if each.isalnum() or each in " .,:;" else f"\\{ord(each):x} " for each in text) + '"'


def source_hash(source: str) -> str:
    """A source as a policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
