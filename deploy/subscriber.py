"""The subscriber that a user names: plain or as its pseudonym, in the form in which records have it."""

import sys

from schemas.config import Collector
from schemas.refusal import Refusal


def pseudonyms_by_any_key(config: Collector, subscriber: str) -> list[str]:
    """Return what stands for an identifier under the key in use, then under those before it; a pseudonym stays alone.

    Raises Refusal: no identifier, no key.
    """
    from collector.pseudonym import is_pseudonym
    from collector.pseudonym_key import past_pseudonyms_of

    now = pseudonym_of(config, subscriber)
    past = [] if is_pseudonym(subscriber) else past_pseudonyms_of(config)
    return list(dict.fromkeys([now, *(one.of(subscriber) for one in past)]))


def pseudonym_of(config: Collector, subscriber: str) -> str:
    """Return the pseudonym of an identifier; what is one already stays. Raises Refusal: no identifier, no key."""
    from collector.identifier_grammar import canonical, kind_of
    from collector.pseudonym import is_pseudonym
    from collector.pseudonym_key import pseudonyms_of

    if is_pseudonym(subscriber):
        return subscriber
    if kind_of(canonical(subscriber)) is None:
        raise Refusal("this is no subscriber identifier", subscriber, "write it with its prefix, as imsi-…")
    return pseudonyms_of(config, lambda text: print(text, file=sys.stderr)).of(subscriber)
