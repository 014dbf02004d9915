// Counts the memory allocations of any program in a window of time: the proof that a path makes none.
//
//     COUNT_MALLOC=3:5 LD_PRELOAD=bin/count_malloc.so PROGRAM     from second 3 to second 5
//
// At its end each process writes one line to standard error: its pid and the number of calls of
// malloc, calloc, realloc and the aligned variants in the window. Swift objects come from malloc too.
// A program that is linked with this file asks count_malloc_calls() instead. Needs glibc, whose own
// entry points are called by their internal names.

#include "count_malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong calls, calls_in_window;
// Initial-exec: any other way to find a thread's variable may itself call malloc.
static _Thread_local unsigned long calls_of_thread __attribute__((tls_model("initial-exec")));
static double window_begin, window_end;
static struct timespec started;

static double since_start(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - started.tv_sec) + (double)(now.tv_nsec - started.tv_nsec) / 1e9;
}

static void count(void) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    calls_of_thread++;
    // Before `begin` has run the window is empty.
    if (window_end == 0) return;
    double seconds = since_start();
    if (seconds >= window_begin && seconds < window_end)
        atomic_fetch_add_explicit(&calls_in_window, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void begin(void) {
    clock_gettime(CLOCK_MONOTONIC, &started);
    const char *window = getenv("COUNT_MALLOC");
    if (!window || sscanf(window, "%lf:%lf", &window_begin, &window_end) != 2) window_end = 0;
}

__attribute__((destructor)) static void end(void) {
    if (!getenv("COUNT_MALLOC")) return;
    // A program that closed its standard error does not want to know.
    dprintf(STDERR_FILENO, "count_malloc: pid %d: %lu allocations, %lu in the window\n", getpid(),
            atomic_load(&calls), atomic_load(&calls_in_window));
}

unsigned long count_malloc_calls(void) {
    return atomic_load(&calls);
}

unsigned long count_malloc_calls_of_thread(void) {
    return calls_of_thread;
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    count();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    count();
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
