/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: a page comes back: GET, checksum, COPY.
 *
 * REMOTE → FETCHING (here, with a new generation) → GET on the fault
 * connection → answer: is the word still the one we made?  → checksum →
 * FILLING → UFFDIO_COPY, which is atomic and wakes → HOT, the slot is freed.
 *
 * A GET that cannot be sent, or whose connection ended, is sent again when
 * its lease is ready; the guest waits meanwhile, never for made-up bytes.
 * Wrong bytes are asked for again, at once a few times and then every second,
 * and never installed.
 */
#include <errno.h>
#include <xxhash.h>

#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define WRONG_TRIES     3
#define WRONG_PAUSE_NS  NS_PER_SEC

void fetches_deinit(Fetches *fetches)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        g_free(fetches->entry[i].bytes);
    }
}

static uint64_t fetch_tag(const Pager *p, const Fetch *f)
{
    return tag_encode(TAG_GET, f - p->fetches.entry, f->serial);
}

static Fetch *fetch_by_tag(Pager *p, uint64_t tag)
{
    uint32_t i = tag_decode(tag).index;

    if (i >= FETCH_MAX || !p->fetches.entry[i].used ||
        fetch_tag(p, &p->fetches.entry[i]) != tag) {
        return NULL;
    }
    return &p->fetches.entry[i];
}

static Fetch *fetch_alloc(Pager *p)
{
    if (p->fetches.nr == FETCH_MAX) {
        return NULL;
    }
    while (p->fetches.entry[p->fetches.hint].used) {
        p->fetches.hint = (p->fetches.hint + 1) % FETCH_MAX;
    }
    p->fetches.nr++;
    return &p->fetches.entry[p->fetches.hint];
}

static void fetch_end(Pager *p, Fetch *f)
{
    uint64_t slot = page_slot(f->word);

    g_free(f->bytes);
    if (f->free_slot) {
        freeing_slot(p, slot);
    }
    *f = (Fetch) { .serial = f->serial };
    p->fetches.nr--;
}

static void fetch_send(Pager *p, Fetch *f)
{
    uint64_t slot = page_slot(f->word);
    Lease *l = lease_of_slot(p, slot);
    const SlotSlab *slab = &p->slots.slabs[slot_slab(slot)];
    RcacheSlot wire = wire_slot(slab->number, slot_page(slot));
    WireHead head = { .type = RCACHE_GET, .count = 1,
                      .tag = fetch_tag(p, f), .lease = l->shared->id,
                      .epoch = l->shared->epoch };

    if (f->out || f->bytes || !lease_ready(l)) {
        return;
    }
    f->out = true;
    f->remote = l->remote;
    f->retry_at = 0;
    f->sent = pager_now();
    data_conn_send(&l->remote->fault, &head, &wire, NULL, 0);
}

int fetch_start(Pager *p, uint64_t page, uint64_t word, bool demand,
                uint64_t now)
{
    uint64_t slot = page_slot(word);
    Fetch *f;

    if (!slots_valid(&p->slots, slot) || !slots_used(&p->slots, slot)) {
        /* The words are shared with the VMM: do not trust them blindly. */
        if (table_step(&p->table, page, word, page_to(word, RCACHE_LOST))) {
            report_event(p, RCACHE_EVENT_PAGE_LOST, page,
                         "its word names a slot that is not leased");
        }
        return 0;
    }
    f = fetch_alloc(p);
    if (!f) {
        return -EBUSY;
    }
    *f = (Fetch) { .serial = f->serial + 1, .used = true, .page = page,
                   .word = page_begin(word, RCACHE_FETCHING),
                   .started = now, .demand = demand };
    if (!table_step(&p->table, page, word, f->word)) {
        fetch_end(p, f);
        return -EAGAIN;
    }
    fetch_send(p, f);
    return 0;
}

static void fetch_intruded(Pager *p, const Fetch *f, unsigned times)
{
    const GuestBlock *b = guest_block_of_page(&p->guest, f->page);

    p->report.counts->intruders += times;
    g_warning("vm %s: block %s: page %" G_GUINT64_FORMAT " was written to from "
              "outside the VM while it was away; that is thrown away", p->name,
              b->name, f->page - b->first);
}

