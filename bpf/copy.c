// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* How the bytes of a call get into the ring: from the buffers that its registers name, piece by piece.

   The state of a copy stands in memory that the verifier knows nothing of, so all turns of the loop look
   alike to it; what one run of the loop leaves, the next one takes up (tail calls). The loader gives
   RING_PAGES by -D. */

/* Pieces copied by one run of the loop: 34 runs (MAX_TAIL_CALL_CNT + 1) reach 1,024 iovecs (IOV_MAX). */
#ifndef TURNS
#define TURNS 32
#define AT_ONCE 1
#else
#define AT_ONCE 0 /* the one program that copies all: in it twice, emit()'s length loses its bound (6.1's verifier) */
#endif
#define NO_WAKEUP 1
#define MOST_CHUNKS (RING_PAGES * 4096 / 4 * 3 / sizeof(struct chunk_record)) /* waiting in the ring */
#define IN_PROGRESS ((u64)-38) /* what ax holds until the system call has its result: -ENOSYS */
#define COMPAT_CODE 0x23       /* the code segment of 32-bit programs, whose calls have other numbers */

/* Registers of the system call, ax to cs of struct pt_regs. */
struct call {
    u64 ax, cx, dx, si, di, orig_ax, ip, cs;
};

/* What a call has moved and how much of it is not copied yet. */
struct work {
    u64 sk, time_ns;
    u64 position;     /* of the next byte */
    u64 left;         /* bytes */
    u64 buffer, room; /* the piece at hand */
    u64 iov, count;   /* the pieces that follow it */
    u32 direction;
    u32 unused;
};

BPF_RINGBUF_OUTPUT(ring, RING_PAGES);
BPF_PERCPU_ARRAY(works, struct work, 1); /* the hooks run with preemption off */

static inline void fill(struct record *to, struct socket *s, struct work *w, u32 length) {
    *to = s->head;
    to->time_ns = w->time_ns;
    to->position = w->position;
    to->length = length;
    to->kind = DATA;
    to->direction = w->direction;
}

static inline void fault(struct record *to) {
    to->kind = MISSING;
    to->reason = FAULT;
    count(FAULTS, 1);
}

/* Bulk may fill three quarters of the ring: the last one is for what is short, as messages are. */
static inline int has_room_for_chunk(void) {
    u32 which = CHUNKS, whose = CHUNKS_READ;
    u64 *put = counters.lookup(&which), *read = counters.lookup(&whose);
    if (!put || !read || *put - *read >= MOST_CHUNKS)
        return 0;
    __sync_fetch_and_add(put, 1);
    return 1;
}

/* Put a piece into the ring; 1 = no room. The length is pinned to one register, else the verifier loses its
 * bound. */
static int emit(struct socket *s, struct work *w, u64 length) {
    int class = RING_FULL_SMALL;
    asm volatile("" : "+r"(length));
    if (length <= SMALL_BYTES) {
        struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
        if (!r)
            goto full;
        fill(&r->head, s, w, length);
        if (read_user(r->data, length, (void *)w->buffer))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= MEDIUM_BYTES) {
        struct medium_record *r = ring.ringbuf_reserve(sizeof(struct medium_record));
        class = RING_FULL_MEDIUM;
        if (!r)
            goto full;
        fill(&r->head, s, w, length);
        if (read_user(r->data, length, (void *)w->buffer))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= LARGE_BYTES) {
        struct large_record *r = ring.ringbuf_reserve(sizeof(struct large_record));
        class = RING_FULL_LARGE;
        if (!r)
            goto full;
        fill(&r->head, s, w, length);
        if (read_user(r->data, length, (void *)w->buffer))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= CHUNK_BYTES) {
        class = RING_FULL_CHUNK;
        if (!has_room_for_chunk())
            goto full;
        struct chunk_record *r = ring.ringbuf_reserve(sizeof(struct chunk_record));
        if (!r)
            goto full;
        fill(&r->head, s, w, length);
        if (read_user(r->data, length, (void *)w->buffer))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    }
    return 0;
full:
    count(class, 1);
    count(RING_FULL_BYTES, w->left);
    return 1;
}

/* Say that what is left of a call was not copied. */
static void miss(struct socket *s, struct work *w, u8 reason) {
    struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
    if (!r) {
        count(RING_FULL_SMALL, 1);
        count(RING_FULL_BYTES, w->left);
        return;
    }
    fill(&r->head, s, w, w->left);
    r->head.kind = MISSING;
    r->head.reason = reason;
    ring.ringbuf_submit(r, NO_WAKEUP);
}

/* Find the bytes of a call: one buffer, or an array of them. 0 = this call's are not known. x86-64 numbers.
   Outside a call (`is_in_progress`) the registers are another one's: io_uring works on when a call returns.
 */
