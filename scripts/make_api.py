"""Writes docs/api.md, the reference of the Python API: ``python scripts/make_api.py``.

Every name in ``__all__`` of the modules below, and every class and function of those without one, with its signature
and what its docstring says. Fields are told by the texts that stand below them in the source.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "api.md"
COMMAND = "python scripts/make_api.py"
MODULES: Mapping[str, str] = {
    "complaint_llm": "What scripts import.",
    "complaint_llm.exceptions": "What is raised. The tree, and what is retried: [errors.md](errors.md).",
    "complaint_llm.messages": "The values that go in and come out, beyond those above.",
    "complaint_llm.backends": "For backends made in code, and for authors of backends: [toolkit.md](toolkit.md).",
    "complaint_llm.batch": "Behind `Mediator.batch`: [batch.md](batch.md).",
    "complaint_llm.evidence": "Behind `Mediator.submit_evidence`: [evidence.md](evidence.md).",
    "complaint_llm.config": "Behind `load_config`: [configuration.md](configuration.md).",
    "complaint_llm.report": "Behind `complaint-llm report`: [report.md](report.md).",
    "complaint_llm.testing": "For tests of your own: [testing.md](testing.md).",
    "complaint_llm.checks.check": "For authors of checks: [plugins.md](plugins.md).",
    "complaint_llm.guards.guard": "For authors of guards: [guards.md](guards.md).",
    "complaint_llm.observers.observer": "For authors of observers: [observers.md](observers.md).",
}
HEAD = f"""# Python API

Every public name, with its signature and what it raises. Made by `{COMMAND}` from the docstrings.
Examples stand on the pages by task: [index.md](index.md). Where a parameter is not described here, it is a key of the
config with the same name: [configuration.md](configuration.md).
"""


def public_names(module: str) -> list[str]:
    """The names of a module that the reference has, in the order in which they are shown."""
    found = import_module(module)
    if hasattr(found, "__all__"):
        names = list(found.__all__)
    else:
        names = [
            name
            for name, value in vars(found).items()
            if not name.startswith("_")
            and (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module
        ]
    top = set() if module == "complaint_llm" else set(import_module("complaint_llm").__all__)
    return [name for name in names if name not in top and not inspect.ismodule(getattr(found, name))]


def documented() -> Iterator[tuple[str, str, Any]]:
    """Module, name and value of everything that the reference has; a value once, where it is met first."""
    seen: set[int] = set()
    for module in MODULES:
        for name in public_names(module):
            value = getattr(import_module(module), name)
            if id(value) not in seen:
                seen.add(id(value))
                yield module, name, value


def members(kind: type, others: set[type]) -> Iterator[tuple[str, Any, str]]:
    """Name, value and kind ("method", "property") of what users call; not what classes in ``others`` have."""
    shown = set()
    for base in kind.__mro__:
        if not base.__module__.startswith("complaint_llm") or (base is not kind and base in others):
            continue
        for name, value in vars(base).items():
            if name.startswith(("_", "test_")) or name in shown or name in getattr(base, "_fields", ()):
                continue
            if isinstance(value, property):
                shown.add(name)
                yield name, value, "property"
            elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
                shown.add(name)
                yield name, value, "method"


def fields(kind: type) -> list[tuple[str, str, str]]:
    """Name, type and meaning of the fields that a class declares, its bases' of this package first."""
    found: dict[str, tuple[str, str, str]] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("complaint_llm"):
            try:
                tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            except (OSError, TypeError):
                continue
            body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
            for node, after in zip(body, [*body[1:], None], strict=True):
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
                    said = after.value.value if _is_text(after) else ""
                    found[node.target.id] = (node.target.id, ast.unparse(node.annotation).strip("'"), _line(said))
    return list(found.values())


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def meaning(value: Any) -> str:
    """What the docstring says, as Markdown; nothing where there is none of its own."""
    value = getattr(value, "__func__", value)
    if inspect.isclass(value):
        said = value.__dict__.get("__doc__") or ""
    else:
        said = inspect.getdoc(value) or ""
    if inspect.isclass(value) and re.match(rf"{value.__name__}\(", said):
        said = ""  # what NamedTuple makes up
    return _markdown(inspect.cleandoc(said))


