// One idea: what the two echo servers have in common, so that they differ only in how they talk to
// the kernel: the arguments, the listener, the CPU they are pinned to and the moment they end.

#ifndef FLOOR_ECHO_H
#define FLOOR_ECHO_H

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    unsigned port, cpu, seconds;
    unsigned buffers, buffer_size;                      // io_uring only
} EchoPlan;

__attribute__((noreturn)) static inline void fail(const char *program, const char *what,
                                                  int error) {
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(error));
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline unsigned parse_number(const char *program, const char *option, const char *text,
                                    unsigned low, unsigned high) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < low || value > high) {
        fprintf(stderr, "%s: --%s takes a number from %u to %u, not %s\n", program, option, low,
                high, text);
        exit(64);
    }
    return (unsigned)value;
}

// Parses the options all echo servers know; `uring` admits those of the io_uring one.
static inline void parse_echo(int argc, char **argv, const char *program, int uring,
                              EchoPlan *plan) {
    const struct option options[] = {
        {"port", 1, 0, 'p'}, {"cpu", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"help", 0, 0, 'h'},
        {uring ? "buffers" : NULL, 1, 0, 'n'}, {"buffer-size", 1, 0, 'b'}, {0},
    };
    const char *more = uring ? " [--buffers N] [--buffer-size BYTES]" : "";
    for (int c, i = 0; (c = getopt_long(argc, argv, "", options, &i)) != -1;) {
        const char *name = options[i].name;
        switch (c) {
        case 'p': plan->port = parse_number(program, name, optarg, 1, 65535); break;
        case 'c': plan->cpu = parse_number(program, name, optarg, 0, 1023); break;
        case 's': plan->seconds = parse_number(program, name, optarg, 1, 86400); break;
        case 'n': plan->buffers = parse_number(program, name, optarg, 2, 32768); break;
        case 'b': plan->buffer_size = parse_number(program, name, optarg, 16, 1 << 20); break;
        default:
            fprintf(c == 'h' ? stdout : stderr, "usage: %s --port P --cpu C --seconds S%s\n",
                    program, more);
            exit(c == 'h' ? 0 : 64);
        }
    }
    if (optind < argc || !plan->port || !plan->seconds) {
        fprintf(stderr, "usage: %s --port P --cpu C --seconds S%s\n", program, more);
        exit(64);
    }
}

// Pins the process, raises its descriptor limit as far as allowed and returns a listener that does
// not block.
static inline int echo_listener(const char *program, const EchoPlan *plan) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(plan->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) fail(program, "--cpu", errno);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)plan->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0) fail(program, "socket", errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);    // inherited by what is accepted
    // The kernel takes a dead process's ring apart in the background; until then its listener keeps
    // the port.
    for (int tries = 0; bind(fd, (struct sockaddr *)&address, sizeof address) < 0; tries++) {
        if (errno != EADDRINUSE || tries == 50) fail(program, "bind", errno);
        usleep(100000);
    }
    if (listen(fd, 65535) < 0) fail(program, "listen", errno);
    return fd;
}

#endif
