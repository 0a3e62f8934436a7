// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "sock": raw tracepoints sock_send_length and sock_recv_length, kernel 6.3 and later. */

BPF_PROG_ARRAY(programs, 1);

int go_on(struct bpf_raw_tracepoint_args *ctx) {
    if (copy(work())) {
        programs.call(ctx, 0);
        cut(work());
    }
    return 0;
}

int on_send(struct bpf_raw_tracepoint_args *ctx) {
    if (handle(ctx->args[0], ctx->args[1], ctx->args[2], SENT, 0, 1))
        programs.call(ctx, 0);
    return 0;
}

int on_receive(struct bpf_raw_tracepoint_args *ctx) {
    if (handle(ctx->args[0], ctx->args[1], ctx->args[2], RECEIVED, 0, 1))
        programs.call(ctx, 0);
    return 0;
}
