"""What the 3gpp-Sbi-* headers with a grammar say, as named facts (TS 29.500 5.2.3.2 and 5.2.3.3, 29.502, 29.573).

A hostile value costs one pass over 64 parts of 1,024 characters, gives at most the names of one table, and no longer
text than it has. What is cut is left out, or ends in an ellipsis.
"""

import re
from itertools import islice
from urllib.parse import unquote

import msgspec

from collector.header_text import shortened
from collector.http_date import seconds_of, with_fraction
from collector.identifiers import snssai_text

LONGEST_READ = 1_024
LONGEST_FACT = 256
MOST_ENTRIES = 16  # of a list
MOST_PARTS = 64  # of all entries; what fits into LONGEST_READ and tells anything has fewer
# `name=value`, `Name: value` or a word; what is quoted may hold marks. Ends with the entry of the list, or before.
_PART = re.compile(r"\s*([A-Za-z0-9.!#$&'*+^_`|~-]{1,255})?\s*(?:[:=]\s*(\"[^\"]*\"|[^;,\"]*))?[^;,]*([;,]|\Z)")

Part = tuple[str, str]  # name in lower case, value without quotes

_INSTANCES = {
    "nfinst": "nf_instance",
    "nfset": "nf_set",
    "nfservinst": "service_instance",
    "nfserviceset": "service_set",
}
_BINDING = {"bl": "level", **_INSTANCES, "servname": "service", "backupamfinst": "backup_amf", "backupnf": "backup_nf"}
_PEERS = {"inst": "nf_instance", "servinst": "service_instance", "scp": "scp", "sepp": "sepp", "fqdn": "fqdn"}
# Header without `3gpp-sbi-` → parameter → name of the fact.
_PARAMETERS: dict[str, dict[str, str]] = {
    "routing-binding": {name: f"routing_{fact}" for name, fact in _BINDING.items()},
    "binding": {name: f"binding_{fact}" for name, fact in (_BINDING | {"scope": "scope", "group": "group"}).items()}
    | {"recoverytime": "binding_recovery_time", "no-redundancy": "binding_no_redundancy"},
    "producer-id": {name: f"producer_{fact}" for name, fact in _INSTANCES.items() if name != "nfinst"},
    "target-nf-id": {name: f"target_{fact}" for name, fact in _INSTANCES.items()},
    "target-nf-group-id": {"nfgid": "target_nf_group"},
    "nrf-uri": {"nnrf-disc": "nrf_discovery", "nnrf-nfm": "nrf_management", "nnrf-oauth2": "nrf_oauth2"},
    "nrf-uri-callback": {"nnrf-disc": "callback_nrf_discovery", "nnrf-nfm": "callback_nrf_management"},
    "nf-peer-info": {f"src{name}": f"source_{fact}" for name, fact in _PEERS.items()}
    | {f"dst{name}": f"destination_{fact}" for name, fact in _PEERS.items()},
    "alternate-chf-id": {"nfinst": "alternate_chf"},
    "consumer-info": {
        "service": "consumer_service", "apiversion": "consumer_api_version", "supportedfeatures": "consumer_features",
        "intermediate-nf": "consumer_intermediate_nf",
    },
    "response-info": {
        "request-retransmitted": "retransmitted_elsewhere", "no-retry": "no_retry", "nfinst": "retransmitted_to",
        "context-transferred": "context_transferred",
    },
    "selection-info": {"reselection": "reselection", "not-select-nfinst": "not_selected_nf_instance"},
    "request-info": {
        "redirect": "redirected", "reason": "request_reason", "receivedrejectioncause": "received_rejection_cause",
        "redirection-cause": "redirection_cause", "nfinst": "request_nf_instance",
    },
    "retry-info": {"no-retries": "no_retries"},
    "binding-indication-notify-restricted": {"true": "notify_restricted"},
    "connect-req-info": {
        "connect-purpose": "connect_purpose", "originating-network-id": "originating_network",
        "sender-fqdn": "sender_fqdn",
    },
}  # fmt: skip
# Headers that are one value → name of the fact.
_WHOLE = {
    "scp-apiroot": "scp_api_root",
    "access-scope": "access_scope",
    "other-access-scopes": "other_access_scopes",
    "interplmn-purpose": "interplmn_purpose",
    "notif-accepted-encoding": "notification_encodings",
    "notification-correlation": "notification_subscriptions",
    "etags": "etags",
    "n32-handshake-id": "n32_handshake",
}
# Lists each entry of which is a statement of its own → what the names of its facts begin with.
_ENTRY = {
    "3gpp-sbi-lci": "load_",
    "3gpp-sbi-oci": "overload_",
    "3gpp-sbi-routing-binding": "routing_",
    "3gpp-sbi-binding": "binding_",
    "3gpp-sbi-alternate-chf-id": "alternate_chf",
    "3gpp-sbi-consumer-info": "consumer_",
}
_METRIC = {"load_": "load_percent", "overload_": "overload_reduction_percent"}  # the highest of these counts
_FLAGS = frozenset({"no-retries", "true"})  # said by their name alone
_HOPS = re.compile(r"\s*([0-9]{1,3})\s*(?:;|\Z)")
_NETWORK = re.compile(r"([0-9]{3})-?([0-9]{2,3})(-[0-9a-fA-F]{11})?\Z")
_PERCENT = re.compile(r"([0-9]{1,3})\s*%?\Z")
_SECONDS = re.compile(r"([0-9]{1,9})\s*s?\Z")
# Of LCI and OCI: what is spoken of, the narrowest last.
_SCOPES = (
    "nf-instance", "nf-set", "nf-service-instance", "nf-service-set", "service-name", "callback-uri", "scp-fqdn",
    "sepp-fqdn",
)  # fmt: skip


