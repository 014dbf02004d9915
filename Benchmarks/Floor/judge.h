// One idea: what the two judges have in common: how they name candidates, and how they read a
// server's processor time.

#ifndef FLOOR_JUDGE_H
#define FLOOR_JUDGE_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

extern const char program[];

// A running server that is judged.
typedef struct {
    const char *name;
    pid_t pid;
    uint16_t port;
} Server;

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// CPU time of all threads of a process in ns, the ended ones included: the scheduler's own sum.
static inline uint64_t process_cpu(const Server *s) {
    struct timespec t;
    clockid_t clock;
    if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        die("%s: process %d is gone", s->name, s->pid);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline unsigned number(const char *option, const char *text, unsigned low, unsigned high) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (!errno && end != text && !*end && *text != '-' && value >= low && value <= high)
        return (unsigned)value;
    fprintf(stderr, "%s: %s takes a number from %u to %u, not %s\n", program, option, low, high,
            text);
    exit(64);
}

// NAME=PID@PORT, which is taken apart in place; false when it has another form.
static inline bool parse_server(char *text, Server *s) {
    char *equals = strchr(text, '='), *at = equals ? strchr(equals, '@') : NULL;
    if (!at || equals == text || strpbrk(text, "\"\\")) return false;
    *equals = *at = 0;
    s->name = text;
    s->pid = (pid_t)number("PID", equals + 1, 1, 1 << 22);
    s->port = (uint16_t)number("PORT", at + 1, 1, 65535);
    return true;
}

// Moves the judge to its processor and lets it have as many descriptors as it may.
static inline void settle_in(unsigned cpu) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) die("--cpu %u: %s", cpu, strerror(errno));
}

#endif
