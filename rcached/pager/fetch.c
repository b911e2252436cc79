/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: a page comes back: GET, unseal, COPY.
 *
 * REMOTE → FETCHING (here, with a new generation) → location.c gets the bytes
 * → is the word still the one we made?  → its tag → FILLING → UFFDIO_COPY,
 * which is atomic and wakes → HOT, the slot is freed.
 *
 * Where the page is, and when that provider can be asked, is not known here:
 * the guest waits until its bytes come, never for made-up ones.
 * Wrong bytes are asked for again, at once a few times and then every second,
 * and never installed.  Who waits for a page of which there have been no others
 * for as long as a provider may be away waits without hope (report.c).
 */
#include <errno.h>

#include "common/crash-point.h"
#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

#define WRONG_TRIES     3
#define WRONG_PAUSE_NS  NS_PER_SEC

void fetches_init(Fetches *fetches)
{
    fetches->by_page = g_hash_table_new(NULL, NULL);
}

void fetches_deinit(Fetches *fetches)
{
    g_hash_table_destroy(fetches->by_page);
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        g_free(fetches->entry[i].bytes);
    }
}

static Fetch *fetch_alloc(Pager *p)
{
    unsigned *hint = &p->fetches.hint;

    /* A number may be busy that is not used: a second answer is to come. */
    for (unsigned i = 0; p->fetches.nr < FETCH_MAX && i < FETCH_MAX; i++) {
        if (!p->fetches.entry[*hint].used && !location_get_is_busy(p, *hint)) {
            p->fetches.nr++;
            return &p->fetches.entry[*hint];
        }
        *hint = (*hint + 1) % FETCH_MAX;
    }
    return NULL;
}

static unsigned fetch_number(const Pager *p, const Fetch *f)
{
    return f - p->fetches.entry;
}

static Fetch *fetch_of_page(const Pager *p, uint64_t page)
{
    return g_hash_table_lookup(p->fetches.by_page, GSIZE_TO_POINTER(page));
}

static void fetch_end(Pager *p, Fetch *f)
{
    location_forget(p, fetch_number(p, f));
    arrival_passed(p, f->page);
    if (fetch_of_page(p, f->page) == f) {
        g_hash_table_remove(p->fetches.by_page, GSIZE_TO_POINTER(f->page));
    }
    g_free(f->bytes);
    *f = (Fetch) { 0 };
    p->fetches.nr--;
}

static void fetch_ask(Pager *p, Fetch *f)
{
    f->retry_at = 0;
    location_get(p, fetch_number(p, f), page_slot(f->word));
}

int fetch_start(Pager *p, uint64_t page, uint64_t word, bool demand,
                uint64_t now)
{
    uint64_t slot = page_slot(word);
    Fetch *f;

    if (!location_knows(p, slot)) {
        /* The words are shared with the VMM: do not trust them blindly. */
        if (table_step(&p->table, page, word, page_to(word, RCACHE_LOST))) {
            report_event(p, RCACHE_EVENT_PAGE_LOST, page,
                         "the page's word names a place that is not leased: "
                         "the page's bytes cannot be found");
        }
        return 0;
    }
    if (!location_may_get(p, slot, demand ? FETCH_MAX : FETCH_HOME_MAX)) {
        return -EBUSY;
    }
    f = fetch_alloc(p);
    if (!f) {
        return -EBUSY;
    }
    *f = (Fetch) { .used = true, .page = page,
                   .word = page_begin(word, RCACHE_FETCHING),
                   .demand = demand };
    f->started = delays_begin(&p->delays, fetch_number(p, f), page, now);
    if (!table_step(&p->table, page, word, f->word)) {
        fetch_end(p, f);
        return -EAGAIN;
    }
    crash_point("fetching");
    g_hash_table_insert(p->fetches.by_page, GSIZE_TO_POINTER(page), f);
    fetch_ask(p, f);
    crash_point_sent("get-sent");
    return 0;
}

static void fetch_intruded(Pager *p, const Fetch *f, unsigned times)
{
    const GuestBlock *b = guest_block_of_page(&p->guest, f->page);

    p->report.counts->intruders += times;
    g_warning("vm %s: block %s: page %" G_GUINT64_FORMAT " was written to from "
              "outside the VM while its contents were on another host: what "
              "was written is discarded", p->name,
              b->name, f->page - b->first);
}

