"""What ``init`` does: from its options, or answers, to a config, a ``.env`` and a schema that fit together."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.init.key_file import ENV_NAME, add_variable, env_value, ignore_key_file
from complaint_llm.cli.init.plan import DEFAULT_EVIDENCE, Plan, config_text
from complaint_llm.cli.init.questions import Answers, ask
from complaint_llm.cli.init.servers import loopback_servers
from complaint_llm.cli.init.service_types import ServiceType
from complaint_llm.cli.terminal import tell, write
from complaint_llm.config import composed_schema, load_config
from complaint_llm.config.environment import Environment, with_dotenv
from complaint_llm.config.load import assemble
from complaint_llm.config.problems import Problem, json_pointer
from complaint_llm.config.saving import write as write_file
from complaint_llm.config.schema_file import SCHEMA_NAME, check_schema_file, write_schema
from complaint_llm.config.source import DEFAULT_NAMES, Source
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost

_NOT_SET = "not-set-yet"


def make_files(app: App, given: Plan, *, yaml: bool, force: bool) -> None:
    """Write them: as ``given`` says where it names a type, otherwise with what is answered on the terminal.

    Raises ConfigError and click.UsageError.
    """
    file = _target(app, yaml, force)
    host, environment = PluginHost(), _environment(file.parent)
    if given.type:
        answers = Answers(_with_type(given, given.type, host, environment), "")
    elif sys.stdin.isatty() and sys.stderr.isatty():
        types = list(host.backend_types())
        servers = loopback_servers(types, {name: environment.get(name) or "" for name in _address_variables(types)})
        answers = ask(host, types, servers, environment, given)
    else:
        raise click.UsageError("without a terminal give --type (such as --type ollama --model llama3.2): see --help")
    _write_all(file, answers, host, environment)


def _address_variables(types: Sequence[Any]) -> set[str]:
    return {type.variables["base_url"] for type in types if "base_url" in type.variables}


def _target(app: App, yaml: bool, force: bool) -> Path:
    """The config to write. Raises ConfigError where one is there, unless ``force`` says that it may go."""
    named = app.config_path or os.environ.get("COMPLAINT_LLM_CONFIG")
    if named and yaml and Path(named).suffix.lower() not in (".yaml", ".yml"):
        raise click.UsageError(f"--yaml, and {named} is no name of a YAML file")
    file = Path(named) if named else Path("config.yaml" if yaml else "config.json")
    if not file.parent.is_dir():
        raise ConfigError(f"{file}: there is no folder {file.parent}: make it first")
    if file.exists() and not force:
        raise ConfigError(f"{file}: is there already: --force writes over it, -c names another file")
    other = next((name for name in DEFAULT_NAMES if Path(name).is_file() and name != str(file)), None)
    if not named and other is not None:
        raise ConfigError(f"{other}: is there already, beside {file}: move it away, or name the new one by -c")
    return file


def _environment(folder: Path) -> Environment:
    widened = with_dotenv(Environment(os.environ), folder)
    if isinstance(widened, str):
        raise ConfigError(widened)
    return widened


def _with_type(given: Plan, name: str, host: PluginHost, environment: Environment) -> Plan:
    """What the options say, completed with what the type has beforehand."""
    try:
        chosen = ServiceType(host.backend_type(name))
    except PluginError as error:
        raise click.BadParameter(str(error), param_hint="--type") from error
    if chosen.type.parts:
        raise click.BadParameter(f"{name} is made of other backends: begin with one of those", param_hint="--type")
    model = given.model or str(given.keys.get(chosen.model_key, ""))
    if chosen.wants_model and not model and "repo" not in given.keys:
        raise click.UsageError(f"--model is missing: {name} has none beforehand")
    wants_key = chosen.wants_key(environment, given.base_url)
    keys = {key: value for key, value in given.keys.items() if key != chosen.model_key}
    return given._replace(
        type=chosen.type.name,
        id=given.id or chosen.type.name,
        model=model,
        model_key=chosen.model_key,
        key_variable=given.key_variable or (chosen.key_variable(environment) if wants_key else ""),
        evidence=given.evidence or DEFAULT_EVIDENCE,
        keys={**chosen.demo_keys, **keys},
    )


def _write_all(file: Path, answers: Answers, host: PluginHost, environment: Environment) -> None:
    plan = answers.plan
    document = plan.document()
    variable, key = plan.key_variable, answers.key
    is_set = not variable or bool(key) or environment.get(variable) is not None
    # Until the key is there, what else is wrong with the config can be found with another value in its place.
    environ = {variable: _NOT_SET} if variable else {}
    _check_document(file, document, host, environ)
    schema_file = file.parent / SCHEMA_NAME
    check_schema_file(schema_file)
    if variable and (key or not is_set):
        _write_key(file.parent, variable, key)
    write_schema(schema_file, composed_schema(host, document))
    tell(f"{schema_file}: for editors, written")
    write_file(file, config_text(document, file))
    tell(f"{file}: written")
    load_config(file, environ={**os.environ, **({} if is_set else environ)})
    if not is_set:
        tell(f"{variable} is not set yet: put the key into {file.parent / ENV_NAME}, after {variable}=")
    named = "" if str(file) in DEFAULT_NAMES else f" -c {shlex.quote(str(file))}"
    tell("next:")
    write(f"complaint-llm{named} check --connect")
    write(f'complaint-llm{named} generate "Say hello in one word."')


def _check_document(file: Path, document: Mapping[str, Any], host: PluginHost, environ: Mapping[str, str]) -> None:
    def describe(found: list[Problem]) -> list[str]:
        return [f"{json_pointer(problem.path)}: {problem.text}" for problem in found]

    source = Source(file, str(file), "", document)
    made = assemble(source, document, Environment({**os.environ, **environ}), host, describe)
    if isinstance(made, list):
        raise ConfigError("\n".join(made), made)
    for entry in made.backends:
        made.make_backend(entry.id).close()


def _write_key(folder: Path, variable: str, key: str) -> None:
    """A line for the key; an empty one to be filled in where none was typed. Lines that are there stay."""
    file = folder / ENV_NAME
    if env_value(file, variable) is not None:
        return
    try:
        add_variable(file, variable, key)
        ignored = ignore_key_file(folder)
    except OSError as cause:
        raise ConfigError(f"{cause.filename or file}: cannot be written: {cause.strerror or cause}") from cause
    tell(f"{file}: {'the key, for your eyes alone' if key else f'a line for {variable}'}, written")
    if ignored is not None:
        tell(f"{ignored}: {ENV_NAME} is left out of the repository, written")
