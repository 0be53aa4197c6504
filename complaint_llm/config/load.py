"""From a file to a Config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.config import references
from complaint_llm.config.defaults import with_defaults
from complaint_llm.config.entries import read_entries
from complaint_llm.config.environment import Environment, fill, process_environment, with_dotenv
from complaint_llm.config.model import Config
from complaint_llm.config.problems import Problem, nearest
from complaint_llm.config.source import Source, find, read
from complaint_llm.config.validation import Validator
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost, unknown_plugin
from complaint_llm.host.allow_list import AllowList
from complaint_llm.json_schema.files import read_schema
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.strategies import STRATEGIES

if TYPE_CHECKING:
    from complaint_llm.tasks.task import Task


def load_config(
    path: str | Path | None = None, *, environ: Mapping[str, str] | None = None, host: PluginHost | None = None
) -> Config:
    """The config in a JSON or YAML file: the one given, else ``$COMPLAINT_LLM_CONFIG``, else in the working directory
    complaint-llm.json, .yaml or .yml, else config.json, .yaml or .yml.

    ``environ`` stands for the process's environment; a ``.env`` beside the file adds what it does not set. ``host``
    brings further plugins. Raises ConfigError with every fault of the file, a line each in ``problems``.
    """
    # Nothing that is raised here has a frame below, or a cause, that holds the file's text or the environment: a
    # traceback that prints local variables would show the keys in them.
    environment = Environment(process_environment() if environ is None else environ)
    del environ
    loaded = load(find(path, environment.get("COMPLAINT_LLM_CONFIG")), environment, host)
    if isinstance(loaded, Config):
        return loaded
    raise ConfigError("\n".join(loaded), loaded)


def load_host(path: Path, *, environ: Mapping[str, str] | None = None) -> PluginHost:
    """The plugins that a config file names, whatever else of it is wrong. Raises ConfigError."""
    environment = Environment(process_environment() if environ is None else environ)
    del environ
    loaded = _host_alone(path, environment)
    if isinstance(loaded, list):
        raise ConfigError("\n".join(loaded), loaded)
    return loaded


class Survey(NamedTuple):
    """The plugins of a config as far as it says which, and a line for each fault of it."""

    host: PluginHost
    problems: Sequence[str]


def survey_host(path: Path, *, environ: Mapping[str, str] | None = None) -> Survey:
    """The same whatever is wrong with the file, PLUGINS too."""
    environment = Environment(process_environment() if environ is None else environ)
    del environ
    opened = _open(path, environment)
    if isinstance(opened, list):
        return Survey(PluginHost(), opened)
    source, widened = opened
    host, found = _host_of_plugins(source, widened, check=False)
    return Survey(host, source.lines(found) if found else ())


def _host_alone(path: Path, environment: Environment) -> PluginHost | list[str]:
    opened = _open(path, environment)
    if isinstance(opened, list):
        return opened
    source, widened = opened
    host, found = _host_of_plugins(source, widened)
    return source.lines(found) if found else host


def _host_of_plugins(source: Source, environment: Environment, check: bool = True) -> tuple[PluginHost, list[Problem]]:
    """The host of what PLUGINS says, and what is wrong there; without ``check`` of what can be used of it."""
    listed = {key: value for key, value in source.document.items() if key == "PLUGINS"}
    found, sections = _sections(listed, environment)
    found = [problem for problem in found if problem.path[:1] == ("PLUGINS",)]
    said = sections.get("PLUGINS")
    folder = source.path.absolute().parent
    if not check and isinstance(said, dict):
        said, before = _usable(said), found
        found = []
        host = _host(said, folder, None, found, load=False)
        return host, [*before, *found]
    try:
        return _host(said, folder, None, found), found
    except PluginError as error:
        return PluginHost(), [*found, Problem(("PLUGINS",), str(error))]


def _usable(said: Mapping[str, Any]) -> dict[str, list[str]]:
    """What of PLUGINS is of the right kind."""
    kept: dict[str, list[str]] = {}
    for key in ("paths", "enable", "block", "allow"):
        if isinstance(said.get(key), list):
            kept[key] = [each for each in said[key] if isinstance(each, str) and each]
    return kept


def load(path: Path, environment: Environment, host: PluginHost | None) -> Config | list[str]:
    """The config, or a line for each fault."""
    opened = _open(path, environment)
    if isinstance(opened, list):
        return opened
    source, widened = opened
    return assemble(source, document=source.document, environment=widened, host=host, describe=source.lines)


def _open(path: Path, environment: Environment) -> tuple[Source, Environment] | list[str]:
    """The file, and the environment with what a ``.env`` beside it adds."""
    source = read(path)
    if not isinstance(source, Source):
        return source
    widened = with_dotenv(environment, path.parent)
    return [widened] if isinstance(widened, str) else (source, widened)


def assemble(
    source: Source,
    document: Mapping[str, Any],
    environment: Environment,
    host: PluginHost | None,
    describe: Callable[[list[Problem]], list[str]],
) -> Config | list[str]:
    """A Config of a document, which is the source's own or one that was changed in code; else a line for each fault."""
    folder = source.path.absolute().parent
    found, sections = _sections(document, environment)
    try:
        chosen = _host(sections.get("PLUGINS"), folder, host, found)
    except PluginError as error:
        return describe([Problem(("PLUGINS",), str(error)), *found])
    defaults = with_defaults(document, chosen, found)
    if defaults.by_plugin and not found:
        found, sections = _sections(defaults.document, environment)
    listed = document.get("BACKENDS")
    reads = read_entries(chosen, environment, folder, listed if isinstance(listed, list) else ())
    found += [problem for one in reads for problem in one.problems]
    found += references.check_ids(reads)
    order = tuple(one.id for one in reads if one.id is not None)
    mediator = sections.get("MEDIATOR")
    found += references.check_mediator(mediator.get("backends") if isinstance(mediator, dict) else None, order)
    found += _strategy_problems(mediator.get("strategy") if isinstance(mediator, dict) else None, chosen)
    entries = [one.entry for one in reads if one.entry is not None]
    found += references.check_circles(entries)
    tasks = _tasks(sections.get("TASKS", []), folder, chosen, found)
    if found:
        return describe(found)
    left_out = {one.id: one.left_out.reason for one in reads if one.id is not None and one.left_out is not None}
    remaining = references.Remaining(entries, left_out)
    kept, left_out = remaining.entries(), remaining.left_out
    return Config(
        source=source,
        document=document,
        environment=environment,
        host=chosen,
        backends=kept,
        left_out=(*((id, left_out[id]) for id in order if id in left_out), *remaining.inline.items()),
        order=order,
        mediator=_with_paths(
            _with_paths(sections.get("MEDIATOR", {}), ("cache", "path"), folder), ("ledger", "path"), folder
        ),
        evidence=_with_paths(sections.get("EVIDENCE", {}), ("path",), folder),
        guards=sections.get("GUARDS", ()),
        observers=sections.get("OBSERVERS", ()),
        tasks=tasks,
        log=sections.get("LOG", {}),
        defaults=defaults.by_plugin,
        application=defaults.document.get("APPLICATION"),
        assemble=assemble,
    )


