// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "fexit": return of tcp_sendmsg and tcp_recvmsg, kernel 5.18 (where the recvmsg arguments became these)
 * and later. */

static inline u64 registers(void) {
    return bpf_task_pt_regs((struct task_struct *)bpf_get_current_task_btf());
}

KRETFUNC_PROBE(tcp_sendmsg, void *sk, void *message, unsigned long size, int result) {
    return handle((u64)sk, result, 0, SENT, registers());
}

KRETFUNC_PROBE(tcp_recvmsg, void *sk, void *message, unsigned long size, int flags, int *address_length,
               int result) {
    return handle((u64)sk, result, flags, RECEIVED, registers());
}