/* Checked bytes into the page, which is FILLING. */
static void fetch_fill(Pager *p, Fetch *f, const void *bytes)
{
    unsigned intruders = 0;
    int ret = install_bytes(&p->guest, f->page, bytes, &intruders);
    uint64_t now;

    if (intruders) {
        fetch_intruded(p, f, intruders);
    }
    if (ret == 0) {
        arrival_hot(p, f->page);
        p->report.counts->fetched++;
        if (f->demand) {
            now = pager_now();
            p->report.counts->faults_remote++;
            histogram_add(&p->report.fault_ns, now - f->started, now);
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

static void fetch_wrong(Pager *p, Fetch *f)
{
    p->report.counts->checksum_errors++;
    f->remote->wrong++;
    f->remote->wrong_at = pager_now();
    if (f->tries == 0) {
        report_event(p, RCACHE_EVENT_DEGRADED, f->page,
                     "provider %s returned wrong bytes; the page is held "
                     "back and asked for again", f->remote->host);
    }
    if (f->tries < WRONG_TRIES) {
        f->tries++;
        fetch_send(p, f);
    } else {
        f->retry_at = pager_now() + WRONG_PAUSE_NS;
    }
}

/* The provider says no: not for this page alone, so the session decides. */
static void fetch_refused(Pager *p, Fetch *f, uint16_t status)
{
    if (status == RCACHE_E_FENCED) {
        remote_close(f->remote, "a newer session of this VM is there");
        return;
    }
    g_warning("vm %s: provider %s: GET: %s", p->name, f->remote->host,
              wire_status_name(status));
    f->retry_at = pager_now() + WRONG_PAUSE_NS;
}

bool fetch_answer(Pager *p, const Remote *remote, const WireHead *head,
                  const void *payload)
{
    Fetch *f = fetch_by_tag(p, head->tag);
    uint64_t now = pager_now();

    if (!f || !f->out || f->remote != remote) {
        return false;
    }
    f->out = false;
    histogram_add(&p->report.network_ns, now - f->sent, now);
    judge_add(&f->remote->judge, now - f->sent);
    if (table_load(&p->table, f->page) != f->word) {
        fetch_end(p, f);        /* discarded meanwhile */
        return true;
    }
    if (head->status || head->count != 1) {
        fetch_refused(p, f, head->status);
        return true;
    }
    if (XXH3_64bits(payload, RCACHE_PAGE_SIZE) !=
        p->table.sides[f->page].sum) {
        fetch_wrong(p, f);
        return true;
    }
    if (!table_step(&p->table, f->page, f->word,
                    page_to(f->word, RCACHE_FILLING))) {
        fetch_end(p, f);
        return true;
    }
    fetch_fill(p, f, payload);
    return true;
}

void fetch_wanted(Pager *p, uint64_t page, uint64_t now)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (f->used && f->page == page && !f->demand) {
            f->demand = true;
            f->started = now;
        }
    }
}

void fetch_lease_ready(Pager *p, Lease *lease)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (f->used && !f->out && !f->bytes &&
            lease_of_slot(p, page_slot(f->word)) == lease) {
            fetch_send(p, f);
        }
    }
}

void fetch_remote_down(Pager *p, Remote *remote)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (f->used && f->out && f->remote == remote) {
            f->out = false;
            if (table_load(&p->table, f->page) != f->word) {
                fetch_end(p, f);
            } else {
                fetch_send(p, f);       /* if its slab is elsewhere by now */
            }
        }
    }
}

void fetch_retry(Pager *p, uint64_t now)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (!f->used || f->out) {
            continue;
        }
        if (f->bytes) {
            fetch_fill(p, f, f->bytes);
        } else if (table_load(&p->table, f->page) != f->word) {
            fetch_end(p, f);
        } else if (f->retry_at && now >= f->retry_at) {
            fetch_send(p, f);
        }
    }
}

bool fetch_is_out(const Pager *p, const Remote *remote, uint32_t slab)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        const Fetch *f = &p->fetches.entry[i];

        if (f->used && f->out && f->remote == remote &&
            slot_slab(page_slot(f->word)) == slab) {
            return true;
        }
    }
    return false;
}

bool fetch_holds_slot(Pager *p, uint64_t slot)
{
    for (unsigned i = 0; i < FETCH_MAX && p->fetches.nr; i++) {
        Fetch *f = &p->fetches.entry[i];

        if (f->used && f->out && page_slot(f->word) == slot) {
            f->free_slot = true;
            return true;
        }
    }
    return false;
}