def _sections(document: Mapping[str, Any], environment: Environment) -> tuple[list[Problem], dict[str, Any]]:
    """Everything but BACKENDS and what is the user's: filled, converted, checked."""
    schema = read_schema("config")
    schema["properties"]["BACKENDS"] = {"type": "array", "minItems": 1}
    validator = Validator(schema)
    ours = {key: value for key, value in document.items() if key in _FILLED}
    if "TASKS" in ours:
        ours["TASKS"] = _without_schemas(ours["TASKS"])
    filled = fill(ours, environment)
    checked = validator.read(filled._replace(value={**document, **filled.value}))
    sections = {key: value for key, value in checked.value.items() if key in ours}
    found = [*filled.problems, *checked.problems]
    found += [
        Problem(path, f"${name} is not set: set it, or write ${{{name}:-default}}") for path, name in filled.unset
    ]
    tasks = sections.get("TASKS")
    if isinstance(tasks, list) and not any(problem.path[:1] == ("TASKS",) for problem in found):
        sections["TASKS"] = _schemas_back(tasks, document["TASKS"])
    else:
        sections["TASKS"] = []
    return found, {key: value for key, value in sections.items() if isinstance(value, (dict, list))}


def _without_schemas(tasks: Any) -> Any:
    """TASKS without schemas: a dollar sign in a JSON Schema is no reference."""
    if not isinstance(tasks, list):
        return tasks
    return [
        {key: value for key, value in each.items() if key != "schema" or isinstance(value, str)}
        if isinstance(each, dict)
        else each
        for each in tasks
    ]


def _schemas_back(filled: list[Any], written: list[Any]) -> list[Any]:
    return [{**old, **new} if "schema" in old else new for new, old in zip(filled, written, strict=True)]