def facts_of(header: str, value: str) -> dict[str, str] | None:
    """Return the facts that a header tells, by name; None if it has no grammar or tells none of them.

    `header`: in lower case. Numbers are digits, times are microseconds since the epoch; values that are not what the
    grammar asks for are left out. Of several entries for one fact the first counts; where each entry is a statement
    of its own, the first is told alone, of LCI and OCI that of the highest metric.
    """
    name = header.removeprefix("3gpp-").removeprefix("sbi-")
    if name in _WHOLE:
        return {_WHOLE[name]: shortened(value, LONGEST_FACT)} if value[:LONGEST_FACT].strip() else None
    text = _finished(value)
    if name in ("lci", "oci"):
        return _load(_entries(text)) if name == "lci" else _overload(_entries(text))
    if name == "max-forward-hops":
        hops = _HOPS.match(text)
        return None if hops is None else {"forward_hops_left": hops[1]}
    if name == "originating-network-id":
        return _origin(text)
    if name == "origination-timestamp":
        moment = _moment(text)
        return None if moment is None else {"origination_us": moment}
    told = _PARAMETERS.get(name)
    if told is None:
        return None
    if header in _ENTRY:
        return next(filter(None, (_told(told, entry) for entry in _entries(text))), None)
    return _told(told, [part for entry in _entries(text) for part in entry])


def beside(header: str, before: dict[str, str], facts: dict[str, str]) -> dict[str, str]:
    """Return what is told with a further line of `header`: two lines are one list (RFC 9110 5.3).

    An entry that is a statement of its own is told as a whole or not at all; otherwise the first counts, fact by fact.
    """
    prefix = _ENTRY.get(header)
    if prefix is None or not any(name.startswith(prefix) for name in before):
        return facts | before
    metric = _METRIC.get(prefix)
    if metric is None or int(facts[metric]) <= int(before[metric]):
        return before
    return facts | {name: fact for name, fact in before.items() if not name.startswith(prefix)}


def _finished(value: str) -> str:
    """Return a value, or the parts of it that end within LONGEST_READ: the stump of a number is another number."""
    if len(value) <= LONGEST_READ:
        return value
    text = value[: LONGEST_READ + 1]
    if text.count('"') % 2:  # a mark within quotes ends nothing
        text = text[: text.rfind('"')]
    return text[: max(text.rfind(";"), text.rfind(","), 0)]


def _entries(text: str) -> list[list[Part]]:
    """Return the entries of a list, each as its parts."""
    found: list[list[Part]] = [[]]
    for part in islice(_PART.finditer(text), MOST_PARTS):
        if part[1]:
            said = (part[2] or "").strip().strip('"')
            found[-1].append((part[1].lower(), shortened(said, LONGEST_FACT)))
        if part[3] == ",":
            if len(found) == MOST_ENTRIES:
                break
            found.append([])
    return found


