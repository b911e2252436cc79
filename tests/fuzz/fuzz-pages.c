/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-pages: a guest's pages, at providers that do as they like.
 *
 * The VMM and the guest are well here, and what the guest has stored is known.
 * The input is a list of steps: a byte says what happens, those behind it how.
 * The guest touches, writes and discards pages, the limits and the number of
 * copies change, the pager is replaced; three lenders (pages-provider.h) hold
 * requests, answer them in any order and in any way, end connections, lose
 * leases, want slabs back, change bytes, and say what they like.
 *
 * After each step
 * - what is in the guest's memory is what the guest has stored there;
 * - a page is nowhere but at lenders only if its slot is taken, and each of its
 *   places that counts has confirmed these very bytes and has been sent nothing
 *   since that could change them, unless a place that had confirmed them is
 *   proved gone (docs/design.md, C2).
 * With the third bit of the first byte pages that come keep their slots.
 * As long as no lender has lied (the second bit of the first byte: none does)
 * no page is lost, the pager asks for nothing that is not there, and at the
 * end, when all are well again, every page comes back.
 */
#include <fcntl.h>
#include <glib.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "pages-provider.h"
#include "steps.h"
#include "vmm-played.h"

#define PAGES           256u
#define LOCAL_MAX       96u     /* pages */
#define LOCAL_LEAST     64u
#define STEPS_MAX       300u
#define SET_UP_TURNS    60u
#define HOME_TURNS      2000u   /* for a page, at the end */

static Steps steps;
static bool honest;             /* no step lies */
static bool keeps;              /* pages that come keep their slots */
static uint32_t version[PAGES]; /* of what the guest has stored; 0: nothing */
static uint64_t seen[PAGES];    /* the word when its bytes were last checked */

static uint64_t take(unsigned bytes)
{
    return steps_take(&steps, bytes);
}

/* ------------------------------------------------------------- the guest */

/* Now and then it stores zeros. */
static bool is_zero(uint64_t page)
{
    return version[page] % 5 == 0;
}

static void content(uint64_t page, uint64_t *words)
{
    uint64_t value = is_zero(page) ? 0 : page << 32 | version[page];

    for (unsigned i = 0; i < RCACHE_PAGE_SIZE / 8; i++) {
        words[i] = value;
    }
}

static enum RcachePageState state_of(uint64_t page)
{
    return page_state(__atomic_load_n(&played_words()[page],
                                      __ATOMIC_ACQUIRE));
}

static void store(uint64_t page)
{
    uint64_t words[RCACHE_PAGE_SIZE / 8];

    version[page]++;
    content(page, words);
    g_assert(pwrite(played.ram_fd, words, sizeof(words),
                    (off_t)page * RCACHE_PAGE_SIZE) == sizeof(words));
    played_written(page);
}

/* It stores to what is mapped, and faults on the rest. */
static void touch(uint64_t page, bool write)
{
    if (state_of(page) != RCACHE_HOT) {
        played_fault(page);
    } else if (write) {
        store(page);
    }
}

static void touch_some(bool write)
{
    for (unsigned n = take(1) % 16 + 1; n; n--) {
        touch(take(1) % PAGES, write);
    }
    fault_poll(played.p);
}

/* As docs/vmm-protocol.rst, "Discards", has it. */
static void discard(uint64_t page)
{
    uint64_t *word = &played_words()[page], old = *word;
    enum RcachePageState state = page_state(old);

    if (state == RCACHE_FILLING || state == RCACHE_PUNCHING) {
        return;
    }
    fallocate(played.ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)page * RCACHE_PAGE_SIZE, RCACHE_PAGE_SIZE);
    version[page] = 0;
    if (state != RCACHE_UNMANAGED) {
        __atomic_store_n(word, page_begin(old, RCACHE_ZERO),
                         __ATOMIC_RELEASE);
    }
    if (page_has_bytes(state)) {
        played.state->discard_resident++;
    } else if (page_slot(old)) {
        played.state->discard_remote++;
    }
    ((uint8_t *)played.state)[played.layout.frames_off] |= 1;
    __atomic_add_fetch(&played.state->discard_seq, 1, __ATOMIC_RELEASE);
}

/* ----------------------------------------------------------------- checks */

