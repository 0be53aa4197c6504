"""Folders of plugins that others may change are refused, with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from complaint_llm.exceptions import PluginError
from complaint_llm.host import PluginHost
from complaint_llm.host.writers import folder_risk, tree_risk

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes say nothing elsewhere")
PLUGIN = """
from complaint_llm import hookimpl
class S:
    def order(self, targets, request): return targets
@hookimpl
def complaint_llm_strategies(): return {"mine": S}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three folders deep, all of them ours alone."""
    made = tmp_path / "office" / "llm" / "plugins"
    made.mkdir(parents=True)
    for each in (made, *list(made.parents)[:3]):
        each.chmod(0o755)
    (made / "mine.py").write_text(PLUGIN)
    (made / "mine.py").chmod(0o644)
    return made


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o711, 0o750, 0o555, 0o500, 0o1755])
def test_a_folder_that_nobody_else_may_write_is_used(folder: Path, mode: int) -> None:
    """Whoever may read it."""
    folder.chmod(mode)
    assert folder_risk(folder) is None
    assert PluginHost(paths=[folder]).offer("complaint_llm_strategies", "mine") is not None


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o757, 0o770, 0o720, 0o702, 0o722, 0o1777, 0o2775, 0o3777, 0o730])
def test_a_folder_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    """A sticky one too: everybody may add a file there. Nothing of it is run."""
    folder.chmod(mode)
    with pytest.raises(PluginError, match="chmod go-w") as caught:
        PluginHost(paths=[folder]).offer("complaint_llm_strategies", "mine")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("above", [0, 1])
@pytest.mark.parametrize("mode", [0o775, 0o777, 0o757, 0o722, 0o2775])
def test_a_folder_above_counts_too(folder: Path, above: int, mode: int) -> None:
    """Who may rename a folder may put another in its place."""
    parent = folder.parents[above]
    parent.chmod(mode)
    found = folder_risk(folder)
    assert found is not None
    assert found.startswith(f"{parent}: ")
    assert found.endswith(f"chmod go-w {parent}")


@pytest.mark.parametrize("mode", [0o1777, 0o1775, 0o1757, 0o3777])
def test_a_sticky_folder_above_is_as_good_as_its_owner(folder: Path, mode: int) -> None:
    """As ``/tmp``: nobody takes away what is ours."""
    folder.parent.chmod(mode)
    assert folder_risk(folder) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("uid", [1, 1000, 65534])
def test_another_users_folder_below_a_sticky_one_is_refused(folder: Path, uid: int) -> None:
    """It is theirs to change."""
    folder.parent.chmod(0o1777)
    os.chown(folder, uid, 0)
    assert "belongs to another user" in str(folder_risk(folder))


@pytest.mark.rows(4)
@pytest.mark.parametrize("mode", [0o664, 0o666, 0o646, 0o662, 0o777])
@pytest.mark.parametrize("name", ["mine.py", "mine.yaml", "mine/plugin.py", "mine/code/deep.py"])
def test_a_plugins_own_files_count(folder: Path, name: str, mode: int) -> None:
    """One that others may write is not run, and no other plugin suffers."""
    (folder / "mine.py").rename(folder / "good.py")
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith("mine/"):
        (folder / "mine" / "plugin.py").write_text("raise RuntimeError('it was run')")
    file.write_text("type: mine\nlike: openai\n" if name.endswith("yaml") else "raise RuntimeError('it was run')")
    file.chmod(mode)
    records = {record.name: record for record in PluginHost(paths=[folder]).plugins()}
    assert f"chmod go-w {file}" in str(records["mine"].error)
    assert records["good"].error is None


def test_links_are_followed_to_what_they_lead_to(folder: Path, tmp_path: Path) -> None:
    """The folder behind a link counts, the folders above that, and where the link lies."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert folder_risk(link) is None
    folder.parent.chmod(0o777)
    assert "chmod go-w" in str(folder_risk(link))
    folder.parent.chmod(0o755)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    second = tmp_path / "shared" / "second"
    second.symlink_to(folder)
    assert str(tmp_path / "shared") in str(folder_risk(second)), "others may put another link there"
    third = tmp_path / "third"
    third.symlink_to(second)
    assert str(tmp_path / "shared") in str(folder_risk(third)), "two links deep"
    assert str(tmp_path / "shared") in str(folder_risk(tmp_path / "third" / ".." / "plugins"))


def test_a_file_that_is_a_link_counts_where_it_leads(folder: Path, tmp_path: Path) -> None:
    """What is run is what is behind it."""
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    target = tmp_path / "elsewhere" / "code.py"
    target.write_text(PLUGIN)
    (folder / "linked.py").symlink_to(target)
    assert tree_risk(folder / "linked.py") is None
    (tmp_path / "elsewhere").chmod(0o777)
    assert "chmod go-w" in str(tree_risk(folder / "linked.py"))
