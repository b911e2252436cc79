/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-vmm: a pager whose VMM says and writes what it likes.
 *
 * The input is a list of steps: a byte says what the VMM does, those behind it
 * how.  It sends messages, good ones and any bytes, with any of its
 * descriptors; it writes words, tables and the head of the state memfd before
 * the attach and after; it discards, touches pages, and its kernel refuses what
 * the pager asks of it.  The pager's own loop runs in between.  Its provider
 * can be well, silent, busy, without the leases, or gone (vmm-played.h).
 *
 * What becomes of the guest is the VMM's affair: no byte is looked at here. The
 * pager must not crash, read or write where it should not, run for ever, or
 * keep a descriptor or memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fuzz.h"
#include "steps.h"
#include "vmm-played.h"

#define PAGES       1024u       /* of the one block, and words */
#define STEPS_MAX   400u
#define LOCAL_MAX   (256u * RCACHE_PAGE_SIZE)

static Steps steps;             /* that are left */

static uint64_t take(unsigned bytes)
{
    return steps_take(&steps, bytes);
}

static void grant(uint64_t lease)
{
    struct RcacheLeaseGrant g = {
        .lease = lease, .epoch = 1, .host = "p0", .address = "192.0.2.1:1",
        .bytes = (uint64_t)PROVIDER_SLABS * PROVIDER_PAGES * RCACHE_PAGE_SIZE,
    };

    if (played.p->attached) {
        lease_granted(played.p, &g, "rack1");
    }
}

/* As far as a guest half of which is away. */
static void set_up(void)
{
    static const uint8_t bytes[RCACHE_PAGE_SIZE] = { 5 };

    for (unsigned i = 0; i < PAGES; i += 2) {
        g_assert(pwrite(played.ram_fd, bytes, sizeof(bytes),
                        (off_t)i * RCACHE_PAGE_SIZE) == sizeof(bytes));
    }
    played_set_up();
    grant(1);
    grant(2);
    played_turns(80, true);
}

/* ---------------------------------------------------------------- steps */

static void step_raw(void)
{
    uint64_t msg[64] = { 0 };
    unsigned fds = take(1);
    size_t len = take(2) % sizeof(msg);

    steps_take_into(&steps, msg, len);
    if (fds & 128) {            /* with a head that is right */
        played_head_set((void *)msg, ((struct RcacheVmmHdr *)msg)->type, len);
    }
    played_send(msg, len, fds % 8, take(1));
}

/* A good one, of which some bytes are others. */
static void step_changed(void)
{
    uint64_t msg[64] = { 0 };
    size_t len = played_message(take(1) % RCACHE_VMM_NR_TYPES, msg);
    unsigned fds = take(1);

    for (unsigned n = take(1) % 4; n; n--) {
        size_t at = take(1) % (len / 4) * 4;
        uint32_t value = take(4);

        memcpy((char *)msg + at, &value, sizeof(value));
    }
    played_send(msg, len, fds % 8, take(1));
}

static void step_word(void)
{
    uint64_t page = take(2) % PAGES;
    uint8_t how = take(1);
    uint64_t word = __atomic_load_n(&played_words()[page], __ATOMIC_ACQUIRE);

    if (how < 128) {
        word = (word & ~RCACHE_STATE_MASK) | how % 16;
    } else if (how < 192) {     /* another's slot */
        word = (word & ~RCACHE_SLOT_MASK) |
               (played_words()[take(2) % PAGES] & RCACHE_SLOT_MASK);
    } else {
        word = take(8);
    }
    __atomic_store_n(&played_words()[page], word, __ATOMIC_RELEASE);
}

/* Anywhere in the state memfd, or where something is. */
static void step_state(void)
{
    uint64_t base[] = { 0, played.layout.frames_off, played.layout.leases_off,
                        played.layout.slabs_off, played.layout.sides_off };
    uint64_t at = base[take(1) % G_N_ELEMENTS(base)] + take(2) % 512 * 4;
    uint32_t value = take(4);

    memcpy((char *)played.state + at, &value, sizeof(value));
}

static void step_discard(void)
{
    uint64_t page = take(2) % PAGES;
    uint64_t *word = &played_words()[page];

    __atomic_store_n(word, (*word & ~RCACHE_STATE_MASK) | RCACHE_ZERO,
                     __ATOMIC_RELEASE);
    fallocate(played.ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)page * RCACHE_PAGE_SIZE, RCACHE_PAGE_SIZE);
    ((uint8_t *)played.state)[played.layout.frames_off] |= 3;
    __atomic_add_fetch(&played.state->discard_seq, 1, __ATOMIC_RELEASE);
}

static void step_fault(void)
{
    for (unsigned n = take(1) % 16; n; n--) {
        played_fault(take(2) % (PAGES + 8));
    }
    fault_poll(played.p);
}

static void step_kernel(void)
{
    static const int refusals[] = { 0, -EAGAIN, -ENOMEM, -EEXIST, -EFAULT,
                                    -ENOENT, -ESRCH, -EIO };

    played.refusal = refusals[take(1) % G_N_ELEMENTS(refusals)];
}

static void step_good(void)
{
    uint16_t type = take(1) % RCACHE_VMM_NR_TYPES;
    unsigned fds = take(1) % 5;

    played_send_message(type, fds, take(1));
}

static void step(void)
{
    switch (take(1) % 12) {
    case 0:
        step_raw();
        break;
    case 1:
        step_changed();
        break;
    case 2:
        step_word();
        break;
    case 3:
        step_state();
        break;
    case 4:
        step_discard();
        break;
    case 5:
        if (played.p->attached) {
            step_fault();
        }
        break;
    case 6:
        step_kernel();
        break;
    case 7:
        provider_mood = take(1) % PROVIDER_MOODS;
        break;
    case 8:
        grant(take(1));
        break;
    case 9:
        step_good();
        break;
    case 10:
        played_turns(take(1) % 64, false);
        break;
    case 11:
        played_turns(take(1) % 64, true);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    steps = (Steps) { input, size };
    played_begin(PAGES, LOCAL_MAX, 1);
    played.p->kept.wanted = true;       /* and the VMM writes to the words */
    provider_begin();
    if (take(1) & 1) {
        set_up();
    }
    for (unsigned i = 0; steps.left && i < STEPS_MAX && !played.p->done; i++) {
        step();
    }
    played_turns(20, true);
    played_end();
    provider_end();
    return 0;
}