/* No byte changes but with the word, or by the guest. */
static void check_bytes(uint64_t page, uint64_t word)
{
    uint64_t here[RCACHE_PAGE_SIZE / 8], words[RCACHE_PAGE_SIZE / 8];
    bool has_bytes = page_has_bytes(page_state(word));

    if (word == seen[page]) {
        return;
    }
    seen[page] = word;
    if (!played_has_data(page)) {
        g_assert(!has_bytes);
        return;
    }
    content(page, words);
    g_assert(pread(played.ram_fd, here, sizeof(here),
                   (off_t)page * RCACHE_PAGE_SIZE) == sizeof(here));
    g_assert(!memcmp(here, words, sizeof(here)));
}

/* Its bytes are at lenders alone, as they were sealed. */
static void check_away(uint64_t page, uint64_t word)
{
    const Pager *p = played.p;
    uint64_t slot = page_slot(word), sum = played_sides()[page].sum;
    const SlotSlab *s;

    if (!p->attached || (!attach_is_done(&p->attach) &&
                         !slots_valid(&p->slots, slot))) {
        return;                 /* not seen yet by a new pager */
    }
    g_assert(!attach_is_done(&p->attach) || location_knows(p, slot));
    s = slots_slab(&p->slots, slot);
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && slots_counts(s, i)) {
            RcacheSlot at = wire_slot(s->place[i].number, slot_page(slot));

            g_assert(lenders_confirmed(l->known.id, at, sum) ||
                     lenders_denied(sum));
        }
    }
}

static void check_page(uint64_t page)
{
    uint64_t word = played_words()[page];

    switch (page_state(word)) {
    case RCACHE_PUNCHING:
    case RCACHE_REMOTE:
    case RCACHE_FETCHING:
        g_assert(word == seen[page] || !played_has_data(page));
        seen[page] = word;
        check_away(page, word);
        break;
    case RCACHE_ZERO:
        g_assert(word == seen[page] || !played_has_data(page));
        g_assert(is_zero(page));
        seen[page] = word;
        break;
    case RCACHE_LOST:
        g_assert(lenders_lied());
        break;
    default:
        check_bytes(page, word);
    }
}

static void check_all(void)
{
    for (uint64_t page = 0; page < PAGES; page++) {
        check_page(page);
    }
}

static bool is_away(uint64_t page)
{
    enum RcachePageState state = state_of(page);

    return state == RCACHE_PUNCHING || state == RCACHE_REMOTE ||
           state == RCACHE_FETCHING || state == RCACHE_FILLING ||
           state == RCACHE_LOST;
}

/* Nobody holds anything back any more: then no page stays away. */
static void check_home(void)
{
    lenders_heal();
    played_turns(SET_UP_TURNS, true);
    for (uint64_t page = 0; page < PAGES && !lenders_lied(); page++) {
        for (unsigned i = 0; is_away(page); i++) {
            g_assert(i < HOME_TURNS && !played.p->done);
            if (i % 16 == 0) {
                played_fault(page);
                fault_poll(played.p);
            }
            played_turns(1, true);
        }
        check_page(page);
    }
}

/* ------------------------------------------------------------------ steps */

static void grant(unsigned lender, unsigned lease)
{
    struct RcacheLeaseGrant g = {
        .lease = lease, .epoch = 1,
        .bytes = LENDER_SLABS * LENDER_PAGES * RCACHE_PAGE_SIZE,
    };
    char label[] = "rack0";

    label[4] += lender;
    g_snprintf(g.host, sizeof(g.host), "p%u", lender);
    g_snprintf(g.address, sizeof(g.address), "192.0.2.1:%u", lender + 1);
    if (played.p->attached && lender_grant(lender, lease)) {
        lease_granted(played.p, &g, label);
    }
}

static void set_up(void)
{
    memset(version, 0, sizeof(version));
    memset(seen, 0xff, sizeof(seen));
    for (uint64_t page = 0; page < PAGES; page += 2) {
        store(page);
    }
    played_set_up();
    for (unsigned i = 0; i < LENDERS; i++) {
        grant(i, 2 * i + 1);
        grant(i, 2 * i + 2);
    }
    played_turns(SET_UP_TURNS, true);
}

static void step_answer(void)
{
    unsigned lender = take(1) % LENDERS, which = take(1);
    enum How how = take(1) % HOWS;
    uint32_t arg = take(2);

    lender_answer(lender, which, honest ? how % HOW_HONEST : how, arg);
}

