// One idea: what does it take a fresh server to hold N connections? One and the same client opens
// them to whatever server it is shown, so that the servers can be compared.
//
// The sockets are made and bound before the clock starts; the clock runs while they connect, until
// the server has accepted all and the last ones have echoed. The kernel's own count of the accept
// queue keeps the client from overrunning it, for all servers in the same way. The memory of a
// connection is a slope, from the first stretch of connections to the last, so that what a server
// keeps once does not count; and since the client's sockets exist by then, it is the server's end.

#include "judge.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

const char program[] = "connect_load";

enum {
    MESSAGE = 64,
    IN_FLIGHT = 64,                   // echoes outstanding at once: no burst that needs more memory
    LAST = 16,                        // connections whose echo ends the clock
    WINDOW = 1024,                    // connections that may wait to be accepted
    FIRST_PORT = 20000, PORTS = 8000, // source ports, below the kernel's own range
    STACK = 16384,                    // bytes of a thread's stack in the kernel (x86-64, arm64)
    SLOW_NS = 100000000,              // a connect that takes longer was lost and sent again
};

static struct {
    unsigned connections, cpu;
} plan = {9000, 1};

static Server server;
static int *sockets, diagnosis;
static struct sockaddr_in target = {.sin_family = AF_INET};
static unsigned slow_connects;

// What is measured of one stretch of connects.
typedef struct {
    double seconds, server_ns, client_ns;
} Stretch;

enum { MAX_CACHES = 512 };

// A cache of the kernel's allocator: objects in use, and what one takes of its pages.
typedef struct {
    char name[40];
    double objects, bytes;
} Cache;

typedef struct {
    double user, kernel;              // bytes; `kernel` without what is counted by cache
    Cache caches[MAX_CACHES];
    unsigned count;
} Memory;

// ---- the server's accept queue ------------------------------------------------------------------

typedef struct {
    unsigned waiting, capacity;
} AcceptQueue;

static AcceptQueue accept_queue(void) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 query;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .query = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP,
                  .idiag_states = 1 << TCP_LISTEN,
                  .id = {.idiag_sport = target.sin_port,
                         .idiag_src = {target.sin_addr.s_addr},
                         .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    union {
        struct nlmsghdr header;
        char bytes[8192];
    } answer;
    if (send(diagnosis, &request, sizeof request, 0) < 0) die("sock_diag: %s", strerror(errno));
    ssize_t n = recv(diagnosis, &answer, sizeof answer, 0);
    if (n < 0) die("sock_diag: %s", strerror(errno));
    if (answer.header.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = NLMSG_DATA(&answer.header);
        die("%s: no listener on port %u: %s", server.name, server.port, strerror(-e->error));
    }
    const struct inet_diag_msg *m = NLMSG_DATA(&answer.header);
    return (AcceptQueue){m->idiag_rqueue, m->idiag_wqueue};
}

// Waits until at most `most` connections wait to be accepted.
static unsigned await_accepts(unsigned most) {
    static const struct timespec nap = {.tv_nsec = 20000};
    uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + 10000000000;
    for (;;) {
        unsigned waiting = accept_queue().waiting;
        if (waiting <= most) return waiting;
        if (clock_ns(CLOCK_MONOTONIC) > deadline) die("%s does not accept", server.name);
        nanosleep(&nap, NULL);
    }
}

// ---- memory -------------------------------------------------------------------------------------

// The sum of the named figures of a /proc file, in bytes.
static double kilobytes(const char *path, const char *const *names) {
    char line[200];
    double sum = 0;
    bool found = false;
    FILE *f = fopen(path, "r");
    if (!f) die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, f)) {
        for (unsigned i = 0; names[i]; i++) {
            size_t length = strlen(names[i]);
            if (strncmp(line, names[i], length) || line[length] != ':') continue;
            sum += strtod(line + length + 1, NULL) * 1024;
            found = true;
        }
    }
    fclose(f);
    if (!found) die("%s: no %s in it", path, names[0]);
    return sum;
}

