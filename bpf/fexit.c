// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Hook "fexit": return of tcp_sendmsg and tcp_recvmsg, kernel 5.18 (where the arguments of tcp_recvmsg became
   these) and later. There are no tail calls: the loader gives more TURNS, what is beyond them is cut and said
   to be. */

static inline int finish(int is_wanted) {
    if (is_wanted && copy(work()))
        cut(work());
    return 0;
}

KRETFUNC_PROBE(tcp_sendmsg, void *sk, void *message, unsigned long size, int result) {
    return finish(handle((u64)sk, result, 0, SENT, 0, 1));
}

KRETFUNC_PROBE(tcp_recvmsg, void *sk, void *message, unsigned long size, int flags, int *address_length, int result) {
    return finish(handle((u64)sk, result, flags, RECEIVED, 0, 1));
}
