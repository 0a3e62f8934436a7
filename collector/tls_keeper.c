/*
 * Keeps an attacher running: when it dies another one begins, after a pause that grows; each death is counted.
 *
 * tls_keeper CONTROL COUNTERS PROGRAM [WORD...]
 *
 * CONTROL: a socket whose other end is the supervisor's; COUNTERS: the kernel side's map of counters; PROGRAM: an
 * attacher, run until it ends in order or the supervisor has. It holds the descriptors and the rights that an attacher
 * needs: nobody else could begin another. It waits all the agent's life, in a tenth of the memory that
 * collector/tls_keeper.py takes for the same.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_PAUSE_MS = 200,
    LONGEST_PAUSE_MS = 30000,
    CALM_S = 60,     /* so long without a death: the next one is the first again */
    TLS_DEATHS = 16, /* of the kernel side's counters; collector/record.py's */
    TLS_PROBED = 29,
    PAGE = 4096,
    NOT_STARTED = 127,
};

/* Nothing is ever sent this way: what can be read is the end. */
static int agent_ends(int control, int wait_ms) {
    struct pollfd link = {.fd = control, .events = POLLIN};
    int found;

    do {
        found = poll(&link, 1, wait_ms);
    } while (found < 0 && errno == EINTR);
    return found != 0;
}

static pid_t begun(char **program) {
    pid_t parent = getpid();
    pid_t child = fork();

    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        execv(program[0], program);
    _exit(NOT_STARTED);
}

/* A death that cannot be counted is told: the next attacher matters more. */
static void count_death(int counters) {
    uint64_t *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, counters, 0);

    if (words == MAP_FAILED) {
        fprintf(stderr, "sbiscope: a death of the attacher of TLS was not counted: %s\n", strerror(errno));
        return;
    }
    words[TLS_DEATHS]++;
    words[TLS_PROBED] = 0; /* its probes have ended with it */
    munmap(words, PAGE);
}

static void tell(int status, int pause_ms) {
    char how[64];

    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "ended with %d", WEXITSTATUS(status));
    fprintf(stderr, "sbiscope: the attacher of TLS %s; another begins in %g s, TLS until then is not seen\n", how,
            pause_ms / 1e3);
}

static time_t now_s(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

int main(int count, char **words) {
    int pause_ms = FIRST_PAUSE_MS, control, counters;

    if (count < 4)
        return 2;
    control = atoi(words[1]);
    counters = atoi(words[2]);
    prctl(PR_SET_DUMPABLE, 0); /* its rights are nobody else's */
    for (;;) {
        time_t began = now_s();
        pid_t child = begun(words + 3);
        int status = 0;

        if (child < 0 || waitpid(child, &status, 0) < 0)
            return 1;
        if (status == 0 || agent_ends(control, 0))
            return 0;
        count_death(counters);
        if (now_s() - began > CALM_S)
            pause_ms = FIRST_PAUSE_MS;
        tell(status, pause_ms);
        if (agent_ends(control, pause_ms))
            return 0;
        pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
    }
}
