// One idea: the best echo server that one thread can be with io_uring, written by hand; the floor
// of the Swift engine.
//
// One enter per turn both submits and waits. A connection is a direct descriptor with one multishot
// receive that is armed once; the kernel picks the buffer when bytes have come; the answer is sent
// from that same buffer, which goes back into the buffer ring when the send is complete. One send
// at a time per connection keeps the bytes in order.

#include "echo.h"
#include "ring.h"

#include <sys/mman.h>

static const char program[] = "echo_uring";

enum { SLOTS = 20000, NONE = 0xffff };
enum { OP_ACCEPT, OP_RECV, OP_SEND, OP_CLOSE };

typedef struct {
    uint16_t first, last;                             // buffers to be sent, in order; NONE for none
    bool receiving, ending, starved;
    uint32_t sent;                                      // bytes of `first` that are sent
} Connection;

static EchoPlan plan = {.buffers = 1024, .buffer_size = 2048};
static Ring ring;
static Connection connections[SLOTS];
static struct io_uring_buf_ring *pool;
static char *memory;
static uint32_t *length;                                // of the bytes in each buffer
static uint16_t *next;                                  // buffer of the same connection
static unsigned returned;                  // buffers given back since the pool's tail was published
static unsigned starved[SLOTS], starving;               // connections that found the pool empty
static unsigned held;                                   // buffers that are not in the pool
static int listener;

static uint64_t tag(unsigned op, unsigned slot) {
    return (uint64_t)slot << 8 | op;
}

static struct io_uring_sqe *prepare(uint8_t opcode, unsigned op, unsigned slot) {
    while (!ring_room(&ring)) {
        int rc = ring_enter(&ring, 0, 0, NULL);
        if (rc < 0) fail(program, "io_uring_enter", -rc);
    }
    struct io_uring_sqe *sqe = ring_sqe(&ring, opcode, tag(op, slot));
    sqe->fd = (int)slot;
    sqe->flags = IOSQE_FIXED_FILE;
    return sqe;
}

static void arm_accept(void) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_ACCEPT, OP_ACCEPT, 0);
    sqe->fd = listener;
    sqe->flags = 0;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

// POLL_FIRST: a receive that were tried at once would take a buffer, find nothing, and on an empty
// pool end.
static void arm_receive(unsigned slot) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, OP_RECV, slot);
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
    connections[slot].receiving = true;
}

static void send_first(unsigned slot) {
    Connection *c = &connections[slot];
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, OP_SEND, slot);
    sqe->addr = (uintptr_t)(memory + (size_t)c->first * plan.buffer_size + c->sent);
    sqe->len = length[c->first] - c->sent;
    sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
}

static void give_back(uint16_t buffer) {
    io_uring_buf_ring_add(pool, memory + (size_t)buffer * plan.buffer_size, plan.buffer_size,
                          buffer, io_uring_buf_ring_mask(plan.buffers), (int)returned++);
    held--;
}

// Ends the connection once the kernel holds nothing of it.
static void settle(unsigned slot) {
    Connection *c = &connections[slot];
    if (!c->ending || c->receiving || c->starved || c->first != NONE) return;
    struct io_uring_sqe *sqe = prepare(IORING_OP_CLOSE, OP_CLOSE, 0);
    sqe->fd = 0;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->file_index = slot + 1;
}

static void accepted(const struct io_uring_cqe *cqe) {
    if (cqe->res >= 0) {
        connections[cqe->res] = (Connection){.first = NONE, .last = NONE};
        arm_receive((unsigned)cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE)) arm_accept();
}

static void received(unsigned slot, const struct io_uring_cqe *cqe) {
    Connection *c = &connections[slot];
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->receiving = false;
    if (cqe->res > 0) {
        uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        length[buffer] = (uint32_t)cqe->res;
        next[buffer] = NONE;
        held++;
        if (c->first == NONE) {
            c->first = c->last = buffer;
            send_first(slot);
        } else {
            next[c->last] = buffer;
            c->last = buffer;
        }
        if (!c->receiving) arm_receive(slot);
    } else if (cqe->res == -ENOBUFS) {
        c->starved = true;
        starved[starving++] = slot;
    } else if (cqe->res == -EAGAIN && !c->ending) {
        arm_receive(slot);
    } else {
        c->ending = true;
        settle(slot);
    }
}

