"""TLS for callers in a configuration file: what reaches the model, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, load_pem_x509_certificate, random_serial_number
from cryptography.x509.oid import NameOID
from google.protobuf import json_format

from edge.commands.files import validate
from edge.commands.terminal import Failure
from edge.control.conversion.server import convert_server
from edge.model.errors import InvalidRequest
from edge.model.settings import Certificate, ClientCertificate, ListenerSettings, ListenerTls, ServerSettings
from gateway.v1 import config_pb2


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with ca.pem, a.pem, a.key, b.pem, b.key, bad.pem, locked.key and weak.pem with weak.key."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("a", "b"):
        issued = ca.issue_cert(f"{name}.test")
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    (tmp_path / "bad.pem").write_text("TOP SECRET")
    key = serialization.load_pem_private_key((tmp_path / "a.key").read_bytes(), None)
    write_key(tmp_path / "locked.key", key, serialization.BestAvailableEncryption(b"x"))
    weak = rsa.generate_private_key(65537, 1024)
    write_key(tmp_path / "weak.key", weak, serialization.NoEncryption())
    subject = Name([NameAttribute(NameOID.COMMON_NAME, "weak")])
    times = load_pem_x509_certificate((tmp_path / "a.pem").read_bytes())
    certificate = (
        CertificateBuilder(subject, subject, weak.public_key(), random_serial_number())
        .not_valid_before(times.not_valid_before_utc)
        .not_valid_after(times.not_valid_after_utc)
        .sign(weak, hashes.SHA256())
    )
    (tmp_path / "weak.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return tmp_path


def write_key(path: Path, key: Any, encryption: serialization.KeySerializationEncryption) -> None:
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))


def settings(server: dict[str, Any]) -> ServerSettings:
    return convert_server(json_format.ParseDict({"server": server}, config_pb2.GatewayConfig()))


def refused(server: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        settings(server)
    return {violation.field: violation.description for violation in caught.value.violations}


def pair(files: Path, certificate: str = "a.pem", key: str = "a.key") -> dict[str, str]:
    return {"certFile": str(files / certificate), "keyFile": str(files / key)}


def model(files: Path, **more: Any) -> ListenerTls:
    certificate = Certificate(cert_file=str(files / "a.pem"), key_file=str(files / "a.key"))
    return ListenerTls(certificates=(certificate,), **more)


def test_tls_of_the_server_opens_8443_as_well(files: Path) -> None:
    found = settings({"tls": {"certificates": [pair(files)]}})
    assert found.listeners == (
        ListenerSettings(name="traffic", address="0.0.0.0:8080"),
        ListenerSettings(name="traffic-tls", address="0.0.0.0:8443", tls=model(files)),
    )
    taken = {"tls": {"certificates": [pair(files)]}, "admin": {"address": "0.0.0.0:8443"}}
    assert list(refused(taken)) == ["server.admin.address"]


def test_tls_of_the_server_is_not_for_listeners_that_are_given(files: Path) -> None:
    given = {"tls": {"certificates": [pair(files)]}, "listeners": [{"address": "a:1"}]}
    assert refused(given) == {
        "server.tls": "is for the listeners of the default, when `listeners` is empty; set `tls` on a listener"
    }


@pytest.mark.parametrize(
    ("word", "value"), [("OPTIONAL", ClientCertificate.OPTIONAL), ("REQUIRED", ClientCertificate.REQUIRED)]
)
def test_tls_reaches_the_model(files: Path, word: str, value: ClientCertificate) -> None:
    ca = str(files / "ca.pem")
    tls = {
        "certificates": [pair(files)],
        "clientCaFile": ca,
        "clientCertificate": f"CLIENT_CERTIFICATE_{word}",
    }
    found = settings({"listeners": [{"address": "a:1", "tls": tls}], "admin": {"tls": tls}})
    expected = model(files, client_ca_file=ca, client_certificate=value)
    assert found.listeners == (ListenerSettings(name="traffic", address="a:1", tls=expected),)
    assert found.admin_tls == expected
    assert settings({"admin": {"tls": tls, "disabled": True}}).admin_tls is None


@pytest.mark.parametrize(
    ("certificate", "key", "field", "words"),
    [
        ("none.pem", "a.key", "cert_file", "the file cannot be read: No such file or directory"),
        ("bad.pem", "a.key", "cert_file", "the file holds no certificate in PEM"),
        ("a.key", "a.key", "cert_file", "the file holds no certificate in PEM"),
        ("a.pem", "none.key", "key_file", "the file cannot be read: No such file or directory"),
        ("a.pem", "bad.pem", "key_file", "the file holds no private key in PEM"),
        ("a.pem", "b.key", "key_file", "does not belong to the certificate"),
        ("a.pem", "locked.key", "key_file", "it is encrypted; the gateway asks nobody for a password"),
        ("weak.pem", "weak.key", "cert_file", "its key is too short; RSA needs 2048 bits or more"),
    ],
)
def test_files_of_a_certificate(files: Path, certificate: str, key: str, field: str, words: str) -> None:
    given = {"certificates": [pair(files, "b.pem", "b.key"), pair(files, certificate, key)]}
    found = refused({"listeners": [{"address": "a:1", "tls": given}]})
    assert list(found) == [f"server.listeners[0].tls.certificates[1].{field}"]
    (text,) = found.values()
    assert text.endswith(words)
    assert "SECRET" not in text


@pytest.mark.parametrize(
    ("tls", "field", "words"),
    [
        ({}, "certificates", "a certificate is missing"),
        ({"certificates": [{"certFile": "a"}]}, "certificates[0].key_file", "the file of the key is missing"),
        ({"certificates": [{"keyFile": "a"}]}, "certificates[0].cert_file", "the file of the certificate chain"),
        ({"clientCaFile": "ca.pem"}, "client_ca_file", "does nothing without `client_certificate: REQUIRED`"),
        ({"clientCertificate": 2}, "client_ca_file", "is needed with `client_certificate: OPTIONAL`"),
        ({"clientCertificate": 3, "clientCaFile": "bad.pem"}, "client_ca_file", "holds no certificate in PEM"),
        ({"clientCertificate": 3, "clientCaFile": "none"}, "client_ca_file", "cannot be read"),
        ({"clientCertificate": 9}, "client_certificate", "9 is not known"),
    ],
)
def test_what_is_wrong_with_tls_is_said_of_its_field(
    files: Path, tls: dict[str, Any], field: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    given = tls if "certificates" in tls or not tls else {"certificates": [pair(files)], **tls}
    found = refused({"admin": {"tls": given}})
    assert list(found) == [f"server.admin.tls.{field}"]
    assert words in found[f"server.admin.tls.{field}"]


def test_a_certificate_is_given_once(files: Path) -> None:
    found = refused({"tls": {"certificates": [pair(files), pair(files)]}})
    assert list(found) == ["server.tls.certificates[1].cert_file"]


def test_validate_says_where_in_the_file(files: Path) -> None:
    path = files / "edge.yaml"
    path.write_text(
        f"server:\n  tls:\n    certificates:\n      - cert_file: {files}/a.pem\n        key_file: {files}/b.key\n"
    )
    with pytest.raises(Failure) as caught:
        validate([path])
    (line,) = caught.value.details
    assert f"{path}:5:" in line
    assert "server.tls.certificates[0].key_file" in line
    assert "does not belong to the certificate" in line
