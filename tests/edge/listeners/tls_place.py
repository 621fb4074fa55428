"""Certificates made for a test, a server that says what it learnt from a handshake, and callers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edge.listeners.tls import TlsKeeper, identity
from edge.model.settings import Certificate, ClientCertificate, ListenerTls
from edge.tasks import Tasks

WAIT = 10.0
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
BEGIN, END = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)


class Certificates:
    """An authority, and files of what it signed."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = str(folder / f"{name}.pem")
        certificate = (
            self.builder(CA_NAME, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        Path(self.path).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def builder(
        subject: x509.Name, key: Any, *, begin: datetime.datetime = BEGIN, end: datetime.datetime = END
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(CA_NAME)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )

    def issue(
        self,
        file: str,
        *names: x509.GeneralName | str,
        subject: x509.Name | str | None = None,
        san: bytes | None = None,
        begin: datetime.datetime = BEGIN,
        end: datetime.datetime = END,
        use: x509.ObjectIdentifier | None = None,
        rsa_bits: int = 0,
        password: bytes = b"",
    ) -> Certificate:
        """Write a certificate and its key. A name that is a text is a DNS name; `san` is one in DER."""
        key: Any = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
        if not isinstance(subject, x509.Name):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject or file)])
        builder = self.builder(subject, key.public_key(), begin=begin, end=end)
        if names:
            general = [x509.DNSName(name) if isinstance(name, str) else name for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        if san is not None:
            oid = x509.SubjectAlternativeName.oid
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, san), critical=False)
        if use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        encryption: Any = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password)
        files = Certificate(cert_file=str(self.folder / f"{file}.pem"), key_file=str(self.folder / f"{file}.key"))
        certificate = builder.sign(self.key, hashes.SHA256())
        replace(files.cert_file, certificate.public_bytes(serialization.Encoding.PEM))
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        replace(files.key_file, pem)
        return files

    def caller(self, certificate: Certificate | None = None, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """Return the context of a caller that trusts this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path)
        if certificate is not None:
            context.load_cert_chain(certificate.cert_file, certificate.key_file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def read(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def replace(path: str | Path, contents: bytes) -> None:
    """Put other contents in the place of a file, at once."""
    beside = Path(f"{path}.new")
    beside.write_bytes(contents)
    beside.replace(path)


def listener(
    *certificates: Certificate, ca: Certificates | None = None, wants: ClientCertificate = ClientCertificate.NONE
) -> ListenerTls:
    return ListenerTls(
        certificates=certificates, client_ca_file=ca.path if ca is not None else "", client_certificate=wants
    )


def required(*certificates: Certificate, ca: Certificates) -> ListenerTls:
    return listener(*certificates, ca=ca, wants=ClientCertificate.REQUIRED)


class Caller:
    """A caller whose handshake is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @property
    def shown(self) -> str:
        """The common name of the certificate that the server showed."""
        subject: Any = self.tls.getpeercert()
        return str(dict(part[0] for part in subject["subject"])["commonName"])

    @property
    def serial(self) -> str:
        certificate: Any = self.tls.getpeercert()
        return str(certificate["serialNumber"])

    async def ask(self) -> dict[str, Any]:
        """Return what the server learnt. With TLS 1.3 this is when a caller hears that it was refused."""
        async with asyncio.timeout(WAIT):
            self.writer.write(b"?\n")
            line = await self.reader.readline()
        if not line:
            raise ConnectionResetError("no answer")
        found: dict[str, Any] = json.loads(line)
        return found

    async def close(self) -> None:
        self.writer.transport.abort()
        # takes what the connection ended with
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Server:
    """A server on a free port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.callers: list[Caller] = []

    async def connect(self, context: ssl.SSLContext, name: str = "") -> Caller:
        async with asyncio.timeout(WAIT):
            streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)
        self.callers.append(Caller(*streams))
        return self.callers[-1]

    async def refusal(self, context: ssl.SSLContext, name: str = "") -> str:
        """Return how a caller hears that it was refused."""
        try:
            await (await self.connect(context, name)).ask()
        except ssl.SSLError as error:
            return str(error.reason)
        raise AssertionError("it was not refused")


class _Answers(asyncio.Protocol):
    """Answers each line with what it knows of the caller."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.told = b""
        self.early = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        handshake: ssl.SSLObject = transport.get_extra_info("ssl_object")
        who = identity(handshake)
        told = {
            "subject": who.subject if who else None,
            "names": who.names if who else None,
            "alpn": handshake.selected_alpn_protocol(),
            "version": handshake.version(),
            "resumed": handshake.session_reused,
        }
        self.told = json.dumps(told).encode() + b"\n"
        transport.write(self.told * self.early)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            # `start_tls` has not returned yet
            self.early += data.count(b"\n")
        else:
            self.transport.write(self.told * data.count(b"\n"))


class _Paused(asyncio.Protocol):
    """Takes a connection without reading: what has been read already cannot be given to `loop.start_tls`."""

    def __init__(self, keeper: TlsKeeper, tasks: Tasks) -> None:
        self.keeper, self.tasks = keeper, tasks

    def connection_made(self, transport: Any) -> None:
        transport.pause_reading()
        self.tasks.spawn(self.start_tls(transport), name="start_tls")

    async def start_tls(self, raw: asyncio.Transport) -> None:
        protocol = _Answers()
        try:
            loop = asyncio.get_running_loop()
            transport = await loop.start_tls(raw, protocol, self.keeper.context, server_side=True)
        except OSError:
            raw.abort()
        else:
            assert transport is not None
            protocol.connection_made(transport)


async def _accept(keeper: TlsKeeper, bound: socket.socket, tasks: Tasks) -> None:
    loop = asyncio.get_running_loop()

    async def one(accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(_Answers, accepted, ssl=keeper.context)

    while True:
        accepted, _ = await loop.sock_accept(bound)
        tasks.spawn(one(accepted), name="accepted")


@asynccontextmanager
async def served(keeper: TlsKeeper, way: str = "accepted") -> AsyncIterator[Server]:
    """Serve by one of the ways a loop has for TLS. `create_server` keeps one context, the others take the newest."""
    loop = asyncio.get_running_loop()
    tasks = Tasks()
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    place = Server(bound.getsockname()[1])
    server: asyncio.Server | None = None
    if way == "create_server":
        server = await loop.create_server(_Answers, sock=bound, ssl=keeper.context)
    elif way == "start_tls":
        server = await loop.create_server(lambda: _Paused(keeper, tasks), sock=bound)
    else:
        tasks.spawn(_accept(keeper, bound, tasks), name="accept")
    try:
        yield place
    finally:
        for caller in place.callers:
            await caller.close()
        if server is not None:
            server.close()
            await server.wait_closed()
        await tasks.close()
        bound.close()


def swap_symlink(link: Path, target: str) -> None:
    """Lead a symlink elsewhere, as Kubernetes does with `..data`."""
    beside = link.with_name(f"{link.name}_tmp")
    os.symlink(target, beside)
    beside.replace(link)