static void sent(unsigned slot, int result) {
    Connection *c = &connections[slot];
    if (result < 0) c->ending = true;
    else c->sent += (uint32_t)result;
    if (result >= 0 && c->sent < length[c->first]) return send_first(slot);
    do {
        uint16_t buffer = c->first;
        c->first = next[buffer];
        give_back(buffer);
    } while (result < 0 && c->first != NONE);            // a broken connection sends nothing more
    c->sent = 0;
    if (c->first != NONE) send_first(slot);
    else settle(slot);
}

static void feed_starved(void) {
    unsigned n = starving;
    starving = 0;
    for (unsigned i = 0; i < n; i++) {
        connections[starved[i]].starved = false;
        if (connections[starved[i]].ending) settle(starved[i]);
        else arm_receive(starved[i]);
    }
}

static unsigned reap(void) {
    unsigned n = ring_ready(&ring);
    for (unsigned i = 0; i < n; i++) {
        const struct io_uring_cqe *cqe = ring_cqe(&ring, i);
        unsigned slot = (unsigned)(cqe->user_data >> 8);
        switch (cqe->user_data & 0xff) {
        case OP_ACCEPT: accepted(cqe); break;
        case OP_RECV: received(slot, cqe); break;
        case OP_SEND: sent(slot, cqe->res); break;
        default: fail(program, "close", -cqe->res);      // only a failed close tells of itself
        }
    }
    ring_reaped(&ring, n);
    if (returned) {
        io_uring_buf_ring_advance(pool, (int)returned);
        returned = 0;
    }
    if (starving && held < plan.buffers) feed_starved();
    return n;
}

static void set_up(void) {
    listener = echo_listener(program, &plan);
    int rc = ring_init(&ring, 4096, 65536);
    if (rc < 0) fail(program, "io_uring_queue_init", -rc);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    rc = io_uring_register_files_sparse(&ring.u, files.rlim_cur < SLOTS
                                        ? (unsigned)files.rlim_cur : SLOTS);
    if (rc < 0) fail(program, "direct descriptors", -rc);

    if (plan.buffers & (plan.buffers - 1)) fail(program, "--buffers is no power of two", EINVAL);
    size_t size = (size_t)plan.buffers * plan.buffer_size;
    pool = mmap(NULL, plan.buffers * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    length = calloc(plan.buffers, sizeof *length);
    next = calloc(plan.buffers, sizeof *next);
    if (pool == MAP_FAILED || memory == MAP_FAILED || !length || !next)
        fail(program, "memory", ENOMEM);
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)pool,
        .ring_entries = plan.buffers};
    rc = io_uring_register_buf_ring(&ring.u, &registration, 0);
    if (rc < 0) fail(program, "buffer ring", -rc);
    io_uring_buf_ring_init(pool);
    held = plan.buffers;
    for (unsigned i = 0; i < plan.buffers; i++) give_back((uint16_t)i);
    io_uring_buf_ring_advance(pool, (int)returned);
    returned = 0;
    arm_accept();
}

int main(int argc, char **argv) {
    static const struct __kernel_timespec limit = {.tv_nsec = 100000000};
    parse_echo(argc, argv, program, 1, &plan);
    set_up();
    uint64_t deadline = now_ns() + (uint64_t)plan.seconds * 1000000000;
    for (unsigned turns = 0;; turns++) {
        // Waiting for more than one completion was tried (fixed and adaptive, up to 64, with a 50
        // us bound): no gain.
        int rc = ring_enter(&ring, 1, 0, &limit);
        if (rc < 0) fail(program, "io_uring_enter", -rc);
        unsigned n = reap();
        if ((!n || turns % 256 == 0) && now_ns() > deadline) return 0;
    }
}
