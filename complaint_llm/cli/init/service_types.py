"""What ``init`` must know of a backend type to write an entry of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.options import backend_schema
from complaint_llm.cli.init.servers import is_loopback
from complaint_llm.config.entry_types import entry_schema
from complaint_llm.config.environment import Environment
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.json_schema.problems import kinds_of

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType


class ServiceType(NamedTuple):
    """A type as a user who begins meets it."""

    type: BackendType

    @property
    def keys(self) -> Mapping[str, Any]:
        """The schemas of its keys."""
        found: Mapping[str, Any] = entry_schema(self.type, backend_schema())["properties"]
        return found

    @property
    def required(self) -> tuple[str, ...]:
        """The keys that an entry must have, beside id and type."""
        wanted = entry_schema(self.type, backend_schema())["required"]
        return tuple(key for key in wanted if key not in ("id", "type"))

    @property
    def wants_address(self) -> bool:
        """Whether an entry must say base_url: by its schema, or because its code knows none."""
        if "base_url" in self.required or "base_url" not in self.keys or "base_url" in self.type.presets:
            return "base_url" in self.required
        try:
            self.type.factory()(id=self.type.name, api_key="unused").close()
        except ConfigError as error:
            return "base_url" in str(error)
        except (PluginError, TypeError):
            return False
        return False

    @property
    def model_key(self) -> str:
        """The key that names the model."""
        return "model_path" if "model_path" in self.keys else "model"

    @property
    def wants_model(self) -> bool:
        """Whether a call needs a model's name."""
        return not self.type.demo and self.model_key in self.keys and self.type.name != "http"

    @property
    def example_model(self) -> str:
        """The model of its example."""
        return str((self.type.own_example() or {}).get(self.model_key, ""))

    @property
    def demo_keys(self) -> dict[str, Any]:
        """Of a type without a model the keys of its example, so that it answers."""
        example = self.type.own_example() or {}
        return {key: value for key, value in example.items() if key not in ("id", "type")} if self.type.demo else {}

    def description(self, key: str) -> str:
        """What a key means."""
        return str(self.keys.get(key, {}).get("description", ""))

    def value(self, key: str, text: str) -> Any:
        """A typed text as a value of this key: JSON where the key takes more than texts."""
        return text if kinds_of(self.keys.get(key, {})) == ["string"] else json_or_text(text)

    def key_variable(self, environment: Environment) -> str:
        """The variable that its key is read from: of several the first that is set, else the first; "" without any."""
        names = self.type.key_variables
        return environment.first(names) or next(iter(names), "")

    def wants_key(self, environment: Environment, base_url: str) -> bool:
        """Whether a key is needed, or one is there for it."""
        needs = self.type.needs_key
        needed = needs if isinstance(needs, bool) else needs({"base_url": base_url} if base_url else {})
        return bool(self.type.key_variables) and (needed or environment.first(self.type.key_variables) is not None)

    def is_local(self, base_url: str) -> bool:
        """Whether nothing that is asked costs or leaves this machine."""
        return self.type.demo or self.type.location == "local" or is_loopback(self.address(base_url))

    def address(self, base_url: str) -> str:
        """The address that is asked, "" where the type's own code knows it."""
        return base_url or str(self.type.presets.get("base_url", ""))


def json_or_text(text: str) -> Any:
    """The JSON value that a text is, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
