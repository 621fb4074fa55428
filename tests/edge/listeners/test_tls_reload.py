"""New files while callers are there."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import socket
import ssl
import weakref
from pathlib import Path
from typing import Any

import pytest

from edge.listeners.tls import TlsFileError, TlsKeeper
from edge.model.settings import Certificate
from edge.tasks import Tasks
from tests.edge.listeners.tls_place import (
    WAIT,
    Certificates,
    listener,
    read,
    replace,
    required,
    served,
    swap_symlink,
)

WAYS = ["create_server", "start_tls", "accepted"]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("way", WAYS)
async def test_new_files_are_for_new_callers_and_do_not_touch_others(ca: Certificates, way: str) -> None:
    keeper = TlsKeeper(listener(ca.issue("a", "a.test"), ca.issue("b", "b.test")))
    async with served(keeper, way) as server:
        old = {name: await server.connect(ca.caller(), name) for name in ("a.test", "b.test", "c.test")}
        assert not keeper.reload_if_changed()
        ca.issue("a", "a.test")
        ca.issue("b", "c.test")
        assert keeper.reload_if_changed()
        assert not keeper.reload_if_changed()
        assert keeper.reloads == 1
        for caller in old.values():
            assert (await caller.ask())["version"] == "TLSv1.3"
        new = {name: await server.connect(ca.caller(), name) for name in old}
        assert new["a.test"].serial != old["a.test"].serial
        assert {name: caller.shown for name, caller in old.items()} == {"a.test": "a", "b.test": "b", "c.test": "a"}
        assert {name: caller.shown for name, caller in new.items()} == {"a.test": "a", "b.test": "a", "c.test": "b"}


async def test_a_symlink_that_leads_elsewhere_is_a_change(ca: Certificates, tmp_path: Path) -> None:
    """As Kubernetes mounts a secret: tls.crt → ..data/tls.crt, ..data → a folder with the time in its name."""
    times = os.stat(ca.issue("any").cert_file).st_mtime_ns
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        files = ca.issue(f"{folder}/tls", subject=folder)
        for path in (files.cert_file, files.key_file):
            os.utime(path, ns=(times, times))
    swap_symlink(tmp_path / "..data", "one")
    for kind in ("pem", "key"):
        (tmp_path / f"tls.{kind}").symlink_to(f"..data/tls.{kind}")
    mounted = Certificate(cert_file=str(tmp_path / "tls.pem"), key_file=str(tmp_path / "tls.key"))
    keeper = TlsKeeper(listener(mounted))
    async with served(keeper) as server:
        assert (await server.connect(ca.caller())).shown == "one"
        swap_symlink(tmp_path / "..data", "two")
        assert keeper.reload_if_changed()
        assert (await server.connect(ca.caller())).shown == "two"


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize(
    ("file", "contents", "words"),
    [
        ("a.pem", b"nothing", "a.pem: holds no certificate in PEM"),
        ("a.key", b"secret", "a.key: holds no private key in PEM"),
        ("a.key", None, "a.key: it cannot be read: No such file or directory"),
        ("ca.pem", b"", "ca.pem: holds no certificate in PEM"),
        ("a.pem", "other", "a.key: the key does not belong to the certificate"),
        ("a.key", "locked", "a.key: it is encrypted; the gateway asks nobody for a password"),
    ],
)
async def test_files_that_are_broken_change_nothing_and_are_told_once(
    ca: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, contents: Any, words: str
) -> None:
    keeper = TlsKeeper(required(ca.issue("a"), ca=ca), name="traffic-tls")
    alice = ca.caller(ca.issue("alice"))
    broken = tmp_path / file
    before = read(broken)
    async with served(keeper) as server:
        if contents is None:
            broken.unlink()
        elif contents == "other":
            replace(broken, read(ca.issue("other").cert_file))
        elif contents == "locked":
            replace(broken, read(ca.issue("locked", password=b"x").key_file))
        else:
            replace(broken, contents)
        for _ in range(3):
            assert not keeper.reload_if_changed()
        assert (keeper.last_error or "").endswith(words)
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [record.getMessage() for record in errors] == [
            f"traffic-tls keeps the certificates it has: {keeper.last_error}"
        ]
        assert "secret" not in caplog.text
        assert (await (await server.connect(alice)).ask())["subject"] == "CN=alice"
        replace(broken, before)
        assert keeper.reload_if_changed()
        mended: str | None = keeper.last_error
        assert mended is None
        assert (await (await server.connect(alice)).ask())["subject"] == "CN=alice"


def test_a_keeper_does_not_begin_with_broken_files(ca: Certificates, tmp_path: Path) -> None:
    missing = Certificate(cert_file=str(tmp_path / "none.pem"), key_file=str(tmp_path / "none.key"))
    with pytest.raises(TlsFileError, match=r"none\.pem: it cannot be read: No such file or directory"):
        TlsKeeper(listener(ca.issue("a"), missing))


async def test_the_loop_notices_a_change(ca: Certificates) -> None:
    keeper = TlsKeeper(listener(ca.issue("a")))
    tasks = Tasks()
    tasks.spawn(keeper.run(interval=0.01), name="certificates")
    try:
        ca.issue("a")
        async with asyncio.timeout(WAIT):
            while not keeper.reloads:
                await asyncio.sleep(0.01)
    finally:
        await tasks.close()


@pytest.mark.parametrize("version", [V12, V13])
async def test_a_session_from_before_new_authorities_is_not_resumed(
    ca: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A resumed session does not show the caller's certificate again, so it would outlive the trust in it."""
    trusted = tmp_path / "trusted.pem"
    replace(trusted, read(ca.path))
    clients = Certificates(tmp_path, "clients")
    clients.path, own = str(trusted), clients.path
    keeper = TlsKeeper(required(ca.issue("a"), ca=clients))
    context = ca.caller(ca.issue("alice"))
    context.maximum_version = version
    async with served(keeper) as server:
        first = await server.connect(context)
        assert not (await first.ask())["resumed"]
        session: Any = first.tls.session
        again = await asyncio.to_thread(resumed, server.port, context, session)
        assert again == (True, b"alice")
        replace(trusted, read(own))
        assert keeper.reload_if_changed()
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(resumed, server.port, context, session)
        new = ca.caller(clients.issue("bob"))
        assert (await (await server.connect(new)).ask())["subject"] == "CN=bob"


def resumed(port: int, context: ssl.SSLContext, session: ssl.SSLSession) -> tuple[bool | None, bytes]:
    """Resume a session, which asyncio has no way to do. Return whether it was, and whom the server took us for."""
    with (
        socket.create_connection(("127.0.0.1", port), WAIT) as raw,
        context.wrap_socket(raw, session=session) as caller,
    ):
        caller.sendall(b"?\n")
        told = json.loads(caller.recv(1000))
        assert told["resumed"] == caller.session_reused
        return caller.session_reused, told["subject"].removeprefix("CN=").encode()


def test_reloading_leaks_no_memory(ca: Certificates) -> None:
    keeper = TlsKeeper(listener(ca.issue("a")))
    old = weakref.ref(keeper.context)
    ca.issue("a")
    assert keeper.reload_if_changed()
    gc.collect()
    assert old() is None
