// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What every hook shares: which sockets are captured, where their bytes stand, how they get into the ring.

   A hook calls handle(socket, result, flags, direction, registers) after a send or receive. Nothing is parsed
   here. The loader puts this file and one hook's file together and gives, by -D: member offsets of kernel
   structs (from BTF), RING_PAGES and WANTED(port). */
#include <linux/ptrace.h>
#include "record.h"

#define TURNS 48      /* pieces copied of one call: 48 x 16 KiB, or 48 iovecs */
#define SOCKETS 65536 /* sockets known at a time; the least used one is forgotten */
#define SLOTS 65536   /* verdicts */
#define MMAPABLE 1024 /* BPF_F_MMAPABLE */
#define UNJUDGED_LIMIT                                                                                       \
    (320 << 10) /* bytes copied of a socket before it is judged; the observer decides within 256 KiB */
#define NO_WAKEUP 1

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

enum tcp_state {
    ESTABLISHED = 1,
    SYN_SENT,
    SYN_RECV,
    FIN_WAIT1,
    FIN_WAIT2,
    TIME_WAIT,
    CLOSE,
    CLOSE_WAIT,
    LAST_ACK
};

/* A socket that moved data, from ESTABLISHED (or from first sight) until its memory serves another
 * connection. */
struct socket {
    struct record head; /* what all its records have in common */
    u64 done[2];        /* stream positions: what the calls seen so far have sent and received */
    u32 first[2];       /* TCP sequence numbers of position 0 */
    u32 unjudged_bytes;
    u8 verdict;
    u8 is_used; /* the reader knows of it */
    u8 is_closed;
    u8 unused;
};

/* Registers of the system call, dx to cs of struct pt_regs. */
struct call {
    u64 dx, si, di, orig_ax, ip, cs;
};

struct message { /* of struct user_msghdr: the members from msg_iov on that are wanted */
    u64 iov, count;
};

BPF_RINGBUF_OUTPUT(ring, RING_PAGES);
BPF_F_TABLE("array", u32, u64, counters, COUNTERS, MMAPABLE);
BPF_F_TABLE("array", u32, u64, verdicts, SLOTS, MMAPABLE);
BPF_TABLE("lru_hash", u64, struct socket, sockets, SOCKETS);
BPF_ARRAY(zero, u64, 1);

static inline void count(u32 which, u64 amount) {
    u64 *counter = counters.lookup(&which);
    if (counter)
        __sync_fetch_and_add(counter, amount);
}

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), (void *)(from))

/* Make a socket known. Its positions count from what has been sent and received by now. */
static struct socket *meet(u64 sk, u8 role) {
    struct socket new = {};
    u16 protocol = 0, family = 0, port = 0;
    u64 net = 0;
    READ(family, sk + SK_FAMILY);
    READ(protocol, sk + SK_PROTOCOL);
    if ((family != 2 && family != 10) || protocol != 6)
        return 0;
    new.head.family = family;
    READ(new.head.local_port, sk + SK_LOCAL_PORT);
    READ(port, sk + SK_REMOTE_PORT);
    new.head.remote_port = __builtin_bswap16(port);
    if (family == 2) {
        bpf_probe_read_kernel(new.head.local, 4, (void *)(sk + SK_LOCAL_V4));
        bpf_probe_read_kernel(new.head.remote, 4, (void *)(sk + SK_REMOTE_V4));
    } else {
        READ(new.head.local, sk + SK_LOCAL_V6);
        READ(new.head.remote, sk + SK_REMOTE_V6);
    }
    READ(net, sk + SK_NET);
    READ(new.head.netns, net + NET_INUM);
    READ(new.first[SENT], sk + TCP_WRITE_SEQ);
    READ(new.first[RECEIVED], sk + TCP_COPIED_SEQ);
    new.head.role = role;
    new.head.key = (bpf_ktime_get_ns() ^ (u64)bpf_get_smp_processor_id() << 56) & ~3ULL;
    new.head.slot = new.head.key * 0x9E3779B97F4A7C15ULL >> 48;
    if (!(WANTED(new.head.local_port)) && !(WANTED(new.head.remote_port)))
        new.verdict = IGNORED;
    sockets.update(&sk, &new);
    return sockets.lookup(&sk);
}

/* Tell whether the memory of a closed socket serves another connection by now. */
static inline int is_another(struct socket *s, u64 sk) {
    u16 local = 0, remote = 0;
    READ(local, sk + SK_LOCAL_PORT);
    READ(remote, sk + SK_REMOTE_PORT);
    return local && (local != s->head.local_port || __builtin_bswap16(remote) != s->head.remote_port);
}

static inline void judge(struct socket *s) {
    u32 slot = s->head.slot;
    u64 *verdict = verdicts.lookup(&slot);
    if (verdict && (*verdict ^ s->head.key) < 4)
        s->verdict = *verdict & 3;
}

/* Where a direction stands after a call: its 64-bit position continued from the socket's 32-bit sequence
 * number. */
