// One idea: the leanest echo server that libuv allows.
//
// One loop, one buffer for all connections: libuv reads and reports within one call, and what was
// read is sent at once by uv_try_write. Only a peer that does not read gets memory of its own.

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

static char buffer[16384];

// A write that did not pass at once, with its bytes behind it.
typedef struct {
    uv_write_t request;
    char bytes[];
} Pending;

__attribute__((noreturn)) static void fail(const char *what, int error) {
    fprintf(stderr, "libuv-echo: %s: %s\n", what, uv_strerror(error));
    exit(1);
}

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)handle, (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void end(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, closed);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);

// Reading goes on when the peer has taken what was kept.
static void written(uv_write_t *request, int status) {
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0) return end(stream);
    uv_read_start(stream, lend, received);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    if (count < 0) return end(stream);
    if (!count) return;
    uv_buf_t part = uv_buf_init(buf->base, (unsigned)count);
    int sent = uv_try_write(stream, &part, 1);
    if (sent < 0 && sent != UV_EAGAIN) return end(stream);
    size_t at = sent < 0 ? 0 : (size_t)sent, left = (size_t)count - at;
    if (!left) return;
    Pending *pending = malloc(sizeof *pending + left);
    if (!pending) fail("memory", UV_ENOMEM);
    memcpy(pending->bytes, buf->base + at, left);
    part = uv_buf_init(pending->bytes, (unsigned)left);
    uv_read_stop(stream);
    if (uv_write(&pending->request, stream, &part, 1, written) < 0) {
        free(pending);
        end(stream);
    }
}

static void accepted(uv_stream_t *listener, int status) {
    if (status < 0) return;                      // the client has gone already
    uv_tcp_t *connection = malloc(sizeof *connection);
    if (!connection) fail("memory", UV_ENOMEM);
    uv_tcp_init(listener->loop, connection);
    if (uv_accept(listener, (uv_stream_t *)connection) < 0
        || uv_read_start((uv_stream_t *)connection, lend, received) < 0)
        end((uv_stream_t *)connection);
}

static void time_is_up(uv_timer_t *timer) {
    (void)timer;
    exit(0);
}

static unsigned number(const char *option, const char *text, unsigned low, unsigned high) {
    char *rest;
    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    if (!errno && rest != text && !*rest && *text != '-' && value >= low && value <= high)
        return (unsigned)value;
    fprintf(stderr, "libuv-echo: --%s takes a number from %u to %u, not %s\n", option, low, high,
            text);
    exit(64);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", 1, 0, 'p'}, {"cpu", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"help", 0, 0, 'h'}, {0},
    };
    unsigned port = 0, cpu = 0, seconds = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p': port = number("port", optarg, 1, 65535); break;
        case 'c': cpu = number("cpu", optarg, 0, 1023); break;
        case 's': seconds = number("seconds", optarg, 1, 86400); break;
        default:
            fputs("usage: libuv-echo --port P --cpu C --seconds S\n", c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 64);
        }
    }
    if (optind < argc || !port || !seconds) {
        fputs("usage: libuv-echo --port P --cpu C --seconds S\n", stderr);
        return 64;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) fail("--cpu", -errno);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_timer_t timer;
    struct sockaddr_in address;
    int rc, fd, on = 1;
    uv_ip4_addr("127.0.0.1", (int)port, &address);
    uv_tcp_init(loop, &listener);
    if ((rc = uv_tcp_bind(&listener, (struct sockaddr *)&address, 0)) < 0) fail("bind", rc);
    // Inherited by what is accepted: one call instead of one per connection.
    if (uv_fileno((uv_handle_t *)&listener, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((rc = uv_listen((uv_stream_t *)&listener, 65535, accepted)) < 0) fail("listen", rc);
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, time_is_up, (uint64_t)seconds * 1000, 0);
    return uv_run(loop, UV_RUN_DEFAULT);
}
