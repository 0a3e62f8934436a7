// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What Go's programs give to TLS and get from it: uprobes on their functions.

   Go moves stacks, so return probes would break it: its functions are probed in what they defer, or at each of their
   RET instructions, and its calls are told apart by goroutine, whose pointer is in r14. */

/* Of a cookie, above what tls.c knows of it, of what Go's Read and Write defer (collector/go_deferred.py), in blocks of
   32 octets but for the first: the word of the caller's frame that holds the result, the caller's size, and how far
   behind its begin this stands. */
#define GO_SLOT(cookie) ((cookie) >> 15 & 0xFFF)
#define GO_BLOCKS(cookie) ((cookie) >> 27 & 0xFFF)
#define GO_DISTANCE(cookie) ((s64)(cookie) >> 39)
#define GO_BLOCK 32

#define GO_STACK_END 8 /* in a g: the second of its stack's bounds (runtime2.go) */

struct go_call {
    u64 goroutine;
    u64 process_and_direction;
};
BPF_TABLE("lru_hash", struct go_call, struct tls_call, go_calls, TLS_CALLS);

/* Find the socket of a tls.Conn: its net.Conn is a *net.TCPConn, a pointer to a netFD, in which stand the lock
   (16 bytes), the descriptor, and behind them the address family and the socket's type (Go 1.17 and later). */
static inline void find_go_socket(struct tls_call *call, u64 conn) {
    u64 link = 0, descriptor_of = 0;
    u32 descriptor = 0, kind[3] = {};
    read_user(&link, sizeof link, (void *)conn + 8);
    read_user(&descriptor_of, sizeof descriptor_of, (void *)link);
    read_user(&descriptor, sizeof descriptor, (void *)descriptor_of + 16);
    if (read_user(kind, sizeof kind, (void *)descriptor_of + 56))
        return;
    if ((kind[0] != 2 && kind[0] != 10) || kind[2] != 1)
        return;
    u64 sk = socket_of(descriptor);
    if (!sk || !is_tcp(sk))
        return;
    struct socket *s = known(sk);
    if (!s)
        s = meet(sk, JOINED);
    if (!s)
        return;
    s->head.verdict = IGNORED;
    call->socket = sk;
    call->key = s->head.key;
}

static inline struct tls_call *go_call(u64 goroutine, int direction) {
    struct go_call key = {};
    key.goroutine = goroutine;
    key.process_and_direction = bpf_get_current_pid_tgid() >> 32 << 1 | direction;
    struct tls_call *call = go_calls.lookup(&key);
    if (call)
        return call;
    struct tls_call new = {};
    go_calls.update(&key, &new);
    return go_calls.lookup(&key);
}

/* Where a goroutine's stack ends. 0 = `address` is not in it. */
static inline u64 stack_end(u64 goroutine, u64 address) {
    u64 stack[2] = {};
    if (read_user(stack, sizeof stack, (void *)goroutine) || address < stack[0] || address >= stack[1])
        return 0;
    return stack[1];
}

int go_enter(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx), conn = ctx->ax, place = tls_place(conn);
    u64 goroutine = ctx->r14, buffer = ctx->bx, length = ctx->cx;
    int direction = cookie & TLS_RECEIVES ? RECEIVED : SENT;
    asm volatile("" : "+r"(buffer), "+r"(length)); /* as in tls_enter */
    struct tls_call *call = go_call(goroutine, direction);
    if (!call)
        return 0;
    call->socket = call->key = 0;
    if (FUNCTION(cookie) == TLS_SHAKES) { /* maybe within Write, which goes on behind it */
        if (!is_within(call))
            call->cookie = cookie;
        find_go_socket(call, conn);
        meet_tls(call, place, 1);
        return 0;
    }
    call->object = conn;
    call->buffer = buffer;
    call->length = length;
    call->cookie = cookie;
    call->stack_end = stack_end(goroutine, buffer);
    if (!sockets.lookup(&place))
        find_go_socket(call, conn);
    call->is_inside = probed_since(cookie); /* until its end, or the next begin where it ends before it defers */
    return 0;
}

/* Return what Read or Write returns: at its RET, or in what it defers, whose own return stands at the stack pointer and
   leads into it. -1 = not known: a panic calls that too. */
static inline s64 go_result(struct pt_regs *ctx, u64 cookie) {
    u64 slot = GO_SLOT(cookie), stack = ctx->sp, place = ctx->ip, from = 0;
    s64 result = ctx->ax;
    asm volatile("" : "+r"(stack), "+r"(place), "+r"(result)); /* as in tls_enter */
    if (!slot)
        return result;
    u64 begin = (place & ~(GO_BLOCK - 1ULL)) - GO_DISTANCE(cookie) * GO_BLOCK;
    if (read_user(&from, sizeof from, (void *)stack) || from - begin >= GO_BLOCKS(cookie) * GO_BLOCK)
        return -1;
    if (read_user(&result, sizeof result, (void *)(stack + sizeof from + slot * sizeof result)))
        return -1;
    return result;
}

static inline int leave_go(struct pt_regs *ctx, u64 cookie, int direction) {
    u64 goroutine = ctx->r14;
    struct tls_call *call = go_call(goroutine, direction);
    if (!call || !is_within(call))
        return 0;
    s64 result = go_result(ctx, cookie);
    call->is_inside = 0;
    if (result < 0 || (u64)result > call->length) {
        lose(call);
        return 0;
    }
    if (call->stack_end) { /* a stack that has grown was moved: what is in it stands as far from its end */
        u64 end = 0;
        if (read_user(&end, sizeof end, (void *)(goroutine + GO_STACK_END))) {
            lose(call);
            return 0;
        }
        call->buffer += end - call->stack_end;
    }
    return result && move(call, result, direction);
}

int go_leave(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx);
    if (leave_go(ctx, cookie, cookie & TLS_RECEIVES ? RECEIVED : SENT))
        tls_programs.call(ctx, 1);
    return 0;
}

int go_go_on(struct pt_regs *ctx) {
    u64 cookie = bpf_get_attach_cookie(ctx);
    struct tls_call *call = go_call(ctx->r14, cookie & TLS_RECEIVES ? RECEIVED : SENT);
    if (call && copy(&call->work)) {
        tls_programs.call(ctx, 1);
        cut(&call->work);
    }
    return 0;
}