static inline u64 position(struct socket *s, u64 sk, int direction) {
    u32 sequence = 0;
    if (direction == SENT)
        READ(sequence, sk + TCP_WRITE_SEQ);
    else
        READ(sequence, sk + TCP_COPIED_SEQ);
    u64 done = s->done[direction];
    return done + (s64)(s32)(sequence - s->first[direction] - (u32)done);
}

/* A FIN read with the last bytes counts as one in copied_seq (RFC 9293 3.4). */
static inline int took_fin(u64 sk) {
    u32 copied = 0, next = 0;
    u8 state = 0;
    READ(copied, sk + TCP_COPIED_SEQ);
    READ(next, sk + TCP_RCV_NXT);
    READ(state, sk + SK_STATE);
    return copied == next && state != ESTABLISHED && state != FIN_WAIT1 && state != FIN_WAIT2;
}

static inline void remember_process(struct socket *s) {
    u32 process = bpf_get_current_pid_tgid() >> 32;
    if (s->head.process_id == process)
        return;
    u64 leader = 0;
    s->head.process_id = process;
    s->head.cgroup = bpf_get_current_cgroup_id();
    READ(leader, bpf_get_current_task() + TASK_LEADER);
    READ(s->head.process_name, leader + TASK_COMM);
}

struct piece {
    u64 time_ns, position, source, length;
    u8 kind, direction, reason;
};

static inline void fill(struct record *to, struct socket *s, struct piece *p) {
    *to = s->head;
    to->time_ns = p->time_ns;
    to->position = p->position;
    to->length = p->length;
    to->kind = p->kind;
    to->direction = p->direction;
    to->reason = p->reason;
}

static inline void fault(struct record *to) {
    to->kind = MISSING;
    to->reason = FAULT;
    count(FAULTS, 1);
}

/* Put a piece into the ring; a piece that is not DATA has no payload. 1 = no room. The length is pinned to
   one register, else the verifier loses its bound. */
static int emit(struct socket *s, struct piece *p) {
    u64 length = p->kind == DATA ? p->length : 0;
    int class = RING_FULL_SMALL;
    asm volatile("" : "+r"(length));
    if (length <= SMALL_BYTES) {
        struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
        if (!r)
            goto full;
        fill(&r->head, s, p);
        if (length && bpf_probe_read_user(r->data, length, (void *)p->source))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= MEDIUM_BYTES) {
        struct medium_record *r = ring.ringbuf_reserve(sizeof(struct medium_record));
        class = RING_FULL_MEDIUM;
        if (!r)
            goto full;
        fill(&r->head, s, p);
        if (bpf_probe_read_user(r->data, length, (void *)p->source))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= LARGE_BYTES) {
        struct large_record *r = ring.ringbuf_reserve(sizeof(struct large_record));
        class = RING_FULL_LARGE;
        if (!r)
            goto full;
        fill(&r->head, s, p);
        if (bpf_probe_read_user(r->data, length, (void *)p->source))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    } else if (length <= CHUNK_BYTES) {
        struct chunk_record *r = ring.ringbuf_reserve(sizeof(struct chunk_record));
        class = RING_FULL_CHUNK;
        if (!r)
            goto full;
        fill(&r->head, s, p);
        if (bpf_probe_read_user(r->data, length, (void *)p->source))
            fault(&r->head);
        ring.ringbuf_submit(r, NO_WAKEUP);
    }
    s->is_used = 1;
    return 0;
full:
    count(class, 1);
    count(RING_FULL_BYTES, p->length);
    return 1;
}

static inline void miss(struct socket *s, struct piece *p, u64 length, u8 reason) {
    p->kind = MISSING;
    p->reason = reason;
    p->length = length;
    emit(s, p);
}

/* Find the bytes of a call: a buffer, or an array of them. 0 = this call's are not known. x86-64 numbers. */
static inline int locate(struct call *c, u64 *buffer, struct message *m) {
    if (c->cs == 0x23) /* a 32-bit program: other numbers */
        return 0;
    switch (c->orig_ax) {
    case 0:  /* read */
    case 1:  /* write */
    case 44: /* sendto */
    case 45: /* recvfrom */
        *buffer = c->si;
        return 1;
    case 19:  /* readv */
    case 20:  /* writev */
    case 327: /* preadv2 */
    case 328: /* pwritev2 */
        m->iov = c->si;
        m->count = c->dx;
        return 1;
    case 46: /* sendmsg */
    case 47: /* recvmsg */
        return !bpf_probe_read_user(m, sizeof(*m), (void *)(c->si + 16));
    }
    return 0;
}

/* Copy what a call moved. The verifier must not see the turns as different: each loop variable is mixed with
   a map value that is always 0, so all turns have one abstract state (else E2BIG). */
