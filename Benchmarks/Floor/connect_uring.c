// One idea: how fast can one machine come to hold N idle loopback TCP connections, if nothing but
// io_uring stands between a C program and the kernel? The answer is the floor that the Swift
// engine's ramp is compared with.
//
// Two processes, a few threads each. A thread owns several rings, because a direct descriptor table
// ends at RLIMIT_NOFILE (20,000 here) while the number of tables does not. A server thread accepts
// into one ring at a time and arms a poll on every connection; a client thread fills one ring after
// the other and arms nothing.

#include "ring.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum {
    MAX_THREADS = 16,
    MAX_LISTENERS = 8,
    FIRST_PORT = 1024,
    EDGE = 100000,                  // size of the first and the last stretch whose rate is reported
};

enum wait_mode { WAIT_EVENTFD, WAIT_HUB };
enum open_mode { OPEN_URING, OPEN_PLAIN };
enum close_mode {
    CLOSE_EXIT, CLOSE_RESET, CLOSE_DIRECT, CLOSE_LINGER, CLOSE_UNSPEC, CLOSE_QUEUE_EXIT
};

static const char *const wait_names[] = {"eventfd", "hub", NULL};
static const char *const open_names[] = {"uring", "plain", NULL};
static const char *const close_names[] = {
    "exit", "reset", "close", "linger", "unspec", "queue_exit", NULL
};

// The plan, fixed before the fork.
static struct {
    unsigned conns, threads, listeners, batch, window, table, backlog, time_limit;
    int wait, open, close, pin, arm, prefault;
} plan = {500000, 2, 1, 128, 2048, 0, 0, 120, WAIT_EVENTFD, OPEN_URING, CLOSE_RESET, 1, 1, 0};

// The explicit source ports that an address of 127.0.0.0/8 can have: those outside of the range for
// automatic ones and without a listener on all addresses.
static uint16_t source_ports[65536];
static unsigned ports;

enum phase { PHASE_PREPARE, PHASE_CONNECT, PHASE_HELD, PHASE_CLOSE, PHASE_CLOSED, PHASE_EXIT };

