// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What programs hand to libnghttp2 and take from it, where nothing else shows it: the way into a process whose TLS
   library is not followed.

   A session stands in `sockets` like a TLS stream. Its socket is the one that its thread used last: TLS's handshake
   comes before a session, and what a session is given has just been read. It is told only while that socket speaks
   TLS that no followed library makes; a thread that uses no sockets has its process's to show that. What cannot be
   shown is left out, for no exchange may be told twice. Callbacks of a call may make others, so a call is known by its
   thread and place of the stack. */

enum http2_function {
    HTTP2_SENDS = 0,          /* nghttp2_session_send's callback, probed around it: the result is the number of bytes */
    HTTP2_RECEIVES = 1,       /* nghttp2_session_mem_recv */
    HTTP2_SENDS_POINTING = 2, /* nghttp2_session_mem_send: puts where the bytes are where the argument points to */
    HTTP2_FREES = 6,
    HTTP2_BEGINS = 7, /* puts a new session where the first argument points to */
};

struct http2_place {
    u64 thread, stack;
};

struct http2_call {
    u64 object, buffer;
    u64 done; /* what the session had moved that way before: a function may be built of another one */
};

BPF_TABLE("lru_hash", struct http2_place, struct http2_call, http2_calls, 4096);

/* Whether a socket is under another session than that at `place`. */
static inline int is_anothers(struct socket *under, u64 place) {
    u64 other = under->other;
    if (!other || other == place)
        return 0;
    struct socket *s = sockets.lookup(&other);
    return s && s->other == under->head.key;
}

/* Whether what passes a socket is told without the session. */
static inline int is_told(struct socket *under) {
    if (under->shown & SHOWN_FOLLOWED)
        return 1;
    if (under->head.verdict != SBI && !(under->shown & SHOWN_HTTP2))
        return 0;
    note_process(under, SHOWN_HTTP2);
    return 1;
}

static inline int can_carry(struct socket *under, u64 place) {
    return (under->shown & SHOWN_TLS || under->head.verdict == IGNORED) && !under->is_closed &&
           !is_anothers(under, place);
}

/* Whether a session without a socket can only be over TLS that nobody follows. A client's first octets come before its
   socket shows anything. */
static inline int is_shown_by_process(struct socket *s) {
    u32 process = s->head.process_id, *shown = shown_processes.lookup(&process);
    return shown && *shown == SHOWN_TLS && (s->head.role == SERVER || s->done[RECEIVED]);
}

/* Tell by the first octets of a session which end it is. */
static inline void tell_role(struct socket *s, u64 buffer, int direction) {
    u64 first = 0;
    if (read_user(&first, sizeof first, (void *)buffer))
        return;
    s->head.role = (first == PREFACE) == (direction == SENT) ? CLIENT : SERVER;
}

static inline struct socket *put_session(u64 place, struct socket *new, u64 cookie) {
    new->head.layer = TLS_BYTES;
    new->probed = probed_since(cookie);
    begin(new);
    sockets.update(&place, new);
    struct socket *s = sockets.lookup(&place);
    if (!s)
        count(SOCKETS_FULL, 1);
    return s;
}

/* Make a session known; one older than the probes begins in its midst. */
static struct socket *meet_session(u64 place, u64 cookie, int is_from_start) {
    struct socket new = {};
    new.done[SENT] = new.done[RECEIVED] = !is_from_start;
    return put_session(place, &new, cookie);
}

/* Let a session stand over a socket. What was told of it over another one has ended. */
static struct socket *tie_session(struct socket *s, u64 place, u64 cookie, u64 sk, struct socket *under) {
    struct socket new = {};
    say_tls_ended(s, 0);
    new.head = under->head;
    new.head.process_id = 0;
    new.other = under->head.key;
    new.under = sk;
    new.done[SENT] = s->done[SENT];
    new.done[RECEIVED] = s->done[RECEIVED];
    under->other = place;
    note_process(under, SHOWN_TLS);
    return put_session(place, &new, cookie);
}

/* Return a session whose bytes nobody else tells, over its socket where that can be known. A tie is a guess until the
   session is given bytes that have just been read there; only of its first octets may it be one. */