def _told(names: dict[str, str], parts: list[Part]) -> dict[str, str] | None:
    facts: dict[str, str] = {}
    for name, said in parts:
        value: str | None = said or ("true" if name in _FLAGS else None)
        if name in names and value:
            fact = names[name]
            value = _network(value) if fact == "originating_network" else value
            if value is not None:
                facts.setdefault(fact, value)
        elif name in ("primary", "secondary") and "alternate_chf" in names.values():
            facts.setdefault("alternate_chf_role", name)
    return facts or None


def _load(entries: list[list[Part]]) -> dict[str, str] | None:
    """3gpp-Sbi-Lci: how loaded somebody is (TS 29.500 5.2.3.2.10)."""
    return _metric(
        entries, "load-metric", "load_percent", "load", {"relative-capacity": ("capacity_percent", _PERCENT)}
    )


def _overload(entries: list[list[Part]]) -> dict[str, str] | None:
    """3gpp-Sbi-Oci: how much less somebody wants to be sent (TS 29.500 5.2.3.2.9)."""
    more = {
        "period-of-validity": ("valid_s", _SECONDS),
        "extend-registration-timer": ("registration_timer_s", _SECONDS),
    }
    return _metric(entries, "overload-reduction-metric", "overload_reduction_percent", "overload", more)


def _metric(
    entries: list[list[Part]], metric: str, fact: str, prefix: str, more: dict[str, tuple[str, re.Pattern[str]]]
) -> dict[str, str] | None:
    """Return the facts of the entry of the highest metric."""
    best: tuple[int, dict[str, str]] | None = None
    for entry in entries:
        said = dict(reversed(entry))  # of a part that is there twice the first counts
        found = _PERCENT.match(said.get(metric, ""))
        if found is None or int(found[1]) > 100 or (best is not None and int(found[1]) <= best[0]):
            continue
        best = int(found[1]), said
    if best is None:
        return None
    percent, said = best
    facts = {fact: str(percent)}
    for name, (told, form) in more.items():
        if name in said and (number := form.match(said[name])):
            facts[f"{prefix}_{told}"] = str(int(number[1]))
    if (slices := _slices(said.get("s-nssai", ""))) is not None:
        facts[f"{prefix}_snssai"] = slices
    if said.get("dnn"):
        facts[f"{prefix}_dnn"] = said["dnn"]
    scope = [f"{name}:{said[name]}" for name in _SCOPES if said.get(name)]
    if scope:
        facts[f"{prefix}_scope"] = shortened(scope[-1], LONGEST_FACT)
    if (moment := _moment(said.get("timestamp", ""))) is not None:
        facts[f"{prefix}_us"] = moment
    return facts


def _slices(text: str) -> str | None:
    """Return `sst-sd` of an S-NSSAI in percent-encoded JSON, of several `1 & 2`; None if one of them is none."""
    try:
        told = [snssai_text(msgspec.json.decode(unquote(one))) for one in text.split("&")]
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    named = [one for one in told if one is not None]
    return " & ".join(named) if len(named) == len(told) else None


def _moment(text: str) -> str | None:
    """Return a date of HTTP in us since the epoch."""
    date = text.strip('" ').encode("ascii", "replace")
    second = seconds_of(date[:25])
    moment = None if second is None else with_fraction(second, date[25:])
    return None if moment is None else str(moment)


def _network(text: str) -> str | None:
    """Return `mccmnc`, of an SNPN with its NID."""
    found = _NETWORK.match(text)
    return None if found is None else f"{found[1]}{found[2]}{(found[3] or '').lower()}"


def _origin(text: str) -> dict[str, str] | None:
    """3gpp-Sbi-Originating-Network-Id: `123-45; src: SEPP-sepp1.example.org` (TS 29.500 5.2.3.2.20)."""
    head, _, rest = text.partition(";")
    network = _network(head.strip())
    if network is None:
        return None
    facts = {"originating_network": network}
    for name, value in _entries(rest)[0]:
        if name == "src" and value:
            facts["originating_network_source"] = value
    return facts
