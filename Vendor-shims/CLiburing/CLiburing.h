// The only door to liburing.
//
// Declarations and one-line inline wrappers for what Swift cannot import (macros, acquire/release
// access, the raw system calls), and the kernel's constants that are newer than liburing 2.3
// (Debian 12), each with the kernel version it came with. No logic. Every symbol of our own begins
// with `CLiburing_`. A wrapper returns what the kernel returned: a value >= 0, or -errno.
//
// Traps of liburing 2.3 that the engine avoids: IORING_SETUP_NO_SQARRAY corrupts the ring;
// io_uring_submit does not set GETEVENTS unless it sees SQ_TASKRUN, which starves DEFER_TASKRUN
// rings, so io_uring_enter is called directly.

#ifndef CLIBURING_H
#define CLIBURING_H

#if defined(__has_include)
#if !__has_include(<liburing.h>)
#error "liburing.h is missing. Install the package liburing-dev: apt-get install liburing-dev"
#endif
#endif

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct io_uring_sqe) == 64, "the engine expects SQEs of 64 bytes");
_Static_assert(sizeof(struct io_uring_cqe) == 16, "the engine expects CQEs of 16 bytes");
_Static_assert(sizeof(struct io_uring_buf) == 16, "provided buffers have 16 bytes");
_Static_assert(sizeof(struct io_uring_getevents_arg) == 24, "EXT_ARG takes 24 bytes");

long syscall(long number, ...);

// Newer than liburing 2.3.

static const uint8_t CLiburing_OP_BIND = 56;                       // Linux 6.11
static const uint64_t CLiburing_SOCKET_OP_SETSOCKOPT = 3;          // Linux 6.7
static const uint32_t CLiburing_FEAT_MIN_TIMEOUT = 1u << 15;       // Linux 6.12
static const uint32_t CLiburing_FEAT_NO_IOWAIT = 1u << 17;         // Linux 6.15
static const uint32_t CLiburing_ENTER_NO_IOWAIT = 1u << 7;         // Linux 6.15
static const uint16_t CLiburing_ACCEPT_POLL_FIRST = 1u << 2;       // Linux 6.10

#ifdef IORING_FEAT_MIN_TIMEOUT
_Static_assert(IORING_FEAT_MIN_TIMEOUT == 1u << 15, "IORING_FEAT_MIN_TIMEOUT moved");
#endif
#ifdef IORING_ENTER_NO_IOWAIT
_Static_assert(IORING_ENTER_NO_IOWAIT == 1u << 7, "IORING_ENTER_NO_IOWAIT moved");
#endif
#ifdef IORING_ACCEPT_POLL_FIRST
_Static_assert(IORING_ACCEPT_POLL_FIRST == 1u << 2, "IORING_ACCEPT_POLL_FIRST moved");
#endif

// Macros that Swift does not import as numbers of the right type.

static const uint32_t CLiburing_SETUP_CQSIZE = IORING_SETUP_CQSIZE;                // Linux 5.5
static const uint32_t CLiburing_SETUP_CLAMP = IORING_SETUP_CLAMP;                  // Linux 5.6
static const uint32_t CLiburing_SETUP_R_DISABLED = IORING_SETUP_R_DISABLED;        // Linux 5.10
static const uint32_t CLiburing_SETUP_SUBMIT_ALL = IORING_SETUP_SUBMIT_ALL;        // Linux 5.18
static const uint32_t CLiburing_SETUP_COOP_TASKRUN = IORING_SETUP_COOP_TASKRUN;    // Linux 5.19
static const uint32_t CLiburing_SETUP_TASKRUN_FLAG = IORING_SETUP_TASKRUN_FLAG;    // Linux 5.19
static const uint32_t CLiburing_SETUP_SINGLE_ISSUER = IORING_SETUP_SINGLE_ISSUER;  // Linux 6.0
static const uint32_t CLiburing_SETUP_DEFER_TASKRUN = IORING_SETUP_DEFER_TASKRUN;  // Linux 6.1
static const uint32_t CLiburing_SQ_TASKRUN = IORING_SQ_TASKRUN;
static const uint32_t CLiburing_SQ_CQ_OVERFLOW = IORING_SQ_CQ_OVERFLOW;
static const uint32_t CLiburing_CQE_F_BUFFER = IORING_CQE_F_BUFFER;
static const uint32_t CLiburing_CQE_F_MORE = IORING_CQE_F_MORE;
static const uint32_t CLiburing_CQE_BUFFER_SHIFT = IORING_CQE_BUFFER_SHIFT;
static const uint32_t CLiburing_ENTER_GETEVENTS = IORING_ENTER_GETEVENTS;
static const uint32_t CLiburing_ENTER_EXT_ARG = IORING_ENTER_EXT_ARG;
static const uint32_t CLiburing_ENTER_REGISTERED_RING = IORING_ENTER_REGISTERED_RING;
static const uint32_t CLiburing_FEAT_EXT_ARG = IORING_FEAT_EXT_ARG;
static const uint32_t CLiburing_FEAT_NODROP = IORING_FEAT_NODROP;
static const uint16_t CLiburing_RECV_MULTISHOT = IORING_RECV_MULTISHOT;
static const uint16_t CLiburing_RECVSEND_POLL_FIRST = IORING_RECVSEND_POLL_FIRST;
static const uint16_t CLiburing_ACCEPT_MULTISHOT = IORING_ACCEPT_MULTISHOT;
static const uint8_t CLiburing_SQE_FIXED_FILE = IOSQE_FIXED_FILE;
static const uint8_t CLiburing_SQE_BUFFER_SELECT = IOSQE_BUFFER_SELECT;
static const uint8_t CLiburing_SQE_CQE_SKIP_SUCCESS = IOSQE_CQE_SKIP_SUCCESS;
static const uint32_t CLiburing_FILE_INDEX_ALLOC = IORING_FILE_INDEX_ALLOC;

