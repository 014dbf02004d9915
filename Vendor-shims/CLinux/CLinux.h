// The few Linux interfaces that Swift's Glibc module lacks or cannot import.
//
// Only declarations, constants and one-line wrappers live here; every symbol begins with `CLinux_`.
// Glibc hides several of these behind _GNU_SOURCE, which the importer does not define, so they are
// reached by their system call number. A wrapper returns what the kernel returned: a value >= 0, or
// -errno. Thus no wrapper reads or writes `errno`.

#ifndef CLINUX_H
#define CLINUX_H

#include <errno.h>
#include <linux/futex.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "the engine supports 64-bit Linux only");
_Static_assert(sizeof(struct epoll_event) == 12 || sizeof(struct epoll_event) == 16,
               "struct epoll_event has an unknown layout");

long syscall(long number, ...);

static inline long CLinux_result(long value) { return value < 0 ? -errno : value; }

static const int CLinux_SOCK_STREAM = SOCK_STREAM;
static const int CLinux_SOCK_NONBLOCK = SOCK_NONBLOCK;
static const int CLinux_SOCK_CLOEXEC = SOCK_CLOEXEC;

/// accept4(2). `flags`: SOCK_NONBLOCK | SOCK_CLOEXEC, or 0.
static inline int CLinux_accept(int listener, int flags) {
    return (int)CLinux_result(syscall(SYS_accept4, listener, 0, 0, flags));
}

static inline int CLinux_epoll_create(void) {
    return (int)CLinux_result(syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
}

/// epoll_ctl(2); `data` is what epoll_wait hands back.
static inline int CLinux_epoll_ctl(int epoll, int operation, int fd, uint32_t events,
                                   uint64_t data) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = data;
    return (int)CLinux_result(syscall(SYS_epoll_ctl, epoll, operation, fd, &event));
}

/// epoll_pwait2(2), Linux 5.11: a timeout in nanoseconds; negative waits without end.
static inline int CLinux_epoll_wait(int epoll, struct epoll_event *events, int count,
                                    int64_t timeoutNanoseconds) {
    struct timespec timeout = {timeoutNanoseconds / 1000000000, timeoutNanoseconds % 1000000000};
    return (int)CLinux_result(syscall(SYS_epoll_pwait2, epoll, events, count,
                                      timeoutNanoseconds < 0 ? 0 : &timeout, 0, 0));
}

static inline uint64_t CLinux_epoll_data(const struct epoll_event *event) {
    return event->data.u64;
}

static const uint32_t CLinux_EPOLLIN = EPOLLIN;
static const uint32_t CLinux_EPOLLOUT = EPOLLOUT;
static const uint32_t CLinux_EPOLLERR = EPOLLERR;
static const uint32_t CLinux_EPOLLHUP = EPOLLHUP;
static const uint32_t CLinux_EPOLLRDHUP = EPOLLRDHUP;
static const uint32_t CLinux_EPOLLET = EPOLLET;
static const uint32_t CLinux_EPOLLEXCLUSIVE = 1u << 28; // Linux 4.5

static inline int CLinux_eventfd(void) {
    return (int)CLinux_result(syscall(SYS_eventfd2, 0, EFD_CLOEXEC));
}

/// Anonymous memory (memfd_create(2)), closed on exec: a child gets it as a descriptor of its own.
static inline int CLinux_memfd(const char *name) {
    return (int)CLinux_result(syscall(SYS_memfd_create, name, 1 /* MFD_CLOEXEC */));
}

/// signalfd4(2), non-blocking and closed on exec.
static inline int CLinux_signalfd(const sigset_t *mask) {
    return (int)CLinux_result(
        syscall(SYS_signalfd4, -1, mask, 8, SFD_NONBLOCK | SFD_CLOEXEC));
}

/// recv(2), send(2), shutdown(2), connect(2) and close(2) as -errno or the result: the hot path of
/// the readiness backends reads no thread-local `errno` and throws nothing.
static inline long CLinux_recv(int fd, void *buffer, size_t byteCount, int flags) {
    return CLinux_result(syscall(SYS_recvfrom, fd, buffer, byteCount, flags, 0, 0));
}

static inline long CLinux_send(int fd, const void *buffer, size_t byteCount, int flags) {
    return CLinux_result(syscall(SYS_sendto, fd, buffer, byteCount, flags | MSG_NOSIGNAL, 0, 0));
}

static inline int CLinux_shutdown(int fd, int how) {
    return (int)CLinux_result(syscall(SYS_shutdown, fd, how));
}

static inline int CLinux_close(int fd) { return (int)CLinux_result(syscall(SYS_close, fd)); }

/// Linger of zero makes close(2) reset the connection instead of ending it in order.
static inline int CLinux_set_abortive_close(int fd) {
    struct linger linger = {1, 0};
    return (int)CLinux_result(
        syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

static inline uint32_t CLinux_load(const uint32_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void CLinux_increment(uint32_t *word) {
    __atomic_fetch_add(word, 1, __ATOMIC_ACQ_REL);
}

/// futex(2) wait on a process-private word. The deadline is CLOCK_MONOTONIC; negative: no deadline.
static inline int CLinux_futex_wait(void *word, uint32_t expected, int64_t deadlineNanoseconds) {
    struct timespec deadline = {deadlineNanoseconds / 1000000000, deadlineNanoseconds % 1000000000};
    return (int)CLinux_result(syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                                      expected, deadlineNanoseconds < 0 ? 0 : &deadline, 0,
                                      FUTEX_BITSET_MATCH_ANY));
}

static inline int CLinux_futex_wake_all(void *word) {
    return (int)CLinux_result(
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0x7fffffff, 0, 0, 0));
}

/// sched_setaffinity(2) for the calling thread, one processor below 1024.
static inline int CLinux_pin_thread(uint32_t processor) {
    uint64_t mask[16] = {0};
    mask[(processor / 64) % 16] = 1ull << (processor % 64);
    return (int)CLinux_result(syscall(SYS_sched_setaffinity, 0, sizeof mask, mask));
}

/// Names the calling thread, at most 15 bytes; seen in top and /proc/<pid>/task/*/comm.
static inline int CLinux_name_thread(const char *name) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_NAME, name, 0, 0, 0));
}