/* Checked bytes into the page, which is FILLING. */
static void fetch_fill(Pager *p, Fetch *f, const void *bytes)
{
    unsigned intruders = 0;
    uint64_t now = pager_now();
    int ret;

    delays_enter(&p->delays, fetch_number(p, f), RCACHE_PHASE_INSTALL, now);
    ret = install_bytes(&p->guest, f->page, bytes, &intruders);
    if (intruders) {
        fetch_intruded(p, f, intruders);
    }
    if (ret == 0) {
        crash_point("copied");
        arrival_hot(p, f->page);
        p->report.counts->fetched++;
        if (f->demand) {
            now = pager_now();
            p->report.counts->faults_remote++;
            histogram_add(&p->report.fault_ns,
                          delays_done(&p->delays, fetch_number(p, f), now),
                          now);
        }
        fetch_end(p, f);
    } else if (arrival_failed(p, f->page, ret)) {
        if (!f->bytes) {
            f->bytes = g_memdup2(bytes, RCACHE_PAGE_SIZE);
        }
    } else {
        fetch_end(p, f);
    }
}

/* Told once for each page; the other place may have right ones. */
static void fetch_wrong(Pager *p, Fetch *f, Remote *from)
{
    if (!from) {
        return;                 /* asked again with the others, in a second */
    }
    p->report.counts->checksum_errors++;
    from->wrong++;
    from->wrong_at = pager_now();
    f->wrong = true;
    if (f->tries == 0 && providers_may_tell(from, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, f->page,
                     "provider %s returned wrong bytes; the page is held "
                     "back and asked for again", from->host);
    }
}

bool fetch_got(Pager *p, unsigned i, Remote *from, const void *bytes)
{
    Fetch *f = &p->fetches.entry[i];
    const void *page;

    if (table_load(&p->table, f->page) != f->word) {
        fetch_end(p, f);        /* discarded meanwhile */
        return true;
    }
    page = seal_open(p->seal, f->page, &p->table.sides[f->page], bytes);
    if (!page) {
        delays_enter(&p->delays, i, RCACHE_PHASE_QUEUE, pager_now());
        fetch_wrong(p, f, from);
        return false;
    }
    if (table_step(&p->table, f->page, f->word,
                   page_to(f->word, RCACHE_FILLING))) {
        crash_point("filling");
        fetch_fill(p, f, page);
    } else {
        fetch_end(p, f);
    }
    return true;
}

void fetch_missing(Pager *p, unsigned i)
{
    Fetch *f = &p->fetches.entry[i];

    if (f->wrong && !f->wrong_since) {
        f->wrong_since = pager_now();
    }
    if (table_load(&p->table, f->page) != f->word) {
        fetch_end(p, f);        /* discarded meanwhile */
    } else if (f->wrong && f->tries < WRONG_TRIES) {
        f->tries++;
        f->wrong = false;
        fetch_ask(p, f);
    } else {
        /* Not for this page alone, so the session decides. */
        f->retry_at = pager_now() + WRONG_PAUSE_NS;
    }
}

void fetch_wanted(Pager *p, uint64_t page, uint64_t now)
{
    Fetch *f = fetch_of_page(p, page);

    if (f && !f->demand) {
        f->demand = true;
        f->started = now;
        delays_wanted(&p->delays, fetch_number(p, f), now);
    }
}

void fetch_retry(Pager *p, uint64_t now)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        Fetch *f = &p->fetches.entry[i];
        uint64_t word;

        if (!f->used || location_get_is_out(p, i)) {
            continue;
        }
        word = table_load(&p->table, f->page);
        if (word != (f->bytes ? page_to(f->word, RCACHE_FILLING) : f->word)) {
            fetch_end(p, f);    /* discarded, or its block has gone */
        } else if (f->bytes && page_errors_due(&p->errors, f->page, now)) {
            fetch_fill(p, f, f->bytes);
        } else if (!f->bytes && f->retry_at && now >= f->retry_at) {
            fetch_ask(p, f);
        }
    }
}
