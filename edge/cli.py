"""The command line `edge`: names, options and help. What a command does is in `edge.commands`, imported when called."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.cli_options import HERE, Address, Group, Output
from edge.commands.terminal import ExitCode, facts, write

_HELP = """edge: a gRPC-first gateway, and the commands to run and manage it.

**Exit codes**: 0 it worked · 1 the configuration or the request is wrong and was refused · 2 the command was used
wrongly · 3 the gateway cannot be reached · 4 there is no such resource · 5 explain: no route takes the call ·
130 Ctrl-C.

**Example**: `edge serve --config edge.yaml`, then `edge get routes` in another terminal.
"""


app = typer.Typer(
    cls=Group,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", envvar="EDGE_CONFIG", help="The configuration, YAML or JSON.")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="A file to write when the gateway takes calls.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run a gateway until Ctrl-C.

    Example: `edge serve --config edge.yaml`
    """
    from edge.commands import files

    if log_level is not None and log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise typer.BadParameter("give debug, info, warning or error", param_hint="--log-level")
    level = log_level.upper() if log_level is not None else None
    raise typer.Exit(files.serve(config, ready_file=ready_file, log_level=level))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The configurations to check.")],
) -> None:
    """Check configuration files without a gateway.

    Example: `edge validate edge.yaml`
    """
    from edge.commands import files as command

    command.validate(files)


