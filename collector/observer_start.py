"""The observer's entry: `python -S -m collector.observer_start` and the words that collector.observer tells of.

It hashes with modules of Python alone: OpenSSL would be 4 MB for what a few lines of C do, a pseudonym at a time.
"""

import sys

OPENSSL = "_hashlib"


def main() -> None:
    """Be the observer, without OpenSSL: hashlib and hmac find it missing, as in some builds of Python."""
    sys.modules.update({OPENSSL: None})  # type: ignore[dict-item]
    from collector import observer

    observer.main()


if __name__ == "__main__":
    main()
