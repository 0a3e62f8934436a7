// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* Which sockets are known, which of them are captured, and where their two streams stand.

   Layouts of kernel structs come from BTF: the loader gives member offsets by -D, the filters WANTED(port),
   WANTED_PLACE(head) and WANTED_CALLER(head), PID_NAMESPACE, the inode number of the agent's own (0 = the root's, which
   has all), and ONLY_OWN: leave out what processes beyond it do. */
#include <linux/ptrace.h>
#include "record.h"

/* What the filters of collector/wanted.py are made of; addresses in words as they stand in memory. */
#define WORD(address, place) (((u32 *)(address))[place])
#define NAME_WORD(h, place) (((u64 *)(h)->process_name)[place])
#define IN_IPV4(h, end, net, mask)                                                                                     \
    (((h)->family == 2 && (WORD((h)->end, 0) & (mask)) == (net)) ||                                                    \
     ((h)->family == 10 && !WORD((h)->end, 0) && !WORD((h)->end, 1) && WORD((h)->end, 2) == 0xFFFF0000 &&              \
      (WORD((h)->end, 3) & (mask)) == (net)))
#define IN_IPV6(h, end, net0, mask0, net1, mask1, net2, mask2, net3, mask3)                                            \
    ((h)->family == 10 && (WORD((h)->end, 0) & (mask0)) == (net0) && (WORD((h)->end, 1) & (mask1)) == (net1) &&        \
     (WORD((h)->end, 2) & (mask2)) == (net2) && (WORD((h)->end, 3) & (mask3)) == (net3))

#define SOCKETS 65536 /* known at a time; the least used one is forgotten */
#define SLOTS 65536   /* verdicts */
#define MMAPABLE 1024 /* BPF_F_MMAPABLE */
#define PID_LEVELS 32 /* MAX_PID_NS_LEVEL */

/* Copied of a socket before its verdict, which needs at most 256 KiB; and where HTTP/2's preface was met, in
   case the verdict is slow. */
#define UNJUDGED_BYTES_COPIED (320 << 10)
#define PREFACE_BYTES_COPIED (64 << 20)

enum tcp_state { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK };

/* A TCP socket, from ESTABLISHED (or from first sight) until its memory serves another connection. */
struct socket {
    struct record head; /* what all its records have in common */
    u64 done[2];        /* stream positions: what the calls seen so far have sent and received */
    union {
        u32 first[2]; /* TCP sequence numbers of position 0 */
        u64 under;    /* of a session of libnghttp2: the struct sock that it is tied to */
    };
    u32 ports;  /* as they stand in struct sock: tells whether its memory still serves this connection */
    u32 budget; /* bytes that may yet be copied before a verdict */
    u64 other;  /* of a socket: where in `sockets` its TLS stream stands; of that: the socket's key */
    u8 is_used; /* the reader knows of it */
    u8 is_closed;
    u8 shown;      /* what its first octets are: bits of shown.c */
    u8 is_certain; /* of a session of libnghttp2: its tie is no guess */
    u32 minute;    /* FLOW_MINUTE when it was last told of */
    u32 caller;    /* process that used it last, in the root pid namespace */
    u32 probed;    /* of a TLS stream: when the probes of its library were attached, by the attacher's word */
};

BPF_F_TABLE("array", u32, u64, counters, COUNTERS, MMAPABLE);
BPF_F_TABLE("array", u32, u64, verdicts, SLOTS, MMAPABLE);
BPF_TABLE("lru_hash", u64, struct socket, sockets, SOCKETS);

static inline void count(u32 which, u64 amount) {
    u64 *counter = counters.lookup(&which);
    if (counter)
        __sync_fetch_and_add(counter, amount);
}

static inline u64 control(u32 which) {
    u64 *value = counters.lookup(&which);
    return value ? *value : 0;
}

/* The kernel's helpers by their numbers (linux/bpf.h; Linux 5.5): at their names bcc looks through all of the kernel's
   symbols whether there are any, a third of the time that it compiles. */
