/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: a page comes back: GET, unseal, COPY.
 *
 * REMOTE → FETCHING (here, with a new generation) → location.c gets the bytes
 * → is the word still the one we made?  → its tag → FILLING → UFFDIO_COPY,
 * which is atomic and wakes → HOT, the slot is freed, or kept (kept.h).
 *
 * A marker (readahead.h) stops half-way: once its bytes have been checked they
 * stay here, and the word stays FETCHING, until the guest comes to the page, or
 * has not come for long.  Then it is REMOTE again: nothing has been given up.
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

/* A marker that a guest has not come to for so long was of no use. */
#define KEPT_NS         (2 * NS_PER_SEC)
/* And a page that is read ahead is not waited for longer than that. */
#define AHEAD_NS        (3 * NS_PER_SEC)
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
    p->fetches.nr_kept -= f->kept;
    p->fetches.nr_ahead -= f->ahead;
    p->fetches.nr--;
    *f = (Fetch) { 0 };
}

/* The page stays where it is, as if it had not been asked for. */
static void fetch_give_up(Pager *p, Fetch *f)
{
    table_step(&p->table, f->page, f->word, page_to(f->word, RCACHE_REMOTE));
    fetch_end(p, f);
}

static void fetch_ask(Pager *p, Fetch *f)
{
    f->retry_at = 0;
    location_get(p, fetch_number(p, f), page_slot(f->word));
}

/* A page is on its way; NULL: the word has changed, or there is no entry. */
static Fetch *fetch_begin(Pager *p, uint64_t page, uint64_t word, uint64_t now)
{
    Fetch *f = fetch_alloc(p);

    if (!f) {
        return NULL;
    }
    *f = (Fetch) { .used = true, .page = page,
                   .word = page_begin(word, RCACHE_FETCHING) };
    f->started = delays_begin(&p->delays, fetch_number(p, f), page, now);
    if (!table_step(&p->table, page, word, f->word)) {
        fetch_end(p, f);
        return NULL;
    }
    g_hash_table_insert(p->fetches.by_page, GSIZE_TO_POINTER(page), f);
    return f;
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
    if (!location_may_get(p, slot, demand ? FETCH_MAX
                          : FETCH_HOME_MAX + p->fetches.nr_ahead)) {
        return -EBUSY;
    }
    f = fetch_begin(p, page, word, now);
    if (!f) {
        return table_load(&p->table, page) == word ? -EBUSY : -EAGAIN;
    }
    f->demand = demand;
    crash_point("fetching");
    fetch_ask(p, f);
    crash_point_sent("get-sent");
    return 0;
}