static int copy(struct socket *s, struct call *c, struct piece *p, u64 left) {
    u64 buffer = 0, room = left, at = 0, none;
    struct message m = {};
    int first = 0;
    u64 *nothing = zero.lookup(&first);
    if (!nothing)
        return 0;
    none = *nothing;
    if (!locate(c, &buffer, &m)) {
        count(UNSUPPORTED, 1);
        miss(s, p, left, SYSCALL);
        return 0;
    }
    if (m.iov)
        room = 0;
#pragma nounroll
    for (int turn = 0; turn < TURNS && left > 0; turn++) {
        if (m.iov && !room) {
            struct iovec part = {};
            if (at >= m.count)
                break;
            if (bpf_probe_read_user(&part, sizeof part, (void *)(m.iov + at * sizeof part)))
                break;
            at++;
            buffer = (u64)part.iov_base;
            room = part.iov_len;
            if (!room)
                continue;
        }
        u64 length = room;
        if (length > left)
            length = left;
        if (length > CHUNK_BYTES)
            length = CHUNK_BYTES;
        p->source = buffer;
        p->length = length;
        if (emit(s, p))
            return 0;
        p->position += length;
        buffer += length;
        room -= length;
        left -= length;
        p->position ^= none;
        buffer ^= none;
        room ^= none;
        left ^= none;
        at ^= none;
        p->length = p->source = 0;
    }
    if (left) {
        count(BOUNDED, 1);
        miss(s, p, left, BOUND);
    }
    return 0;
}

/* A call on socket `sk` has moved `result` bytes. `registers` is the struct pt_regs of the system call. */
static int handle(u64 sk, int result, int flags, int direction, u64 registers) {
    if (result <= 0)
        return 0;
    u16 family = 0;
    READ(family, sk + SK_FAMILY);
    if (family != 2 && family != 10)
        return 0;
    struct socket *s = sockets.lookup(&sk);
    if (s && s->verdict == IGNORED)
        return 0;
    if (s && s->is_closed && is_another(s, sk))
        s = 0;
    if (direction == RECEIVED && flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) {
        if (s)
            count(PEEKED, 1);
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
    if (s->verdict == UNJUDGED)
        judge(s);
    if (s->verdict == IGNORED)
        return 0;
    u64 end = position(s, sk, direction);
    if (direction == RECEIVED && end == s->done[RECEIVED] + result + 1 && took_fin(sk))
        end--;
    u64 left = (u32)result;
    struct piece p = {
        .time_ns = bpf_ktime_get_ns(), .position = end - left, .kind = DATA, .direction = direction};
    s->done[direction] = end;
    remember_process(s);
    if (s->verdict == UNJUDGED) {
        u32 budget = s->unjudged_bytes < UNJUDGED_LIMIT ? UNJUDGED_LIMIT - s->unjudged_bytes : 0;
        if (left > budget) {
            count(UNJUDGED_BYTES, left - budget);
            left = budget;
        }
        s->unjudged_bytes += left;
        if (!left)
            return 0;
    }
    if (direction == RECEIVED &&
        flags & MSG_TRUNC) { /* thrown away by the kernel (tcp(7)): no bytes anywhere */
        miss(s, &p, left, DISCARDED);
        return 0;
    }
    struct call c = {};
    READ(c, registers + PT_REGS_DX);
    return copy(s, &c, &p, left);
}

static inline void close_record(struct socket *s, u64 sk) {
    u32 next = 0, copied = 0;
    u64 ended[2] = {position(s, sk, SENT), position(s, sk, RECEIVED)};
    READ(next, sk + TCP_RCV_NXT);
    READ(copied, sk + TCP_COPIED_SEQ);
    struct small_record *r = ring.ringbuf_reserve(sizeof(struct small_record));
    if (!r) {
        count(RING_FULL_SMALL, 1);
        return;
    }
    struct piece p = {.time_ns = bpf_ktime_get_ns(), .kind = CLOSED, .length = sizeof(struct ending)};
    struct ending *e = (struct ending *)r->data;
    fill(&r->head, s, &p);
    e->position[SENT] = ended[SENT];
    e->position[RECEIVED] = ended[RECEIVED];
    e->unread = next - copied;
    e->unused = 0;
    ring.ringbuf_submit(r, NO_WAKEUP);
}

/* Births and deaths; often in a soft interrupt, so the current process says nothing. */
RAW_TRACEPOINT_PROBE(inet_sock_set_state) {
    u64 sk = ctx->args[0];
    int before = ctx->args[1], after = ctx->args[2];
    struct socket *s;
    switch (after) {
    case SYN_SENT:
    case SYN_RECV: /* its memory may have been another socket's */
        sockets.delete(&sk);
        break;
    case ESTABLISHED:
        s = sockets.lookup(&sk);
        if (!s || s->is_closed) /* else it spoke before (TCP fast open) and is known */
            meet(sk, before == SYN_SENT ? CLIENT : before == SYN_RECV ? SERVER : JOINED);
        break;
    case CLOSE: /* what was received may yet be read: the entry stays */
        s = sockets.lookup(&sk);
        if (!s || s->is_closed)
            break;
        s->is_closed = 1;
        if (s->is_used && s->verdict != IGNORED)
            close_record(s, sk);
    }
    return 0;
}
