"""The names under which the observer counts what it lost or refused, and what it merely met."""

# Loss: something of a message was not seen or could not be read.
GAPS = "gaps"  # holes in a direction that broke its framing
GAPS_IN_FRAME = "gaps_in_frame"  # holes inside one frame: framing goes on, the body or block is incomplete
RESYNC_BYTES = "resync_bytes"  # passed over while no frame boundary was known
FALSE_LOCKS = "false_locks"  # a frame boundary found by search that turned out wrong
BROKEN_FRAMING = "broken_framing"  # a frame header that RFC 9113 forbids in a connection followed from its start
BLOCKS_MALFORMED = "header_blocks_malformed"  # against RFC 7541; the dynamic table is cleared
BLOCKS_TOO_LARGE = "header_blocks_too_large"  # above Limits.max_header_bytes, CONTINUATION included
BLOCKS_LOST = "header_blocks_lost"  # a part of the block is missing
FIELDS_CUT = "header_fields_cut"  # fields beyond the largest header list kept
ORPHAN_FRAMES = "orphan_frames"  # CONTINUATION or DATA whose beginning was not seen
STREAMS_EVICTED = "streams_evicted"  # Limits.max_streams or max_open_bytes reached: the oldest ends
BODIES_CUT = "bodies_cut"  # body prefix shorter than Limits.body_bytes for want of room (max_open_bytes)
MESSAGES_MALFORMED = "messages_malformed"  # a frame the stream's state does not allow
GIVEN_UP_BYTES = "unjudged_bytes"  # bytes of a connection before it was judged that no message came of
TIMED_OUT = "halves_timed_out"
KEEPER_DEATHS = "tls_keeper_deaths"  # what begins the attacher of TLS is gone: nothing new of TLS is followed

# Met: no loss of a message.
LATE_FRAMES = "late_frames"  # for a stream that has ended, legal after RST_STREAM (RFC 9113 5.1)
FRAMES_IGNORED = "frames_of_unknown_type"
TUNNEL_BYTES = "tunnel_bytes"  # CONNECT and extended CONNECT (RFC 8441) are left alone
SWAPPED = "connections_swapped"  # content showed that client and server are the other way round
SETTINGS_IGNORED = "settings_ignored"  # SETTINGS too large to be meant
PUSHED = "streams_pushed"
FORGOTTEN = "answers_not_awaited"  # a request whose answer came too late to be seen together
