"""`edge cert dev`: an authority and certificates to try TLS with, on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from edge.commands.terminal import ExitCode, Failure, note, write

if TYPE_CHECKING:
    from edge.commands.cert_authority import Authority, Pem

NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What the server's certificate is for when nothing else is said."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_CLIENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_RESERVED = ("ca", "server")
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._-]+)+")
_LONGEST_SPIFFE = 2048  # SPIFFE ID, 2.3
_PORT = 8443


def _name_problem(name: str) -> str:
    """Return why a server's certificate cannot be for a name, or nothing."""
    if _is_address(name) or (len(name) <= 253 and _HOST.fullmatch(name.lower())):
        return ""
    return f"`{name}` is no host name, such as localhost or *.example.com, and no IP address"


def _client_problem(name: str) -> str:
    """Return why a caller cannot have a name, or nothing. Files are called by it."""
    if name.lower() in _RESERVED:
        return f"`{name}` is what a file of the {'authority' if name.lower() == 'ca' else 'server'} is called"
    if _CLIENT.fullmatch(name):
        return ""
    return f"`{name}` is no name for a file: letters, digits and ._@- are allowed, 64 of them"


def _spiffe_problem(spiffe: str) -> str:
    """Return why a text is no SPIFFE id of a workload, or nothing (SPIFFE ID, 2)."""
    if len(spiffe) <= _LONGEST_SPIFFE and _SPIFFE.fullmatch(spiffe):
        return ""
    return f"`{spiffe}` is no SPIFFE id of a workload, such as spiffe://example.org/checkout"


def dev(out: Path, *, names: Sequence[str], client: str, spiffe: str, days: int, force: bool) -> None:
    """Make an authority unless it is there, a certificate for the server and perhaps one for a caller.

    Args:
        out: The folder of the files. It is made when it is not there.
        names: The host names and addresses of the server.
        client: The name of the caller. Empty makes a certificate for it only with a SPIFFE id.
        spiffe: The SPIFFE id of the caller, or empty.
        days: How long the certificates last.
        force: Whether certificates that are there are replaced. The authority never is.

    Raises:
        Failure: a name cannot be one, `cryptography` is missing, files are there already, or the folder cannot be used.
    """
    client = client or ("client" if spiffe else "")
    _check(names, client, spiffe)
    try:
        from edge.commands.cert_authority import NoAuthorityError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        words = (
            "making certificates needs the package `cryptography`; install it with: pip install 'edge-gateway[cert]'"
        )
        raise Failure(ExitCode.REFUSED, words) from error
    made = ["server", client] if client else ["server"]
    there = [path for name in made for path in _paths(out, name) if os.path.lexists(path)]
    if there and not force:
        shown = ", ".join(str(path) for path in there)
        words = f"{shown} would be lost; give --force to replace them, or another folder with --out"
        raise Failure(ExitCode.REFUSED, words)
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = _authority(out)
        _save(out, "server", authority.server(names, days))
        if client:
            _save(out, client, authority.client(client, spiffe, days))
    except NoAuthorityError as error:
        words = f"{out / 'ca.pem'} cannot sign: {error}; remove it and {out / 'ca.key'} for a new one"
        raise Failure(ExitCode.REFUSED, words) from error
    except OSError as error:
        place = error.filename or out
        raise Failure(ExitCode.REFUSED, f"{place} cannot be used: {(error.strerror or str(error)).lower()}") from error
    write(_instructions(out, names, client))


def _check(names: Iterable[str], client: str, spiffe: str) -> None:
    problems = [("--name", _name_problem(name)) for name in names]
    problems.append(("--client", _client_problem(client) if client else ""))
    problems.append(("--spiffe", _spiffe_problem(spiffe) if spiffe else ""))
    found = [f"{option}: {problem}" for option, problem in problems if problem]
    if found:
        raise Failure(ExitCode.USAGE, found[0], found[1:])


def _authority(out: Path) -> Authority:
    from edge.commands.cert_authority import Authority, NoAuthorityError, Pem

    certificate, key = _paths(out, "ca")
    if os.path.lexists(certificate) or os.path.lexists(key):
        missing = [path for path in (certificate, key) if not path.exists()]
        if missing:
            raise NoAuthorityError(f"{missing[0]} is missing")
        note(f"the authority in {certificate} is kept")
        return Authority.load(Pem(certificate.read_bytes(), key.read_bytes()))
    authority = Authority.new(f"edge dev CA {secrets.token_hex(4)}")
    _save(out, "ca", authority.pem())
    return authority


def _paths(out: Path, name: str) -> tuple[Path, Path]:
    return out / f"{name}.pem", out / f"{name}.key"


def _save(out: Path, name: str, pem: Pem) -> None:
    certificate, key = _paths(out, name)
    _replace(key, pem.key, 0o600)
    _replace(certificate, pem.certificate, 0o644)


def _replace(path: Path, contents: bytes, mode: int) -> None:
    """Write a file that nobody sees half of, and a key that nobody else can open for a moment."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(contents)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _instructions(out: Path, names: Sequence[str], client: str) -> str:
    """Return the lines for edge.yaml, and under them as comments the commands to try them."""
    (ca, _), (certificate, key) = _paths(out, "ca"), _paths(out, "server")
    tls: dict[str, Any] = {"certificates": [{"cert_file": str(certificate), "key_file": str(key)}]}
    curl, grpcurl = ["curl", "--cacert", str(ca)], ["grpcurl", "-cacert", str(ca)]
    if client:
        tls |= {"client_ca_file": str(ca), "client_certificate": "REQUIRED"}
        shown = [str(path) for path in _paths(out, client)]
        curl += ["--cert", shown[0], "--key", shown[1]]
        grpcurl += ["-cert", shown[0], "-key", shown[1]]
    host = _reachable(names)
    curl.append(f"https://{host}:{_PORT}/health")
    grpcurl += [f"{host}:{_PORT}", "list"]
    return "\n".join(
        [
            f"# in edge.yaml: port {_PORT} with TLS, beside 8080 without",
            yaml.safe_dump({"server": {"tls": tls}}, sort_keys=False).rstrip(),
            "",
            "# then, with the gateway running:",
            *(f"#   {shlex.join(command)}" for command in (curl, grpcurl)),
        ]
    )


def _reachable(names: Iterable[str]) -> str:
    """Return the name to try: the first one, with something in the place of a `*`."""
    first = next(iter(names))
    if ":" in first:
        return f"[{first}]"
    return first.replace("*", "any", 1)


def _is_address(text: str) -> bool:
    try:
        # a zone, as in `fe80::1%eth0`, has no place in a certificate
        return "%" not in str(ipaddress.ip_address(text))
    except ValueError:
        return False