// What the two processes and their parent share. Counters that different threads write are a cache
// line apart.
static struct shared {
    _Alignas(64) atomic_uint phase;
    atomic_uint ready;                                  // threads that have made their rings
    atomic_uint closed;                             // client threads that have closed all they hold
    atomic_bool failed;
    uint16_t port[MAX_THREADS][MAX_LISTENERS];
    _Alignas(64) atomic_uint established;
    _Alignas(64) atomic_uint armed;
    struct { _Alignas(64) atomic_uint n; } armed_by[MAX_THREADS];
    _Alignas(64) atomic_ullong first;                   // ns: the first connect was submitted
    atomic_ullong mark[3];                              // ns: EDGE held, N - EDGE held, N held
    double cpu[2][2];                      // server and client: CPU seconds for connecting, closing
    atomic_uint enters[2];
    atomic_uint stalls;                                 // client turns that waited for the server
} *shared;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_us(unsigned us) {
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// Reports once, tells everyone, ends this process.
__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
    if (!atomic_exchange(&shared->failed, true)) {
        va_list args;
        va_start(args, format);
        fputs("connect_uring: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
    }
    _exit(1);
}

static unsigned phase(void) {
    return atomic_load_explicit(&shared->phase, memory_order_acquire);
}

static void await_phase(unsigned wanted) {
    while (phase() < wanted) sleep_us(1000);
}

static unsigned share_of(unsigned thread) {             // connections of one thread
    return plan.conns / plan.threads + (thread < plan.conns % plan.threads);
}

static void pin_to(unsigned thread) {
    if (!plan.pin) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(thread % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Adds to one side's count; whoever makes both sides pass a mark writes its time.
static void count(atomic_uint *side, unsigned n) {
    atomic_fetch_add(side, n);
    unsigned a = atomic_load(&shared->established), b = atomic_load(&shared->armed), both = a < b
        ? a : b;
    unsigned edge = plan.conns < EDGE ? plan.conns : EDGE;
    unsigned marks[3] = {edge, plan.conns - edge, plan.conns};
    for (int i = 0; i < 3; i++) {
        unsigned long long unset = 0;
        if (both >= marks[i] && !atomic_load(&shared->mark[i]))
            atomic_compare_exchange_strong(&shared->mark[i], &unset, now_ns());
    }
}

// Submits all that is pending on the ring, however many enters that takes.
static void flush(Ring *r) {
    for (int tries = 0; ring_pending(r); tries++) {
        int rc = ring_enter(r, 0, 0, NULL);
        if (rc < 0) die("io_uring_enter: %s", strerror(-rc));
        if (tries > 100000) die("the kernel takes no more submissions");
    }
}

static void make_ring(Ring *r, unsigned sq_entries, unsigned cq_entries) {
    int rc = ring_init(r, sq_entries, cq_entries);
    if (rc < 0) die("io_uring_queue_init: %s", strerror(-rc));
    rc = io_uring_register_files_sparse(&r->u, plan.table);
    if (rc < 0) die("table of %u direct descriptors: %s", plan.table, strerror(-rc));
}

// ---- server -------------------------------------------------------------------------------------

// user_data: what the completion belongs to.
enum { UD_POLL = 1, UD_CANCEL = 2, UD_EVENTFD = 3, UD_ACCEPT = 16 };

typedef struct {
    unsigned index, rings, current, want;               // want: connections that are to come in all
    unsigned taken, in_ring;                            // accepted in all, into the current ring
    unsigned live, untold;                              // accepts armed, not yet counted
    bool cancelling;
    int eventfd;
    int listener[MAX_LISTENERS];
    uint64_t event;
    Ring *ring;
} Server;

static void listen_on(Server *s, unsigned i) {
    // Lingering for no time is inherited by what is accepted: a close is then a reset, without
    // TIME_WAIT at either end.
    struct linger linger = {.l_onoff = plan.close == CLOSE_RESET};
    // A listener on all addresses would make its port unusable as an explicit source port.
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0
        || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, (int)plan.backlog) < 0
        || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("listener: %s", strerror(errno));
    s->listener[i] = fd;
    shared->port[s->index][i] = ntohs(address.sin_port);
}

static void arm_accepts(Server *s) {
    Ring *r = &s->ring[s->current];
    for (unsigned i = 0; i < plan.listeners; i++) {
        struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_ACCEPT, UD_ACCEPT + i);
        sqe->fd = s->listener[i];
        sqe->ioprio = IORING_ACCEPT_MULTISHOT;
        sqe->file_index = IORING_FILE_INDEX_ALLOC;
    }
    s->live = plan.listeners;
    s->in_ring = 0;
    s->cancelling = false;
}

static void arm_eventfd(Server *s) {
    struct io_uring_sqe *sqe = ring_sqe(&s->ring[0], IORING_OP_READ, UD_EVENTFD);
    sqe->fd = s->eventfd;
    sqe->addr = (uintptr_t)&s->event;
    sqe->len = sizeof s->event;
}

// Handles one accept completion; the connection is armed by the enter that follows.
static void accepted(Server *s, Ring *r, const struct io_uring_cqe *cqe) {
    if (cqe->res >= 0) {
        if (plan.arm) {
            if (!ring_room(r)) flush(r);
            struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_POLL_ADD, UD_POLL);
            sqe->fd = cqe->res;
            sqe->flags = IOSQE_FIXED_FILE;
            sqe->poll32_events = POLLIN | POLLRDHUP;
        }
        s->taken++;
        s->in_ring++;
        s->untold++;
    } else if (cqe->res != -ECANCELED) {
        die("accept: %s", strerror(-cqe->res));
    }
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        s->live--;
        if (!s->cancelling) die("the kernel ended a multishot accept");
    }
}

static unsigned reap_server(Server *s, Ring *r) {
    unsigned sum = 0;
    for (unsigned n; (n = ring_ready(r)) != 0; ring_reaped(r, n), sum += n) {
        for (unsigned i = 0; i < n; i++) {
            const struct io_uring_cqe *cqe = ring_cqe(r, i);
            if (cqe->user_data >= UD_ACCEPT) accepted(s, r, cqe);
            else if (cqe->user_data == UD_EVENTFD) arm_eventfd(s);
            else if (cqe->user_data == UD_POLL && phase() == PHASE_CONNECT)
                die("an idle connection has ended: %d", cqe->res);
        }
    }
    return sum;
}

