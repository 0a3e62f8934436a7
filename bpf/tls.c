// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What programs give to TLS and get from it: uprobes on libraries' functions.

   The reader of ELF files chooses places and cookies (collector/tls_library.py). A call is noted at its entry
   and copied at its return. Go's are go_tls.c's. */

enum tls_function {
    TLS_RECEIVES = 1, /* bit: else it sends */
    TLS_POINTS = 2,   /* bit: the number of bytes is put where the fourth argument points to */
    TLS_SHAKES = 4,   /* handshake; success is 1 */
    TLS_SHAKES_0 = 5, /* handshake; success is 0 */
    TLS_FREES = 6,
};
#define FUNCTION(cookie) ((cookie)&7)
/* Of a cookie, above the file's number: where the arguments are (Form of collector/probe_place.py). TLS_POINTS is of
   the fifth one; the second is the type of the record, the third the buffer. */
#define TLS_FIFTH (8ULL * TLS_FILES)
#define TLS_TYPED (16ULL * TLS_FILES)
#define RECORD_OF_DATA 23 /* application_data (RFC 8446 5.1) */
#define IS_HANDSHAKE(cookie) (FUNCTION(cookie) == TLS_SHAKES || FUNCTION(cookie) == TLS_SHAKES_0)

BPF_PROG_ARRAY(tls_programs, 2);

static inline void count_use(u64 cookie, u8 verdict) {
    u64 *uses = use_of(cookie, verdict & 3);
    if (uses)
        __sync_fetch_and_add(uses, 1);
}

/* Return the stream of a call. One that was met without a socket and is not used yet gets it now. */
static inline struct socket *stream_of(struct tls_call *call, u64 place, int is_handshake) {
    struct socket *s = sockets.lookup(&place);
    if (s && s->probed != probed_since(call->cookie))
        meet_again(s, call->cookie);
    if (!s || (call->key && s->other != call->key))
        s = meet_tls(call, place, is_handshake || (s && !s->other && !s->is_used && !s->done[SENT]));
    return s;
}

/* A read on memory has brought nothing, so it may be part of a handshake: what is written next goes to the socket that
   was heard just before (Node). A stream in use keeps its own. */
static inline void meet_early(struct tls_call *call) {
    u64 place = tls_place(call->object);
    struct socket *s = sockets.lookup(&place);
    if (!s || !s->is_used)
        stream_of(call, place, 0);
}

/* How much a call has moved is not known: what follows on its stream is not what a header block was made for (RFC 7541
   2.3.2), so that is met anew in its midst, as one that was not probed for a while. */
static inline void lose(struct tls_call *call) {
    u64 place = tls_place(call->object);
    struct socket *s = sockets.lookup(&place);
    count(TLS_UNREADABLE, 1);
    if (s)
        s->probed = 0;
}

/* A call has moved `length` bytes. 1 = they are to be copied. */
static inline int move(struct tls_call *call, u64 length, int direction) {
    struct work *w = &call->work;
    u64 place = tls_place(call->object);
    struct socket *s = stream_of(call, place, 0);
    if (!s)
        return 0;
    if (!s->caller)
        remember_process(s);
    if (s->head.verdict == UNJUDGED)
        judge(s);
    count_use(call->cookie, s->head.verdict);
    w->position = s->done[direction];
    s->done[direction] += length;
    if (s->head.verdict == IGNORED)
        return 0;
    w->sk = place;
    w->time_ns = bpf_ktime_get_ns();
    w->direction = direction;
    w->left = w->room = allowed(s, length);
    w->buffer = call->buffer;
    w->iov = w->count = 0;
    if (!w->left)
        return 0;
    remember_process(s);
    s->is_used = 1;
    return 1;
}

static inline void free_object(u64 object) {
    u64 place = tls_place(object);
    struct socket *s = sockets.lookup(&place);
    if (!s)
        return;
    say_tls_ended(s, 0);
    sockets.delete(&place);
}

int tls_enter(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx), thread = bpf_get_current_pid_tgid();
    u64 second = ctx->si, third = ctx->dx, fourth = ctx->cx, fifth = ctx->r8;
    /* Else one read at a chosen place: the verifier refuses that. */
    asm volatile("" : "+r"(second), "+r"(third), "+r"(fourth), "+r"(fifth));
    if (cookie & TLS_TYPED && (u32)second != RECORD_OF_DATA)
        return 0;
    if (FUNCTION(cookie) == TLS_FREES) {
        free_object(ctx->di);
        return 0;
    }
    struct tls_call *call = begun_call(thread);
    if (!call)
        return 0;
    /* BoringSSL's reads and writes call for the handshake that they need: they go on behind it. */
    if (is_within(call) && call->object == ctx->di && IS_HANDSHAKE(cookie))
        return 0;
    call->object = ctx->di;
    call->buffer = cookie & TLS_TYPED ? third : second;
    call->length_at = cookie & TLS_FIFTH ? fifth : fourth;
    call->cookie = cookie;
    call->socket = call->key = 0;
    call->is_inside = probed_since(cookie);
    return 0;
}

/* Look what came of a call. 1 = it has moved bytes that are to be copied. */
static inline int leave_tls(struct tls_call *call, u64 cookie, s64 result) {
    u64 function = FUNCTION(cookie), length = result;
    int is_handshake = IS_HANDSHAKE(cookie);
    int is_done = function == TLS_SHAKES_0 ? result == 0 : result > 0;
    int is_outside = !call->key && (is_handshake || function & TLS_RECEIVES);
    if (is_outside)
        tie_to_heard(call, is_done);
    call->heard = 0;
    if (is_handshake) {
        stream_of(call, tls_place(call->object), 1);
        return 0;
    }
    if (!is_done) {
        if (is_outside && call->key)
            meet_early(call);
        return 0;
    }
    if (function & TLS_POINTS && read_user(&length, sizeof length, (void *)call->length_at)) {
        lose(call);
        return 0;
    }
    return length && move(call, length, function & TLS_RECEIVES ? RECEIVED : SENT);
}

/* The thread is looked for in the hash itself: the call may have begun longer ago than marks are believed. */
int tls_leave(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx);
    u64 thread = bpf_get_current_pid_tgid();
    struct tls_call *call = tls_threads.lookup(&thread);
    if (!call || !is_within(call))
        return 0;
    if (call->cookie == cookie)
        call->is_inside = 0;
    else if (!IS_HANDSHAKE(cookie))
        return 0;
    if (leave_tls(call, cookie, (int)ctx->ax))
        tls_programs.call(ctx, 0);
    return 0;
}

int tls_go_on(struct pt_regs *ctx) {
    u64 thread = bpf_get_current_pid_tgid();
    struct tls_call *call = tls_threads.lookup(&thread);
    if (call && copy(&call->work)) {
        tls_programs.call(ctx, 0);
        cut(&call->work);
    }
    return 0;
}
