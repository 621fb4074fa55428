"""How to reach a Kubernetes API server: from the service account of the pod, or from a kubeconfig file.

A kubeconfig is read with the `kubernetes` package (`pip install edge-gateway[kubernetes]`), which knows contexts,
certificates, tokens and exec plugins. It is imported when the first kubeconfig is read: a gateway without one starts
without it. The service account is two files and two variables (kubernetes.io, "Accessing the API from a Pod") and needs
no package. Whatever is read here is read again for each connection, since tokens and certificates are replaced.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds `token`, `ca.crt` and `namespace`."""

LOAD_DEADLINE: Final = 30.0
"""The seconds that reading credentials may take, an exec plugin included."""

_MAX_WORDS: Final = 300

_SOMEBODY = "the gateway would be somebody else; give the credentials of the user that is meant"
_IGNORED: Final = {
    "as": _SOMEBODY,
    "as-uid": _SOMEBODY,
    "as-groups": _SOMEBODY,
    "as-user-extra": _SOMEBODY,
    "auth-provider": "kubectl has dropped it as well; take `exec`",
}
"""What the package passes over without a word in the user of a kubeconfig, and what to do instead."""


class AccessError(Exception):
    """The API server cannot be asked as configured. The message says why and how to mend it; it has no secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach an API server. Equal ones can share a connection."""

    url: str
    """Its URL."""

    namespace: str
    """The namespace that is meant when none is said."""

    words: str
    """Whose credentials they are, for people."""

    authorization: str = field(default="", repr=False)
    """The value of the `authorization` header. Empty for none, as with a client certificate."""

    server_name: str = ""
    """The name its certificate has to be for. Empty means the host of the URL."""

    proxy: str = field(default="", repr=False)
    """The URL of the HTTP proxy to go through, perhaps with a password. Empty means none."""

    tls: ssl.SSLContext | None = field(default=None, compare=False, repr=False)
    """How the server is verified and what is shown to it. None with `http:`."""

    tls_digest: str = field(default="", repr=False)
    """Stands for what `tls` was made from."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with every request."""
        return {"authorization": self.authorization} if self.authorization else {}


def load_access(kubeconfig: str, context: str) -> Access:
    """Read how to reach the API server. Blocks, and may run a program.

    Args:
        kubeconfig: The kubeconfig file. Empty means the service account of the pod.
        context: The context within it. Empty means the current one.

    Raises:
        AccessError: that is missing or wrong.
    """
    return from_kubeconfig(kubeconfig, context) if kubeconfig else in_cluster()


