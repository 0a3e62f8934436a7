// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The record that the probes put into the ring and collector/record.py reads: the one contract of both sides.
   Every byte is named, members are ordered by size, nothing is packed. Kernel addresses never stand in it. */
#ifndef SBISCOPE_RECORD_H
#define SBISCOPE_RECORD_H

enum kind {
    DATA = 1,    /* `length` bytes of the stream follow */
    MISSING = 2, /* `length` bytes of the stream were not copied, `reason` says why */
    CLOSED = 3,  /* the socket reached TCP_CLOSE; struct ending follows */
    FLOW = 4,    /* what a socket has moved so far, whatever it speaks; struct moved follows */
};

enum direction { SENT = 0, RECEIVED = 1 };

enum role { JOINED = 0, CLIENT = 1, SERVER = 2 }; /* JOINED: established before the probes were */

enum reason { WHOLE = 0, FAULT = 1, SYSCALL = 2, BOUND = 3, DISCARDED = 4, SHORTENED = 5 };

/* Whose bytes: the socket's own, or what TLS made of them, counted by its own positions; with family 0 the
   socket under it is not known. A TLS stream met after its handshake begins at position 1. */
enum layer { SOCKET_BYTES = 0, TLS_BYTES = 1 };

enum verdict { UNJUDGED = 0, SBI = 1, IGNORED = 2 }; /* the low two bits of a socket's slot in `verdicts` */

/* Loss and what else is worth counting; collector/record.py names them. */
enum counter {
    RING_FULL_SMALL = 0, /* records of a size class that found no room; one counter a class */
    RING_FULL_MEDIUM = 1,
    RING_FULL_LARGE = 2,
    RING_FULL_CHUNK = 3,
    RING_FULL_BYTES = 4,  /* payload of those records */
    FAULTS = 5,           /* user memory that could not be read */
    UNSUPPORTED = 6,      /* calls whose buffer is not known: sendfile, splice, io_uring, sendmmsg, 32-bit */
    BOUNDED = 7,          /* calls with more pieces than are copied, cut */
    PEEKED = 8,           /* MSG_PEEK, skipped: the bytes come again */
    UNJUDGED_BYTES = 9,   /* not copied: the socket spent what an unjudged one may */
    SOCKETS_FULL = 10,    /* sockets that found no room */
    CHUNKS = 11,          /* records of the largest class put into the ring */
    CHUNKS_READ = 12,     /* written by the reader: how many of them it has taken out */
    TLS_UNTIED = 13,      /* TLS streams whose socket is not known */
    TLS_UNREADABLE = 14,  /* TLS calls whose number of bytes could not be read */
    TLS_UNSUPPORTED = 15, /* files whose TLS cannot be followed; written by the attacher */
    TLS_DEATHS = 16,      /* of attachers; written by the process that begins another */
    SHORTENED_BYTES = 20, /* of calls that were copied in part only: back-off */
    FLOWS_FULL = 22,      /* records of kind FLOW that found no room */
    FATAL_RECORDS = 23,   /* written by the reader: records that ended one, and were not read again */
    COPY_AT_MOST = 24,    /* written by the supervisor: bytes copied of a call, 0 = all */
    ONE_IN = 25,          /* likewise: one connection in so many is copied, a power of two; 0 = each */
    FLOW_MINUTE = 26,     /* likewise: changes each minute, 0 = no records of kind FLOW */
    TLS_OFF = 27,         /* likewise, for the attacher: 1 = no library shall be probed */
    HTTP2_FOLLOWED = 28,  /* written by the attacher: 1 = a libnghttp2 is probed */
    TLS_PROBED = 29,      /* likewise: 0 = no library is probed, else a number that grows each ten minutes */
    /* Bytes of connections that are left out by back-off, each processor in a line of cache of its own, or one it
       shares with few: where each call counts, one counter for all makes them wait for each other. */
    LEFT_OUT = 32,
    COUNTERS = 160,
};
#define LEFT_OUT_STEP 8
#define LEFT_OUT_PLACES 16

struct record {
    u64 time_ns;    /* CLOCK_MONOTONIC, when the call had its result */
    u64 key;        /* of the socket, never used again: nanosecond of its birth, CPU in the top byte, low 2 bits 0 */
    u64 position;   /* of the first byte in its direction's stream, counted from 0 at the first byte known */
    u64 cgroup;     /* cgroup v2 id, 1 on a cgroup v1 host */
    u32 length;     /* bytes that follow, or that are missing */
    u32 slot;       /* of the socket in the array `verdicts` */
    u32 process_id; /* as the agent's own pid namespace has it, 0 = not known, or not in it */
    u32 netns;      /* inode number of the network namespace */
    u16 local_port; /* host order */
    u16 remote_port;
    u8 kind;
    u8 direction;
    u8 role;
    u8 family;    /* 2 = IPv4, address in the first 4 bytes; 10 = IPv6, 0 = not known */
    u8 local[16]; /* network order */
    u8 remote[16];
    char process_name[16];
    u8 layer; /* enum layer */
    u8 reason;
    u8 verdict; /* what the kernel side knows of the reader's judgement */
    u8 unused;
    u32 answers_from; /* TCP sequence number of the server's first byte, of JOINED the lower port's; 0 = not known.
                         The same at both ends, and no other connection's. Under TLS it is the socket's. */
};

struct ending {
    u64 position[2]; /* where each direction's data ended, by the kernel's TCP sequence numbers */
    u32 unread;      /* received bytes that the process has not read; a FIN counts as one */
    u32 unused;
};

/* By the kernel's own counters, for the whole life of the socket. */
struct moved {
    u64 acknowledged; /* bytes sent and acknowledged; SYN and FIN count as one each */
    u64 received;     /* bytes received in order; a FIN counts as one */
    u32 unacknowledged;
    u8 state;    /* of TCP, now */
    u8 before;   /* and before that, where it has just been closed */
    u8 shutdown; /* 1 = received a FIN, 2 = closed our direction */
    u8 unused;
};

/* Size classes: the ring's reserve wants constants. Bytes of payload in each. */
#define SMALL_BYTES 144
#define MEDIUM_BYTES 1024
#define LARGE_BYTES 4608 /* 4 KiB of body and the frames about it */
#define CHUNK_BYTES 16384

struct small_record {
    struct record head;
    u8 data[SMALL_BYTES];
};
struct medium_record {
    struct record head;
    u8 data[MEDIUM_BYTES];
};
struct large_record {
    struct record head;
    u8 data[LARGE_BYTES];
};
struct chunk_record {
    struct record head;
    u8 data[CHUNK_BYTES];
};

_Static_assert(sizeof(struct record) == 112, "the record's head is 112 bytes");
_Static_assert(sizeof(struct ending) == 24, "an ending is 24 bytes");
_Static_assert(sizeof(struct moved) == 24, "what was moved is 24 bytes");
_Static_assert(sizeof(struct small_record) == 256, "a small record is 256 bytes");
_Static_assert(sizeof(struct chunk_record) == 112 + CHUNK_BYTES, "no record is padded");

#endif
