"""Which IP addresses of UEs stand in a text: in parameters, in paths, in sentences; those of NFs stay readable."""

import re
from collections.abc import Callable

from collector.identifier_grammar import ip_identifier

_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_IPV6 = r"(?=[0-9a-f]{0,4}:)[0-9a-f:.]{2,45}"
_IP = rf"{_IPV4}(?:/[0-9]{{1,2}})?|{_IPV6}(?:/[0-9]{{1,3}})?"
# The value of a parameter or member, or a segment of a path: no authority of a URI, which an NF has.
_PLACED = re.compile(
    rf"(?P<value>[=\"']\[?)(?P<ips>(?:{_IP})(?:,(?:{_IP}))*)(?=[&#;,\"'\]\s]|:[0-9]|$)"
    rf"|(?P<step>(?:^|[^/:])/)(?P<segment>{_IPV4}|{_IPV6})(?=[/?#]|:[0-9]|$)",
    re.IGNORECASE,
)
# Wherever in a sentence, a filter (TS 29.212 5.4.2: permit out 17 from …) or beside a port; not behind `http://`, nor
# behind what is percent-encoded, which is looked into before.
_SAID = re.compile(
    rf"(?<!//)(?<!%[0-9a-f]{{2}})(?:(?<![0-9.v]){_IPV4}(?:/[0-9]{{1,2}})?(?!\.?[0-9])"
    r"|(?<!//\[)(?<![0-9a-z:.])(?=[0-9a-f]{0,4}:[0-9a-f.]*:)[0-9a-f:.]{2,45}(?:/[0-9]{1,3})?)",
    re.IGNORECASE,
)


def may_hold_address(text: str) -> bool:
    """Tell whether a text has as many dots or colons as an IP address needs."""
    return text.count(".") > 2 or text.count(":") > 1


def without_placed(text: str, of: Callable[[str], str]) -> str:
    """Return `text` with `of` each address that is a value or a segment of a path."""

    def replaced(found: re.Match[str]) -> str:
        if found["ips"] is None:
            return found["step"] + _shown(found["segment"], of)
        return found["value"] + ",".join(_shown(one, of) for one in found["ips"].split(","))

    return _PLACED.sub(replaced, text)


def without_said(text: str, of: Callable[[str], str]) -> str:
    """Return `text` with `of` each address but those of URIs."""
    return _SAID.sub(lambda found: _shown(found[0], of), text)


def _shown(text: str, of: Callable[[str], str]) -> str:
    """Return what stands for an address; a mark of the sentence behind it is none of it."""
    bare = text.rstrip(".") if text.endswith("::") else text.rstrip(".:")
    address = ip_identifier(bare)
    return text if address is None else of(address) + text[len(bare) :]
