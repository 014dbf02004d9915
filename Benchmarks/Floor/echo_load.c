// One idea: on a noisy machine two echo servers can be compared only if they take turns within
// fractions of a second.
//
// All candidates stay up and connected; each round gives every one a short slice, in an order that
// changes from round to round, and only ratios within a round are compared. One request is
// outstanding per connection (closed loop) and every byte that returns is checked. Beside the
// throughput stands the server's CPU time per echo, taken from the scheduler.

#include "judge.h"
#include "ring.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

const char program[] = "echo_load";

enum { MAX_CANDIDATES = 16, MAX_ROUNDS = 1001, OP_RECV = 1, OP_SEND, OP_CONNECT, OP_OTHER };

static struct {
    unsigned connections, message, slice_ms, rounds, cpu;
    bool json;
} plan = {64, 64, 300, 21, 1, false};

typedef struct {
    Server server;
    Ring ring;                               // one each: a table of direct descriptors holds 20,000
    char *out, *in;                                     // one message per connection
    uint64_t *sequence;                                 // requests that the connection has sent
    unsigned outstanding;
    uint64_t echoes;                                    // in the slice at hand
    double rate[MAX_ROUNDS], cpu[MAX_ROUNDS], busy[MAX_ROUNDS];
} Candidate;

static Candidate candidate[MAX_CANDIDATES];
static unsigned candidates;

// ---- connections --------------------------------------------------------------------------------

static uint64_t tag(unsigned op, unsigned slot) {
    return (uint64_t)slot << 8 | op;
}

static void enter(Candidate *c, unsigned min_complete) {
    static const struct __kernel_timespec limit = {.tv_sec = 5};
    int rc = ring_enter(&c->ring, min_complete, 0, &limit);
    if (rc < 0) die("io_uring_enter: %s", strerror(-rc));
}

static struct io_uring_sqe *prepare(Candidate *c, uint8_t opcode, unsigned op, unsigned slot,
                                    unsigned flags) {
    while (!ring_room(&c->ring)) enter(c, 0);
    struct io_uring_sqe *sqe = ring_sqe(&c->ring, opcode, tag(op, slot));
    sqe->fd = (int)slot;
    sqe->flags = (uint8_t)flags;
    return sqe;
}

