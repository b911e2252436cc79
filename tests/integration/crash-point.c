/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-point: dies where a test wants it.  See common/crash-point.h.
 *
 * The file is mapped by the test and by all processes that the test lets die,
 * and has a CrashOrder.  The test writes the name, then the number of times it
 * has to be passed; who counts it down to nothing dies there, and says so in
 * .died before.  With a second name it is the next process that says so, which
 * dies there while it takes over.  The last one spins there if that is wanted.
 */
#include "common/crash-point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CRASH_SPIN      1u

/**
 * struct CrashOrder - what the test wants; crash_points.py knows the layout
 * @count: times the point is to be passed; 0: nobody dies
 * @how: 0: SIGKILL; CRASH_SPIN: it goes on for ever, and does nothing
 * @died: the pid of who has got there
 * @name: of the point
 * @then: where the next process dies; "": nowhere
 */
typedef struct CrashOrder {
    uint32_t count;
    uint32_t how;
    uint32_t died;
    char name[52];
    char then[52];
} CrashOrder;

static CrashOrder *crash_order(void)
{
    static CrashOrder *order;
    static bool looked;
    const char *path = looked ? NULL : getenv("RCACHED_CRASH_FILE");
    int fd;

    looked = true;
    if (!path) {
        return order;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE,
                         MAP_SHARED, fd, 0);

        order = map == MAP_FAILED ? NULL : map;
        close(fd);
    }
    return order;
}

static void crash_now(CrashOrder *order)
{
    if (*order->then) {
        memcpy(order->name, order->then, sizeof(order->name));
        *order->then = '\0';
        __atomic_store_n(&order->count, 1, __ATOMIC_SEQ_CST);
    } else {
        __atomic_store_n(&order->died, getpid(), __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&order->how, __ATOMIC_SEQ_CST) == CRASH_SPIN) {
            /* for ever */
        }
    }
    kill(getpid(), SIGKILL);
    pause();
}

/* Is this the time that it was to be passed for the last time? */
static bool crash_is_due(CrashOrder *order, const char *name)
{
    return order && __atomic_load_n(&order->count, __ATOMIC_SEQ_CST) &&
           !strcmp(order->name, name) &&
           !__atomic_sub_fetch(&order->count, 1, __ATOMIC_SEQ_CST);
}

void crash_point(const char *name)
{
    CrashOrder *order = crash_order();

    if (crash_is_due(order, name)) {
        crash_now(order);
    }
}

/* Times that the ring is entered until it dies; 0: it does not. */
static unsigned *crash_turns(void)
{
    static unsigned turns;

    return &turns;
}

void crash_point_sent(const char *name)
{
    if (crash_is_due(crash_order(), name)) {
        /* It may have been queued behind what is out, or in a callback. */
        *crash_turns() = 2;
    }
}

void crash_point_turn(void)
{
    if (*crash_turns() && !--*crash_turns()) {
        crash_now(crash_order());
    }
}