// Moves on before the table is full: a full table loses the client whose connection found no slot.
// The accepts in flight may still take all that waits in the accept queues, hence the reserve.
static void change_ring(Server *s) {
    Ring *r = &s->ring[s->current];
    unsigned reserve = plan.listeners * (plan.backlog + 1);
    if (!s->cancelling && s->in_ring + reserve > plan.table) {
        s->cancelling = true;
        for (unsigned i = 0; i < plan.listeners; i++) {
            if (!ring_room(r)) flush(r);
            struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_ASYNC_CANCEL, UD_CANCEL);
            sqe->fd = -1;
            sqe->addr = UD_ACCEPT + i;
            sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        }
    } else if (s->cancelling && !s->live && s->taken < s->want) {
        if (++s->current == s->rings) die("not enough rings");
        arm_accepts(s);
    }
}

// Enters every ring that may have something to do; true if something was done. A raised SQ_TASKRUN
// alone is no proof: the kernel queues the work first and raises the flag afterwards, so that a
// thread which ran the work in between keeps a flag that no enter will lower. Whoever trusts it
// spins.
static bool turn(Server *s) {
    bool busy = false;
    for (unsigned i = 0; i < s->rings; i++) {
        Ring *r = &s->ring[i];
        bool pending = ring_pending(r);
        if (!pending && !ring_has_work(r) && !ring_ready(r)) continue;
        int rc = ring_enter(r, 0, 0, NULL);
        if (rc < 0) die("io_uring_enter: %s", strerror(-rc));
        busy |= reap_server(s, r) || pending;
    }
    change_ring(s);
    Ring *r = &s->ring[s->current];
    if (s->untold && !ring_pending(r)) {                 // submitted, therefore armed
        atomic_fetch_add(&shared->armed_by[s->index].n, s->untold);
        count(&shared->armed, s->untold);
        s->untold = 0;
    }
    return busy;
}

static void silence(Server *s, bool silent) {
    for (unsigned i = 0; i < s->rings; i++) {
        unsigned value = silent ? IORING_CQ_EVENTFD_DISABLED : 0;
        __atomic_store_n(s->ring[i].u.cq.kflags, value, __ATOMIC_RELAXED);
    }
}

// Sleeps until a ring has something to do. While the thread is awake no ring may signal the
// eventfd, which would cost and wake for nothing. Signals are admitted first and the rings looked
// at once more afterwards: nothing is missed.
static void wait_for_work(Server *s) {
    static const struct __kernel_timespec limit = {.tv_nsec = 20000000};
    silence(s, false);
    atomic_thread_fence(memory_order_seq_cst);
    bool found = turn(s);
    if (!found && plan.wait == WAIT_HUB) {
        int rc = ring_enter(&s->ring[0], 1, 0, &limit);
        if (rc < 0) die("io_uring_enter: %s", strerror(-rc));
    } else if (!found) {
        struct pollfd p = {.fd = s->eventfd, .events = POLLIN};
        if (poll(&p, 1, 20) == 1 && read(s->eventfd, &s->event, sizeof s->event) < 0)
            die("eventfd: %s", strerror(errno));
    }
    silence(s, true);
}

static void *server_thread(void *argument) {
    Server *s = argument;
    pin_to(s->index);
    s->want = share_of(s->index);
    s->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    unsigned usable = plan.table - plan.listeners * (plan.backlog + 1);
    s->rings = s->want / usable + 2;
    s->ring = calloc(s->rings, sizeof *s->ring);
    for (unsigned i = 0; i < s->rings; i++) {
        Ring *r = &s->ring[i];
        make_ring(r, 1024, 8192);
        // The hub cannot be told by the eventfd that it reads itself.
        bool told = plan.wait == WAIT_EVENTFD || (plan.wait == WAIT_HUB && i > 0);
        if (told && io_uring_register_eventfd(&r->u, s->eventfd) < 0) die("registering an eventfd");
    }
    for (unsigned i = 0; i < plan.listeners; i++) listen_on(s, i);
    if (plan.wait == WAIT_HUB) arm_eventfd(s);
    arm_accepts(s);
    atomic_fetch_add(&shared->ready, 1);
    while (phase() < PHASE_HELD) if (!turn(s)) wait_for_work(s);
    for (unsigned i = 0; i < s->rings; i++) atomic_fetch_add(&shared->enters[0], s->ring[i].enters);
    await_phase(PHASE_EXIT);                         // requests of a thread that ends are cancelled
    return NULL;
}

