"""A real API server of Kubernetes with its etcd, in processes of their own. Nothing runs in it: it keeps objects."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from edge.discovery.http_json import Answer, HttpJson, UnreachableError
from edge.discovery.kubernetes_config import Access, in_cluster

ADMIN = {"authorization": "Bearer admin-token"}

_TOKENS = 'admin-token,admin,u1,"system:masters"\ngateway-token,gateway,u2\n'
_GATES = "EndpointSliceTerminatingCondition=true,EndpointSliceNodeName=true"


class KubeServer:
    """The processes.

    Args:
        folder: Where they keep what they keep.
        programs: The folder with `kube-apiserver` and `etcd`.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.port, self.etcd_port, self.peer_port = _free(3)
        self.version = "v1"
        """The version of discovery.k8s.io it has."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._admin: HttpJson | None = None

    async def start(self) -> None:
        """Start both and wait until the server is ready."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        (self.folder / "accounts.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (self.folder / "tokens.csv").write_text(_TOKENS)
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        self._launch(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{self.peer_port}",
        )
        await self.start_server()

    async def start_server(self, *more: str) -> None:
        """Start the API server, or start it again, with more options."""
        accounts = self.folder / "accounts.key"
        options = [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={accounts}",
            f"--service-account-key-file={accounts}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            f"--feature-gates={_GATES}",
            *more,
        ]
        self._launch("kube-apiserver", *options)
        async with asyncio.timeout(100):
            while not await self._ready():
                await asyncio.sleep(0.2)

    def stop_server(self) -> None:
        """Kill the API server."""
        self._end("kube-apiserver")

    async def stop(self) -> None:
        """End both."""
        if self._admin is not None:
            await self._admin.close()
        for name in ("kube-apiserver", "etcd"):
            self._end(name)

    def account(self, token: str) -> Path:
        """Return a folder like that of a service account, whose token is `token`."""
        folder = self.folder / "account"
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(token)
        (folder / "namespace").write_text("shop")
        (folder / "ca.crt").write_bytes((self.folder / "certs" / "apiserver.crt").read_bytes())
        return folder

    def access(self, token: str) -> Access:
        """Return how a pod would reach the server."""
        host = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}
        return in_cluster(host, self.account(token))

    async def ask(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        """Ask as the administrator and return the answer, which has to be a good one."""
        answer = await self._ask(path, method=method, body=body)
        assert answer.status in (200, 201), answer.body
        return answer.body

    async def put_slice(self, document: dict[str, Any]) -> None:
        """Make a slice in the namespace `shop`, or change it."""
        path = f"/apis/discovery.k8s.io/{self.version}/namespaces/shop/endpointslices"
        whole = {"apiVersion": f"discovery.k8s.io/{self.version}", "kind": "EndpointSlice"} | document
        name = document["metadata"]["name"]
        there = await self._ask(f"{path}/{name}")
        if there.status == 404:
            await self.ask(path, method="POST", body=whole)
        else:
            await self.ask(f"{path}/{name}", method="PUT", body=whole)

    async def delete_slice(self, name: str) -> None:
        """Remove a slice of the namespace `shop`."""
        path = f"/apis/discovery.k8s.io/{self.version}/namespaces/shop/endpointslices/{name}"
        await self.ask(path, method="DELETE")

    async def compact(self) -> None:
        """Have etcd forget what was before now, as it does every five minutes."""
        etcd = HttpJson(f"http://127.0.0.1:{self.etcd_port}")
        now = (await etcd.request("/v3/kv/range", method="POST", body={"key": "AA=="})).body["header"]["revision"]
        await etcd.request("/v3/kv/compaction", method="POST", body={"revision": now, "physical": True})
        await etcd.close()

    async def _ask(self, path: str, *, method: str = "GET", body: object = None) -> Answer:
        if self._admin is None:
            access = self.access("admin-token")
            self._admin = HttpJson(access.url, tls=access.tls)
        return await self._admin.request(path, method=method, body=body, headers=ADMIN)

    async def _ready(self) -> bool:
        if self._processes["kube-apiserver"].poll() is not None:
            raise AssertionError((self.folder / "kube-apiserver.log").read_text()[-2000:])
        with contextlib.suppress(UnreachableError, OSError):
            if (await self._ask("/api/v1/namespaces/default")).status == 200:
                return True
        return False

    def _launch(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [self.programs / name, *options], stdout=log, stderr=log, cwd=self.folder, env=dict(os.environ)
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()


def _free(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
