"""What holds for whatever a plugin offers by a hook that returns a mapping of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import getsourcefile
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm.hookspecs import PROJECT
from complaint_llm.request import EMPTY
from complaint_llm.testing.imports import check_import_is_quick, check_import_is_quiet


class OfferConformance:
    """The base of the suites. ``plugin`` is the module with the hook; ``name`` what is looked at of what it offers,
    where that is more than one thing; ``keys`` are those of the entry that it is made with."""

    plugin: ClassVar[str]
    name: ClassVar[str] = ""
    keys: ClassVar[Mapping[str, Any]] = EMPTY
    hook: ClassVar[str]

    def offers_by_name(self) -> Mapping[str, Any]:
        """What the hook gives, by name."""
        module = import_module(self.plugin)
        function: Callable[[], Mapping[str, Any] | None] | None = getattr(module, self.hook, None)
        assert function is not None, f"{self.plugin} has no function {self.hook}"
        found = function()
        assert isinstance(found, Mapping), f"{self.hook} gives a {type(found).__name__}, no mapping"
        return found

    def offer_name(self) -> str:
        """The name of what is looked at."""
        found = self.offers_by_name()
        if self.name:
            assert self.name in found, f"{self.plugin} offers {', '.join(found)}, not {self.name}"
            return self.name
        assert len(found) == 1, f"{self.plugin} offers {', '.join(found) or 'nothing'}: say which by name"
        return next(iter(found))

    def offer(self) -> Any:
        """What is offered under that name."""
        return self.offers_by_name()[self.offer_name()]

    def test_its_hook_is_marked(self) -> None:
        """Without ``@hookimpl`` the function is never called."""
        self.offer_name()
        function = getattr(import_module(self.plugin), self.hook)
        assert hasattr(function, f"{PROJECT}_impl"), f"{self.hook} lacks @complaint_llm.hookimpl"

    def test_its_name_stands_in_the_source(self) -> None:
        """What a dropped-in plugin offers is read from its source, so that it is imported only where it is named."""
        source = getsourcefile(import_module(self.plugin))
        assert source is not None
        found = names_in_source(Path(source), self.hook)
        assert self.offer_name() in found, f"{self.hook} returns a computed name: write {self.offer_name()!r} in it"

    def test_importing_it_touches_no_network(self) -> None:
        """Loading a plugin is not using it."""
        check_import_is_quiet(self.plugin)

    def test_importing_it_is_quick(self) -> None:
        """At most twice as long as importing what it builds on."""
        check_import_is_quick(self.plugin)


def names_in_source(file: Path, hook: str) -> frozenset[str]:
    """The names that a plugin's file says that it offers by a hook, as the host reads them."""
    from complaint_llm.drop_in_import import DropInFile  # cold start: host
    from complaint_llm.host.drop_ins import DropIn  # cold start: host

    is_folder = file.name == "plugin.py"
    plugin = DropInFile(file.stem, "folder" if is_folder else "file", file.parent if is_folder else file)
    return DropIn(plugin).provided.of(hook)
