/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-alone: what the VMM does while no pager is there, and the last one is
 * proved dead: it answers faults itself, by the page's word (rule 11).
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/fakes/vmm.h"

#define RETRY_MS        50

static bool step(uint64_t *word, uint64_t old, uint64_t new)
{
    return __atomic_compare_exchange_n(word, &old, new, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t to_state(uint64_t word, enum RcachePageState state)
{
    return (word & ~(RCACHE_STATE_MASK | RCACHE_CLEAN)) | state;
}

static int uffd_op(Vmm *v, unsigned long op, uint64_t addr)
{
    /* CONTINUE and ZEROPAGE have the same beginning and size. */
    struct uffdio_continue arg = {
        .range = { .start = addr, .len = RCACHE_PAGE_SIZE },
    };

    return ioctl(v->uffd, op, &arg) < 0 ? -errno : 0;
}

static void answer_mapped(Vmm *v, uint64_t addr)
{
    struct uffdio_range range = { .start = addr, .len = RCACHE_PAGE_SIZE };

    if (uffd_op(v, UFFDIO_CONTINUE, addr) == -EEXIST) {
        ioctl(v->uffd, UFFDIO_WAKE, &range);
    }
}

static int answer_zero(Vmm *v, uint64_t addr)
{
    int ret = uffd_op(v, UFFDIO_ZEROPAGE, addr);

    if (ret == -EEXIST) {
        answer_mapped(v, addr);
        ret = 0;
    }
    if (ret < 0) {
        fprintf(stderr, "fake-vmm: ZEROPAGE: %s\n", strerror(-ret));
    } else {
        v->filled_alone += RCACHE_PAGE_SIZE;
        v->filled_alone_max = MAX(v->filled_alone_max, v->filled_alone);
    }
    return ret;
}

static void answer_by_the_table(Vmm *v, uint64_t addr)
{
    uint64_t page = (addr - (uintptr_t)v->ram) / RCACHE_PAGE_SIZE;
    uint64_t *at = &v->words[page];
    uint64_t word = __atomic_load_n(at, __ATOMIC_ACQUIRE), filling;

    switch ((enum RcachePageState)(word & RCACHE_STATE_MASK)) {
    case RCACHE_HOT:
    case RCACHE_ZAPPING:
    case RCACHE_ZAPPED:
    case RCACHE_EVICTING:
    case RCACHE_CACHED:
        if (step(at, word, to_state(word, RCACHE_HOT))) {
            answer_mapped(v, addr);
        }
        break;
    case RCACHE_UNTOUCHED:
    case RCACHE_ZERO:
        filling = to_state(word, RCACHE_FILLING) & ~RCACHE_SLOT_MASK;
        if (step(at, word, filling)) {
            step(at, filling, answer_zero(v, addr) == 0
                                  ? to_state(filling, RCACHE_HOT)
                                  : to_state(filling, RCACHE_ZERO));
        }
        break;
    default:
        break;                  /* waits for the next pager */
    }
}

static void answer_faults(Vmm *v)
{
    struct uffd_msg msg[16];
    ssize_t len = read(v->uffd, msg, sizeof(msg));

    for (ssize_t i = 0; i < len / (ssize_t)sizeof(msg[0]); i++) {
        uint64_t addr = msg[i].arg.pagefault.address &
                        -(uint64_t)RCACHE_PAGE_SIZE;

        if (!(v->config.rules_off & VMM_BREAK_FALLBACK)) {
            answer_by_the_table(v, addr);
        } else if (msg[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR) {
            answer_mapped(v, addr);
        } else {
            answer_zero(v, addr);
        }
    }
}

void vmm_alone(Vmm *v)
{
    struct uffdio_range all = {
        .start = (uintptr_t)v->ram,
        .len = v->config.pages * RCACHE_PAGE_SIZE,
    };

    if (!v->faults_seen && v->uffd >= 0 && v->ram) {
        ioctl(v->uffd, UFFDIO_WAKE, &all);
        v->faults_seen = true;
    }
    for (uint64_t end = vmm_now_ns() + RETRY_MS * 1000000ull;
         vmm_now_ns() < end && !v->stop;) {
        struct pollfd pfd = { .fd = v->uffd, .events = POLLIN };

        if (poll(&pfd, 1, 5) == 1) {
            answer_faults(v);
        }
    }
}
