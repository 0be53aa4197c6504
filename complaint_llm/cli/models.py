"""``complaint-llm models``: what the servers and folders behind the backends offer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import click

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.cli.app import App
from complaint_llm.cli.models_pull import pull
from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import BackendError, ComplaintLLMError

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend
    from complaint_llm.client.route import Route
    from complaint_llm.mediator import Mediator
    from complaint_llm.messages import ModelInfo

SECONDS = 10.0
MOST_AT_ONCE = 64
HEADS = ("backend", "model", "$ in", "$ out", "context", "ends", "")


class OfferedModel(NamedTuple):
    """A model of one backend; prices are US dollars per million tokens, None is unknown. ``used`` says whether the
    config uses it there."""

    backend: str
    model: str
    input_price: float | None
    output_price: float | None
    context_window: int | None
    retires: str | None
    used: bool

    def as_row(self) -> tuple[str, ...]:
        """For people."""
        return (
            self.backend,
            self.model,
            _number(self.input_price),
            _number(self.output_price),
            "" if self.context_window is None else f"{self.context_window:,}",
            self.retires or "",
            "in use" if self.used else "",
        )


class Listing(NamedTuple):
    """What one backend offers; ``fault`` is why that is not known, ``note`` what else is to be said."""

    models: Sequence[OfferedModel] = ()
    fault: str | None = None
    note: str | None = None


class _OwnArgument(click.Argument):
    """An argument of a group alone: the usage of the commands in it does not show it."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        return []


class _ListingGroup(click.Group):
    """A group that lists by itself: ``models [BACKEND]``, with options before and after."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = False
        found, rest, _ = self.make_parser(ctx).parse_args(list(args))
        if found.get("backend") in self.commands:
            place = len(args) - len(rest) - 1
            args = [*args[:place], "", *args[place:]]
        else:
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", f"[BACKEND] | {' | '.join(self.commands)} ..."]


@click.group(cls=_ListingGroup, invoke_without_command=True)
@click.argument("backend", cls=_OwnArgument, required=False)
@click.option("-q", "--search", multiple=True, metavar="WORD", help="Only names with this in them; repeat to narrow.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models(ctx: click.Context, backend: str | None, search: tuple[str, ...], as_json: bool) -> None:
    """List the models that the server of each backend (or of BACKEND alone) offers: price in US dollars per million
    tokens in and out, context window and day of its end where they are known, and which one the config uses. Of a local
    model: the files that are on this machine. No prompt is sent.

    A server that does not answer within 10 seconds is a line on standard error; the others are listed all the same.
    Exit code 1 if one does not, 2 if the config is wrong.

    Example: complaint-llm models -q mini
    """
    if ctx.invoked_subcommand is not None:
        if search or as_json:
            ctx.fail(f"options of {ctx.invoked_subcommand} stand after it")
    else:
        _list(ctx.ensure_object(App), backend, search, as_json)


models.add_command(pull)


def _list(app: App, backend: str | None, search: tuple[str, ...], as_json: bool) -> None:
    from complaint_llm.cli.leaf_routes import leaf_routes  # cold start: clients

    with app.open_backends() as mediator:
        routes, faults = leaf_routes(mediator, backend)
        with ThreadPoolExecutor(min(len(routes), MOST_AT_ONCE) or 1) as pool:
            listings = list(pool.map(lambda route: _listing(mediator, route), routes))
    words = [word.lower() for word in search]
    found = [each for one in listings for each in one.models if all(word in each.model.lower() for word in words)]
    if as_json:
        write(json.dumps([each._asdict() for each in found], ensure_ascii=False, indent=2))
    elif found:
        print_table(HEADS, [each.as_row() for each in found])
    faults += [one.fault for one in listings if one.fault is not None]
    for line in (*faults, *(one.note for one in listings if one.note is not None)):
        tell(line)
    if words and not found and not faults:
        tell(f"no model with {' and '.join(map(repr, search))} in its name")
    if faults:
        raise SystemExit(1)


def _listing(mediator: Mediator, route: Route) -> Listing:
    from complaint_llm.routing.threads.worker import run_abandonable  # cold start: routing

    config = mediator.config
    try:
        client = route.client
        if config is not None and config.mediator.get("privacy") == "local" and not client.local:
            # An address and a key would leave this machine.
            return Listing(note=f'{route.id}: not asked: privacy "local" keeps everything on this machine')
        if client.demo:
            return Listing(note=f"{route.id}: a mock has no models")
        deadline = Deadline(SECONDS + 1)
        listed = run_abandonable(lambda: client.list_models(SECONDS), deadline, CancelToken(), route.id)
    except (ComplaintLLMError, TypeError) as error:
        said = str(error)
        named = isinstance(error, BackendError) and error.backend
        return Listing(fault=said if named else f"{route.id}: {said}")
    if listed is None:
        return Listing(note=f"{route.id}: there is no list of its models")
    if not listed:
        return Listing(note=f"{route.id}: it lists no models")
    return Listing([_offer_of(client, route.id, info) for info in listed])


def _offer_of(client: Backend, id: str, info: ModelInfo) -> OfferedModel:
    from complaint_llm.backends.model_list import is_listed  # cold start: backends

    names = [each for each in (client.model_info().name, client.options.embedding_model) if each]
    return OfferedModel(
        id,
        info.name,
        info.input_price,
        info.output_price,
        info.context_window,
        info.retires,
        any(is_listed(each, [info.name]) for each in names),
    )


def _number(price: float | None) -> str:
    return "" if price is None else f"{price:g}"
