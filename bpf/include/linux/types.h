// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The types that bcc's own headers and our programs name. Layouts of kernel structs come from BTF, never from here. */
#ifndef SBISCOPE_TYPES_H
#define SBISCOPE_TYPES_H
#include <uapi/linux/types.h>

typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef _Bool bool;
typedef unsigned long size_t, uintptr_t;
typedef long ssize_t;
typedef int pid_t;

#define NULL ((void *)0)
enum { false = 0, true = 1 };

#endif
