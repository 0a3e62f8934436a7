"""Certificates for tests: an authority and what it signs, good or expired, made with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.debian import installed

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Pair:
    """A server's certificate and key, and the file of the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path

    def written_together(self) -> Path:
        """Return a file with both, as Kafka wants it."""
        both = self.key.with_suffix(".both.pem")
        both.write_text(self.key.read_text() + self.certificate.read_text())
        return both


class Authority:
    """A certificate authority of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        subject = ("-subj", f"/CN={name}", "-days", "2", "-addext", "keyUsage=keyCertSign")
        _openssl("req", "-x509", *NEW_KEY, *subject, "-keyout", self._key, "-out", self.certificate)

    def signed(self, name: str, days: int = 1) -> Pair:
        """Return a server's pair for loopback; `days` 0: it expires as soon as it is made."""
        key, asked, made = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        _openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
        names = self._folder / f"{name}.ext"
        names.write_text("subjectAltName=IP:127.0.0.1,IP:::1\n")
        by = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", str(days))
        _openssl("x509", "-req", "-in", asked, *by, "-extfile", names, "-out", made)
        return Pair(made, key, self.certificate)


def _openssl(*words: str | Path) -> None:
    subprocess.run([installed("openssl", "openssl"), *map(str, words)], check=True, capture_output=True)