// ---- client -------------------------------------------------------------------------------------

typedef struct {
    unsigned index, rings, done, in_flight, established;
    Ring *ring;
    unsigned *held;                                     // connections in each ring
    uint32_t base;                                      // first source address
    struct sockaddr_in *source;          // of the batch at hand; the kernel copies it at submission
    struct sockaddr_in target[MAX_LISTENERS];
} Client;

static void source_of(const Client *c, unsigned i, struct sockaddr_in *a) {
    // Threads begin half a range apart, so that they do not meet in the same bind buckets.
    unsigned shift = c->index * (ports / plan.threads);
    a->sin_family = AF_INET;
    a->sin_port = htons(source_ports[(i + shift) % ports]);
    a->sin_addr.s_addr = htonl(c->base + i / ports);
}

static void open_plain(Client *c, Ring *r, unsigned slot, const struct sockaddr_in *source) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)source, sizeof *source) < 0)
        die("client %u: socket or bind: %s", c->index, strerror(errno));
    int rc = io_uring_register_files_update(&r->u, slot, &fd, 1);
    if (rc != 1) die("files update: %s", strerror(-rc));
    close(fd);
}

static void open_uring(Ring *r, unsigned slot, const struct sockaddr_in *source) {
    struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_SOCKET, 1);
    sqe->fd = AF_INET;
    sqe->off = SOCK_STREAM;
    sqe->file_index = slot + 1;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe = ring_sqe(r, OP_BIND, 2);
    sqe->fd = (int)slot;
    sqe->addr = (uintptr_t)source;
    sqe->addr2 = sizeof *source;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
}

static void reap_client(Client *c, Ring *r) {
    static const char *const what[] = {"connect", "socket", "bind", "close", "setsockopt",
        "disconnect"};
    unsigned n = ring_ready(r);
    for (unsigned i = 0; i < n; i++) {
        const struct io_uring_cqe *cqe = ring_cqe(r, i);
        if (cqe->res < 0)
            die("client %u: %s: %s", c->index, what[cqe->user_data], strerror(-cqe->res));
    }
    ring_reaped(r, n);
    c->in_flight -= n;
    c->established += n;
    if (n) count(&shared->established, n);
}

// Fills one ring with `n` connections, at most `window` of them ahead of the server.
static void fill(Client *c, unsigned ring, unsigned n) {
    static const struct __kernel_timespec limit = {.tv_nsec = 20000000};
    Ring *r = &c->ring[ring];
    for (unsigned slot = 0; slot < n || c->in_flight;) {
        unsigned ahead = c->done - atomic_load(&shared->armed_by[c->index].n);
        unsigned room = ahead < plan.window ? plan.window - ahead : 0;
        unsigned now = n - slot < plan.batch ? n - slot : plan.batch;
        if (now > room) now = room;
        for (unsigned i = 0; i < now; i++, slot++, c->done++) {
            struct sockaddr_in *source = &c->source[i];
            source_of(c, c->done, source);
            if (plan.open == OPEN_PLAIN) open_plain(c, r, slot, source);
            else open_uring(r, slot, source);
            const struct sockaddr_in *target = &c->target[c->done % plan.listeners];
            struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_CONNECT, 0);
            sqe->fd = (int)slot;
            sqe->addr = (uintptr_t)target;
            sqe->off = sizeof *target;
            sqe->flags = IOSQE_FIXED_FILE;
            c->in_flight++;
        }
        if (!atomic_load_explicit(&shared->first, memory_order_relaxed)) {
            unsigned long long unset = 0;
            atomic_compare_exchange_strong(&shared->first, &unset, now_ns());
        }
        bool stalled = !now && slot < n && !c->in_flight;
        if (stalled) {
            atomic_fetch_add(&shared->stalls, 1);
            sleep_us(50);
        } else {
            // On loopback a connect is done within the enter that submits it. Its completion is
            // deferred work, of which one enter does no more than 20 pieces unless it is told to
            // wait for more.
            int rc = ring_enter(r, c->in_flight, 0, &limit);
            if (rc < 0) die("io_uring_enter: %s", strerror(-rc));
        }
        reap_client(c, r);
    }
    c->held[ring] = n;
}