static const uint16_t CLiburing_RESTRICTION_REGISTER_OP = IORING_RESTRICTION_REGISTER_OP;
static const uint16_t CLiburing_RESTRICTION_SQE_OP = IORING_RESTRICTION_SQE_OP;
static const uint16_t CLiburing_RESTRICTION_SQE_FLAGS = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
static const uint8_t CLiburing_REGISTER_FILES_UPDATE = IORING_REGISTER_FILES_UPDATE;
static const uint8_t CLiburing_REGISTER_PBUF_RING = IORING_REGISTER_PBUF_RING;
static const uint8_t CLiburing_UNREGISTER_RING_FDS = IORING_UNREGISTER_RING_FDS;

// The events that wake an idle connection, and the flags of every send. POLLRDHUP needs _GNU_SOURCE.
static const uint32_t CLiburing_POLL_MASK = POLLIN | 0x2000 /* POLLRDHUP */;
static const uint32_t CLiburing_POLL_ENDED = POLLERR | POLLHUP;
static const int CLiburing_SOCK_STREAM = SOCK_STREAM;
static const int CLiburing_ACCEPT_FLAGS = SOCK_CLOEXEC;
static const int CLiburing_SEND_FLAGS = MSG_NOSIGNAL | MSG_WAITALL;

static inline uint32_t CLiburing_load_acquire(const uint32_t *location) {
    return __atomic_load_n(location, __ATOMIC_ACQUIRE);
}

static inline uint32_t CLiburing_load_relaxed(const uint32_t *location) {
    return __atomic_load_n(location, __ATOMIC_RELAXED);
}

static inline void CLiburing_store_release(uint32_t *location, uint32_t value) {
    __atomic_store_n(location, value, __ATOMIC_RELEASE);
}

static inline void CLiburing_store_release16(uint16_t *location, uint16_t value) {
    __atomic_store_n(location, value, __ATOMIC_RELEASE);
}

/// io_uring_enter(2) with IORING_ENTER_EXT_ARG. A negative timeout waits without end. `minWait`:
/// after so many microseconds one completion is enough (min_wait_usec, Linux 6.12; the field is
/// named `pad` in older headers).
static inline int CLiburing_enter(uint32_t fd, uint32_t submit, uint32_t minComplete,
                                  uint32_t flags, int64_t timeoutNanoseconds,
                                  uint32_t minWaitMicroseconds) {
    struct __kernel_timespec timeout = {timeoutNanoseconds / 1000000000,
                                        timeoutNanoseconds % 1000000000};
    struct io_uring_getevents_arg argument = {
        0, 8, minWaitMicroseconds,
        timeoutNanoseconds < 0 ? 0 : (uint64_t)(uintptr_t)&timeout};
    long result = syscall(__NR_io_uring_enter, fd, submit, minComplete,
                          flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    return result < 0 ? -errno : (int)result;
}

/// io_uring_register(2) with IORING_REGISTER_RESTRICTIONS and with IORING_REGISTER_ENABLE_RINGS, which
/// the library of liburing 2.3 does not export although its header declares functions for them.
static inline int CLiburing_register_restrictions(const struct io_uring *ring,
                                                  struct io_uring_restriction *restrictions,
                                                  uint32_t count) {
    long result = syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
                          restrictions, count);
    return result < 0 ? -errno : (int)result;
}

static inline int CLiburing_enable_ring(const struct io_uring *ring) {
    long result =
        syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, 0, 0);
    return result < 0 ? -errno : (int)result;
}

#endif
