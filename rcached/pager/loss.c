/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loss: pages whose last location is proved gone.  See loss.h. */
#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

/* Between two turns of the loop: a few frames. */
#define SLICE_NS        (200 * 1000ull)
#define AGAIN_NS        NS_PER_SEC

/* ------------------------------------------------------------ who lost it */

static void loss_count(Losses *losses, const char *host, uint64_t now)
{
    Loss *loss = NULL;

    for (unsigned i = 0; i < losses->nr && !loss; i++) {
        loss = strcmp(losses->by[i].host, host) ? NULL : &losses->by[i];
    }
    if (!loss && losses->nr == LOSSES_MAX) {
        losses->nr--;           /* the oldest is nobody's from now on */
        memmove(losses->by, losses->by + 1, losses->nr * sizeof(Loss));
    }
    if (!loss) {
        loss = &losses->by[losses->nr++];
        *loss = (Loss) { .since = now };
        wire_text_copy(loss->host, sizeof(loss->host), host);
    }
    loss->pages++;
}

bool loss_by(const Pager *p, unsigned i, Loss *out)
{
    const Losses *losses = &p->losses;
    uint64_t left = MAX(p->table.count[RCACHE_LOST], 0);

    if (i >= losses->nr) {
        return false;
    }
    for (unsigned newer = losses->nr - 1; newer > i; newer--) {
        left -= MIN(left, losses->by[newer].pages);
    }
    *out = losses->by[i];
    out->pages = MIN(out->pages, left);
    return true;
}

/* -------------------------------------------------------------- the words */

/* Is it one whose bytes are at the slot's locations alone? */
static bool is_away(uint64_t word)
{
    return page_state(word) == RCACHE_REMOTE ||
           page_state(word) == RCACHE_FETCHING;
}

static void loss_page(Pager *p, uint64_t page, uint64_t now)
{
    uint64_t word = table_load(&p->table, page), slot = page_slot(word);
    uint64_t lost = page_with_slot(page_to(word, RCACHE_LOST), 0);

    if (!is_away(word) || !location_is_lost(p, slot) ||
        fetch_rescue(p, page) ||
        !table_step(&p->table, page, word, lost)) {
        return;                 /* or discarded meanwhile */
    }
    crash_point("lost-marked");
    loss_count(&p->losses, location_host(p, slot), now);
    location_free(p, slot);
    if (page_state(word) == RCACHE_FETCHING) {
        install_wake(&p->guest, page);  /* who waits for its arrival */
    }
}

/* The rest of a frame; returns where the next one begins. */
static uint64_t loss_frame(Pager *p, uint64_t page, uint64_t end, uint64_t now)
{
    uint64_t stop = (page / RCACHE_FRAME_PAGES + 1) * RCACHE_FRAME_PAGES;

    stop = MIN(stop, end);
    if (table_frame_has(&p->table, page, RCACHE_REMOTE) ||
        table_frame_has(&p->table, page, RCACHE_FETCHING)) {
        for (; page < stop; page++) {
            loss_page(p, page, now);
        }
    }
    return stop;
}

void loss_tick(Pager *p, uint64_t now)
{
    Losses *losses = &p->losses;

    if (!attach_is_done(&p->attach)) {
        return;
    }
    if (!p->table.count[RCACHE_LOST]) {
        losses->nr = 0;
    }
    if (!losses->looking && now >= losses->look_at && lease_lost_pages(p)) {
        losses->looking = true;
        losses->at = 0;
    }
}

bool loss_work(Pager *p)
{
    Losses *losses = &p->losses;
    uint64_t now = pager_now(), until = now + SLICE_NS;

    while (losses->looking && now < until) {
        uint64_t at;
        const GuestBlock *b = attach_is_done(&p->attach)
            ? guest_next_block(&p->guest, losses->at, &at) : NULL;

        if (!b || at < losses->at) {
            losses->looking = false;
            losses->look_at = now + AGAIN_NS;
            break;
        }
        losses->at = loss_frame(p, at, b->first + b->pages, now);
        now = pager_now();
    }
    return losses->looking;
}