// Closes every connection of the ring in the way that the plan asks for.
static void close_ring(Client *c, Ring *r, unsigned n) {
    static const struct linger linger = {.l_onoff = 1};
    static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    if (plan.close == CLOSE_QUEUE_EXIT) {
        io_uring_queue_exit(&r->u);
        return;
    }
    for (unsigned slot = 0; slot < n; slot++) {
        if (ring_room(r) < 2) {
            flush(r);
            reap_client(c, r);
        }
        if (plan.close == CLOSE_LINGER) {
            struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_URING_CMD, 4);
            sqe->fd = (int)slot;
            sqe->off = SOCKET_CMD_SETSOCKOPT;            // cmd_op
            sqe->addr = (uint64_t)SO_LINGER << 32 | SOL_SOCKET;   // level, optname
            sqe->file_index = sizeof linger;             // optlen
            sqe->addr3 = (uintptr_t)&linger;             // optval
            sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        } else if (plan.close == CLOSE_UNSPEC) {
            struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_CONNECT, 5);
            sqe->fd = (int)slot;
            sqe->addr = (uintptr_t)&unspec;
            sqe->off = sizeof unspec;
            sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        }
        struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_CLOSE, 3);
        sqe->file_index = slot + 1;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    }
    flush(r);
    reap_client(c, r);
}

static void *client_thread(void *argument) {
    Client *c = argument;
    pin_to(c->index);
    unsigned want = share_of(c->index);
    c->rings = (want + plan.table - 1) / plan.table;
    c->ring = calloc(c->rings, sizeof *c->ring);
    c->held = calloc(c->rings, sizeof *c->held);
    c->source = calloc(plan.batch, sizeof *c->source);
    for (unsigned i = 0; i < c->rings; i++) make_ring(&c->ring[i], 3 * plan.batch, 4096);
    atomic_fetch_add(&shared->ready, 1);
    await_phase(PHASE_CONNECT);
    for (unsigned i = 0; i < plan.listeners; i++) {
        c->target[i] = (struct sockaddr_in){.sin_family = AF_INET,
            .sin_port = htons(shared->port[c->index][i]),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    }
    for (unsigned i = 0; i < c->rings; i++) {
        fill(c, i, want - c->done < plan.table ? want - c->done : plan.table);
        atomic_fetch_add(&shared->enters[1], c->ring[i].enters);
    }
    await_phase(PHASE_CLOSE);
    if (plan.close >= CLOSE_DIRECT)
        for (unsigned i = 0; i < c->rings; i++) close_ring(c, &c->ring[i], c->held[i]);
    atomic_fetch_add(&shared->closed, 1);
    await_phase(PHASE_EXIT);
    return NULL;
}

// ---- the two processes and their parent ---------------------------------------------------------

static pid_t start(int side) {
    pid_t pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    static Server servers[MAX_THREADS];
    static Client clients[MAX_THREADS];
    pthread_t thread[MAX_THREADS];
    // Another run's connections may rest in TIME_WAIT: each run takes its 256 source addresses by
    // its process id.
    uint32_t base = 0x7f010000 + (uint32_t)getpid() % 60000 * 256;
    for (unsigned i = 0; i < plan.threads; i++) {
        servers[i].index = clients[i].index = i;
        clients[i].base = base + i * (256 / plan.threads);
        if (side == 0) pthread_create(&thread[i], NULL, server_thread, &servers[i]);
        else pthread_create(&thread[i], NULL, client_thread, &clients[i]);
    }
    await_phase(PHASE_CONNECT);
    double begin = cpu_seconds();
    await_phase(PHASE_HELD);
    shared->cpu[side][0] = cpu_seconds() - begin;
    await_phase(PHASE_CLOSE);
    begin = cpu_seconds();
    await_phase(PHASE_CLOSED);
    shared->cpu[side][1] = cpu_seconds() - begin;
    // The server goes first: its resets spare the client an orderly close of every connection.
    if (side == 1 && plan.close == CLOSE_RESET) sleep_us(1000);
    await_phase(PHASE_EXIT);
    _exit(0);
}

static void find_ports(void) {
    // Not those from which the kernel serves connects without a bind: it passes over every port
    // that is bound explicitly at any address, and nobody else could connect while we hold them.
    unsigned low = 32768, high = 60999;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (f && fscanf(f, "%u %u", &low, &high) != 2) die("ip_local_port_range is not readable");
    if (f) fclose(f);
    for (unsigned port = FIRST_PORT; port < 65536; port++) {
        if (port >= low && port <= high) continue;
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0) die("socket: %s", strerror(errno));
        if (!bind(fd, (struct sockaddr *)&a, sizeof a)) source_ports[ports++] = (uint16_t)port;
        close(fd);
    }
    if (!ports) die("no port is free for explicit use");
}

