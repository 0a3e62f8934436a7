// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What stands at the border of user and kernel space, fixed by the x86-64 system call interface. */
#ifndef SBISCOPE_PTRACE_H
#define SBISCOPE_PTRACE_H
#include <linux/types.h>

struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

#define PT_REGS_R10 __builtin_offsetof(struct pt_regs, r10)
#define PT_REGS_AX __builtin_offsetof(struct pt_regs, ax)

struct iovec {
    void *iov_base;
    unsigned long iov_len;
};

#endif
