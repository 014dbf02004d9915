// Every function of our C headers, called once and judged: for the address and undefined-behaviour
// sanitizers, which Swift lacks for code that it inlines. `make sanitize-undefined` builds and runs it.
//
// No namespace is entered and no limit is changed; what would do so is called with a descriptor or a
// value that the kernel refuses.

#include "../../Vendor-shims/CLiburing/CLiburing.h"
#include "../../Vendor-shims/CLinux/CLinux.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int holds, const char *what, long found) {
    if (holds) return;
    fprintf(stderr, "shims: %s: found %ld\n", what, found);
    failures++;
}

#define EXPECT(condition, value) expect((condition), #condition, (long)(value))

static void epoll_and_eventfd(void) {
    int epoll = CLinux_epoll_create();
    int event = CLinux_eventfd();
    EXPECT(epoll >= 0, epoll);
    EXPECT(event >= 0, event);
    uint64_t tag = 0xfedcba9876543210u;
    int added = CLinux_epoll_ctl(epoll, EPOLL_CTL_ADD, event,
                                 CLinux_EPOLLIN | CLinux_EPOLLET | CLinux_EPOLLRDHUP, tag);
    EXPECT(added == 0, added);
    struct epoll_event events[2];
    int none = CLinux_epoll_wait(epoll, events, 2, 0);
    EXPECT(none == 0, none);
    uint64_t one = 1;
    EXPECT(write(event, &one, sizeof one) == sizeof one, errno);
    // A second and a half, so that both fields of the timespec are used; it returns at once.
    int ready = CLinux_epoll_wait(epoll, events, 2, 1500000000);
    EXPECT(ready == 1, ready);
    // The kernel packs the struct on x86: its 64 bits lie at an odd multiple of 4.
    EXPECT(CLinux_epoll_data(&events[0]) == tag, 0);
    EXPECT(CLinux_close(epoll) == 0, errno);
    EXPECT(CLinux_close(event) == 0, errno);
    int closed = CLinux_epoll_wait(epoll, events, 2, INT64_MIN + 1);
    EXPECT(closed == -EBADF, closed);
}

static void sockets(void) {
    int ends[2];
    EXPECT(socketpair(AF_UNIX, CLinux_SOCK_STREAM | CLinux_SOCK_CLOEXEC, 0, ends) == 0, errno);
    char byte = 7;
    long sent = CLinux_send(ends[0], &byte, 1, 0);
    EXPECT(sent == 1, sent);
    byte = 0;
    long received = CLinux_recv(ends[1], &byte, 1, 0);
    EXPECT(received == 1 && byte == 7, received);
    int linger = CLinux_set_abortive_close(ends[0]);
    EXPECT(linger == 0, linger);
    EXPECT(CLinux_shutdown(ends[0], SHUT_RDWR) == 0, errno);
    // Without MSG_NOSIGNAL this would end the process.
    sent = CLinux_send(ends[1], &byte, 1, 0);
    EXPECT(sent == -EPIPE, sent);
    EXPECT(CLinux_close(ends[0]) == 0 && CLinux_close(ends[1]) == 0, errno);
    int refused = CLinux_accept(ends[0], CLinux_SOCK_NONBLOCK | CLinux_SOCK_CLOEXEC);
    EXPECT(refused == -EBADF, refused);
    int memory = CLinux_memfd("shims");
    EXPECT(memory >= 0, memory);
    EXPECT(CLinux_close(memory) == 0, errno);
    EXPECT(CLinux_close(-1) == -EBADF, errno);
}

static void netlink(void) {
    int route = CLinux_netlink_socket();
    EXPECT(route >= 0, route);
    int diagnosis = CLinux_diagnosis_socket();
    EXPECT(diagnosis >= 0, diagnosis);
    long asked = CLinux_request_tcp_sockets(diagnosis, AF_INET, 1u << 10 | 1u << 31, htons(1));
    EXPECT(asked > 0, asked);
    static char answer[65536];
    long count = CLinux_recv(diagnosis, answer, sizeof answer, 0);
    EXPECT(count >= (long)sizeof(struct nlmsghdr), count);
    EXPECT(CLinux_close(route) == 0 && CLinux_close(diagnosis) == 0, errno);
    int entered = CLinux_enter_network(-1);
    EXPECT(entered < 0, entered);
}

