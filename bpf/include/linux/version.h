// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* bcc gates its helpers by this number; what the kernel really has is found by loading. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 6, 0)
