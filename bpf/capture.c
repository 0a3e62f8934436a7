// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What every hook shares: a hook calls handle() after a send or receive, and births and deaths are seen here.

   Nothing is parsed in the kernel. The loader puts sockets.c, copy.c, this file and one hook's file together.
 */

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

/* Tell what a socket has moved. */
static inline void say_moved(struct socket *s, u64 sk, u8 state, u8 before) {
    u32 written = 0, acknowledged = 0;
    if (ONLY_OWN && !s->head.process_id)
        return;
    struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
    if (!r) {
        count(FLOWS_FULL, 1);
        return;
    }
    struct moved *m = (struct moved *)r->data;
    r->head = s->head;
    r->head.kind = FLOW;
    r->head.time_ns = bpf_ktime_get_ns();
    r->head.length = sizeof(struct moved);
    READ(m->acknowledged, sk + TCP_BYTES_ACKED);
    READ(m->received, sk + TCP_BYTES_RECEIVED);
    READ(written, sk + TCP_WRITE_SEQ);
    READ(acknowledged, sk + TCP_SND_UNA);
    READ(m->shutdown, sk + SK_SHUTDOWN);
    m->unacknowledged = written - acknowledged;
    m->state = state;
    m->before = before;
    m->unused = 0;
    ring.ringbuf_submit(r, NO_WAKEUP);
}

/* The first call of a socket in each minute tells of it; one that is silent has nothing new. */
static inline void tell_each_minute(struct socket *s, u64 sk) {
    u32 now = control(FLOW_MINUTE);
    u8 state = 0;
    if (s->minute == now)
        return;
    s->minute = now;
    READ(state, sk + SK_STATE);
    say_moved(s, sk, state, state);
}

/* Back-off leaves connections out by their ports, so that both ends of one agree. */
static inline int is_left_out(struct socket *s) {
    u64 one_in = control(ONE_IN);
    u32 ports = (u32)s->head.local_port * s->head.remote_port;
    return one_in && ports * 0x9E3779B1U >> 24 & (one_in - 1);
}

/* Return what is known of the socket of a call, or is by now, if its bytes are wanted. */
static inline struct socket *wanted(struct socket *s, u64 sk, int result, int direction) {
    if (s) {
        if (ONLY_OWN && !s->caller) /* whatever is thought of its bytes: flows are told of this node's alone */
            remember_process(s);
        tell_each_minute(s, sk);
        if (s->head.verdict == IGNORED)
            return 0;
    }
    if (!s) {
        s = meet(sk, JOINED);
        if (!s)
            return 0;
        s->first[direction] -= result;
        if (direction == RECEIVED && took_fin(sk))
            s->first[direction]--;
    }
    if (!s->head.process_id)
        remember_process(s);
    if (s->head.verdict == UNJUDGED) {
        judge(s);
        if (s->head.verdict == SBI)
            note_shown(s, SHOWN_HTTP2);
    }
    if (!s->is_used && !is_of_a_process(sk))
        s->head.verdict = IGNORED;
    if (s->head.verdict == IGNORED)
        return 0;
    if (is_left_out(s)) {
        count(LEFT_OUT + LEFT_OUT_STEP * (bpf_get_smp_processor_id() % LEFT_OUT_PLACES), result);
        return 0;
    }
    return s;
}

/* Return how many of the bytes may be copied: of a socket without verdict only so many, less under back-off. */
static inline u64 allowed(struct socket *s, u64 bytes) {
    u64 most = control(COPY_AT_MOST);
    if (most && bytes > most) {
        count(SHORTENED_BYTES, bytes - most);
        bytes = most;
    }
    if (s->head.verdict != UNJUDGED)
        return bytes;
    if (bytes > s->budget) {
        count(UNJUDGED_BYTES, bytes - s->budget);
        bytes = s->budget;
    }
    s->budget -= bytes;
    return bytes;
}

