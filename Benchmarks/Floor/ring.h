// One idea: an io_uring ring in sixty lines, so that nothing stands between a floor program and the
// kernel.
//
// liburing 2.3 (Debian 12) sets the ring up and registers things; submitting and reaping are ours.
// Two reasons: its submit does not pass GETEVENTS, without which a DEFER_TASKRUN ring makes no
// progress, and it knows nothing of kernels after 6.1. Constants that its header lacks are defined
// below with the kernel that brought them. IORING_SETUP_NO_SQARRAY must never be passed to it:
// version 2.3 would write over the ring's heads and tails.

#ifndef FLOOR_RING_H
#define FLOOR_RING_H

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    OP_BIND = 56,                         // kernel 6.11
    SOCKET_CMD_SETSOCKOPT = 3,            // kernel 6.7, cmd_op of IORING_OP_URING_CMD on a socket
    ACCEPT_POLL_FIRST = 1 << 2,           // kernel 6.10, in sqe->ioprio
    FEAT_MIN_TIMEOUT = 1 << 15,           // kernel 6.12
    FEAT_NO_IOWAIT = 1 << 17,             // kernel 6.15
    ENTER_NO_IOWAIT = 1 << 7,             // kernel 6.15
};

// struct io_uring_getevents_arg with the member that 6.12 made of its padding.
struct enter_arg {
    uint64_t sigmask;
    uint32_t sigmask_size;
    uint32_t min_wait_usec;
    uint64_t timeout;
};

typedef struct {
    struct io_uring u;
    unsigned enter_flags;         // GETEVENTS and EXT_ARG always; NO_IOWAIT where the kernel has it
    unsigned enters;
} Ring;

// Makes the ring on the calling thread, which alone may use it from then on (SINGLE_ISSUER).
static inline int ring_init(Ring *r, unsigned sq_entries, unsigned cq_entries) {
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG
            | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = cq_entries,
    };
    memset(r, 0, sizeof *r);
    int rc = io_uring_queue_init_params(sq_entries, &r->u, &p);
    if (rc < 0) return rc;
    r->enter_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    if (p.features & FEAT_NO_IOWAIT) r->enter_flags |= ENTER_NO_IOWAIT;
    // At most 16 ring descriptors per thread can be registered; the others work without, a little
    // slower.
    if (io_uring_register_ring_fd(&r->u) == 1) r->enter_flags |= IORING_ENTER_REGISTERED_RING;
    // No request of ours may need a kernel worker; should one appear, it stays at one.
    unsigned workers[2] = {1, 1};
    io_uring_register_iowq_max_workers(&r->u, workers);
    return 0;
}

static inline unsigned ring_pending(const Ring *r) {
    return r->u.sq.sqe_tail - __atomic_load_n(r->u.sq.khead, __ATOMIC_ACQUIRE);
}

static inline unsigned ring_room(const Ring *r) {
    return r->u.sq.ring_entries - ring_pending(r);
}

// A cleared submission entry; the caller has made sure of room.
static inline struct io_uring_sqe *ring_sqe(Ring *r, uint8_t opcode, uint64_t user_data) {
    struct io_uring_sqe *sqe = &r->u.sq.sqes[r->u.sq.sqe_tail++ & r->u.sq.ring_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = opcode;
    sqe->user_data = user_data;
    return sqe;
}

// Whether the kernel holds completions that only an enter will deliver.
static inline bool ring_has_work(const Ring *r) {
    return __atomic_load_n(r->u.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN
                                                                | IORING_SQ_CQ_OVERFLOW);
}

// Submits everything pending, runs deferred work and waits for `min_complete` completions. EINTR,
// EAGAIN, EBUSY and ETIME are normal: the caller reaps and comes back, and what was not consumed
// stays pending.
static inline int ring_enter(Ring *r, unsigned min_complete, unsigned min_wait_usec,
                             const struct __kernel_timespec *timeout) {
    struct enter_arg arg = {0, _NSIG / 8, min_wait_usec, (uintptr_t)timeout};
    __atomic_store_n(r->u.sq.ktail, r->u.sq.sqe_tail, __ATOMIC_RELEASE);
    r->enters++;
    long rc = syscall(__NR_io_uring_enter, r->u.enter_ring_fd, ring_pending(r), min_complete,
                      r->enter_flags, &arg,
                      sizeof arg);
    if (rc >= 0) return (int)rc;
    return errno == EINTR || errno == EAGAIN || errno == EBUSY || errno == ETIME ? 0 : -errno;
}

// Number of completions ready; read them with ring_cqe(r, 0 ..< n), then give them back with
// ring_reaped(r, n).
static inline unsigned ring_ready(const Ring *r) {
    return __atomic_load_n(r->u.cq.ktail, __ATOMIC_ACQUIRE) - *r->u.cq.khead;
}

static inline const struct io_uring_cqe *ring_cqe(const Ring *r, unsigned i) {
    return &r->u.cq.cqes[(*r->u.cq.khead + i) & r->u.cq.ring_mask];
}

static inline void ring_reaped(Ring *r, unsigned n) {
    __atomic_store_n(r->u.cq.khead, *r->u.cq.khead + n, __ATOMIC_RELEASE);
}

#endif
