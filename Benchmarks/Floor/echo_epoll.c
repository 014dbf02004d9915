// One idea: the best echo server that one thread can be with epoll, written by hand; what io_uring
// has to beat.
//
// Edge-triggered, so that a connection is registered once and never touched again. One receive per
// event into one small buffer that stays in the cache: a receive that does not fill it has drained
// the socket. The answer is sent at once; only a connection whose peer does not read gets memory of
// its own and EPOLLOUT.

#include "echo.h"

#include <stdbool.h>
#include <sys/epoll.h>

static const char program[] = "echo_epoll";

enum { EVENTS = 512, BUFFER = 16384, ACCEPTS = 64 };

// What a connection could not send yet; nothing for a connection that keeps up.
typedef struct {
    char *bytes;
    uint32_t at, count;
} Backlog;

static Backlog *backlog;                                // by descriptor
static unsigned capacity;
static int poller;
static char buffer[BUFFER];

static void end(int fd) {
    free(backlog[fd].bytes);
    backlog[fd] = (Backlog){0};
    close(fd);
}

// Sends what is left; false while the peer does not take it, or once the connection has ended.
static bool send_backlog(int fd) {
    Backlog *b = &backlog[fd];
    while (b->at < b->count) {
        ssize_t n = send(fd, b->bytes + b->at, b->count - b->at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno != EAGAIN) end(fd);
            return false;
        }
        b->at += (uint32_t)n;
    }
    free(b->bytes);
    *b = (Backlog){0};
    struct epoll_event e = {EPOLLIN | EPOLLRDHUP | EPOLLET, {.fd = fd}};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e);
    return true;
}

// Keeps what the peer did not take and reads no more from it until it has.
static void keep(int fd, size_t at, size_t count) {
    Backlog *b = &backlog[fd];
    b->bytes = malloc(count - at);
    if (!b->bytes) fail(program, "memory", ENOMEM);
    memcpy(b->bytes, buffer + at, count - at);
    b->count = (uint32_t)(count - at);
    struct epoll_event e = {EPOLLOUT | EPOLLET, {.fd = fd}};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e);
}

static void serve(int fd, uint32_t events) {
    if (backlog[fd].bytes && !send_backlog(fd)) return;
    for (;;) {
        ssize_t n = recv(fd, buffer, BUFFER, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return end(fd);
        ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) return end(fd);
        if (sent < n) return keep(fd, sent < 0 ? 0 : (size_t)sent, (size_t)n);
        // A short receive has drained the socket, and later bytes are a new edge; but an end has no
        // later edge.
        if (n < BUFFER && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
    }
}

static void accept_some(int listener) {
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED) return;
            fail(program, "accept", errno);
        }
        struct epoll_event e = {EPOLLIN | EPOLLRDHUP | EPOLLET, {.fd = fd}};
        if ((unsigned)fd >= capacity || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0) close(fd);
    }
}

int main(int argc, char **argv) {
    EchoPlan plan = {0};
    parse_echo(argc, argv, program, 0, &plan);
    int listener = echo_listener(program, &plan);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    capacity = files.rlim_cur < (1 << 20) ? (unsigned)files.rlim_cur : 1 << 20;
    backlog = calloc(capacity, sizeof *backlog);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {EPOLLIN, {.fd = listener}};
    if (!backlog || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e) < 0)
        fail(program, "epoll", errno);

    static struct epoll_event events[EVENTS];
    uint64_t deadline = now_ns() + (uint64_t)plan.seconds * 1000000000;
    for (unsigned turns = 0;; turns++) {
        int n = epoll_wait(poller, events, EVENTS, 100);
        if (n < 0 && errno != EINTR) fail(program, "epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) accept_some(listener);
            else serve(events[i].data.fd, events[i].events);
        }
        if ((n <= 0 || turns % 256 == 0) && now_ns() > deadline) return 0;
    }
}
