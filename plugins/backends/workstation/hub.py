"""Model files of the Hugging Face Hub, kept in the cache that all its tools share.

``HF_HOME`` says where that is, ``HF_TOKEN`` opens what is not public, ``HF_ENDPOINT`` names another Hub.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from complaint_llm.exceptions import BackendError


def fetched(repo: str, filename: str, *, offline: bool) -> Path:
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
        return Path(hub.hf_hub_download(repo, filename))
    except hub.errors.LocalEntryNotFoundError as cause:
        message = f"{repo}/{filename} is not on this machine and the Hub cannot be reached"
        raise BackendError(message, sent=False) from cause
    except Exception as cause:
        # Besides the Hub's own errors those of whichever HTTP client it uses, and of the disk.
        raise BackendError(f"cannot fetch {repo}/{filename} from the Hub: {_reason(cause)}", sent=False) from cause


def is_fetched(repo: str, filename: str) -> bool:
    """Whether the whole file is on this machine."""
    return isinstance(_module().try_to_load_from_cache(repo, filename), str)


def is_on_hub(repo: str, filename: str, timeout: float) -> None:
    """Raises BackendError if the Hub cannot be reached within ``timeout`` seconds or does not have the file."""
    hub = _module()
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(repo, filename), timeout=timeout)
    except Exception as cause:
        raise BackendError(f"cannot find {repo}/{filename} on the Hub: {_reason(cause)}", sent=False) from cause


def _module() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as cause:
        raise BackendError(
            "huggingface-hub is not installed: pip install 'complaint-llm[workstation]'", sent=False
        ) from cause
    return huggingface_hub


def _reason(cause: Exception) -> str:
    return " ".join(str(cause).split())[:200] or type(cause).__name__
