// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "kprobe": entry and return of tcp_sendmsg and tcp_recvmsg, kernel 5.18 and later (bpf_task_pt_regs
   is 5.15's, the arguments of tcp_recvmsg are 5.18's). */

struct entry {
    u64 sk;
    u32 flags;
    u32 unused;
};

BPF_PROG_ARRAY(programs, 1);
BPF_TABLE("lru_hash", u64, struct entry, entries, 16384); /* by thread: the call it is in */

int go_on(struct pt_regs *ctx) {
    if (copy(work())) {
        programs.call(ctx, 0);
        cut(work());
    }
    return 0;
}

static inline int enter(u64 sk, u32 flags) {
    u64 thread = bpf_get_current_pid_tgid();
    struct entry new = {.sk = sk, .flags = flags};
    entries.update(&thread, &new);
    return 0;
}

static inline int leave(int result, int direction) {
    u64 thread = bpf_get_current_pid_tgid();
    struct entry *found = entries.lookup(&thread);
    if (!found)
        return 0;
    u64 sk = found->sk;
    u32 flags = found->flags;
    entries.delete(&thread);
    return handle(sk, result, flags, direction, 0, 1);
}

int enter_send(struct pt_regs *ctx) {
    return enter(PT_REGS_PARM1(ctx), 0);
}

int enter_receive(struct pt_regs *ctx) {
    return enter(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx));
}

int leave_send(struct pt_regs *ctx) {
    if (leave(PT_REGS_RC(ctx), SENT))
        programs.call(ctx, 0);
    return 0;
}

int leave_receive(struct pt_regs *ctx) {
    if (leave(PT_REGS_RC(ctx), RECEIVED))
        programs.call(ctx, 0);
    return 0;
}
