"""The sockets of a configuration file: listeners, their TLS, and the socket of the gateway API."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from edge.control.conversion import checks
from edge.control.conversion.pem import check_certificates, check_pair
from edge.control.conversion.scope import Scope
from edge.control.kinds import ID_PATTERN, ID_RULE
from edge.model.settings import (
    Certificate,
    ClientCertificate,
    Engine,
    ListenerProtocol,
    ListenerSettings,
    ListenerTls,
)
from gateway.v1 import server_pb2

_PROTOCOLS = {
    server_pb2.Listener.PROTOCOL_UNSPECIFIED: ListenerProtocol.AUTO,
    server_pb2.Listener.PROTOCOL_AUTO: ListenerProtocol.AUTO,
    server_pb2.Listener.PROTOCOL_GRPC: ListenerProtocol.GRPC,
    server_pb2.Listener.PROTOCOL_HTTP: ListenerProtocol.HTTP,
}

_CLIENT_CERTIFICATES = {
    server_pb2.ListenerTls.CLIENT_CERTIFICATE_UNSPECIFIED: ClientCertificate.NONE,
    server_pb2.ListenerTls.CLIENT_CERTIFICATE_NONE: ClientCertificate.NONE,
    server_pb2.ListenerTls.CLIENT_CERTIFICATE_OPTIONAL: ClientCertificate.OPTIONAL,
    server_pb2.ListenerTls.CLIENT_CERTIFICATE_REQUIRED: ClientCertificate.REQUIRED,
}

_CLEAR = "0.0.0.0:8080"
_WITH_TLS = "0.0.0.0:8443"
_HTTP = "0.0.0.0:8081"
_ADMIN = "127.0.0.1:9090"
_ADMIN_HTTP = "127.0.0.1:9091"


def grpc_aio_cannot(what: str, scope: Scope) -> None:
    """Refuse something that only the wire engine does."""
    scope.refuse(f"`server.engine: GRPC_AIO` cannot {what}; leave it out or take the engine WIRE")


def convert_listeners(server: server_pb2.ServerConfig, engine: Engine, scope: Scope) -> tuple[ListenerSettings, ...]:
    """Return the sockets callers connect to, those of the default when the file names none.

    Args:
        server: What the file says.
        engine: What carries the calls.
        scope: The place of `server`.
    """
    wire = engine is Engine.WIRE
    place = scope.field("tls")
    default_tls = None
    if server.HasField("tls"):
        if not wire:
            grpc_aio_cannot("take TLS from callers", place)
        elif server.listeners:
            place.refuse("is for the listeners of the default, when `listeners` is empty; set `tls` on a listener")
        else:
            default_tls = convert_tls(server.tls, place)
    if server.listeners:
        return _listeners(server.listeners, engine, scope.field("listeners"))
    if not wire:
        return (
            ListenerSettings(name="traffic", address=_CLEAR, protocol=ListenerProtocol.GRPC),
            ListenerSettings(name="http", address=_HTTP, protocol=ListenerProtocol.HTTP),
        )
    clear = ListenerSettings(name="traffic", address=_CLEAR)
    if default_tls is None:
        return (clear,)
    return (clear, ListenerSettings(name="traffic-tls", address=_WITH_TLS, tls=default_tls))


def _listeners(listeners: Sequence[server_pb2.Listener], engine: Engine, scope: Scope) -> tuple[ListenerSettings, ...]:
    found = []
    names = []
    for index, listener in enumerate(listeners):
        place = scope.index(index)
        name = listener.name or ("traffic" if index == 0 else f"traffic-{index + 1}")
        if not ID_PATTERN.fullmatch(name):
            place.field("name").refuse(f"`{name[:100]}` does not fit: a name has to be {ID_RULE}")
        names.append((name, place.field("name")))
        if listener.protocol not in _PROTOCOLS:
            place.field("protocol").refuse(f"{listener.protocol} is not known")
        found.append(
            ListenerSettings(
                name=name,
                address=checks.address(listener.address, place.field("address"), any_port=True),
                protocol=_PROTOCOLS.get(listener.protocol, ListenerProtocol.AUTO),
                tls=_tls_of(listener, engine, place),
                proxy_protocol_from=_proxy_protocol(listener, engine, place.field("proxy_protocol_from")),
            )
        )
    checks.no_repeats(names)
    checks.no_repeats(
        (listener.address, scope.index(index).field("address"))
        for index, listener in enumerate(found)
        if listener.address and not listener.address.endswith(":0")
    )
    return tuple(found)


def _tls_of(owner: server_pb2.Listener | server_pb2.AdminListener, engine: Engine, scope: Scope) -> ListenerTls | None:
    if not owner.HasField("tls"):
        return None
    place = scope.field("tls")
    if engine is not Engine.WIRE:
        # nothing is said of its files: it has to go as a whole
        grpc_aio_cannot("take TLS from callers", place)
        return None
    return convert_tls(owner.tls, place)


def _proxy_protocol(listener: server_pb2.Listener, engine: Engine, scope: Scope) -> tuple[str, ...]:
    if not listener.proxy_protocol_from:
        return ()
    if engine is not Engine.WIRE:
        grpc_aio_cannot("read the PROXY protocol", scope)
    elif listener.address.startswith("unix:"):
        scope.refuse("does nothing here: who connects to a unix socket has no address; leave it out")
    return networks(listener.proxy_protocol_from, scope)


def convert_tls(tls: server_pb2.ListenerTls, scope: Scope) -> ListenerTls:
    """Return TLS for callers. Its files are read, to find out now what is wrong with them."""
    place = scope.field("certificates")
    if not tls.certificates:
        place.refuse('a certificate is missing, as in `{cert_file: "tls.crt", key_file: "tls.key"}`')
    for index, certificate in enumerate(tls.certificates):
        cert_scope, key_scope = place.index(index).field("cert_file"), place.index(index).field("key_file")
        if not certificate.cert_file:
            cert_scope.refuse("the file of the certificate chain is missing")
        if not certificate.key_file:
            key_scope.refuse("the file of the key is missing")
        if certificate.cert_file and certificate.key_file:
            check_pair(certificate.cert_file, certificate.key_file, cert_scope, key_scope)
    checks.no_repeats(
        (certificate.cert_file, place.index(index).field("cert_file"))
        for index, certificate in enumerate(tls.certificates)
        if certificate.cert_file
    )
    return ListenerTls(
        certificates=tuple(Certificate(cert_file=one.cert_file, key_file=one.key_file) for one in tls.certificates),
        client_ca_file=tls.client_ca_file,
        client_certificate=_client_certificate(tls, scope),
    )


def _client_certificate(tls: server_pb2.ListenerTls, scope: Scope) -> ClientCertificate:
    if tls.client_certificate not in _CLIENT_CERTIFICATES:
        scope.field("client_certificate").refuse(f"{tls.client_certificate} is not known")
        return ClientCertificate.NONE
    wanted = _CLIENT_CERTIFICATES[tls.client_certificate]
    place = scope.field("client_ca_file")
    if wanted is ClientCertificate.NONE:
        if tls.client_ca_file:
            place.refuse("does nothing without `client_certificate: REQUIRED` or `OPTIONAL`; add one, or leave it out")
    elif not tls.client_ca_file:
        place.refuse(f"is needed with `client_certificate: {wanted.name}`: the authorities of callers' certificates")
    else:
        check_certificates(tls.client_ca_file, place)
    return wanted


def convert_admin(
    admin: server_pb2.AdminListener, engine: Engine, scope: Scope, bound: dict[str, str]
) -> tuple[str, str, ListenerTls | None]:
    """Return both addresses of the gateway API, empty for none, and its TLS.

    Args:
        admin: What the file says.
        engine: What carries the calls.
        scope: The place of `admin`.
        bound: Who has which address already; these are added.
    """
    http_default = "" if engine is Engine.WIRE else _ADMIN_HTTP
    address = _admin_address(admin, "address", _ADMIN, scope, bound)
    http_address = _admin_address(admin, "http_address", http_default, scope, bound)
    tls = _tls_of(admin, engine, scope)
    return address, http_address, None if admin.disabled else tls


def _admin_address(
    admin: server_pb2.AdminListener, field: str, default: str, scope: Scope, bound: dict[str, str]
) -> str:
    given: str = getattr(admin, field)
    address = checks.address(given, scope.field(field), any_port=True) if given else default
    if admin.disabled or not address:
        return ""
    if address in bound and not address.endswith(":0"):
        scope.field(field).refuse(f"`{address}` is in {bound[address]} already")
    bound[address] = f"server.admin.{field}"
    return address


def networks(values: Iterable[str], scope: Scope) -> tuple[str, ...]:
    """Return networks as in `10.0.0.0/8`, each in its shortest form."""
    return tuple(_network(value, scope.index(index)) for index, value in enumerate(values))


def _network(value: str, scope: Scope) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(value, strict=False)
    except ValueError:
        scope.refuse(f"`{value}` is no network, as in `10.0.0.0/8` or `fd00::/8`")
    else:
        scope.refuse(f"`{value}` has bits set beyond its prefix; did you mean `{wider}`?")
    return value