static void threads(void) {
    static uint32_t word = UINT32_MAX;
    EXPECT(CLinux_load(&word) == UINT32_MAX, word);
    CLinux_increment(&word);
    EXPECT(CLinux_load(&word) == 0, word);
    int changed = CLinux_futex_wait(&word, 1, 0);
    EXPECT(changed == -EAGAIN, changed);
    int late = CLinux_futex_wait(&word, 0, 1500000000);
    EXPECT(late == -ETIMEDOUT, late);
    int woken = CLinux_futex_wake_all(&word);
    EXPECT(woken == 0, woken);
    // Beyond what the mask has bits for: it wraps, and the kernel judges.
    for (uint32_t processor = 0; processor < 1100; processor += 7) CLinux_pin_thread(processor);
    int far = CLinux_pin_thread(UINT32_MAX);
    EXPECT(far == 0 || far == -EINVAL, far);
    EXPECT(CLinux_pin_thread(0) == 0, errno);
    EXPECT(CLinux_name_thread("sixteen bytes and more") == 0, errno);
    EXPECT(CLinux_set_timer_slack(50000) == 0, errno);
    EXPECT(CLinux_set_parent_death_signal(0) == 0, errno);
    sigset_t mask;
    sigemptyset(&mask);
    int signals = CLinux_signalfd(&mask);
    EXPECT(signals >= 0, signals);
    EXPECT(CLinux_close(signals) == 0, errno);
    struct rusage usage;
    EXPECT(CLinux_thread_usage(&usage) == 0, errno);
    uint64_t soft = 0, hard = 0;
    EXPECT(CLinux_getrlimit_nofile(&soft, &hard) == 0 && soft > 0 && soft <= hard, soft);
    EXPECT(CLinux_setrlimit_nofile(soft, hard) == 0, errno);
    EXPECT(CLinux_setrlimit_nofile(hard, 0) == -EINVAL, errno);
    // A process of its own, since it would not come back.
    pid_t child = fork();
    if (child == 0) _exit(CLinux_unshare_network() <= 0 ? 0 : 1);
    EXPECT(child > 0, errno);
}

static void ring(void) {
    struct io_uring ring;
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    parameters.flags = CLiburing_SETUP_CQSIZE | CLiburing_SETUP_CLAMP;
    parameters.cq_entries = 16;
    int made = io_uring_queue_init_params(8, &ring, &parameters);
    if (made == -ENOSYS || made == -EPERM) {
        fprintf(stderr, "shims: io_uring is not allowed here, its wrappers are left out\n");
        failures++;
        return;
    }
    EXPECT(made == 0, made);
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data64(entry, UINT64_MAX);
    unsigned tail = CLiburing_load_relaxed(ring.sq.ktail);
    ring.sq.array[tail & *ring.sq.kring_mask] = tail & *ring.sq.kring_mask;
    CLiburing_store_release(ring.sq.ktail, tail + 1);
    int taken = CLiburing_enter(ring.ring_fd, 1, 1, CLiburing_ENTER_GETEVENTS, 1500000000, 0);
    EXPECT(taken == 1, taken);
    EXPECT(CLiburing_load_acquire(ring.cq.ktail) == 1, 0);
    EXPECT(ring.cq.cqes[0].user_data == UINT64_MAX, 0);
    io_uring_cq_advance(&ring, 1);
    int late = CLiburing_enter(ring.ring_fd, 0, 5, CLiburing_ENTER_GETEVENTS, 1, 0);
    EXPECT(late == -ETIME, late);
    int bad = CLiburing_enter(UINT32_MAX, 0, 0, 0, -1, UINT32_MAX);
    EXPECT(bad == -EBADF, bad);
    uint16_t word = 0;
    CLiburing_store_release16(&word, UINT16_MAX);
    EXPECT(word == UINT16_MAX, word);
    io_uring_queue_exit(&ring);
}

int main(void) {
    epoll_and_eventfd();
    sockets();
    netlink();
    threads();
    ring();
    if (failures == 0) printf("shims: every wrapper answered as it should\n");
    return failures == 0 ? 0 : 1;
}