// Makes the hypervisor back the memory that the sockets will need: on a virtual machine that gives
// free pages back to its host (free page reporting), the first touch of each costs more than
// anything that TCP does with it.
static void prefault(void) {
    size_t size = (size_t)plan.conns * 8600;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) die("prefault: %s", strerror(errno));
    munmap(memory, size);
}

// The number after `key` in a file of /proc.
static long file_number(const char *path, const char *key) {
    char text[8192];
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *at = strstr(text, key);
    return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static long tcp_sockets(void) { return file_number("/proc/net/sockstat", "TCP: inuse"); }
static long slab_kib(void) { return file_number("/proc/meminfo", "Slab:"); }

// Waits, ten seconds at most, until the kernel has stopped freeing what an earlier run held: it
// does so in the background, which would count against this run.
static void settle(void) {
    long before = slab_kib(), after;
    for (int i = 0; i < 20; i++, before = after) {
        sleep_us(500000);
        after = slab_kib();
        if (labs(after - before) < 2048) return;
    }
}

// CPU seconds that the whole machine has spent: a process cannot account for the kernel threads
// that close its rings.
static double machine_cpu(void) {
    FILE *f = fopen("/proc/stat", "r");
    unsigned long user = 0, nice = 0, sys = 0, idle = 0, io = 0, irq = 0, soft = 0;
    if (!f || fscanf(f, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &sys, &idle, &io, &irq,
                     &soft) != 7)
        die("/proc/stat is not readable");
    fclose(f);
    return (double)(user + nice + sys + irq + soft) / (double)sysconf(_SC_CLK_TCK);
}

static unsigned kernel_workers(pid_t pid) {              // iou-wrk threads of a process
    char path[64], name[32];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char comm[512];
        snprintf(comm, sizeof comm, "%s/%s/comm", path, e->d_name);
        FILE *f = fopen(comm, "r");
        if (f && fgets(name, sizeof name, f)) n += !strncmp(name, "iou-wrk", 7);
        if (f) fclose(f);
    }
    if (dir) closedir(dir);
    return n;
}

// Waits until `done` says so; false at the time limit, or when a process has failed.
static bool await(bool (*done)(void), uint64_t deadline) {
    while (!done()) {
        if (atomic_load(&shared->failed)) return false;
        siginfo_t info = {0};
        if (phase() < PHASE_CLOSED && !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT)
            && info.si_pid) {
            fprintf(stderr, "connect_uring: process %d has ended early\n", info.si_pid);
            return false;
        }
        if (now_ns() > deadline) {
            fprintf(stderr, "connect_uring: time limit of %u s: established %u, armed %u of %u\n",
                    plan.time_limit, atomic_load(&shared->established),
                    atomic_load(&shared->armed), plan.conns);
            return false;
        }
        sleep_us(1000);
    }
    return true;
}

