"""Model files of the Hugging Face Hub, kept in the cache that all its tools share.

``HF_HOME`` says where that is, ``HF_TOKEN`` opens what is not public, ``HF_ENDPOINT`` names another Hub.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from complaint_llm.backends import PulledModel, folder_fault
from complaint_llm.exceptions import BackendError

INSTALL = "huggingface-hub is not installed: pip install 'complaint-llm[workstation]'"
LICENSE_SECONDS = 10.0
"""How long the Hub is waited for when it is asked for a license."""


def fetch_file(repo: str, filename: str, *, sha256: str | None = None, offline: bool) -> Path:
    """The file, from this machine or fetched now, with a progress bar on a terminal; a fetch that broke off goes on.

    What is here is used as it is, without a question to the Hub; with ``offline`` nothing is fetched. A file whose
    content is not that of ``sha256`` is refused. Raises BackendError.
    """
    hub = _module()
    name = f"{repo}/{filename}"
    try:
        return _as_expected(Path(hub.hf_hub_download(repo, filename, local_files_only=True)), name, sha256)
    except hub.errors.LocalEntryNotFoundError as cause:
        if offline:
            raise BackendError(f"{name} is not on this machine and the request may not leave it", sent=False) from cause
    try:
        _resume(hub, repo, filename, sha256)
        # It is in the cache by now: this puts its name to it.
        return _as_expected(Path(hub.hf_hub_download(repo, filename)), name, sha256)
    except BackendError:
        raise
    except Exception as cause:
        # Besides the Hub's own errors those of whichever HTTP client it uses, and of the disk.
        raise BackendError(f"cannot fetch {name} from the Hub: {_reason(cause)}", sent=False) from cause


def pull_file(repo: str, filename: str, *, sha256: str | None, tell: Callable[[str], None]) -> PulledModel:
    """The same, with the license that the Hub names and the SHA-256 of what is on the disk. Raises BackendError, also
    where the file has changed since it was fetched."""
    name = f"{repo}/{filename}"
    license = _license(_module(), repo)
    if is_fetched(repo, filename):
        tell(f"{name}: is on this machine")
    else:
        tell(f"{name}: {'no license is named' if license is None else f'license {license}'}; fetching")
    path = fetch_file(repo, filename, sha256=sha256, offline=False)
    found = _sha256_of(path)
    named = _named_digest(path) if sha256 is None else sha256
    if named not in (None, found):
        raise BackendError(
            f"{name}: its content has SHA-256 {found}, not {named}: delete {path.resolve()} and pull again", sent=False
        )
    return PulledModel(name, path, path.stat().st_size, found, license)


def is_fetched(repo: str, filename: str) -> bool:
    """Whether the whole file is on this machine."""
    return isinstance(_module().try_to_load_from_cache(repo, filename), str)


def check_cache() -> None:
    """Raise BackendError if nothing could be fetched, since the cache's folder could not be made or written."""
    fault = folder_fault(Path(_module().constants.HF_HUB_CACHE))
    if fault is not None:
        raise BackendError(f"its file could not be fetched: {fault} by HF_HOME", sent=False)


def cached_files() -> list[Path]:
    """The GGUF files of the Hub that are on this machine, by name."""
    cache = Path(_module().constants.HF_HUB_CACHE)
    return sorted(cache.glob("models--*/snapshots/*/**/*.gguf"), key=lambda file: file.name)


def look_on_hub(repo: str, filename: str, timeout: float) -> None:
    """Raises BackendError if the Hub cannot be reached within ``timeout`` seconds or does not have the file."""
    hub = _module()
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(repo, filename), timeout=timeout)
    except Exception as cause:
        raise BackendError(f"cannot find {repo}/{filename} on the Hub: {_reason(cause)}", sent=False) from cause


def _license(hub: Any, repo: str) -> str | None:
    """What the repository's card names; None where it names none, or the Hub cannot be asked."""
    try:
        about = hub.model_info(repo, timeout=LICENSE_SECONDS)
    except Exception:  # noqa: BLE001  whatever its HTTP client raises: a file that is here needs no Hub
        return None
    named = about.card_data.get("license") if about.card_data is not None else None
    tags = [tag.removeprefix("license:") for tag in about.tags or () if tag.startswith("license:")]
    return named if isinstance(named, str) else next(iter(tags), None)


def _as_expected(path: Path, name: str, sha256: str | None) -> Path:
    """The path. Raises BackendError if the content is not that of ``sha256``."""
    if sha256 is not None:
        found = _named_digest(path) or _sha256_of(path)
        if found != sha256:
            raise _other_content(name, found, sha256)
    return path


def _other_content(name: str, found: str, sha256: str) -> BackendError:
    return BackendError(f"{name} is refused: its SHA-256 is {found}, the config says {sha256}", sent=False)


def _resume(hub: Any, repo: str, filename: str, sha256: str | None) -> None:
    """Put the file's content into the Hub's cache, from where an earlier fetch broke off.

    huggingface-hub itself goes on after a broken connection, but begins anew in a new process (its partial files have
    a name of their own each). Two fetches at a time wait for each other.
    """
    url = hub.hf_hub_url(repo, filename)
    found = hub.get_hf_file_metadata(url)
    if not found.size or not found.etag or not found.etag.isalnum():
        return  # a Hub that does not say enough: left to huggingface-hub
    if sha256 is not None and _is_digest(found.etag) and found.etag != sha256:
        raise _other_content(f"{repo}/{filename}", found.etag, sha256)
    folder = Path(hub.constants.HF_HUB_CACHE, hub.file_download.repo_folder_name(repo_id=repo, repo_type="model"))
    blob = folder / "blobs" / found.etag
    part = blob.with_name(f"{found.etag}.complaint-llm")
    blob.parent.mkdir(parents=True, exist_ok=True)
    headers = hub.utils.build_hf_headers()
    if urlsplit(found.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is for the Hub, not for where it stores files
    with hub.utils.WeakFileLock(part.with_name(f"{part.name}.lock")):
        if blob.exists():
            return
        with part.open("ab") as file:
            begun = file.tell()
            hub.file_download.http_get(
                found.location,
                file,
                resume_size=begun,
                headers=headers,
                expected_size=found.size,
                displayed_filename=filename,
            )
        if not _is_whole(part, found.etag):
            part.unlink()
            what = "what had been fetched before" if begun else "what came"
            raise OSError(f"{what} does not fit: it was deleted, try again")
        part.rename(blob)


def _is_whole(path: Path, etag: str) -> bool:
    """Whether the content is what the Hub names; true where it names no SHA-256."""
    return not _is_digest(etag) or _sha256_of(path) == etag


def _is_digest(text: str) -> bool:
    return len(text) == hashlib.sha256().digest_size * 2 and not set(text) - set("0123456789abcdef")


def _named_digest(path: Path) -> str | None:
    """The SHA-256 by which the Hub's cache names a file; None where it has another name."""
    name = path.resolve().name
    return name if _is_digest(name) else None


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _module() -> Any:
    try:
        import huggingface_hub  # extra
        import huggingface_hub.constants  # extra
        import huggingface_hub.errors  # extra
        import huggingface_hub.file_download  # extra
        import huggingface_hub.utils  # extra
    except ImportError as cause:
        raise BackendError(INSTALL, sent=False) from cause
    return huggingface_hub


def _reason(cause: Exception) -> str:
    return " ".join(str(cause).split())[:200] or type(cause).__name__
