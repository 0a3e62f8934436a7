"""Counted under these names in a batch's loss is what hid no message: less is known of some, none was missed.

All other reasons mean that messages may be missing; then a request without answer is unknown, not unanswered.
"""

REFERENCES_EVICTED = "references_evicted"  # what stood for a subscriber, forgotten for want of room
CALLBACKS_EVICTED = "callbacks_evicted"  # learned callback URIs
NF_PROFILES_EVICTED = "nf_profiles_evicted"
BODIES_MALFORMED = "bodies_malformed"  # no JSON where JSON must be, or a coding nobody knows; read up to the fault
REQUESTS_FORGOTTEN = "requests_forgotten"  # of collectors before 2026-11-29: answers that did not say what was asked

HIDES_NO_MESSAGE = frozenset(
    {REFERENCES_EVICTED, CALLBACKS_EVICTED, NF_PROFILES_EVICTED, REQUESTS_FORGOTTEN, BODIES_MALFORMED}
)
