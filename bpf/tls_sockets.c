// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Which socket a TLS stream goes through, and how streams stand beside sockets.

   A TLS stream is an object of its library (SSL, gnutls_session_t, tls.Conn). It has an entry in `sockets` like
   a socket, with its own key, verdict and positions. Its socket is the one that its thread uses while it is
   inside a call of the library: no layout of any library's struct is needed. A library that does not touch
   sockets (memory BIOs) has the thread receive first and call then. */

#define TLS_CALLS 16384 /* threads and goroutines at a time */
#define THREAD_MARKS 8192

/* The TLS call that a thread or goroutine is in, or was in last. */
struct tls_call {
    u64 object;
    u64 buffer, length_at; /* the caller's; where the number of bytes is put, 0 = it is the result */
    u64 length, stack_end; /* of Go: the buffer's; where the stack ends that it is in, 0 = in none */
    u64 socket, key;       /* struct sock used inside the call, its key; 0 = none */
    u64 heard;             /* struct sock last received from outside of any call, since the last call */
    u64 cookie;            /* what tls.c's probe was attached with */
    u64 is_inside;         /* since when its file was probed as it was entered, 0 = it is over */
    u64 beside;            /* struct sock that the thread used last, or began to connect */
    struct work work;
};

BPF_TABLE("lru_hash", u64, struct tls_call, tls_threads, TLS_CALLS);

#define TLS_FILES 1024 /* the cookie's bits above the function are the file's number */
#define PROBED 3       /* place of a file beside its verdicts: when its probes were attached */
BPF_F_TABLE("array", u32, u64, tls_uses, TLS_FILES * 4, MMAPABLE); /* calls by file and verdict */

static inline u64 *use_of(u64 cookie, u32 which) {
    u32 place = (cookie >> 3 & (TLS_FILES - 1)) << 2 | which;
    return tls_uses.lookup(&place);
}

static inline u32 probed_since(u64 cookie) {
    u64 *since = use_of(cookie, PROBED);
    return since ? *since : 0;
}

/* What is known of a thread without a look into a hash, which is what costs most of a send or receive: a place that it
   shares with a few others, mostly one that makes no calls. The age of the word in TLS_PROBED (EPOCH_S of
   collector/tls_attacher.py) lets threads that are gone be forgotten. */
struct mark {
    u64 called; /* that word as one of these threads made its last call; 0 = none has */
    u64 thread; /* which of them has received last, having made none; 0 = none */
    u64 heard;  /* and from where; another one's if two write here at once, which the tie to it checks as any */
};
BPF_ARRAY(tls_marks, struct mark, THREAD_MARKS);

/* Threads of one program have numbers in a row: each gets a line of cache of its own. */
static inline struct mark *mark_of(u64 thread) {
    u32 place = thread * 3 & (THREAD_MARKS - 1);
    return tls_marks.lookup(&place);
}

static inline struct tls_call *tls_call_of(u64 thread) {
    struct tls_call *call = tls_threads.lookup(&thread);
    if (call)
        return call;
    struct tls_call new = {};
    tls_threads.update(&thread, &new);
    return tls_threads.lookup(&thread);
}

/* Return the call that a thread begins. */
static inline struct tls_call *begun_call(u64 thread) {
    struct tls_call *call = tls_call_of(thread);
    struct mark *mark = mark_of(thread);
    if (!call || !mark)
        return call;
    mark->called = control(TLS_PROBED);
    if (mark->thread == thread && !control(HTTP2_FOLLOWED)) {
        call->heard = mark->heard;
        mark->thread = 0;
    }
    return call;
}

/* Note where a thread that has made no call has received: it may be about to make one. */
static inline void note_heard(u64 sk) {
    u64 thread = bpf_get_current_pid_tgid();
    struct mark *mark = mark_of(thread);
    if (!mark)
        return;
    mark->thread = thread;
    mark->heard = sk;
}

/* A thread is known by its calls. While a libnghttp2 is probed, each is known from its first socket on: TLS of which
   nobody sees a call comes before a session. */