static bool all_ready(void) { return atomic_load(&shared->ready) == 2 * plan.threads; }
static bool all_held(void) { return atomic_load(&shared->mark[2]) != 0; }
static bool all_closed(void) { return atomic_load(&shared->closed) == plan.threads; }
static long sockets_before;
static bool all_gone(void) { return tcp_sockets() <= sockets_before; }

static bool run(pid_t pid[2]) {
    uint64_t deadline = now_ns() + (uint64_t)plan.time_limit * 1000000000;
    find_ports();
    settle();
    sockets_before = tcp_sockets();
    for (int side = 0; side < 2; side++)
        if ((pid[side] = start(side)) < 0) die("fork: %s", strerror(errno));
    if (!await(all_ready, deadline)) return false;
    long slab = slab_kib();
    if (plan.prefault) prefault();
    double cpu_begin = machine_cpu();
    atomic_store(&shared->phase, PHASE_CONNECT);
    if (!await(all_held, deadline)) return false;
    atomic_store(&shared->phase, PHASE_HELD);
    double cpu_held = machine_cpu();
    sleep_us(20000);
    long in_use = tcp_sockets() - sockets_before;
    double slab_per_pair = (double)(slab_kib() - slab) * 1024 / plan.conns;
    unsigned workers = kernel_workers(pid[0]) + kernel_workers(pid[1]);

    uint64_t close_begin = now_ns();
    double close_cpu = machine_cpu();
    atomic_store(&shared->phase, PHASE_CLOSE);
    if (!await(all_closed, deadline)) return false;
    double close_seconds = (double)(now_ns() - close_begin) / 1e9;
    atomic_store(&shared->phase, PHASE_CLOSED);
    sleep_us(5000);
    if (plan.close == CLOSE_RESET) {
        // The server's resets must arrive before the client's own closes do.
        kill(pid[0], SIGKILL);
        if (!await(all_gone, deadline)) return false;
    }
    atomic_store(&shared->phase, PHASE_EXIT);
    if (!await(all_gone, deadline)) return false;
    double gone_seconds = (double)(now_ns() - close_begin) / 1e9;

    unsigned long long first = shared->first, *mark = (unsigned long long *)shared->mark;
    unsigned edge = plan.conns < EDGE ? plan.conns : EDGE;
    double seconds = (double)(mark[2] - first) / 1e9;
    unsigned long long last_edge = plan.conns == edge ? first : mark[1];
    printf("{\"conns\":%u,\"seconds\":%.3f,\"rate\":%.0f,", plan.conns, seconds,
           plan.conns / seconds);
    printf("\"rate_first_100k\":%.0f,\"rate_last_100k\":%.0f,",
           edge / ((double)(mark[0] - first) / 1e9), edge / ((double)(mark[2] - last_edge) / 1e9));
    printf("\"server_cpu_seconds\":%.2f,\"client_cpu_seconds\":%.2f,\"machine_cpu_seconds\":%.2f,",
           shared->cpu[0][0], shared->cpu[1][0], cpu_held - cpu_begin);
    printf("\"tcp_sockets_in_use\":%ld,\"slab_bytes_per_pair\":%.0f,\"iou_wrk_threads\":%u,",
           in_use, slab_per_pair, workers);
    printf("\"threads\":%u,\"server_enters\":%u,\"client_enters\":%u,\"client_stalls\":%u,",
           plan.threads, atomic_load(&shared->enters[0]), atomic_load(&shared->enters[1]),
           atomic_load(&shared->stalls));
    printf("\"wait\":\"%s\",\"open\":\"%s\",\"teardown\":\"%s\",", wait_names[plan.wait],
           open_names[plan.open], close_names[plan.close]);
    printf("\"client_close_seconds\":%.3f,\"client_close_cpu_seconds\":%.2f,", close_seconds,
           shared->cpu[1][1]);
    printf("\"server_close_cpu_seconds\":%.2f,\"gone_seconds\":%.3f,", shared->cpu[0][1],
           gone_seconds);
    printf("\"gone_machine_cpu_seconds\":%.2f}\n", machine_cpu() - close_cpu);
    return true;
}

