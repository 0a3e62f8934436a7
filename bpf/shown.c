// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What a socket's first octets show: HTTP/2 in cleartext, or TLS. It decides whether what its program hands to
   libnghttp2 is told by nobody else (http2.c); the reader's own judgement comes too late for that. */

#define PREFACE 0x5448202a20495250 /* "PRI * HT" (RFC 9113 3.4) */
#define SHOWN_HTTP2 1
#define SHOWN_TLS 2
#define SHOWN_FOLLOWED 4 /* TLS of a library that is followed: for the socket's whole life */

/* What the sockets of processes have shown while a libnghttp2 is probed, by number in the agent's own pid namespace. */
BPF_TABLE("lru_hash", u32, u32, shown_processes, 4096);

/* A record of TLS (RFC 8446 5.1): type, 3, 0 to 4. No frame of HTTP/2 begins so. */
static inline int is_tls_record(u64 first) {
    return (first & 0xFC) == 0x14 && (first >> 8 & 0xFF) == 3 && (first >> 16 & 0xFF) <= 4;
}

/* Note what a socket of the process that used it last has shown: whose number that is, is a long look in a nested
   namespace, and was taken when the process was met. */
static inline void note_process(struct socket *s, u32 what) {
    u32 process = s->head.process_id, *shown = shown_processes.lookup(&process);
    if (shown)
        *shown |= what;
    else
        shown_processes.update(&process, &what);
}

static inline void note_shown(struct socket *s, u8 what) {
    s->shown |= what;
    if (control(HTTP2_FOLLOWED))
        note_process(s, what);
}
