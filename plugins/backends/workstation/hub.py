"""Model files of the Hugging Face Hub, kept in the cache that all its tools share.

``HF_HOME`` says where that is, ``HF_TOKEN`` opens what is not public, ``HF_ENDPOINT`` names another Hub.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from complaint_llm.exceptions import BackendError

INSTALL = "huggingface-hub is not installed: pip install 'complaint-llm[workstation]'"


def fetch_file(repo: str, filename: str, *, offline: bool) -> Path:
    """The file, from this machine or fetched now, with a progress bar on a terminal; a fetch that broke off goes on.

    What is here is used as it is, without a question to the Hub; with ``offline`` nothing is fetched. Raises
    BackendError.
    """
    hub = _module()
    try:
        return Path(hub.hf_hub_download(repo, filename, local_files_only=True))
    except hub.errors.LocalEntryNotFoundError as cause:
        if offline:
            message = f"{repo}/{filename} is not on this machine and the request may not leave it"
            raise BackendError(message, sent=False) from cause
    try:
        _resume(hub, repo, filename)
        # It is in the cache by now: this puts its name to it.
        return Path(hub.hf_hub_download(repo, filename))
    except Exception as cause:
        # Besides the Hub's own errors those of whichever HTTP client it uses, and of the disk.
        raise BackendError(f"cannot fetch {repo}/{filename} from the Hub: {_reason(cause)}", sent=False) from cause


def is_fetched(repo: str, filename: str) -> bool:
    """Whether the whole file is on this machine."""
    return isinstance(_module().try_to_load_from_cache(repo, filename), str)


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


def _resume(hub: Any, repo: str, filename: str) -> None:
    """Put the file's content into the Hub's cache, from where an earlier fetch broke off.

    huggingface-hub itself goes on after a broken connection, but begins anew in a new process (its partial files have
    a name of their own each). Two fetches at a time wait for each other.
    """
    url = hub.hf_hub_url(repo, filename)
    found = hub.get_hf_file_metadata(url)
    if not found.size or not found.etag or not found.etag.isalnum():
        return  # a Hub that does not say enough: left to huggingface-hub
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
        if begun and not _is_whole(part, found.etag):
            part.unlink()
            raise OSError("what had been fetched before does not fit: it was deleted, try again")
        part.rename(blob)


def _is_whole(path: Path, etag: str) -> bool:
    """Whether the content is what the Hub names; true where it names no SHA-256."""
    if len(etag) != hashlib.sha256().digest_size * 2:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == etag


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
