"""`edge cert dev`: what it makes works, stays, and is kept from others."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shlex
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner, Result

from edge.cli import app
from edge.control.conversion.server import convert_server
from edge.control.yaml_config import load
from edge.listeners.tls import TlsKeeper, identity
from edge.model.call import TlsIdentity
from edge.model.settings import ClientCertificate, ListenerTls


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dev(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cert", "dev", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})


def made(*arguments: str) -> str:
    result = dev(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def read(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def served(text: str) -> ListenerTls:
    """Return what a gateway makes of the printed lines."""
    loaded = load(text, name="edge.yaml", environment={})
    found = convert_server(loaded.config, loaded.locate).listeners[1]
    assert (found.name, found.address) == ("traffic-tls", "0.0.0.0:8443")
    assert found.tls is not None
    return found.tls


def shake(tls: ListenerTls, name: str, client: str = "") -> TlsIdentity | None:
    """Connect in memory, as strictly as a caller may, and return whom the server sees."""
    context = ssl.create_default_context(cafile="certs/ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if client:
        context.load_cert_chain(f"certs/{client}.pem", f"certs/{client}.key")
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = context.wrap_bio(to_us, to_them, server_hostname=name)
    ours = TlsKeeper(tls).context.wrap_bio(to_them, to_us, server_side=True)
    for _ in range(2):
        for side in (caller, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert caller.version() == "TLSv1.3"
    return identity(ours)


def test_a_server_for_this_machine() -> None:
    tls = served(made())
    assert tls.client_certificate is ClientCertificate.NONE
    for name in ("localhost", "127.0.0.1", "::1"):
        assert shake(tls, name) is None
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(tls, "example.com")
    assert sorted(os.listdir("certs")) == ["ca.key", "ca.pem", "server.key", "server.pem"]


def test_a_caller_with_a_spiffe_id() -> None:
    tls = served(made("--client", "alice", "--spiffe", "spiffe://example.org/shop/alice"))
    assert tls.client_certificate is ClientCertificate.REQUIRED
    assert shake(tls, "localhost", "alice") == TlsIdentity(
        subject="CN=alice", names=("spiffe://example.org/shop/alice",)
    )


def test_a_caller_without_a_name_is_called_client() -> None:
    tls = served(made("--spiffe", "spiffe://example.org/a"))
    assert shake(tls, "localhost", "client") == TlsIdentity(subject="CN=client", names=("spiffe://example.org/a",))


def test_other_names_days_and_folder() -> None:
    text = made("--name", "*.shop.test", "--name", "192.0.2.1", "--days", "5", "--out", "other dir/tls")
    certificate = read("other dir/tls/server.pem")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["*.shop.test", "192.0.2.1"]
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=4) < left <= datetime.timedelta(days=5)
    assert yaml.safe_load(text)["server"]["tls"]["certificates"][0]["key_file"] == "other dir/tls/server.key"
    assert "curl --cacert 'other dir/tls/ca.pem' https://any.shop.test:8443/health" in text


def test_certificates_are_for_one_purpose_and_keys_on_p_256() -> None:
    made("--client", "alice")
    uses = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "alice": ExtendedKeyUsageOID.CLIENT_AUTH}
    for name, use in uses.items():
        certificate = read(f"certs/{name}.pem")
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [use]
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for name in ("ca", *uses):
        key: Any = read(f"certs/{name}.pem").public_key()
        assert key.curve.name == "secp256r1"


def test_keys_are_for_their_owner_only() -> None:
    before = os.umask(0)
    try:
        made("--client", "alice")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path("certs").iterdir()}
    assert {name: mode for name, mode in modes.items() if name.endswith(".key")} == dict.fromkeys(
        ["ca.key", "server.key", "alice.key"], 0o600
    )
    assert len(modes) == 6


def test_nothing_is_lost_without_force_and_the_authority_stays() -> None:
    made("--client", "alice")
    before = {path.name: path.read_bytes() for path in Path("certs").iterdir()}
    result = dev("--client", "alice")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "certs/server.pem, certs/server.key, certs/alice.pem, certs/alice.key would be lost" in result.stderr
    assert "--force" in result.stderr
    assert {path.name: path.read_bytes() for path in Path("certs").iterdir()} == before
    result = dev("--client", "bob", "--force")
    assert result.exit_code == 0
    assert "the authority in certs/ca.pem is kept" in result.stderr
    after = {path.name: path.read_bytes() for path in Path("certs").iterdir()}
    assert {name for name in before if before[name] == after[name]} == {"ca.pem", "ca.key", "alice.pem", "alice.key"}
    assert shake(served(result.stdout), "localhost", "alice") == TlsIdentity(subject="CN=alice")


@pytest.mark.parametrize(
    ("file", "contents", "words"),
    [
        ("ca.key", None, "certs/ca.key is missing"),
        ("ca.pem", None, "certs/ca.pem is missing"),
        ("ca.key", "nothing", "it is no authority that this command made"),
        ("ca.pem", "server.pem", "it is no authority that this command made"),
        ("ca.key", "server.key", "its key belongs to another certificate"),
    ],
)
def test_an_authority_that_is_none(file: str, contents: str | None, words: str) -> None:
    made()
    place = Path("certs") / file
    if contents is None:
        place.unlink()
    elif contents == "nothing":
        place.write_text(contents)
    else:
        place.write_bytes((Path("certs") / contents).read_bytes())
    result = dev("--force")
    assert result.exit_code == 1
    assert f"cannot sign: {words}" in result.stderr
    assert "for a new one" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a b"], "--name: `a b` is no host name"),
        (["--name", "fe80::1%eth0"], "--name: `fe80::1%eth0` is no host name"),
        (["--client", "../x"], "--client: `../x` is no name for a file"),
        (["--client", "CA"], "--client: `CA` is what a file of the authority is called"),
        (["--spiffe", "https://a/b"], "--spiffe: `https://a/b` is no SPIFFE id"),
        (["--spiffe", "spiffe://a"], "is no SPIFFE id"),
        (["--spiffe", "spiffe://a/../b"], "is no SPIFFE id"),
        (["--spiffe", "spiffe://a/b/"], "is no SPIFFE id"),
        (["--spiffe", "spiffe://A/b"], "is no SPIFFE id"),
        (["--days", "0"], "--days"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = dev(*arguments)
    assert result.exit_code == 2
    assert words in re.sub(r"\s+", " ", result.stderr)
    assert not Path("certs").exists()


def test_a_folder_that_cannot_be_used() -> None:
    Path("file").write_text("")
    result = dev("--out", "file/certs")
    assert result.exit_code == 1
    assert "cannot be used: not a directory" in result.stderr


def test_without_cryptography_it_says_how_to_get_it(folder: Path) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import edge.listeners.tls, edge.control.conversion.listeners\n"  # serving TLS needs it as little
        "from edge.cli import app; app(['cert', 'dev'], prog_name='edge')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 1
    assert done.stderr == (
        "error: making certificates needs the package `cryptography`; install it with: "
        "pip install 'edge-gateway[cert]'\n"
    )


def test_the_help_has_an_example_and_the_commands_can_be_pasted() -> None:
    shown = re.sub(r"\s+", " ", dev("--help").stdout)
    example = re.search(r"Example: (edge cert dev .*?spiffe\S+)", shown)
    assert example is not None
    text = made(*shlex.split(example[1])[3:])
    commands = [shlex.split(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#   ")]
    assert [command[0] for command in commands] == ["curl", "grpcurl"]
    for command in commands:
        paths = [word for word in command if word.startswith("certs/")]
        assert len(paths) == 3
        assert all(Path(path).is_file() for path in paths)
