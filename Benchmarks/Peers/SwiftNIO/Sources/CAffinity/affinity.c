#define _GNU_SOURCE
#include "affinity.h"

#include <errno.h>
#include <sched.h>

int CAffinity_pin(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}