/// The kernel kills the calling process with `signal` when its parent thread ends.
static inline int CLinux_set_parent_death_signal(int signal) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0));
}

/// Timers of the calling thread, and of those it starts, come at most so late on purpose; the kernel
/// gives them 50 us otherwise, to save wake-ups.
static inline int CLinux_set_timer_slack(unsigned long nanoseconds) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0));
}

/// unshare(2) with CLONE_NEWNET: the calling thread gets a new, empty network namespace.
static inline int CLinux_unshare_network(void) {
    return (int)CLinux_result(syscall(SYS_unshare, 0x40000000));
}

/// setns(2) with CLONE_NEWNET: the calling thread enters the network namespace of `fd`.
static inline int CLinux_enter_network(int fd) {
    return (int)CLinux_result(syscall(SYS_setns, fd, 0x40000000));
}

/// A socket that speaks rtnetlink(7) with the calling thread's network namespace.
static inline int CLinux_netlink_socket(void) {
    return (int)CLinux_result(
        syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static const int CLinux_IP_BIND_ADDRESS_NO_PORT = 24; // Linux 4.2
static const int CLinux_IP_LOCAL_PORT_RANGE = 51;     // Linux 6.3

/// getrusage(2) of the calling thread (RUSAGE_THREAD, 1).
static inline int CLinux_thread_usage(struct rusage *usage) {
    return (int)CLinux_result(syscall(SYS_getrusage, 1, usage));
}

static inline long CLinux_getrlimit_nofile(uint64_t *soft, uint64_t *hard) {
    uint64_t limit[2] = {0, 0};
    long result = CLinux_result(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, limit));
    *soft = limit[0];
    *hard = limit[1];
    return result;
}

static inline long CLinux_setrlimit_nofile(uint64_t soft, uint64_t hard) {
    uint64_t limit[2] = {soft, hard};
    return CLinux_result(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, limit, 0));
}

/// A socket of the kernel's socket lists, see sock_diag(7), for the calling thread's network.
static inline int CLinux_diagnosis_socket(void) {
    return (int)CLinux_result(
        syscall(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
}

/// Asks for every TCP socket of a family in one of `states` (bit n: state n). `localPort`: in
/// network order, or 0 for all.
static inline long CLinux_request_tcp_sockets(int fd, uint8_t family, uint32_t states,
                                              uint16_t localPort) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {{sizeof message, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
                 {.sdiag_family = family,
                  .sdiag_protocol = IPPROTO_TCP,
                  .idiag_states = states,
                  .id = {.idiag_sport = localPort}}};
    return CLinux_result(syscall(SYS_sendto, fd, &message, sizeof message, 0, 0, 0));
}

/// setgroups(2) to none, setresgid(2) and setresuid(2) for the calling thread alone: glibc's
/// functions would change every thread, but the importer does not see them.
static inline int CLinux_clear_groups(void) {
    return (int)CLinux_result(syscall(SYS_setgroups, 0, 0));
}

static inline int CLinux_set_group(uint32_t group) {
    return (int)CLinux_result(syscall(SYS_setresgid, group, group, group));
}

static inline int CLinux_set_user(uint32_t user) {
    return (int)CLinux_result(syscall(SYS_setresuid, user, user, user));
}

/// capset(2): the effective and the permitted set of the calling thread; none is inheritable.
static inline int CLinux_set_capabilities(uint64_t capabilities) {
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0}; // _LINUX_CAPABILITY_VERSION_3
    uint32_t low = (uint32_t)capabilities, high = (uint32_t)(capabilities >> 32);
    uint32_t sets[2][3] = {{low, low, 0}, {high, high, 0}};
    return (int)CLinux_result(syscall(SYS_capset, &header, sets));
}

/// Permitted capabilities survive the change from root to another user.
static inline int CLinux_keep_capabilities(int keep) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_KEEPCAPS, keep, 0, 0, 0));
}

/// No execve(2) of this thread gives it rights that it does not have.
static inline int CLinux_set_no_new_privileges(void) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/// 0: other processes of the same user may not look into this one's memory.
static inline int CLinux_set_dumpable(int dumpable) {
    return (int)CLinux_result(syscall(SYS_prctl, PR_SET_DUMPABLE, dumpable, 0, 0, 0));
}

/// The soft limit becomes as high as the hard one. `resource`: RLIMIT_MEMLOCK or RLIMIT_NPROC.
static inline long CLinux_raise_soft_limit(int resource) {
    uint64_t limit[2] = {0, 0};
    long result = CLinux_result(syscall(SYS_prlimit64, 0, resource, 0, limit));
    if (result < 0) { return result; }
    limit[0] = limit[1];
    return CLinux_result(syscall(SYS_prlimit64, 0, resource, limit, 0));
}

/// UINT64_MAX: unlimited.
static inline long CLinux_get_hard_limit(int resource, uint64_t *hard) {
    uint64_t limit[2] = {0, 0};
    long result = CLinux_result(syscall(SYS_prlimit64, 0, resource, 0, limit));
    *hard = limit[1];
    return result;
}

static const int CLinux_RLIMIT_MEMLOCK = RLIMIT_MEMLOCK;
static const int CLinux_RLIMIT_NPROC = RLIMIT_NPROC;

#endif
