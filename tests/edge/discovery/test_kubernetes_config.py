"""How to reach an API server: service accounts, kubeconfig files, and what is wrong with them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from edge.discovery import kubernetes_config
from edge.discovery.kubernetes_config import Access, AccessError, Credentials, from_kubeconfig, in_cluster, load_access

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}

AUTHORITY = trustme.CA()


def account(folder: Path) -> Path:
    """Write the files of a service account."""
    (folder / "token").write_text("eyJ.first\n")
    (folder / "namespace").write_text("shop")
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.crt"))
    return folder


def test_the_service_account_of_the_pod(tmp_path: Path) -> None:
    first = in_cluster(POD, account(tmp_path))
    assert (first.url, first.namespace, first.headers) == (
        "https://10.96.0.1:443",
        "shop",
        {"authorization": "Bearer eyJ.first"},
    )
    assert first.tls is not None
    assert len(first.tls.get_ca_certs()) == 1
    assert "eyJ" not in repr(first)
    (tmp_path / "token").write_text("eyJ.second")
    assert in_cluster(POD, tmp_path).headers == {"authorization": "Bearer eyJ.second"}
    assert in_cluster(POD, tmp_path).tls_digest == first.tls_digest
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    assert in_cluster(POD, tmp_path).tls_digest != first.tls_digest


def test_an_ipv6_cluster(tmp_path: Path) -> None:
    assert in_cluster(POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, account(tmp_path)).url == "https://[fd00::1]:443"


def test_no_pod() -> None:
    with pytest.raises(AccessError, match=r"does not run in a pod .*: say `kubeconfig`"):
        in_cluster({}, Path("/nowhere"))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("token", None, "token cannot be read: No such file"),
        ("token", b" \n", "token, is empty"),
        ("token", b"\xff", "token cannot be read: it is no text"),
        ("token", b"", "is empty"),
        ("namespace", None, "namespace cannot be read"),
        ("ca.crt", None, "ca.crt cannot be read"),
        ("ca.crt", b"nonsense", "the certificates in .*ca.crt cannot be used"),
    ],
)
def test_a_service_account_that_is_broken(tmp_path: Path, file: str, content: bytes | None, words: str) -> None:
    account(tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(AccessError, match=words.replace("token, is", "token.*, is")):
        in_cluster(POD, tmp_path)


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> str:
    """Write a kubeconfig with two contexts: `one`, the current one, of `user`, and `other` of nobody."""
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    whole = {"server": "https://api.example.com:6443", "certificate-authority": "ca.pem"} | cluster
    path = folder / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "one",
                "clusters": [
                    {"name": "c", "cluster": {key: value for key, value in whole.items() if value is not None}}
                ],
                "users": [{"name": "u", "user": user}, {"name": "nobody", "user": {}}],
                "contexts": [
                    {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
                    {"name": "other", "context": {"cluster": "c", "user": "nobody"}},
                ],
            }
        )
    )
    return str(path)


def test_a_kubeconfig_with_a_token(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t1"}, **{"tls-server-name": "kubernetes", "proxy-url": "http://p:8080"})
    access = from_kubeconfig(path, "")
    assert (access.url, access.namespace, access.headers) == (
        "https://api.example.com:6443",
        "shop",
        {"authorization": "Bearer t1"},
    )
    assert (access.server_name, access.proxy, access.words) == ("kubernetes", "http://p:8080", f"kubeconfig {path}")
    assert access.tls is not None
    assert len(access.tls.get_ca_certs()) == 1
    other = load_access(path, "other")
    assert (other.namespace, other.headers, other.words) == ("default", {}, f"kubeconfig {path}, context other")


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"tokenFile": "token"})
    for token in ("t1", "t2"):
        (tmp_path / "token").write_text(token)
        assert from_kubeconfig(path, "").authorization == f"Bearer {token}"


def test_user_and_password(tmp_path: Path) -> None:
    access = from_kubeconfig(kubeconfig(tmp_path, {"username": "u", "password": "p"}), "one")
    assert access.authorization == "Basic " + b64encode(b"u:p").decode()


def test_a_client_certificate(tmp_path: Path) -> None:
    certificate = AUTHORITY.issue_cert("gateway")
    data = {
        "client-certificate-data": b64encode(certificate.cert_chain_pems[0].bytes()).decode(),
        "client-key-data": b64encode(certificate.private_key_pem.bytes()).decode(),
    }
    access = from_kubeconfig(kubeconfig(tmp_path, data), "")
    assert access.headers == {}
    assert access.tls is not None
    other = AUTHORITY.issue_cert("other")
    data["client-key-data"] = b64encode(other.private_key_pem.bytes()).decode()
    with pytest.raises(AccessError, match=r"cannot be used: .*KEY_VALUES_MISMATCH"):
        from_kubeconfig(kubeconfig(tmp_path, data), "")


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """Return a user whose credentials an exec plugin gives."""
    (folder / "plugin.py").write_text(script)
    api = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api, "command": sys.executable, "args": [str(folder / "plugin.py")], "env": None}}


GIVES = (
    'print(\'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"of-plugin"}}\')'
)


def test_an_exec_plugin(tmp_path: Path) -> None:
    assert from_kubeconfig(kubeconfig(tmp_path, plugin(tmp_path, GIVES)), "").authorization == "Bearer of-plugin"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raise SystemExit('log in first')", "there are no credentials: exec: process returned 1. log in first"),
        ("print('hello')", "there are no credentials: exec: failed to decode process output"),
    ],
)
def test_an_exec_plugin_that_fails(tmp_path: Path, script: str, words: str) -> None:
    before = list(logging.getLogger().handlers)
    with pytest.raises(AccessError, match=words):
        from_kubeconfig(kubeconfig(tmp_path, plugin(tmp_path, script)), "")
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    ("change", "context", "words"),
    [
        (
            {"insecure-skip-tls-verify": True, "certificate-authority": None},
            "",
            "`insecure-skip-tls-verify` is refused",
        ),
        ({"certificate-authority": "gone.pem"}, "", "File does not exist"),
        ({}, "third", "Expected object with name third"),
    ],
)
def test_a_kubeconfig_that_is_wrong(tmp_path: Path, change: dict[str, Any], context: str, words: str) -> None:
    path = kubeconfig(tmp_path, {"token": "t"}, **change)
    with pytest.raises(AccessError, match=words) as caught:
        from_kubeconfig(path, context)
    assert str(caught.value).startswith(f"kubeconfig {path}")


def test_no_proxy_of_the_environment_gets_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere:3128")
    monkeypatch.setenv("https_proxy", "http://elsewhere:3128")
    assert from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}), "").proxy == ""


def test_a_context_is_taken_whatever_the_current_one_is(tmp_path: Path) -> None:
    path = Path(kubeconfig(tmp_path, {"token": "t"}))
    for current in ("", "current-context: gone\n"):
        path.write_text(path.read_text().replace("current-context: one\n", current))
        assert from_kubeconfig(str(path), "one").namespace == "shop"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"token": "t", "as": "admin"}, {}, "`as` of its user is not supported: the gateway would be somebody else"),
        ({"token": "t", "as-groups": ["g"]}, {}, "`as-groups` of its user is not supported"),
        ({"auth-provider": {"name": "x", "config": {}}}, {}, "`auth-provider` of its user is not supported"),
        ({"token": "t"}, {"proxy-url": "socks5://u:hidden@h:1"}, "a `proxy-url` with `socks5:` is not supported"),
        ({"token": "t"}, {"server": "10.0.0.1:6443"}, "`server` of its cluster has to be a URL"),
    ],
)
def test_what_would_be_passed_over_is_refused(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(AccessError, match=words) as caught:
        from_kubeconfig(kubeconfig(tmp_path, user, **cluster), "")
    assert "hidden" not in str(caught.value)


def test_a_user_that_is_not_in_the_file(tmp_path: Path) -> None:
    path = Path(kubeconfig(tmp_path, {"token": "t"}))
    path.write_text(path.read_text().replace("user: u\n", "user: lost\n"))
    with pytest.raises(AccessError, match="the user `lost` of its context is not in the file"):
        from_kubeconfig(str(path), "")


def test_the_password_of_a_proxy_is_not_shown() -> None:
    assert "hidden" not in repr(Access(url="https://a", namespace="n", words="w", proxy="http://u:hidden@p:1"))


@pytest.mark.parametrize("text", ["", "a: [", "[]", "kind: Config", "\t"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(AccessError, match="kubeconfig "):
        from_kubeconfig(str(path), "")


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="config cannot be read: No such file"):
        from_kubeconfig(str(tmp_path / "config"), "")


def test_the_package_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(AccessError, match=r"install it with `pip install edge-gateway\[kubernetes\]`"):
        from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}), "")


def test_the_package_is_imported_when_it_is_needed_only() -> None:
    script = "import sys, edge.gateway, edge.discovery.kubernetes; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


ACCESS = Access(url="https://a", namespace="n", words="w")


async def test_credentials_are_read_away_from_the_loop() -> None:
    threads: list[threading.Thread] = []

    def load() -> Access:
        threads.append(threading.current_thread())
        return ACCESS

    credentials = Credentials(load)
    assert await credentials.read() is ACCESS
    assert await credentials.read() is ACCESS
    assert len(threads) == 2
    assert all(thread.daemon and thread is not threading.main_thread() for thread in threads)


@pytest.mark.parametrize(
    ("error", "words"),
    [(AccessError("as it says"), "^as it says$"), (ValueError("x\ny"), "reading the credentials failed: x y")],
)
async def test_credentials_that_cannot_be_read(error: Exception, words: str) -> None:
    def load() -> Access:
        raise error

    with pytest.raises(AccessError, match=words):
        await Credentials(load).read()


async def test_a_plugin_that_hangs_is_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_config, "LOAD_DEADLINE", 0.01)
    go_on = threading.Event()
    starts: list[None] = []

    def load() -> Access:
        starts.append(None)
        go_on.wait(60)
        return ACCESS

    credentials = Credentials(load)
    for _ in range(2):
        with pytest.raises(AccessError, match=r"has not ended within 0.01 s: does an exec plugin ask somebody\?"):
            await credentials.read()
    monkeypatch.setattr(kubernetes_config, "LOAD_DEADLINE", 60.0)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(credentials.read())
        go_on.set()
    assert reading.result() is ACCESS
    assert len(starts) == 1