static inline int locate(struct work *w, struct call *c, int is_in_progress) {
    u64 message[2] = {};
    if (c->cs == COMPAT_CODE || !c->ip || (is_in_progress && c->ax != IN_PROGRESS))
        return 0;
    switch (c->orig_ax) {
    case 0:  /* read */
    case 1:  /* write */
    case 44: /* sendto */
    case 45: /* recvfrom */
        w->buffer = c->si;
        w->room = w->left;
        return 1;
    case 19:  /* readv */
    case 20:  /* writev */
    case 327: /* preadv2 */
    case 328: /* pwritev2 */
        w->iov = c->si;
        w->count = c->dx;
        return 1;
    case 299: /* recvmmsg, of one message: it begins with a struct user_msghdr */
    case 307: /* sendmmsg */
        if (c->dx != 1)
            return 0;
    case 46:                                                          /* sendmsg */
    case 47:                                                          /* recvmsg */
        if (read_user(message, sizeof message, (void *)(c->si + 16))) /* msg_iov, msg_iovlen */
            return 0;
        w->iov = message[0];
        w->count = message[1];
        return 1;
    }
    return 0;
}

/* Take the next buffer of the array. 0 = there is none, or it cannot be read. */
static inline int take_buffer(struct work *w) {
    struct iovec part = {};
    if (!w->count || read_user(&part, sizeof part, (void *)w->iov))
        return 0;
    w->iov += sizeof part;
    w->count--;
    w->buffer = (u64)part.iov_base;
    w->room = part.iov_len;
    return 1;
}

/* Look what a stream begins as. */
static inline void look(struct socket *s, struct work *w) {
    u64 first = 0;
    if (read_user(&first, sizeof first, (void *)w->buffer))
        return;
    if (s->head.layer == SOCKET_BYTES && is_tls_record(first))
        note_shown(s, SHOWN_TLS);
    if (first != PREFACE)
        return;
    if (s->head.layer == SOCKET_BYTES)
        note_shown(s, SHOWN_HTTP2);
    s->budget = PREFACE_BYTES_COPIED;
    if (!s->head.family) /* TLS without a known socket */
        s->head.role = w->direction == SENT ? CLIENT : SERVER;
}

static inline struct work *work(void) {
    int only = 0;
    return works.lookup(&only);
}

/* Copy a call of one piece that fits a record, as nearly all do, without a further program. 1 = it was one. */
static inline int copy_at_once(struct socket *s, struct work *w) {
    u64 length = w->left;
    if (!AT_ONCE || w->room != length || length > CHUNK_BYTES)
        return 0;
    if (!w->position)
        look(s, w);
    emit(s, w, length);
    return 1;
}

/* Copy up to TURNS pieces. What is then left stays in `w`; 0 = nothing is. */
static int copy(struct work *w) {
    if (!w)
        return 0;
    u64 sk = w->sk;
    struct socket *s = sockets.lookup(&sk);
    if (!s)
        return 0;
#pragma nounroll
    for (int turn = 0; turn < TURNS; turn++) {
        if (!w->left)
            return 0;
        if (!w->room && !take_buffer(w)) {
            count(FAULTS, 1);
            miss(s, w, FAULT);
            return 0;
        }
        u64 length = w->room;
        if (length > w->left)
            length = w->left;
        if (length > CHUNK_BYTES)
            length = CHUNK_BYTES;
        if (!length) /* an empty buffer of the array */
            continue;
        if (!w->position)
            look(s, w);
        if (emit(s, w, length))
            return 0;
        w->position += length;
        w->buffer += length;
        w->room -= length;
        w->left -= length;
    }
    return w->left != 0;
}

/* Say that the rest of a call has more pieces than can be copied. */
static void cut(struct work *w) {
    if (!w || !w->left)
        return;
    u64 sk = w->sk;
    struct socket *s = sockets.lookup(&sk);
    count(BOUNDED, 1);
    if (s)
        miss(s, w, BOUND);
}

/* Say that a stream has ended: after how many bytes each way, and how many of them were never read. */
static inline void put_ending(struct socket *s, u64 sent, u64 received, u32 unread) {
    struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
    if (!r) {
        count(RING_FULL_SMALL, 1);
        return;
    }
    struct ending *e = (struct ending *)r->data;
    r->head = s->head;
    r->head.kind = CLOSED;
    r->head.time_ns = bpf_ktime_get_ns();
    r->head.length = sizeof(struct ending);
    e->position[SENT] = sent;
    e->position[RECEIVED] = received;
    e->unread = unread;
    e->unused = 0;
    ring.ringbuf_submit(r, NO_WAKEUP);
}
