"""The list of models of one service over HTTP, asked when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from complaint_llm import bounded_json
from complaint_llm.backends.model_list import ListedModel, is_listed, missing_text, read_pages
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, ModelNotFoundError

if TYPE_CHECKING:
    from complaint_llm.backends.model_catalog import ModelCatalog
    from complaint_llm.backends.options import Options
    from complaint_llm.messages import ModelInfo
    from complaint_llm.transport import Response, Transport


class ListingService(Protocol):
    """A backend over HTTP, as far as its service's list needs it."""

    @property
    def id(self) -> str: ...
    @property
    def options(self) -> Options: ...
    @property
    def model_catalog(self) -> ModelCatalog: ...
    @property
    def transport(self) -> Transport: ...
    @property
    def models_path(self) -> str: ...
    @property
    def lists_all_models(self) -> bool: ...
    def response_error(self, response: Response) -> BackendError: ...
    def as_backend_error(self, error: Exception) -> BackendError: ...


class ServiceModels:
    """What a backend's service lists at ``models_path``, within ``timeout`` seconds for all pages."""

    def __init__(self, backend: ListingService, timeout: float) -> None:
        self._backend = backend
        self._deadline = Deadline(timeout)

    def infos(self) -> Sequence[ModelInfo] | None:
        """All that is known of each; None where the service has no list. Raises a BackendError."""
        listed = self._read_list(all_errors=True)
        catalog = self._backend.model_catalog
        return None if listed is None else [model.over(catalog.of(model.name)) for model in listed]

    def check(self) -> str:
        """What the list says of the config's model, as a phrase. Raises a BackendError, ModelNotFoundError if a list
        that has all does not have it."""
        backend = self._backend
        listed = self._read_list(all_errors=False)
        if not listed:
            return "it lists no models"
        names = [model.name for model in listed]
        options = backend.options
        wanted = [each for each in (options.model, options.embedding_model) if each is not None]
        missing = [each for each in wanted if not is_listed(each, names)]
        if options.model in missing and backend.lists_all_models:
            text = missing_text(options.model or "", names, backend.id)
            raise backend.as_backend_error(ModelNotFoundError(text, sent=False))
        if missing:
            return f"its list has no {' and no '.join(missing)}, which need not mean anything"
        return f"the model is among its {len(names)}" if wanted else f"it lists {len(names)} models"

    def _read_list(self, *, all_errors: bool) -> tuple[ListedModel, ...] | None:
        backend = self._backend

        def ask(query: str | None) -> Any:
            path = backend.models_path if query is None else f"{backend.models_path}?{query}"
            response = backend.transport.request("GET", path, None, deadline=self._deadline, cancel=CancelToken())
            status = response.status
            # A server without such a list is there all the same.
            if status in (401, 403) or status >= 500 or (all_errors and status >= 400 and status not in (404, 405)):
                raise backend.response_error(response)
            if status >= 400:
                return None
            try:
                return bounded_json.loads(response.body)
            except ValueError:
                return None

        try:
            return read_pages(ask)
        except BackendError as error:
            named = backend.as_backend_error(error)
            raise named from named.__cause__
