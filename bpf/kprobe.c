// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "kprobe": entry and return of tcp_sendmsg and tcp_recvmsg, kernel 5.15 (bpf_task_pt_regs) and later.
 */

struct entry {
    u64 sk;
    u32 flags;
    u32 unused;
};

BPF_TABLE("lru_hash", u64, struct entry, entries, 16384); /* by thread: the call it is in */

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
    return handle(sk, result, flags, direction,
                  bpf_task_pt_regs((struct task_struct *)bpf_get_current_task_btf()));
}

int kprobe__tcp_sendmsg(struct pt_regs *ctx) {
    return enter(PT_REGS_PARM1(ctx), 0);
}

int kprobe__tcp_recvmsg(struct pt_regs *ctx) {
    return enter(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx));
}

int kretprobe__tcp_sendmsg(struct pt_regs *ctx) {
    return leave(PT_REGS_RC(ctx), SENT);
}

int kretprobe__tcp_recvmsg(struct pt_regs *ctx) {
    return leave(PT_REGS_RC(ctx), RECEIVED);
}