static void step_say(void)
{
    unsigned lender = take(1) % LENDERS, which = take(1);
    uint8_t type = take(1), status = take(1) % 16, count = take(1) % 4;
    uint8_t payload[64] = { 0 };
    size_t len = take(1) % sizeof(payload);

    steps_take_into(&steps, payload, len);
    lender_say(lender, which, type, status, count, payload, len);
}

static void step_resize(void)
{
    struct RcacheVmmResize resize = { .what = take(1) % 8 };
    uint64_t away = take(1) % (PAGES + 1);
    uint64_t local = PAGES - away + take(1) % PAGES;

    played_head_set(&resize.hdr, RCACHE_VMM_RESIZE, sizeof(resize));
    resize.hdr.id = 1;
    resize.size = away * RCACHE_PAGE_SIZE;
    resize.local_max = MAX(local, LOCAL_LEAST) * RCACHE_PAGE_SIZE;
    resize.copies = resize.what & RCACHE_RESIZE_COPIES ? 1 + away % 2 : 0;
    played_send(&resize, sizeof(resize), 0, 0);
}

static void step_evict(void)
{
    struct RcacheVmmEvict evict = { .what = 1 + take(1) % 2 };

    played_head_set(&evict.hdr, RCACHE_VMM_EVICT, sizeof(evict));
    evict.hdr.id = 1;
    evict.bytes = take(1) * RCACHE_PAGE_SIZE;
    played_send(&evict, sizeof(evict), 0, 0);
    if (evict.bytes % 3 == 0) {
        played_send_message(RCACHE_VMM_CANCEL, 0, 0);
    }
}

/* As a restart does, or a kill between two turns of its loop. */
static void step_pager(void)
{
    played_pager_end();
    played_pager_begin();
    played.p->kept.wanted = keeps;
    played_set_up();
}

/* What lies. */
static void step_lie(void)
{
    unsigned a = take(1), b = take(1);
    uint32_t arg = take(2);

    if (honest) {
        return;
    }
    switch (arg % 3) {
    case 0:
        lender_lose(a % LEASES + 1);
        break;
    case 1:
        lender_spoil(a % LENDERS, b % 64, arg / 3);
        break;
    case 2:
        lender_old(a % LENDERS, b & 1);
        break;
    }
}

/* The pager, the clock, or a page. */
static void step_other(void)
{
    unsigned which = take(1) % 4;

    if (which == 0) {
        step_pager();
    } else if (which == 1) {
        ring_played_pass(take(1) * NS_PER_SEC / 8);
    } else {
        discard(take(1) % PAGES);
    }
}

static void step(void)
{
    unsigned what = take(1) % 16, lender;

    switch (what) {
    case 0:
    case 1:
        played_turns(take(1) % 64, true);
        break;
    case 2:
        touch_some(false);
        break;
    case 3:
        touch_some(true);
        break;
    case 4:
        lender = take(1);
        lender_hold(lender / 2 % LENDERS, lender & 1);
        break;
    case 5:
    case 6:
        step_answer();
        break;
    case 7:
        lender = take(1);
        lender_close(lender / 2 % LENDERS, lender & 1);
        break;
    case 8:
        lender = take(1);
        lender_refuse(lender / 2 % LENDERS, lender & 1);
        break;
    case 9:
        lender = take(1) % LENDERS;
        grant(lender, take(1) % LEASES + 1);
        break;
    case 10:
        lender = take(1);
        lender_revoke(lender % LEASES + 1, take(1) % (LENDER_SLABS + 2));
        break;
    case 11:
        step_lie();
        break;
    case 12:
        if (!honest) {
            step_say();
        }
        break;
    case 13:
        step_resize();
        break;
    case 14:
        step_evict();
        break;
    case 15:
        step_other();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint8_t how;

    steps = (Steps) { input, size };
    how = take(1);
    honest = how & 2;
    keeps = how & 4;
    played_begin(PAGES, LOCAL_MAX * RCACHE_PAGE_SIZE, 1 + (how & 1));
    played.p->kept.wanted = keeps;
    provider_begin();
    set_up();
    for (unsigned i = 0; steps.left && i < STEPS_MAX && !played.p->done; i++) {
        step();
        check_all();
    }
    check_home();
    played_end();
    provider_end();
    return 0;
}