// Sends the connection's next message, of which no other connection and no other time has the like.
static void request(Candidate *c, unsigned slot) {
    char *out = c->out + (size_t)slot * plan.message, *in = c->in + (size_t)slot * plan.message;
    uint64_t mark = (c->sequence[slot]++ << 16 | slot) * 0x9e3779b97f4a7c15;
    memcpy(out, &mark, plan.message < sizeof mark ? plan.message : sizeof mark);
    if (plan.message >= 2 * sizeof mark)
        memcpy(out + plan.message - sizeof mark, &mark, sizeof mark);
    // The last byte of an echo proves that the whole message was sent: the send need not report.
    struct io_uring_sqe *sqe = prepare(c, IORING_OP_SEND, OP_SEND, slot,
                                       IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
    sqe->addr = (uintptr_t)out;
    sqe->len = plan.message;
    sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
    sqe = prepare(c, IORING_OP_RECV, OP_RECV, slot, IOSQE_FIXED_FILE);
    sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    sqe->addr = (uintptr_t)in;
    sqe->len = plan.message;
    sqe->msg_flags = MSG_WAITALL;
    c->outstanding++;
}

// Takes what has come; answers with the next request as long as the slice lasts.
static void reap(Candidate *c, bool more) {
    unsigned n = ring_ready(&c->ring);
    for (unsigned i = 0; i < n; i++) {
        const struct io_uring_cqe *cqe = ring_cqe(&c->ring, i);
        unsigned slot = (unsigned)(cqe->user_data >> 8), op = cqe->user_data & 0xff;
        if (cqe->res < 0) die("%s: connection %u: %s", c->server.name, slot, strerror(-cqe->res));
        c->outstanding--;
        if (op == OP_CONNECT) continue;
        if ((unsigned)cqe->res != plan.message)
            die("%s: connection %u was closed by the server", c->server.name, slot);
        size_t at = (size_t)slot * plan.message;
        if (memcmp(c->in + at, c->out + at, plan.message))
            die("%s: connection %u: wrong bytes", c->server.name, slot);
        c->echoes++;
        if (more) request(c, slot);
    }
    ring_reaped(&c->ring, n);
}

static void finish(Candidate *c) {
    while (c->outstanding) {
        enter(c, 1);
        if (!ring_ready(&c->ring)) die("%s does not answer", c->server.name);
        reap(c, false);
    }
}

static void connect_all(Candidate *c) {
    static const int on = 1;
    const struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(c->server.port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int rc = ring_init(&c->ring, 4096, 32768);
    if (rc < 0) die("io_uring_queue_init: %s", strerror(-rc));
    rc = io_uring_register_files_sparse(&c->ring.u, plan.connections);
    if (rc < 0) die("direct descriptors: %s", strerror(-rc));
    c->out = malloc((size_t)plan.connections * plan.message);
    c->in = calloc(plan.connections, plan.message);
    c->sequence = calloc(plan.connections, sizeof *c->sequence);
    if (!c->out || !c->in || !c->sequence) die("out of memory");
    for (size_t i = 0; i < (size_t)plan.connections * plan.message; i++)
        c->out[i] = (char)(i * 131 + i / plan.message);
    for (unsigned slot = 0; slot < plan.connections; slot++) {
        struct io_uring_sqe *sqe = prepare(c, IORING_OP_SOCKET, OP_OTHER, slot,
                                           IOSQE_CQE_SKIP_SUCCESS);
        sqe->fd = AF_INET;
        sqe->off = SOCK_STREAM;
        sqe->file_index = slot + 1;
        sqe = prepare(c, IORING_OP_URING_CMD, OP_OTHER, slot, IOSQE_FIXED_FILE
                      | IOSQE_CQE_SKIP_SUCCESS);
        sqe->off = SOCKET_CMD_SETSOCKOPT;               // cmd_op
        sqe->addr = (uint64_t)TCP_NODELAY << 32 | IPPROTO_TCP;
        sqe->file_index = sizeof on;                    // optlen
        sqe->addr3 = (uintptr_t)&on;                    // optval
        sqe = prepare(c, IORING_OP_CONNECT, OP_CONNECT, slot, IOSQE_FIXED_FILE);
        sqe->addr = (uintptr_t)&target;
        sqe->off = sizeof target;
        c->outstanding++;
        if (slot % 64 == 63) finish(c);       // few at a time: a server's accept queue may be short
    }
    finish(c);
}

static void slice(Candidate *c, unsigned round, bool counted) {
    uint64_t own = clock_ns(CLOCK_THREAD_CPUTIME_ID), server = process_cpu(&c->server),
        begin = clock_ns(CLOCK_MONOTONIC);
    uint64_t end = begin + (uint64_t)plan.slice_ms * 1000000;
    c->echoes = 0;
    for (unsigned slot = 0; slot < plan.connections; slot++) request(c, slot);
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        enter(c, 1);
        if (!ring_ready(&c->ring) && clock_ns(CLOCK_MONOTONIC) > end)
            die("%s does not answer", c->server.name);
        reap(c, true);
    }
    finish(c);
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    server = process_cpu(&c->server) - server;
    own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    if (!counted) return;
    c->rate[round] = (double)c->echoes / seconds;
    c->cpu[round] = (double)server / 1e3 / (double)c->echoes;
    c->busy[round] = (double)own / 1e9 / seconds;
}

// ---- statistics ---------------------------------------------------------------------------------

typedef struct {
    double median, low, high, min, max;                 // low..high: 95 % interval of the median
} Summary;

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Order statistics: the interval between the k-th smallest and the k-th largest of n values misses
// the median with twice the probability of fewer than k heads in n throws. With fewer than six
// values no interval reaches 95 %.
static Summary summarize(const double *values, unsigned n) {
    double v[MAX_ROUNDS], power = 1, term = 1, sum = 0;
    memcpy(v, values, n * sizeof *v);
    qsort(v, n, sizeof *v, ascending);
    for (unsigned i = 0; i < n; i++) power /= 2;
    unsigned k = 0;
    for (; k < n / 2 && sum + term * power <= 0.025; k++) {
        sum += term * power;
        term = term * (n - k) / (k + 1);
    }
    if (k) k--;
    double median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    return (Summary){median, v[k], v[n - 1 - k], v[0], v[n - 1]};
}

static Summary ratio(const double *values, const double *reference) {
    double v[MAX_ROUNDS];
    for (unsigned i = 0; i < plan.rounds; i++) v[i] = values[i] / reference[i];
    return summarize(v, plan.rounds);
}

static void print_table(FILE *out) {
    fprintf(out, "%u connections, %u B, %u rounds of %u ms\n", plan.connections, plan.message,
            plan.rounds, plan.slice_ms);
    fprintf(out, "%-14s %26s %26s %22s %22s %6s\n", "", "echoes/s", "server CPU us/echo",
            "echoes/s : first", "CPU/echo : first", "client");
    for (unsigned i = 0; i < candidates; i++) {
        Candidate *c = &candidate[i];
        Summary rate = summarize(c->rate, plan.rounds), cpu = summarize(c->cpu, plan.rounds);
        Summary busy = summarize(c->busy, plan.rounds);
        fprintf(out, "%-14s %9.0f (%6.0f..%6.0f) %9.2f (%6.2f..%6.2f)", c->server.name, rate.median,
                rate.min, rate.max,
                cpu.median, cpu.min, cpu.max);
        if (i) {
            rate = ratio(c->rate, candidate[0].rate);
            cpu = ratio(c->cpu, candidate[0].cpu);
            fprintf(out, "   %5.3f [%5.3f, %5.3f]   %5.3f [%5.3f, %5.3f]", rate.median, rate.low,
                    rate.high, cpu.median,
                    cpu.low, cpu.high);
        } else {
            fprintf(out, " %22s %22s", "reference", "reference");
        }
        fprintf(out, " %5.0f%%\n", busy.median * 100);
    }
    fputs("median (min..max); ratios within a round: median [95 % interval of the median];\n"
          "client: its CPU use without softirq time\n", out);
}

static void print_samples(const char *name, const double *values) {
    printf(",\"%s\":[", name);
    for (unsigned i = 0; i < plan.rounds; i++) printf("%s%.5g", i ? "," : "", values[i]);
    putchar(']');
}

static void print_json(void) {
    printf("{\"connections\":%u,\"message\":%u,\"rounds\":%u,\"slice_ms\":%u,\"candidates\":[",
           plan.connections,
           plan.message, plan.rounds, plan.slice_ms);
    for (unsigned i = 0; i < candidates; i++) {
        Candidate *c = &candidate[i];
        Summary rate = summarize(c->rate, plan.rounds), cpu = summarize(c->cpu, plan.rounds);
        printf("%s{\"name\":\"%s\",\"echoes_per_second\":"
               "{\"median\":%.0f,\"min\":%.0f,\"max\":%.0f},"
               "\"cpu_us_per_echo\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f},"
               "\"client_cpu_share\":%.3f",
               i ? "," : "", c->server.name, rate.median, rate.min, rate.max, cpu.median, cpu.min,
               cpu.max, summarize(c->busy, plan.rounds).median);
        if (i) {
            rate = ratio(c->rate, candidate[0].rate);
            cpu = ratio(c->cpu, candidate[0].cpu);
            printf(",\"rate_ratio\":{\"median\":%.4f,\"low\":%.4f,\"high\":%.4f},"
                   "\"cpu_ratio\":{\"median\":%.4f,\"low\":%.4f,\"high\":%.4f}", rate.median,
                       rate.low, rate.high,
                   cpu.median, cpu.low, cpu.high);
        }
        print_samples("rate_samples", c->rate);
        print_samples("cpu_samples", c->cpu);
        putchar('}');
    }
    puts("]}");
}

// ---- command line -------------------------------------------------------------------------------

static const char usage[] =
    "usage: echo_load [--connections N] [--message BYTES] [--slice-ms MS] [--rounds N] [--cpu C]\n"
    "                 [--json] NAME=PID@PORT [NAME=PID@PORT ...]\n"
    "Compares running echo servers; the first is the reference.\n";

static void add_candidate(char *text) {
    if (candidates == MAX_CANDIDATES || !parse_server(text, &candidate[candidates++].server)) {
        fprintf(stderr, "echo_load: a candidate is NAME=PID@PORT, at most %d of them; not %s\n%s",
                MAX_CANDIDATES, text, usage);
        exit(64);
    }
}

static void parse(int argc, char **argv) {
    static const struct option options[] = {
        {"connections", 1, 0, 'n'}, {"message", 1, 0, 'm'}, {"slice-ms", 1, 0, 's'}, {"rounds", 1,
            0, 'r'},
        {"cpu", 1, 0, 'c'}, {"json", 0, 0, 'j'}, {"help", 0, 0, 'h'}, {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n': plan.connections = number("--connections", optarg, 1, 9000); break;
        case 'm': plan.message = number("--message", optarg, 1, 1 << 20); break;
        case 's': plan.slice_ms = number("--slice-ms", optarg, 1, 60000); break;
        case 'r': plan.rounds = number("--rounds", optarg, 1, MAX_ROUNDS); break;
        case 'c': plan.cpu = number("--cpu", optarg, 0, 1023); break;
        case 'j': plan.json = true; break;
        default: fputs(usage, c == 'h' ? stdout : stderr); exit(c == 'h' ? 0 : 64);
        }
    }
    for (; optind < argc; optind++) add_candidate(argv[optind]);
    if (!candidates) {
        fputs(usage, stderr);
        exit(64);
    }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    settle_in(plan.cpu);
    for (unsigned i = 0; i < candidates; i++) connect_all(&candidate[i]);
    // The first round warms up and does not count. Afterwards each candidate is as often first as
    // last.
    for (unsigned round = 0; round <= plan.rounds; round++) {
        for (unsigned i = 0; i < candidates; i++) {
            unsigned place = (round / 2 + (round % 2 ? candidates - 1 - i : i)) % candidates;
            slice(&candidate[place], round - 1, round > 0);
        }
    }
    print_table(plan.json ? stderr : stdout);
    if (plan.json) print_json();
    return 0;
}