static int (*read_user)(void *to, u32 bytes, const void *from) = (void *)112;
static int (*read_kernel)(void *to, u32 bytes, const void *from) = (void *)113;
#define READ(to, from) read_kernel(&(to), sizeof(to), (void *)(from))

static inline int is_tcp(u64 sk) {
    u16 protocol = 0, family = 0;
    READ(family, sk + SK_FAMILY);
    if (family != 2 && family != 10)
        return 0;
    READ(protocol, sk + SK_PROTOCOL);
    return protocol == 6;
}

static inline int is_wanted(struct record *head) {
    return ((WANTED(head->local_port)) || (WANTED(head->remote_port))) && (WANTED_PLACE(head));
}

/* Give what is met for the first time its key, and the verdict that the filters have of it. */
static inline void begin(struct socket *new) {
    new->head.key = (bpf_ktime_get_ns() ^ (u64)bpf_get_smp_processor_id() << 56) & ~3ULL;
    new->head.slot = new->head.key * 0x9E3779B97F4A7C15ULL >> 48;
    new->head.verdict = is_wanted(&new->head) ? UNJUDGED : IGNORED;
    new->budget = UNJUDGED_BYTES_COPIED;
}

/* The server's first byte by what the kernel has counted since: the SYN counts in what a client sent, not in what
   the server did, nor in what a client received. Read between TCP's updates of the two it is a number that no other
   end has. */
static inline u32 answers_from(u64 sk, int is_client) {
    u32 sequence = 0;
    u64 counted = 0;
    if (is_client) {
        READ(sequence, sk + TCP_RCV_NXT);
        READ(counted, sk + TCP_BYTES_RECEIVED);
    } else {
        READ(sequence, sk + TCP_SND_UNA);
        READ(counted, sk + TCP_BYTES_ACKED);
    }
    return sequence - (u32)counted;
}

/* Make a socket known. Its positions count from what has been sent and received by now. */
static struct socket *meet(u64 sk, u8 role) {
    struct socket new = {};
    u64 net = 0;
    if (!is_tcp(sk))
        return 0;
    READ(new.head.family, sk + SK_FAMILY); /* its low byte */
    READ(new.ports, sk + SK_REMOTE_PORT);  /* remote in network order, local in host order behind it */
    new.head.remote_port = __builtin_bswap16(new.ports);
    new.head.local_port = new.ports >> 16;
    if (new.head.family == 2) {
        read_kernel(new.head.local, 4, (void *)(sk + SK_LOCAL_V4));
        read_kernel(new.head.remote, 4, (void *)(sk + SK_REMOTE_V4));
    } else {
        READ(new.head.local, sk + SK_LOCAL_V6);
        READ(new.head.remote, sk + SK_REMOTE_V6);
    }
    READ(net, sk + SK_NET);
    READ(new.head.netns, net + NET_INUM);
    READ(new.first[SENT], sk + TCP_WRITE_SEQ);
    READ(new.first[RECEIVED], sk + TCP_COPIED_SEQ);
    new.head.role = role;
    new.head.answers_from =
        answers_from(sk, role == CLIENT || (role == JOINED && new.head.local_port >= new.head.remote_port));
    new.minute = control(FLOW_MINUTE);
    begin(&new);
    if (role == JOINED)
        sockets.insert(&sk, &new); /* another thread may meet it at the same time: the first one's counts */
    else
        sockets.update(&sk, &new);
    struct socket *known = sockets.lookup(&sk);
    if (!known)
        count(SOCKETS_FULL, 1);
    return known;
}

/* Return what is known of a socket; nothing if its memory serves another connection by now (a birth that no
 * probe saw). */
static inline struct socket *known(u64 sk) {
    u32 ports = 0;
    struct socket *s = sockets.lookup(&sk);
    if (!s)
        return 0;
    READ(ports, sk + SK_REMOTE_PORT);
    if (ports == s->ports || ports == (s->ports & 0xFFFF)) /* a closed socket has given its local port back */
        return s;
    sockets.delete(&sk);
    return 0;
}