def in_cluster(environ: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT) -> Access:
    """Read the service account of the pod.

    Raises:
        AccessError: there is none, or it cannot be read.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise AccessError(
            "the gateway does not run in a pod of Kubernetes (KUBERNETES_SERVICE_HOST is not set): say `kubeconfig`"
        )
    token = _read(folder / "token").strip()
    if not token:
        raise AccessError(f"the token of the service account, {folder / 'token'}, is empty")
    tls, digest = _tls(str(folder / "ca.crt"), None, None)
    return Access(
        url=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=_read(folder / "namespace").strip() or "default",
        words="the service account of the pod",
        authorization=f"Bearer {token}",
        tls=tls,
        tls_digest=digest,
    )


def from_kubeconfig(path: str, context: str) -> Access:
    """Read a kubeconfig file. An exec plugin that it names is run.

    Raises:
        AccessError: it cannot be read, lacks something, or the plugin failed.
    """
    file = Path(path).expanduser()
    words = f"kubeconfig {path}" + (f", context {context}" if context else "")
    _read(file)  # the package says of a file that is missing that it holds no configuration
    try:
        from kubernetes import client, config
    except ImportError:
        raise AccessError(
            f"{words}: the package `kubernetes` is not there; install it with `pip install edge-gateway[kubernetes]`"
        ) from None
    configuration: Any = client.Configuration()
    # a token goes through the proxy that the file names (`proxy-url`) and not through one of the environment
    configuration.proxy = None
    said = _Said()
    logging.getLogger().addHandler(said)
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(file), context or None, configuration, persist_config=False
        )
        chosen, user = _chosen(file, context)
    except Exception as error:
        # a boundary: besides its ConfigException the package lets those of YAML, of files and of what it calls through
        raise AccessError(f"{words}: {_short(str(error)) or type(error).__name__}") from None
    finally:
        logging.getLogger().removeHandler(said)
    for key, instead in _IGNORED.items():
        if user.get(key):
            raise AccessError(f"{words}: `{key}` of its user is not supported: {instead}")
    if configuration.proxy and not configuration.proxy.startswith(("http://", "https://")):
        kind = configuration.proxy.partition(":")[0]
        raise AccessError(f"{words}: a `proxy-url` with `{kind}:` is not supported: name an HTTP proxy, `http:`")
    if not configuration.host.startswith(("http://", "https://")):
        raise AccessError(f"{words}: `server` of its cluster has to be a URL, as in `https://10.0.0.1:6443`")
    # older versions of the package name it `authorization`
    authorization = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization") or ""
    if said.words and not authorization and not configuration.cert_file:
        # it logs that an exec plugin failed and goes on as nobody, which the server would answer with 401 or 403
        raise AccessError(f"{words}: there are no credentials: {_short('; '.join(said.words))}")
    if configuration.host.startswith("https:") and not configuration.verify_ssl:
        raise AccessError(
            f"{words}: `insecure-skip-tls-verify` is refused, since whoever answered could lead calls anywhere: "
            "give `certificate-authority` instead"
        )
    secure = configuration.host.startswith("https:")
    tls, digest = (
        _tls(configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file) if secure else (None, "")
    )
    return Access(
        url=configuration.host,
        namespace=chosen.get("namespace") or "default",
        words=words,
        authorization=authorization,
        server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or "",
        tls=tls,
        tls_digest=digest,
    )


def _chosen(file: Path, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the context of that name, or the current one, of a kubeconfig that the package has taken, and its user.

    Raises:
        AccessError: there is no such user.
    """
    import yaml

    document = yaml.safe_load(file.read_text())
    name = name or document["current-context"]
    context = next(one["context"] for one in document["contexts"] if one["name"] == name)
    if not (named := context.get("user")):
        return context, {}
    for one in document.get("users") or ():
        if one["name"] == named:
            return context, one.get("user") or {}
    raise AccessError(f"the user `{named}` of its context is not in the file")


class Credentials:
    """Reads an `Access` away from the event loop.

    Args:
        load: What reads it and may block.
    """

    __slots__ = ("_load", "_reading")

    def __init__(self, load: Callable[[], Access]) -> None:
        self._load = load
        self._reading: asyncio.Future[Access | AccessError] | None = None

    async def read(self) -> Access:
        """Read the credentials anew.

        Raises:
            AccessError: they are missing or wrong, or reading them took too long.
        """
        if self._reading is None:
            self._reading = self._start()
        # one at a time: a plugin that hangs is waited for again, and not started again and again
        reading = self._reading
        try:
            async with asyncio.timeout(LOAD_DEADLINE):
                found = await asyncio.shield(reading)
        except TimeoutError:
            raise AccessError(
                f"reading the credentials has not ended within {LOAD_DEADLINE:g} s: does an exec plugin ask somebody?"
            ) from None
        finally:
            if reading.done():
                self._reading = None
        if isinstance(found, AccessError):
            raise found
        return found

    def _start(self) -> asyncio.Future[Access | AccessError]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Access | AccessError] = loop.create_future()

        def settle(found: Access | AccessError) -> None:
            if not result.done():
                result.set_result(found)

        def run() -> None:
            found: Access | AccessError
            try:
                found = self._load()
            except AccessError as error:
                found = error
            except Exception as error:
                found = AccessError(f"reading the credentials failed: {_short(str(error)) or type(error).__name__}")
            try:
                loop.call_soon_threadsafe(settle, found)
            except RuntimeError:
                return  # the loop has ended: nobody waits any more

        # a daemon, which a pool's threads are not: a plugin that hangs does not keep the gateway from ending
        threading.Thread(target=run, name="kubernetes credentials", daemon=True).start()
        return result


class _Said(logging.Handler):
    """Keeps what is logged on the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.words.append(record.getMessage())


def _tls(ca: str | None, cert: str | None, key: str | None) -> tuple[ssl.SSLContext, str]:
    """Return a context and what tells it from others."""
    files = [name for name in (ca, cert, key) if name]
    digest = hashlib.sha256("\0".join(_read(Path(name)) for name in files).encode()).hexdigest()
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise AccessError(f"the certificates in {', '.join(files)} cannot be used: {_short(str(error))}") from None
    return context, digest


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is no text"
        raise AccessError(f"{path} cannot be read: {why}") from None


def _short(words: Any) -> str:
    line = " ".join(str(words).split())
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]}…"
