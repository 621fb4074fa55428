"""Checks of PEM files that the configuration names: they can be read, and they hold what they should.

What is wrong is said of the field, never with the contents of a file.
"""

from __future__ import annotations

import ssl

from edge.control.conversion.scope import Scope

_WEAK = {
    "EE_KEY_TOO_SMALL": "its key is too short; RSA needs 2048 bits or more",
    "CA_KEY_TOO_SMALL": "the key of an authority in it is too short; RSA needs 2048 bits or more",
    "CA_MD_TOO_WEAK": "it is signed with a hash that is no longer safe, such as SHA-1",
}


def check_certificates(path: str, scope: Scope) -> bool:
    """Refuse a file that holds no certificates, and return whether it does."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        scope.refuse("the file holds no certificate in PEM")
    except (OSError, ValueError) as error:
        scope.refuse(f"the file cannot be read: {_reason(error)}")
    else:
        return True
    return False


def check_pair(cert_file: str, key_file: str, cert_scope: Scope, key_scope: Scope) -> None:
    """Refuse a chain that cannot be used, or a key that is none or does not belong to the chain."""
    if not check_certificates(cert_file, cert_scope):
        return

    def no_password() -> str:
        raise PermissionError(0, "it is encrypted; the gateway asks nobody for a password")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, password=no_password)
    except ssl.SSLError as error:
        if error.reason in _WEAK:
            cert_scope.refuse(_WEAK[error.reason])
        elif error.reason == "KEY_VALUES_MISMATCH":
            key_scope.refuse("does not belong to the certificate")
        else:
            key_scope.refuse("the file holds no private key in PEM")
    except (OSError, ValueError) as error:
        key_scope.refuse(f"the file cannot be read: {_reason(error)}")


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "it is no path of a file"