@app.command()
def apply(
    files: Annotated[list[str], typer.Option("--file", "-f", help="YAML or JSON; `-` reads standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is not in the files.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the changes, but change nothing.")] = False,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Put resources in force: all of them, or none when one is wrong. Others stay unless `--replace` is given.

    Example: `edge apply -f routes.yaml --dry-run`
    """
    from edge.commands import apply as command
    from edge.commands.show import Format

    command.run(address, files, Format(output), replace=replace, dry_run=dry_run)


@app.command()
def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="routes, upstreams, policies, consumers, schemas, endpoints, health, config or server; "
            "`route` and `rt` are routes, too."
        ),
    ],
    name: Annotated[str | None, typer.Argument(help="One of them; for endpoints and health an upstream.")] = None,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Show resources, or what the gateway knows of itself.

    Example: `edge get routes`, `edge get endpoints upstreams/bookstore`, `edge get route checkout -o yaml`
    """
    from edge.commands import get as command
    from edge.commands.show import Format

    command.run(address, kind, name, Format(output))


@app.command()
def describe(
    kind: Annotated[str, typer.Argument(help="route, upstream, policy, consumer, schema or endpoint.")],
    name: Annotated[str | None, typer.Argument(help="Which one.")] = None,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Show one resource with who uses it and how it does.

    Example: `edge describe upstream bookstore`
    """
    from edge.commands import describe as command
    from edge.commands.show import Format

    command.run(address, kind, name, Format(output))


@app.command()
def drain(
    upstream: Annotated[str, typer.Argument(help="The upstream, or the full name of the endpoint.")],
    endpoint: Annotated[str | None, typer.Argument(help="Its endpoint, by address.")] = None,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Let an endpoint finish its calls and get no new ones, until `edge undrain`.

    Example: `edge drain bookstore 10.0.0.1:50051`
    """
    from edge.commands import drain as command
    from edge.commands.show import Format

    command.run(address, upstream, endpoint, Format(output), drain=True)


@app.command()
def undrain(
    upstream: Annotated[str, typer.Argument(help="The upstream, or the full name of the endpoint.")],
    endpoint: Annotated[str | None, typer.Argument(help="Its endpoint, by address.")] = None,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Let an endpoint that was drained get calls again.

    Example: `edge undrain bookstore 10.0.0.1:50051`
    """
    from edge.commands import drain as command
    from edge.commands.show import Format

    command.run(address, upstream, endpoint, Format(output), drain=False)


@app.command()
def explain(
    call: Annotated[
        list[str], typer.Argument(metavar="[VERB] METHOD_OR_PATH", help="A gRPC method, or an HTTP verb and path.")
    ],
    verb: Annotated[str, typer.Option("--verb", "-X", help="The HTTP verb, as an option.")] = "",
    host: Annotated[str, typer.Option(help="The host the call is addressed to.")] = "",
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="A header, as in `name:value`.")] = None,
    misses: Annotated[int, typer.Option(min=0, max=1000, help="The most other routes to show; 0 means 20.")] = 0,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Say which route takes a call, and why the others do not. No call is made.

    Example: `edge explain bookstore.v1.BookstoreService/GetBook`, `edge explain GET /v1/books/1`
    """
    from edge.commands import explain as command
    from edge.commands.show import Format

    if not command.run(address, call, Format(output), verb=verb, host=host, headers=header or [], misses=misses):
        raise typer.Exit(int(ExitCode.NO_ROUTE))


@app.command()
def tap(
    route: Annotated[str, typer.Option(help="Only calls of this route.")] = "",
    upstream: Annotated[str, typer.Option(help="Only calls to this upstream.")] = "",
    method: Annotated[str, typer.Option(help="Only methods that begin with this, as in `/bookstore.v1.`.")] = "",
    errors: Annotated[bool, typer.Option("--errors", help="Only calls that did not end with OK.")] = False,
    code: Annotated[list[str] | None, typer.Option(help="Only this status, as in 14 or UNAVAILABLE.")] = None,
    min_duration: Annotated[str, typer.Option(help="Only calls that took as long, as in 100ms.")] = "",
    count: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="End after this many calls.")] = 0,
    address: Address = HERE,
    output: Output = "table",
) -> None:
    """Show calls as they finish, until Ctrl-C.

    Example: `edge tap --errors --min-duration 100ms`
    """
    from edge.commands import tap as command
    from edge.commands.show import Format
    from gateway.v1.admin_service_pb2 import TapCallsRequest

    if output == "yaml":
        raise typer.BadParameter("give table or json", param_hint="--output")
    chosen = command.filter_of(
        route=route, upstream=upstream, method=method, errors=errors, codes=code or [], min_duration=min_duration
    )
    command.run(address, TapCallsRequest(filter=chosen, max_calls=count), Format(output))


@app.command()
def openapi(
    route: Annotated[str, typer.Option(help="Only this route; without it all that transcode.")] = "",
    gateway_api: Annotated[
        bool, typer.Option("--gateway-api", help="The gateway API itself, for which no gateway has to run.")
    ] = False,
    address: Address = HERE,
    output: Output = "json",
) -> None:
    """Print the OpenAPI 3.1 document of what callers reach by REST.

    Example: `edge openapi --route bookstore > openapi.json`, `edge openapi --gateway-api -o yaml`
    """
    from edge.commands import openapi as command
    from edge.commands.show import Format

    if output == "table":
        raise typer.BadParameter("give json or yaml", param_hint="--output")
    if gateway_api and route:
        raise typer.BadParameter("leave it out with --gateway-api", param_hint="--route")
    if gateway_api:
        command.gateway_api(Format(output))
    else:
        command.run(address, route, Format(output))


cert = typer.Typer(
    help="Certificates to try TLS with. Example: `edge cert dev`", no_args_is_help=True, rich_markup_mode="markdown"
)
app.add_typer(cert, name="cert")


@cert.command("dev")
def cert_dev(
    out: Annotated[Path, typer.Option(help="The folder of the files. An authority that is there is used.")] = Path(
        "certs"
    ),
    name: Annotated[
        list[str] | None, typer.Option(help="A host name or address of the server; localhost when there is none.")
    ] = None,
    client: Annotated[str, typer.Option(help="The name of a caller, who gets a certificate as well.")] = "",
    spiffe: Annotated[str, typer.Option(help="The caller's SPIFFE id, as in spiffe://example.org/shop.")] = "",
    days: Annotated[int, typer.Option(min=1, max=825, help="How long the certificates last.")] = 30,
    force: Annotated[bool, typer.Option("--force", help="Replace certificates; the authority stays.")] = False,
) -> None:
    """Make a local authority, and certificates by it for the gateway and for callers.

    Example: `edge cert dev --client alice --spiffe spiffe://example.org/alice`
    """
    from edge.commands import cert as command

    command.dev(out, names=name or command.NAMES, client=client, spiffe=spiffe, days=days, force=force)


@app.command()
def version(output: Output = "table") -> None:
    """Show the versions of the software and of what it is built on.

    Example: `edge version -o json`
    """
    from edge.wire import compiled

    packages = ("grpcio", "protobuf")
    versions = {"edge": __version__, **{name: metadata.version(name) for name in packages}}
    versions["python"] = platform.python_version()
    versions["wire"] = "compiled" if compiled() else "pure Python"
    if output == "json":
        import json

        write(json.dumps(versions, indent=2))
    elif output == "yaml":
        write("\n".join(f"{name}: '{number}'" for name, number in versions.items()))
    else:
        facts(versions.items())


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Show the calls and stop, instead of running on.")] = False,
) -> None:
    """Run two example services behind a gateway, and show calls going through.

    Example: `edge demo --once`
    """
    from edge import demo as command

    raise typer.Exit(command.run(once=once))


def main() -> None:
    """Run the command line."""
    app(prog_name="edge")


if __name__ == "__main__":
    main()