def _markdown(text: str) -> str:
    paragraphs = []
    for each in text.split("\n\n"):
        if each.lstrip().startswith(">>>") or re.search(r"^    ", each, re.M):
            paragraphs.append(f"```text\n{each}\n```")
        else:
            # A pair of square brackets is no link, an angle no tag.
            parts = re.split(r"(``[^`]+``)", " ".join(each.split()))
            paragraphs.append("".join(_plain(part) for part in parts))
    return "\n\n".join(paragraphs)


def _plain(part: str) -> str:
    if part.startswith("``"):
        return f"`{part[2:-2]}`"
    return re.sub(r"([\[\]<>*_])", r"\\\1", part)


def _line(text: str) -> str:
    return _markdown(" ".join(text.split())).replace("|", "\\|")


def signature(value: Any, name: str) -> str:
    """``name(arguments) -> result``, without ``self``; an argument a line where it is long."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    given: list[str] = []
    starred = False
    for each in found.parameters.values():
        if each.name in ("self", "cls", "_cls"):
            continue
        if each.kind is each.VAR_POSITIONAL:
            starred = True
        if each.kind is each.KEYWORD_ONLY and not starred:
            starred = True
            given.append("*")
        given.append(_parameter(each))
    result = _annotation(found.return_annotation)
    end = ")" if result in ("", "None", "Self") or inspect.isclass(value) else f") -> {result}"
    line = f"{name}({', '.join(given)}{end}"
    return line if len(line) <= 110 else f"{name}(\n" + "".join(f"    {each},\n" for each in given) + end


def _parameter(given: inspect.Parameter) -> str:
    stars = {given.VAR_POSITIONAL: "*", given.VAR_KEYWORD: "**"}.get(given.kind, "")
    kind = _annotation(given.annotation)
    said = f"{stars}{given.name}: {kind}" if kind else stars + given.name
    if given.default is given.empty:
        return said
    return f"{said} = {_default(given.default)}" if kind else f"{said}={_default(given.default)}"


def _default(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float, bool)) or value == ():
        return repr(value)
    return str(value) if isinstance(value, Path) else "..."


def _annotation(given: Any) -> str:
    if given is inspect.Parameter.empty:
        return ""
    text = getattr(given, "__forward_arg__", given)
    text = text if isinstance(text, str) else inspect.formatannotation(text)
    return re.sub(r"\b(?:typing|collections\.abc|complaint_llm(?:\.\w+)*)\.", "", text).strip("'\"")


def _entry(name: str, value: Any, others: set[type], names: Mapping[Any, str]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if inspect.isclass(value):
        aliases = [names[base] for base in value.__mro__[1:] if base in names]
        yield f"```text\n{signature(value, name)}\n```"
        yield ""
        if said := meaning(value):
            yield said
            yield ""
        if aliases:
            yield f"A kind of [`{aliases[0]}`](#{aliases[0].lower()}), with all that it has."
            yield ""
        found = fields(value)
        if any(said for _, _, said in found):
            yield "| field | type | meaning |"
            yield "| --- | --- | --- |"
            yield from (f"| `{field}` | `{_cell(kind)}` | {said} |" for field, kind, said in found)
            yield ""
        for member, inner, sort in members(value, others - {value}):
            call = member if sort == "property" else " ".join(signature(getattr(value, member), member).split())
            yield f"* `{call.replace('( ', '(').replace(', )', ')')}`  \n  {_indented(meaning(inner)) or '.'}"
        yield ""
    elif callable(value):
        yield f"```text\n{signature(value, name)}\n```"
        yield ""
        yield meaning(value)
        yield ""
    else:
        yield ", ".join(f"`{each}`" for each in sorted(value)) + "."
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def text() -> str:
    """The whole page."""
    everything = list(documented())
    others = {value for _, _, value in everything if inspect.isclass(value)}
    names = {value: name for _, name, value in everything if inspect.isclass(value)}
    lines = [HEAD]
    for module, said in MODULES.items():
        lines += [f"## `{module}`", "", said, ""]
        for home, name, value in everything:
            if home == module:
                lines += _entry(name, value, others, names)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def main() -> None:
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
