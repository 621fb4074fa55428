"""The tests of this folder need a real API server: `EDGE_KUBE` is a folder with `kube-apiserver` and `etcd`.

Without it they are not collected: the stand-in of `tests/edge/discovery`, written from what this server answers, is
what every run has.
"""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("EDGE_KUBE") else ["test_real_server.py"]