// ---- command line -------------------------------------------------------------------------------

static const char usage[] =
    "usage: connect_uring [--conns N] [--threads N] [--listeners N] [--batch N] [--window N]\n"
    "                     [--table N] [--backlog N] [--wait eventfd|hub] [--open uring|plain]\n"
    "                     [--teardown reset|exit|close|linger|unspec|queue_exit] [--pin 0|1]\n"
    "                     [--arm 0|1] [--prefault 0|1] [--time-limit SECONDS]\n"
    "Holds N idle loopback TCP connections by io_uring and prints one line of JSON.\n";

__attribute__((noreturn)) static void bad_usage(const char *option, const char *value) {
    fprintf(stderr, "connect_uring: bad value for --%s: %s\n%s", option, value, usage);
    exit(64);
}

static unsigned number(const char *option, const char *text, unsigned low, unsigned high) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < low || value > high)
        bad_usage(option, text);
    return (unsigned)value;
}

static int choice(const char *option, const char *text, const char *const *names) {
    for (int i = 0; names[i]; i++) if (!strcmp(text, names[i])) return i;
    bad_usage(option, text);
}

static void parse(int argc, char **argv) {
    static const struct option options[] = {
        {"conns", 1, 0, 'n'}, {"threads", 1, 0, 't'}, {"listeners", 1, 0, 'l'}, {"batch", 1, 0,
            'b'},
        {"window", 1, 0, 'w'}, {"table", 1, 0, 'T'}, {"backlog", 1, 0, 'B'}, {"wait", 1, 0, 'W'},
        {"open", 1, 0, 'o'}, {"teardown", 1, 0, 'c'}, {"pin", 1, 0, 'p'},
        {"arm", 1, 0, 'a'}, {"prefault", 1, 0, 'f'}, {"time-limit", 1, 0, 'L'}, {"help", 0, 0, 'h'},
        {0},
    };
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    unsigned limit = files.rlim_cur < 20000 ? (unsigned)files.rlim_cur : 20000;
    long somaxconn = file_number("/proc/sys/net/core/somaxconn", "");
    plan.table = limit;
    plan.backlog = somaxconn > 0 && somaxconn < 4096 ? (unsigned)somaxconn : 4096;
    for (int c, i = 0; (c = getopt_long(argc, argv, "", options, &i)) != -1;) {
        const char *name = c == '?' ? "" : options[i].name;
        switch (c) {
        case 'n': plan.conns = number(name, optarg, 1, 4000000); break;
        case 't': plan.threads = number(name, optarg, 1, MAX_THREADS); break;
        case 'l': plan.listeners = number(name, optarg, 1, MAX_LISTENERS); break;
        case 'b': plan.batch = number(name, optarg, 1, 4096); break;
        case 'w': plan.window = number(name, optarg, 1, 100000); break;
        case 'T': plan.table = number(name, optarg, 64, limit); break;
        case 'B': plan.backlog = number(name, optarg, 1, plan.backlog); break;
        case 'W': plan.wait = choice(name, optarg, wait_names); break;
        case 'o': plan.open = choice(name, optarg, open_names); break;
        case 'c': plan.close = choice(name, optarg, close_names); break;
        case 'p': plan.pin = (int)number(name, optarg, 0, 1); break;
        case 'a': plan.arm = (int)number(name, optarg, 0, 1); break;
        case 'f': plan.prefault = (int)number(name, optarg, 0, 1); break;
        case 'L': plan.time_limit = number(name, optarg, 1, 3600); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(64);
        }
    }
    if (optind < argc) bad_usage("", argv[optind]);
    if (plan.listeners * (plan.backlog + 1) >= plan.table) {
        fputs("connect_uring: the accept queues do not fit into a table: lower --backlog\n",
              stderr);
        exit(64);
    }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("connect_uring: mmap");
        return 1;
    }
    pid_t pid[2] = {-1, -1};
    bool ok = run(pid);
    for (int side = 0; side < 2; side++) {
        if (pid[side] <= 0) continue;
        if (!ok) kill(pid[side], SIGKILL);
        waitpid(pid[side], NULL, 0);
    }
    return ok ? 0 : 1;
}