/* Sockets without a file are the kernel's own (NFS, NBD): the registers of the call say nothing of their
 * bytes. */
static inline int is_of_a_process(u64 sk) {
    u64 socket = 0, file = 0;
    READ(socket, sk + SK_SOCKET);
    if (socket)
        READ(file, socket + SOCKET_FILE);
    return file != 0;
}

/* Learn the reader's verdict of a socket. */
static inline void judge(struct socket *s) {
    u32 slot = s->head.slot;
    u64 *verdict = verdicts.lookup(&slot);
    if (verdict && (*verdict ^ s->head.key) < 4)
        s->head.verdict = *verdict & 3;
}

/* Where a direction stands after a call: its 64-bit position continued from the socket's 32-bit sequence
 * number. */
static inline u64 position(struct socket *s, u64 sk, int direction) {
    u32 sequence = 0;
    if (direction == SENT)
        READ(sequence, sk + TCP_WRITE_SEQ);
    else
        READ(sequence, sk + TCP_COPIED_SEQ);
    u64 done = s->done[direction];
    return done + (s64)(s32)(sequence - s->first[direction] - (u32)done);
}

/* A FIN read with the last bytes counts as one in copied_seq (RFC 9293 3.4). */
static inline int took_fin(u64 sk) {
    u32 copied = 0, next = 0;
    u8 state = 0;
    READ(copied, sk + TCP_COPIED_SEQ);
    READ(next, sk + TCP_RCV_NXT);
    READ(state, sk + SK_STATE);
    return copied == next && state != ESTABLISHED && state != FIN_WAIT1 && state != FIN_WAIT2;
}

/* Return the number of the current process in the agent's pid namespace, 0 if it is not in it: it has one in each
   from the root's down to its own (struct pid: an array of struct upid). */
static inline u32 own_number(u64 leader) {
    u64 pid = 0, space = 0;
    u32 level = 0, number = 0, inode = 0;
    READ(pid, leader + TASK_PID);
    READ(level, pid + PID_LEVEL);
#pragma nounroll
    for (u32 depth = 1; depth <= PID_LEVELS; depth++) {
        u64 there = pid + PID_NUMBERS + depth * 16;
        if (depth > level)
            return 0;
        READ(space, there + UPID_SPACE);
        READ(inode, space + SPACE_INUM);
        if (inode == PID_NAMESPACE) {
            READ(number, there);
            return number;
        }
    }
    return 0;
}

static inline void remember_process(struct socket *s) {
    u32 process = bpf_get_current_pid_tgid() >> 32;
    if (s->caller == process)
        return;
    u64 leader = 0;
    READ(leader, bpf_get_current_task() + TASK_LEADER);
    s->caller = process;
    s->head.process_id = PID_NAMESPACE ? own_number(leader) : process;
    if (ONLY_OWN && !s->head.process_id)
        s->head.verdict = IGNORED;
    s->head.cgroup = bpf_get_current_cgroup_id();
    READ(s->head.process_name, leader + TASK_COMM);
    if (!(WANTED_CALLER(&s->head)))
        s->head.verdict = IGNORED;
}

/* The socket behind a file descriptor of the current process, 0 if it is none. */
static inline u64 socket_of(u32 descriptor) {
    u64 files = 0, table = 0, array = 0, file = 0, inode = 0, socket = 0, sk = 0;
    u32 size = 0;
    u16 mode = 0;
    READ(files, bpf_get_current_task() + TASK_FILES);
    READ(table, files + FILES_TABLE);
    READ(size, table + TABLE_SIZE);
    if (descriptor >= size)
        return 0;
    READ(array, table + TABLE_FILES);
    READ(file, array + 8 * (u64)descriptor);
    if (!file)
        return 0;
    READ(inode, file + FILE_INODE);
    READ(mode, inode + INODE_MODE);
    if ((mode & 0170000) != 0140000)
        return 0;
    READ(socket, file + FILE_PRIVATE);
    READ(sk, socket + SOCKET_SK);
    return sk;
}
