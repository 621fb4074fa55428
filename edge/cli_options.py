"""What the commands of the command line share: the options that most of them have, and how failures are shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edge.commands.terminal import ExitCode, Failure


class Group(TyperGroup):
    """Shows failures the same way whichever command they come from."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            failure.show()
            raise typer.Exit(int(failure.code)) from None
        except KeyboardInterrupt:
            raise typer.Exit(int(ExitCode.INTERRUPTED)) from None


def _address(value: str) -> str:
    """Return the address to connect to; `9090` and `:9090` mean this machine."""
    if value.startswith(("unix:", "dns:", "ipv4:", "ipv6:")):
        return value
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536) or "/" in host:
        raise typer.BadParameter("give host and port, as in 127.0.0.1:9090, or unix:/path")
    return f"{host or '127.0.0.1'}:{port}"


def _format(value: str) -> str:
    if value not in {"table", "json", "yaml"}:
        raise typer.BadParameter("give table, json or yaml")
    return value


Address = Annotated[
    str,
    typer.Option("--address", "-a", envvar="EDGE_ADDRESS", callback=_address, help="The gateway's operations port."),
]
Output = Annotated[str, typer.Option("--output", "-o", callback=_format, help="table, json or yaml.")]
HERE = "127.0.0.1:9090"
"""Where a gateway of this machine has its operations port."""