static unsigned read_caches(Cache *caches) {
    char line[300];
    unsigned count = 0;
    FILE *f = fopen("/proc/slabinfo", "r");
    if (!f) return 0;                 // root only
    while (count < MAX_CACHES && fgets(line, sizeof line, f)) {
        Cache *c = &caches[count];
        unsigned long active, total;
        unsigned size, per_slab, pages;
        if (sscanf(line, "%39s %lu %lu %u %u %u", c->name, &active, &total, &size, &per_slab,
                   &pages) != 6 || !per_slab) continue;
        c->objects = (double)active;
        c->bytes = (double)pages * (double)sysconf(_SC_PAGESIZE) / per_slab;
        count++;
    }
    fclose(f);
    return count;
}

static void read_memory(Memory *m) {
    // Without files: pages of libraries count by how many other programs have them just now.
    static const char *const user[] = {"Pss_Anon", "Pss_Shmem", NULL};
    static const char *const tables[] = {"VmPTE", NULL};
    static const char *const threads[] = {"Threads", NULL};
    static const char *const slab[] = {"Slab", NULL};
    char path[64];
    usleep(200000);                   // what is freed late is free by then, and the server asleep
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", server.pid);
    m->user = kilobytes(path, user);
    snprintf(path, sizeof path, "/proc/%d/status", server.pid);
    m->kernel = kilobytes(path, tables) + kilobytes(path, threads) / 1024 * STACK;
    m->count = read_caches(m->caches);
    if (!m->count) m->kernel += kilobytes("/proc/meminfo", slab);
}

static bool is_file_cache(const char *name) {
    return strstr(name, "inode_cache") && !strstr(name, "sock_") && !strstr(name, "lsm_");
}

// Bytes of kernel memory per connection between two readings. Of the caches only those count that
// grew by an object for every other connection at least, and no inodes of files: the rest is other
// programs' business.
static double kernel_growth(const Memory *from, const Memory *to, unsigned connections) {
    double bytes = to->kernel - from->kernel;
    for (unsigned i = 0, k = 0; i < to->count; i++) {
        while (k < from->count && strcmp(from->caches[k].name, to->caches[i].name)) k++;
        if (k == from->count) k = 0;  // a new cache; the old ones keep their order
        else if (!is_file_cache(to->caches[i].name)) {
            double grown = to->caches[i].objects - from->caches[k].objects;
            if (grown >= connections / 2.0) bytes += grown * to->caches[i].bytes;
        }
    }
    return bytes / connections;
}

// ---- the job ------------------------------------------------------------------------------------

static int open_socket(unsigned i) {
    static const struct linger reset = {1, 0};
    static const struct timeval patience = {.tv_sec = 10};
    static const int on = 1;
    static unsigned place;            // of address and port; both advance together
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket %u: %s", i, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (unsigned tries = 0; tries < PORTS; tries++, place++) {
        // Another network for each process, so that no two meet in the same tuples.
        uint32_t network = 127u << 24 | 64u << 16 | (unsigned)(getpid() % 16384) << 8;
        struct sockaddr_in source = {.sin_family = AF_INET,
            .sin_addr.s_addr = htonl(network + 1 + place / PORTS),
            .sin_port = htons((uint16_t)(FIRST_PORT + place % PORTS))};
        if (bind(fd, (struct sockaddr *)&source, sizeof source) == 0) {
            place++;
            return fd;
        }
        if (errno != EADDRINUSE) break;
    }
    die("bind of socket %u: %s", i, strerror(errno));
}

static void say(unsigned i, char tag) {
    char out[MESSAGE];
    memset(out, tag, sizeof out);
    memcpy(out, &i, sizeof i);
    if (send(sockets[i], out, sizeof out, MSG_NOSIGNAL) != MESSAGE)
        die("%s: send on connection %u: %s", server.name, i, strerror(errno));
}

static void hear(unsigned i, char tag) {
    char in[MESSAGE], expected[MESSAGE];
    ssize_t n = recv(sockets[i], in, sizeof in, MSG_WAITALL);
    if (n < 0) die("%s: connection %u: %s", server.name, i, strerror(errno));
    if (n != MESSAGE) die("%s: connection %u was closed by the server", server.name, i);
    memset(expected, tag, sizeof expected);
    memcpy(expected, &i, sizeof i);
    if (memcmp(in, expected, MESSAGE)) die("%s: connection %u: wrong bytes", server.name, i);
}