unsigned fetch_ahead(Pager *p, const uint64_t *page, unsigned n, uint64_t now)
{
    unsigned number[RCACHE_BATCH_PAGES], begun = 0, i;
    uint64_t slot[RCACHE_BATCH_PAGES];

    for (i = 0; i < n; i++) {
        uint64_t word = table_load(&p->table, page[i]);
        Fetch *f;

        if (page_state(word) != RCACHE_REMOTE ||
            !location_knows(p, page_slot(word))) {
            continue;
        }
        if (!location_may_get(p, page_slot(word),
                              FETCH_AHEAD_MAX - 2 * begun)) {
            break;
        }
        f = fetch_begin(p, page[i], word, now);
        if (!f) {
            break;
        }
        f->ahead = true;
        p->fetches.nr_ahead++;
        number[begun] = fetch_number(p, f);
        slot[begun++] = page_slot(word);
    }
    if (begun) {
        p->fetches.entry[number[0]].window = begun;
        crash_point("many-fetching");
        location_get_many(p, number, slot, begun);
        crash_point_sent("gets-sent");
    }
    return i;
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
    bool keep = !f->plain && kept_tracks(p, f->page) &&
                kept_may_keep(p, page_slot(f->word)) &&
                !compare_wants(p, f->page);
    unsigned intruders = 0;
    uint64_t now = pager_now();
    int ret;

    delays_enter(&p->delays, fetch_number(p, f), RCACHE_PHASE_INSTALL, now);
    ret = install_bytes(&p->guest, f->page, bytes, keep, &intruders);
    if (intruders) {
        fetch_intruded(p, f, intruders);
    }
    /* Its copy may be wanted anew, or not: that is not known a second time. */
    f->plain |= ret != 0;
    if (ret == 0) {
        crash_point("copied");
        arrival_hot(p, f->page, keep ? page_slot(f->word) : 0);
        p->report.counts->fetched++;
        p->report.read_ahead += f->ahead;
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
    f->plain = true;
    if (!from) {
        return;                 /* asked again with the others, in a second */
    }
    p->report.counts->checksum_errors++;
    from->wrong++;
    from->wrong_at = pager_now();
    f->wrong = true;
    if (f->tries == 0 && !f->ahead && providers_may_tell(from, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, f->page,
                     "provider %s returned wrong bytes; the page is held "
                     "back and asked for again", from->host);
    }
}

/* ---------------------------------------------------------------- markers */

static void fetch_keep(Pager *p, Fetch *f, const void *bytes)
{
    f->bytes = g_memdup2(bytes, RCACHE_PAGE_SIZE);
    f->kept = true;
    f->started = pager_now();
    p->fetches.nr_kept++;
    location_forget(p, fetch_number(p, f));
    crash_point("marker-kept");
}

/* Its bytes into the guest; if it has not been discarded meanwhile. */
static void kept_install(Pager *p, Fetch *f)
{
    f->kept = false;
    p->fetches.nr_kept--;
    if (table_step(&p->table, f->page, f->word,
                   page_to(f->word, RCACHE_FILLING))) {
        crash_point("marker-filling");
        fetch_fill(p, f, f->bytes);
    } else {
        fetch_end(p, f);
    }
}

/* The guest has come to a marker, so that the others were of use as well. */
static void marker_used(Pager *p, Fetch *f)
{
    p->report.read_ahead_used += f->window;
    readahead_used(&p->ahead, f->window);
    f->window = 0;
}

static void marker_wasted(Pager *p, Fetch *f)
{
    p->report.read_ahead_wasted += f->window;
    readahead_wasted(&p->ahead, f->window);
    f->window = 0;
}

/* Not so when more is to go: an evict brings nothing. */
static bool all_comes_home(const Pager *p)
{
    return p->command.active.kind == COMMAND_RESIZE || p->command.homing;
}

/*
 * It does not stay half-way when pages are to come home, nor for ever.  A page
 * that could not be asked for again is not given up; nor is one whose GET is
 * still out somewhere: its slot would have two, and be freed with the first.
 */
static void kept_look(Pager *p, Fetch *f, uint64_t now)
{
    if (all_comes_home(p)) {
        kept_install(p, f);
    } else if (now >= f->started + KEPT_NS &&
               !location_get_is_busy(p, fetch_number(p, f)) &&
               get_is_there(p, page_slot(f->word))) {
        marker_wasted(p, f);
        fetch_give_up(p, f);
    }
}

/*
 * What does not come of itself is asked for like any other page, so that one
 * provider that answers no frame holds up neither what is to come home nor, by
 * what is counted as coming, what wants to come.
 */
static void ahead_look(Pager *p, const Fetch *f, uint64_t now)
{
    if (f->ahead && (all_comes_home(p) || now >= f->started + AHEAD_NS)) {
        location_get_wanted(p, fetch_number(p, f), now);
    }
}

bool fetch_rescue(Pager *p, uint64_t page)
{
    Fetch *f = fetch_of_page(p, page);

    if (!f || !f->kept || table_load(&p->table, page) != f->word) {
        return false;
    }
    kept_install(p, f);
    return true;
}

void fetch_block_gone(Pager *p, uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr_kept; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (f->kept && f->page >= first && f->page < end) {
            fetch_end(p, f);
        }
    }
}

/* ---------------------------------------------------------------- answers */

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
    f->plain |= location_get_failed(p, i);
    if (f->window && !f->demand && p->fetches.nr_kept < FETCH_KEPT_MAX) {
        fetch_keep(p, f, page);
    } else if (table_step(&p->table, f->page, f->word,
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

    f->plain = true;
    if (f->wrong && !f->wrong_since) {
        f->wrong_since = pager_now();
    }
    if (table_load(&p->table, f->page) != f->word) {
        fetch_end(p, f);        /* discarded meanwhile */
    } else if (f->ahead) {
        marker_wasted(p, f);
        fetch_give_up(p, f);
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

    if (!f || f->demand || table_load(&p->table, page) != f->word) {
        return;
    }
    if (f->window) {
        marker_used(p, f);
    }
    f->started = now;
    delays_wanted(&p->delays, fetch_number(p, f), now);
    if (f->kept) {
        p->report.counts->faults_minor++;
        kept_install(p, f);
        f->demand = f->used && f->page == page; /* no memory for it yet */
        return;
    }
    f->demand = true;
    p->fetches.nr_ahead -= f->ahead;
    f->ahead = false;
    location_get_wanted(p, fetch_number(p, f), now);
}

void fetch_retry(Pager *p, uint64_t now)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        Fetch *f = &p->fetches.entry[i];
        uint64_t word;

        if (!f->used) {
            continue;
        }
        if (location_get_is_out(p, i)) {
            ahead_look(p, f, now);
            continue;
        }
        word = table_load(&p->table, f->page);
        if (word != (f->bytes && !f->kept ? page_to(f->word, RCACHE_FILLING)
                                          : f->word)) {
            fetch_end(p, f);    /* discarded, or its block has gone */
        } else if (f->kept) {
            kept_look(p, f, now);
        } else if (f->ahead && !f->bytes) {
            fetch_give_up(p, f);        /* nobody can be asked now */
        } else if (f->bytes && page_errors_due(&p->errors, f->page, now)) {
            fetch_fill(p, f, f->bytes);
        } else if (!f->bytes && f->retry_at && now >= f->retry_at) {
            fetch_ask(p, f);
        }
    }
}