/* A call on socket `sk` has moved `result` bytes. `registers` is the struct pt_regs of the system call where the hook
   is its very end; of one in progress the kernel is asked (Linux 5.15), as late as it goes: most calls end before. 1 =
   there is more to copy. */
static inline int handle(u64 sk, int result, int flags, int direction, u64 registers, int is_in_progress) {
    int is_probed = control(TLS_PROBED) != 0;
    struct tls_call *thread = is_probed ? tls_thread() : 0;
    if (!thread && result <= 0)
        return 0;
    struct socket *s = known(sk);
    if ((!s && !is_tcp(sk)) || (thread && is_under_tls(thread, sk, result, direction)) || result <= 0)
        return 0;
    if (is_probed && !thread && direction == RECEIVED)
        note_heard(sk);
    if (direction == RECEIVED && flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) {
        count(PEEKED, 1);
        return 0;
    }
    s = wanted(s, sk, result, direction);
    struct work *w = work();
    if (!s || !w)
        return 0;
    u64 end = position(s, sk, direction);
    if (direction == RECEIVED && end == s->done[RECEIVED] + result + 1 && took_fin(sk))
        end--;
    s->done[direction] = end;
    w->sk = sk;
    w->time_ns = bpf_ktime_get_ns();
    w->position = end - result;
    w->direction = direction;
    w->left = allowed(s, result);
    w->buffer = w->room = w->iov = w->count = 0;
    if (!w->left)
        return 0;
    remember_process(s);
    s->is_used = 1;
    if (direction == RECEIVED && flags & MSG_TRUNC) { /* thrown away by the kernel (tcp(7)): no bytes anywhere */
        miss(s, w, DISCARDED);
        return 0;
    }
    struct call c = {};
    if (is_in_progress)
        registers = bpf_task_pt_regs((struct task_struct *)bpf_get_current_task_btf());
    READ(c, registers + PT_REGS_AX);
    if (!locate(w, &c, is_in_progress)) {
        count(UNSUPPORTED, 1);
        miss(s, w, SYSCALL);
        return 0;
    }
    return !copy_at_once(s, w);
}

/* Where a direction's data ended: a FIN sent or read counts as one in the sequence numbers. */
static inline u64 end_of(struct socket *s, u64 sk, int direction) {
    u64 end = position(s, sk, direction);
    return end > s->done[direction] ? end - 1 : end;
}

static inline void say_closed(struct socket *s, u64 sk) {
    u32 next = 0, copied = 0;
    READ(next, sk + TCP_RCV_NXT);
    READ(copied, sk + TCP_COPIED_SEQ);
    put_ending(s, end_of(s, sk, SENT), end_of(s, sk, RECEIVED), next - copied);
}

/* Births and deaths; often in a soft interrupt, so the current process says nothing. Hook:
 * inet_sock_set_state. */
int set_state(struct bpf_raw_tracepoint_args *ctx) {
    u64 sk = ctx->args[0];
    int before = ctx->args[1], after = ctx->args[2];
    struct socket *s;
    switch (after) {
    case SYN_SENT: /* within the connecting call; for the rest as SYN_RECV */
        note_beside(sk);
    case SYN_RECV: /* its memory may have been another socket's */
        sockets.delete(&sk);
        break;
    case ESTABLISHED:
        s = known(sk);
        if (!s || s->is_closed) /* else it spoke before (TCP fast open) */
            meet(sk, before == SYN_SENT ? CLIENT : before == SYN_RECV ? SERVER : JOINED);
        break;
    case CLOSE: /* what was received may yet be read: the entry stays */
        s = known(sk);
        if (!s || s->is_closed)
            break;
        s->is_closed = 1;
        if (control(FLOW_MINUTE))
            say_moved(s, sk, after, before);
        say_tls_closed(s);
        if (s->is_used && s->head.verdict != IGNORED)
            say_closed(s, sk);
    }
    return 0;
}