static void echo_each(unsigned from, unsigned to, char tag) {
    for (unsigned i = from; i < to + IN_FLIGHT; i++) {
        if (i >= from + IN_FLIGHT) hear(i - IN_FLIGHT, tag);
        if (i < to) say(i, tag);
    }
}

static Stretch connect_stretch(unsigned from, unsigned to) {
    uint64_t cpu = process_cpu(&server), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    unsigned capacity = accept_queue().capacity, waiting = 0;
    unsigned window = capacity / 2 < WINDOW ? capacity / 2 + 1 : WINDOW;
    uint64_t begin = clock_ns(CLOCK_MONOTONIC), before = begin;
    for (unsigned i = from; i < to; i++) {
        if (connect(sockets[i], (struct sockaddr *)&target, sizeof target) < 0)
            die("%s: connect %u: %s", server.name, i, strerror(errno));
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (now - before > SLOW_NS) slow_connects++;
        if (++waiting >= window) waiting = await_accepts(window / 2);
        before = clock_ns(CLOCK_MONOTONIC);
    }
    await_accepts(0);
    unsigned last = to - from < LAST ? from : to - LAST;
    echo_each(last, to, 'c');
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    return (Stretch){seconds, (double)(process_cpu(&server) - cpu), (double)own};
}

static void judge(void) {
    static Memory begin, silent, spoken;
    unsigned n = plan.connections, first = n / 9, further = n - first;
    for (unsigned i = 0; i < n; i++) sockets[i] = open_socket(i);
    Stretch a = connect_stretch(0, first);
    echo_each(0, first, 'e');
    read_memory(&begin);
    Stretch b = connect_stretch(first, n);
    read_memory(&silent);
    echo_each(0, n, 'E');
    read_memory(&spoken);
    double seconds = a.seconds + b.seconds;
    printf("{\"name\":\"%s\",\"connections\":%u,\"seconds\":%.6f,\"connects_per_second\":%.1f,"
           "\"server_cpu_us_per_connect\":%.3f,\"client_cpu_share\":%.3f,"
           "\"user_bytes_silent\":%.1f,\"kernel_bytes_silent\":%.1f,"
           "\"user_bytes_spoken\":%.1f,\"kernel_bytes_spoken\":%.1f,"
           "\"kernel_source\":\"%s\",\"slow_connects\":%u}\n",
           server.name, n, seconds, n / seconds, (a.server_ns + b.server_ns) / 1e3 / n,
           (a.client_ns + b.client_ns) / 1e9 / seconds,
           (silent.user - begin.user) / further, kernel_growth(&begin, &silent, further),
           (spoken.user - begin.user) / further, kernel_growth(&begin, &spoken, further),
           begin.count ? "slabinfo" : "meminfo", slow_connects);
}

static const char usage[] =
    "usage: connect_load [--connections N] [--cpu C] NAME=PID@PORT\n"
    "Opens N connections to a fresh echo server on 127.0.0.1 and prints a line of JSON.\n";

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"connections", 1, 0, 'n'}, {"cpu", 1, 0, 'c'}, {"help", 0, 0, 'h'}, {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n': plan.connections = number("--connections", optarg, 90, 19900); break;
        case 'c': plan.cpu = number("--cpu", optarg, 0, 1023); break;
        default: fputs(usage, c == 'h' ? stdout : stderr); exit(c == 'h' ? 0 : 64);
        }
    }
    if (optind + 1 != argc || !parse_server(argv[optind], &server)) {
        fputs(usage, stderr);
        return 64;
    }
    settle_in(plan.cpu);
    target.sin_port = htons(server.port);
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    diagnosis = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    sockets = calloc(plan.connections, sizeof *sockets);
    if (diagnosis < 0 || !sockets) die("set-up: %s", strerror(errno));
    judge();
    // Reset by SO_LINGER: no TIME_WAIT stays behind.
    for (unsigned i = 0; i < plan.connections; i++) close(sockets[i]);
    return 0;
}
