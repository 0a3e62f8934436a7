// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "sock": raw tracepoints sock:sock_send_length and sock:sock_recv_length, kernel 6.3 and later. */

static inline u64 registers(void) {
    return bpf_task_pt_regs((struct task_struct *)bpf_get_current_task_btf());
}

RAW_TRACEPOINT_PROBE(sock_send_length) {
    return handle(ctx->args[0], ctx->args[1], ctx->args[2], SENT, registers());
}

RAW_TRACEPOINT_PROBE(sock_recv_length) {
    return handle(ctx->args[0], ctx->args[1], ctx->args[2], RECEIVED, registers());
}