static inline struct tls_call *tls_thread(void) {
    u64 thread = bpf_get_current_pid_tgid();
    if (control(HTTP2_FOLLOWED))
        return tls_call_of(thread);
    struct mark *mark = mark_of(thread);
    return mark && mark->called && mark->called + 1 >= control(TLS_PROBED) ? tls_threads.lookup(&thread) : 0;
}

/* Where a stream stands in `sockets`: below the kernel's addresses, which begin with a 1 bit. */
static inline u64 tls_place(u64 object) {
    return (object >> 3 | bpf_get_current_pid_tgid() >> 32 << 44) & ~(1ULL << 63);
}

/* Of a call that was entered before its file's probes were taken off, nobody may have seen the end. */
static inline int is_within(struct tls_call *call) {
    return call->is_inside && call->is_inside == probed_since(call->cookie);
}

/* Note a socket of a thread that makes TLS calls. 1 = its bytes are TLS's own, not to be captured. */
static int is_under_tls(struct tls_call *call, u64 sk, int result, int direction) {
    if (result > 0)
        call->beside = sk;
    if (!is_within(call)) {
        if (direction == RECEIVED && result > 0)
            call->heard = sk;
        return 0;
    }
    struct socket *s = known(sk);
    if (!s)
        s = meet(sk, JOINED);
    if (!s)
        return 1;
    s->head.verdict = IGNORED;
    call->socket = sk;
    call->key = s->head.key;
    return 1;
}

/* Note that the thread turns to a socket that has moved nothing yet. */
static inline void note_beside(u64 sk) {
    struct tls_call *call = tls_thread();
    if (call)
        call->beside = sk;
}

/* Take the socket that brought what a call without a socket was given. It is certain where the call has understood
   something (`is_done`); a handshake goes on by reads that bring nothing, and then a socket of another kind may have
   been heard by chance: it stays what it is. */
static inline void tie_to_heard(struct tls_call *call, int is_done) {
    u64 sk = call->heard;
    struct socket *s = sk ? known(sk) : 0;
    if (!s || s->head.verdict == SBI || (s->other && s->other != tls_place(call->object)))
        return;
    if (is_done)
        s->head.verdict = IGNORED;
    call->socket = sk;
    call->key = s->head.key;
}

static inline void say_tls_ended(struct socket *s, u32 unread) {
    if (s->is_closed || !s->is_used || s->head.verdict == IGNORED)
        return;
    s->is_closed = 1;
    put_ending(s, s->done[SENT], s->done[RECEIVED], unread);
}

/* The library was not probed for a while, so nobody knows what the stream has moved meanwhile: end it, and meet it anew
   in its midst. A missed header block would else be an error in all that follow (RFC 7541 2.3.2). */
static inline void meet_again(struct socket *s, u64 cookie) {
    say_tls_ended(s, 0);
    s->done[SENT] = s->done[RECEIVED] = 1;
    s->is_used = s->is_closed = 0;
    s->probed = probed_since(cookie);
    begin(s);
}

/* Make a TLS stream known, over the socket of `call` if there is one. */
static struct socket *meet_tls(struct tls_call *call, u64 place, int is_from_start) {
    struct socket new = {};
    u64 sk = call->socket;
    struct socket *under = call->key ? sockets.lookup(&sk) : 0;
    if (under && under->head.key == call->key) {
        new.head = under->head;
        new.other = call->key;
        new.head.process_id = 0;
        under->other = place;
        under->shown |= SHOWN_FOLLOWED;
    } else {
        count(TLS_UNTIED, 1);
    }
    new.head.layer = TLS_BYTES;
    new.probed = probed_since(call->cookie);
    new.done[SENT] = new.done[RECEIVED] = !is_from_start;
    begin(&new);
    sockets.update(&place, &new);
    under = sockets.lookup(&place);
    if (!under)
        count(SOCKETS_FULL, 1);
    return under;
}

/* A socket has ended: so has the stream over it, once the process has read what it may still hold. */
static inline void say_tls_closed(struct socket *under) {
    u64 place = under->other;
    struct socket *s = place ? sockets.lookup(&place) : 0;
    if (s && s->other == under->head.key)
        say_tls_ended(s, 2);
}
