"""The subscriber that a user names: plain or as its pseudonym, in the form in which records have it."""

import sys

from schemas.config import Collector
from schemas.refusal import Refusal


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
