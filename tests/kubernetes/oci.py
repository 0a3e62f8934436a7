"""Makes a container image of one static program, as an OCI archive that containerd imports (OCI image layout 1.0)."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

MEDIA = "application/vnd.oci.image."


def image(program: Path, name: str, archive: Path, arguments: list[str]) -> None:
    """Write `archive`: an image in which `program` is all there is, started with `arguments`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, arcname=program.name, filter=_ours)
    with tarfile.open(archive, "w") as tar:
        content = _blob(tar, layer.getvalue(), "layer.v1.tar")
        about = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}", *arguments], "Env": ["PATH=/"]},
            "rootfs": {"type": "layers", "diff_ids": [content["digest"]]},
        }
        config = _blob(tar, json.dumps(about).encode(), "config.v1+json")
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}manifest.v1+json",
            "config": config,
            "layers": [content],
        }
        listed = _blob(tar, json.dumps(manifest).encode(), "manifest.v1+json")
        listed["annotations"] = {"io.containerd.image.name": f"docker.io/{name}"}
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode())


def _ours(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.mode = 0o755
    return info


def _add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _blob(tar: tarfile.TarFile, data: bytes, kind: str) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    _add(tar, f"blobs/sha256/{digest}", data)
    return {"mediaType": MEDIA + kind, "digest": f"sha256:{digest}", "size": len(data)}
