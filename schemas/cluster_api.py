"""Whether this process is a pod of a Kubernetes cluster, how its API is reached, and what all its objects have.

Apart from what speaks with the API: HTTP and TLS take 5 MB, which an agent outside of a cluster does without.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from schemas.refusal import Refusal

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Metadata(msgspec.Struct, gc=False):
    """Of an object of the API: what is needed of it; everything else is passed over unread."""

    uid: str = ""
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    resource_version: str = msgspec.field(default="", name="resourceVersion")


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is and how one shows who one is; `token_file` is read for each request, since it changes."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


def api_here(account: Path = ACCOUNT) -> Api | None:
    """Return the API of the cluster that this process is a pod of, None outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").exists():
        return None
    name = f"[{host}]" if ":" in host else host
    return Api(f"https://{name}:{port}", account / "token", account / "ca.crt")


def is_wanted(word: str) -> bool:
    """Tell whether collector.kubernetes lets the API be asked. Raises Refusal for a wrong word."""
    if word not in {"auto", "off"}:
        raise Refusal("collector.kubernetes is no such word", repr(word), "write auto or off")
    return word == "auto"
