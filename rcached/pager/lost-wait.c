/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lost-wait: faults on pages that are LOST.  See lost-wait.h. */
#include "rcached/pager/lost-wait.h"

#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

void lost_wait_add(LostWaits *waits, uint64_t page, uint64_t now)
{
    for (unsigned i = 0; i < waits->nr; i++) {
        if (waits->wait[i].page == page) {
            waits->wait[i].asked_at = now;
            return;
        }
    }
    if (waits->nr < LOST_WAITS_MAX) {
        waits->wait[waits->nr++] = (LostWait) { page, now, now, now };
    } else {
        waits->more = true;
    }
}

/* Given up by the guest, removed with its block, or waited for no more. */
static bool wait_is_over(Pager *p, const LostWait *w, uint64_t now)
{
    return !guest_block_of_page(&p->guest, w->page) ||
           page_state(table_load(&p->table, w->page)) != RCACHE_LOST ||
           now >= w->asked_at + LOST_WAIT_GONE_NS;
}

void lost_wait_tick(Pager *p, uint64_t now)
{
    LostWaits *waits = &p->faults.lost;

    for (unsigned i = 0; i < waits->nr;) {
        LostWait *w = &waits->wait[i];

        if (wait_is_over(p, w, now)) {
            /* It goes on without the page (poison), or is stopped. */
            stalls_end(&p->delays.stalls, w->page, now);
            *w = waits->wait[--waits->nr];
            continue;
        }
        if (now >= w->woken_at + LOST_WAIT_ASK_NS) {
            w->woken_at = now;
            install_wake(&p->guest, w->page);
        }
        i++;
    }
    if (waits->more && waits->nr < LOST_WAITS_MAX) {
        waits->more = false;
        install_wake_all(&p->guest);
    }
}

const LostWait *lost_wait_oldest(const LostWaits *waits)
{
    const LostWait *oldest = NULL;

    for (unsigned i = 0; i < waits->nr; i++) {
        if (!oldest || waits->wait[i].since < oldest->since) {
            oldest = &waits->wait[i];
        }
    }
    return oldest;
}
