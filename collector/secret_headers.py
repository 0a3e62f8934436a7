"""Which header fields hold what never leaves the node, and is not kept there: tokens, credentials, signed words."""

# TS 29.500 5.2.3, RFC 6750.
SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "3gpp-sbi-access-token",
        "3gpp-sbi-client-credentials",
        "3gpp-sbi-source-nf-client-credentials",
    }
)


def is_secret(name: str) -> bool:
    """Whether the value of field `name` is a secret: one of these, or a vendor's or later release's kind of it."""
    return name in SECRET_HEADERS or "credentials" in name or "token" in name