def _tasks(entries: Any, folder: Path, host: PluginHost, found: list[Problem]) -> Mapping[str, Task]:
    """The tasks of TASKS."""
    if not entries:
        return {}
    # cold start: regex
    from complaint_llm.checks.answer_checks import SCHEMA
    from complaint_llm.config.plugin_tasks import KnownChecks, KnownTasks
    from complaint_llm.tasks.load import load_tasks

    known = KnownChecks(host)
    wanted = {name for entry in entries for name in entry.get("checks", ())}
    checks = {SCHEMA, *known} - wanted | {SCHEMA}
    for name in sorted(wanted - {SCHEMA}):
        try:
            checks |= {name} if name in known else set()
        except PluginError as error:
            naming = next(place for place, entry in enumerate(entries) if name in entry.get("checks", ()))
            found.append(Problem(("TASKS", naming, "checks"), str(error)))
    tasks, faults = load_tasks(entries, folder, checks, KnownTasks(host))
    found += [Problem(("TASKS", *place), text) for place, text in faults]
    return tasks


def _strategy_problems(name: Any, host: PluginHost) -> list[Problem]:
    """What is wrong with MEDIATOR.strategy; the schema cannot know what plugins offer."""
    if name == "fallback" or not isinstance(name, str) or not name:
        return []
    if name in STRATEGIES:
        return []
    try:
        if host.offer("complaint_llm_strategies", name) is not None:
            return []
    except PluginError:
        return []  # one whose plugin is broken is told by whoever makes it
    known = sorted({*STRATEGIES, *host.offer_names("complaint_llm_strategies")})
    meant = nearest(name, known)
    hint = f'; did you mean "{meant}"?' if meant else ""
    return [Problem(("MEDIATOR", "strategy"), f"no strategy {name!r}; there are {', '.join(known)}{hint}")]


_FILLED = ("PLUGINS", "MEDIATOR", "EVIDENCE", "LOG", "TASKS", "GUARDS", "OBSERVERS")


def _host(
    said: Any, folder: Path, given: PluginHost | None, found: list[Problem], load: bool = True
) -> PluginHost:
    """The host of a PLUGINS section; without ``load`` nothing of PLUGINS.enable is loaded, and nothing is raised."""
    if not said or any(problem.path[:1] == ("PLUGINS",) for problem in found):
        return given or PluginHost()
    written = said.get("paths", ())
    paths = [folder / Path(path).expanduser() for path in written]
    usable = []
    for index, path in enumerate(paths):
        from complaint_llm.host.writers import folder_risk  # cold start: dropped-in plugins

        text = folder_risk(path) if path.is_dir() else f"no folder {written[index]}: make it, or remove it here"
        if path.is_file():
            text = f"{written[index]} is a file, where a folder is wanted: name the folder that it is in"
        if text is None:
            usable.append(path)
        else:
            found.append(Problem(("PLUGINS", "paths", index), text))
    allow = said.get("allow")
    if allow is not None:
        allow = _allow_entries(allow, found)
    host = (given or PluginHost()).with_plugins(
        paths=usable, enable=said.get("enable", ()), block=said.get("block", ()), allow=allow
    )
    strange = [
        Problem(("PLUGINS", key, names.index(name)), unknown_plugin(name, near))
        for key in ("block", "allow", *(() if load else ("enable",)))
        for names in [[entry.partition("@")[0] if key == "allow" else entry for entry in said.get(key, ())]]
        for name, near in host.unknown_plugins(names)
    ]
    found += strange
    if load and not strange and not any(problem.path[:2] == ("PLUGINS", "allow") for problem in found):
        host.load_listed()
    return host


def _allow_entries(entries: Sequence[str], found: list[Problem]) -> list[str]:
    """The entries of PLUGINS.allow that are names, with or without a digest."""
    kept = []
    for place, entry in enumerate(entries):
        try:
            AllowList((entry,))
        except PluginError as error:
            found.append(Problem(("PLUGINS", "allow", place), str(error).removeprefix("PLUGINS.allow: ")))
        else:
            kept.append(entry)
    return kept


def _with_paths(section: Any, way: tuple[str, ...], folder: Path) -> Any:
    """The section with one path made relative to the config file's folder."""
    step, *rest = way
    if not isinstance(section, dict) or step not in section:
        return section
    value = section[step]
    changed = _with_paths(value, tuple(rest), folder) if rest else str(folder / Path(value).expanduser())
    return {**section, step: changed}