static inline struct socket *told_alone(struct socket *s, u64 place, u64 cookie, u64 beside, int direction,
                                        int is_first) {
    u64 sk = s->under;
    struct socket *under = s->other ? sockets.lookup(&sk) : 0;
    if (under && under->head.key == s->other && (is_told(under) || is_anothers(under, place)))
        return 0;
    if (s->other && (s->is_certain || direction == SENT))
        return s;
    if (!beside)
        return s->other || is_shown_by_process(s) ? s : 0;
    if (!s->other || beside != sk) {
        under = known(beside);
        if (!under || is_told(under))
            return 0;
        if (!can_carry(under, place) || (direction == SENT && !is_first))
            return s->is_used ? s : 0;
        if (s->is_used && !s->other)
            return s;
        s = tie_session(s, place, cookie, beside, under);
    }
    if (s && under && direction == RECEIVED) {
        s->is_certain = 1;
        under->head.verdict = IGNORED;
    }
    return s;
}

/* A call has moved `length` bytes of a session. 1 = they are to be copied. */
static inline int move_session(struct tls_call *thread, u64 place, u64 cookie, u64 buffer, u64 length, int direction) {
    struct work *w = &thread->work;
    struct socket *s = sockets.lookup(&place);
    if (!s)
        s = meet_session(place, cookie, 0);
    else if (s->probed != probed_since(cookie))
        meet_again(s, cookie);
    if (!s)
        return 0;
    u64 position = s->done[direction];
    s->done[direction] += length;
    if (!position && !s->other && s->head.role == JOINED)
        tell_role(s, buffer, direction);
    if (!s->caller)
        remember_process(s);
    s = told_alone(s, place, cookie, thread->beside, direction, !position && !s->done[RECEIVED]);
    if (!s) {
        count_use(cookie, UNJUDGED);
        return 0;
    }
    if (!s->caller)
        remember_process(s);
    if (s->head.verdict == UNJUDGED)
        judge(s);
    count_use(cookie, s->head.verdict);
    if (s->head.verdict == IGNORED)
        return 0;
    w->sk = place;
    w->time_ns = bpf_ktime_get_ns();
    w->position = position;
    w->direction = direction;
    w->left = w->room = allowed(s, length);
    w->buffer = buffer;
    w->iov = w->count = 0;
    if (!w->left)
        return 0;
    if (!s->is_used && !s->other)
        count(TLS_UNTIED, 1);
    remember_process(s);
    s->is_used = 1;
    return 1;
}

int http2_enter(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx), place = tls_place(ctx->di);
    struct http2_place at = {.thread = bpf_get_current_pid_tgid(), .stack = ctx->sp};
    struct http2_call call = {.object = ctx->di, .buffer = ctx->si};
    if (FUNCTION(cookie) == HTTP2_FREES) {
        free_object(ctx->di);
        return 0;
    }
    struct socket *s = sockets.lookup(&place);
    if (s)
        call.done = s->done[FUNCTION(cookie) == HTTP2_RECEIVES ? RECEIVED : SENT];
    http2_calls.update(&at, &call);
    return 0;
}

static inline void begin_session(u64 at, u64 cookie) {
    u64 session = 0;
    if (read_user(&session, sizeof session, (void *)at)) {
        count(TLS_UNREADABLE, 1);
        return;
    }
    free_object(session);
    meet_session(tls_place(session), cookie, 1);
}

int http2_leave(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx), function = FUNCTION(cookie);
    /* A return has taken its address off the stack. */
    struct http2_place at = {.thread = bpf_get_current_pid_tgid(),
                             .stack = ctx->sp - (function == HTTP2_SENDS ? 0 : 8)};
    int direction = function == HTTP2_RECEIVES ? RECEIVED : SENT;
    s64 result = ctx->ax;
    struct http2_call *call = http2_calls.lookup(&at);
    struct tls_call *thread = tls_thread();
    if (!call || !thread)
        return 0;
    if (function == HTTP2_BEGINS) {
        if (!(int)result)
            begin_session(call->object, cookie);
        return 0;
    }
    u64 place = tls_place(call->object), buffer = call->buffer;
    struct socket *s = sockets.lookup(&place);
    if (result <= 0 || (s && s->done[direction] != call->done))
        return 0;
    if (function == HTTP2_SENDS_POINTING && read_user(&buffer, sizeof buffer, (void *)buffer)) {
        count(TLS_UNREADABLE, 1);
        return 0;
    }
    if (move_session(thread, place, cookie, buffer, result, direction))
        tls_programs.call(ctx, 0);
    return 0;
}
