// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "syscall": the raw tracepoint sys_exit, on every kernel with BPF ring buffers (5.8). Each system call
   of the node pays a little. The arguments still stand in the registers when a call returns, so nothing
   happens at its entry. Not seen: io_uring, several messages by one sendmmsg or recvmmsg, splice from a
   socket; the next call's position shows that. */

BPF_PROG_ARRAY(programs, 1);

#define MESSAGE_LENGTH 56 /* of msg_len in struct mmsghdr */

int go_on(struct bpf_raw_tracepoint_args *ctx) {
    if (copy(work())) {
        programs.call(ctx, 0);
        cut(work());
    }
    return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx) {
    u64 registers = ctx->args[0];
    s64 result = ctx->args[1];
    if (result <= 0)
        return 0;
    struct call c = {};
    int direction = SENT;
    u64 descriptor, flags = 0;
    u32 length = 0;
    READ(c, registers + PT_REGS_AX);
    if (c.cs == COMPAT_CODE)
        return 0;
    descriptor = c.di;
    switch (c.orig_ax) {
    case 45: /* recvfrom: flags are the fourth argument */
        READ(flags, registers + PT_REGS_R10);
    case 0:   /* read */
    case 19:  /* readv */
    case 327: /* preadv2 */
        direction = RECEIVED;
        break;
    case 47: /* recvmsg */
        flags = c.dx;
        direction = RECEIVED;
        break;
    case 299: /* recvmmsg */
        direction = RECEIVED;
    case 307: /* sendmmsg: the result is the number of messages */
        if (result != 1 || read_user(&length, sizeof length, (void *)(c.si + MESSAGE_LENGTH)))
            return 0;
        result = length;
        break;
    case 275: /* splice: to descriptor, the third argument */
        descriptor = c.dx;
        break;
    case 1:   /* write */
    case 20:  /* writev */
    case 40:  /* sendfile */
    case 44:  /* sendto */
    case 46:  /* sendmsg */
    case 328: /* pwritev2 */
        break;
    default:
        return 0;
    }
    u64 sk = socket_of(descriptor);
    if (sk && handle(sk, result, flags, direction, registers, 0))
        programs.call(ctx, 0);
    return 0;
}
