/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compare: a slab's bytes against the sums that are kept.  See compare.h. */
#include "rcached/pager/compare.h"

#include "common/wire-check.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* Between two turns of the loop: a few frames. */
#define SLICE_NS        (200 * 1000ull)
#define BUSY_NS         (50 * NS_PER_MS)
/* Of a slab that cannot be read as a whole: fetched at a time. */
#define RESCUED_MAX     512u
/* Pages above local-max: a guest that stands still has all that it may. */
#define ABOVE_MAX       16u

void compares_init(Compares *compares)
{
    compares->to_fetch = g_array_new(FALSE, FALSE, sizeof(ComparePage));
    compares->waits = g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

static void compare_clear(Compare *c)
{
    if (c->state) {
        g_free(c->page_of);
        g_array_free(c->todo, TRUE);
        g_array_free(c->left, TRUE);
    }
    *c = (Compare) { 0 };
}

void compares_deinit(Compares *compares)
{
    for (unsigned i = 0; i < COMPARES_MAX; i++) {
        compare_clear(&compares->entry[i]);
    }
    g_array_free(compares->to_fetch, TRUE);
    g_hash_table_destroy(compares->waits);
}

bool compare_is_possible(const Lease *l)
{
    return lease_ready(l) && l->remote->features & RCACHE_FEATURE_SUMS;
}

/* Are a page's bytes in its slot, and nowhere here? */
static bool is_away(uint64_t word)
{
    return page_state(word) == RCACHE_REMOTE ||
           page_state(word) == RCACHE_PUNCHING ||
           page_state(word) == RCACHE_FETCHING;
}

static bool is_in_slab(uint64_t word, uint32_t slab)
{
    return is_away(word) && slot_slab(page_slot(word)) == slab;
}

/* ------------------------------------------------------ it begins and ends */

/* The place of a slab that is not at @source. */
static ComparePlace other_place(const Pager *p, uint32_t slab,
                                const Lease *source)
{
    const SlotSlab *s = &p->slots.slabs[slab];

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        Lease *l = leases_of(&p->leases, s, i);

        if (l && l != source) {
            return (ComparePlace) { l, s->place[i].number };
        }
    }
    return (ComparePlace) { NULL, 0 };
}

void compare_begin(Pager *p, unsigned i, uint32_t slab, ComparePlace at,
                   Lease *source, bool unread, CompareDone *done)
{
    Compare *c = &p->compares.entry[i];
    const SlotSlab *s = &p->slots.slabs[slab];

    g_assert(!c->state && s->frozen && compare_is_possible(at.lease));
    *c = (Compare) {
        .state = COMPARE_LISTING, .slab = slab, .done = done,
        .unread = unread,
        .page_of = g_new0(uint64_t, s->pages),
        .todo = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .left = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .place = { at, { NULL, 0 }, other_place(p, slab, source) },
    };
    if (source != at.lease) {
        int which = slots_which(s, source->index);

        c->place[1] = (ComparePlace) { source, s->place[which].number };
    }
}

void compare_end(Pager *p, unsigned i)
{
    compare_clear(&p->compares.entry[i]);
}

/* The slab is left alone until its other place can be asked. */
static void compare_await(Pager *p, const Compare *c)
{
    uint64_t *id = g_memdup2(&c->place[2].lease->known.id, sizeof(*id));

    g_hash_table_insert(p->compares.waits, GUINT_TO_POINTER(c->slab), id);
}

/* It is the disk there that has failed, and only there. */
static void compare_tell_unread(Pager *p, Lease *l, uint64_t pages,
                                const char *what)
{
    if (pages && providers_may_tell(l->remote, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "provider %s: %" G_GUINT64_FORMAT " page(s) of a slab "
                     "cannot be read there; %s", l->remote->host, pages, what);
    }
}

static enum CompareVerdict judge_unread(Pager *p, Compare *c)
{
    Lease *at = c->place[0].lease;

    if (c->not_asked[0]) {
        return COMPARE_NOT_YET;
    }
    compare_tell_unread(p, at, c->found[2],
                        "they are read from the other copy and stored anew");
    if (c->todo->len && c->not_asked[2]) {
        compare_await(p, c);
        compare_tell_unread(p, at, c->todo->len, "the other copy is out of "
                            "reach, and the slab waits for it");
        return COMPARE_NOT_YET;
    }
    compare_tell_unread(p, at, c->todo->len, "there is no other copy: they "
                        "stay there, and the others leave");
    return c->rescued || c->found[2] ? COMPARE_NOT_YET
           : c->todo->len ? COMPARE_NOWHERE : COMPARE_RIGHT;
}

/* Whose bytes are wrong: nothing new is put there for a while. */
static void compare_blame(Pager *p, Lease *l, uint64_t pages, const char *what)
{
    if (!pages) {
        return;
    }
    l->remote->wrong += pages;
    l->remote->wrong_at = pager_now();
    if (providers_may_tell(l->remote, p)) {
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "provider %s: %" G_GUINT64_FORMAT " page(s) of a slab are "
                     "not what was stored there; %s", l->remote->host, pages,
                     what);
    }
}

/* Pages are right nowhere, so far as could be asked. */
static enum CompareVerdict judge_nowhere(Pager *p, const Compare *c,
                                         Lease *source, uint64_t pages)
{
    if (c->not_asked[2]) {
        compare_await(p, c);
        compare_blame(p, source, pages, "the other copy is out of reach: the "
                      "slab is left as it is until that is back, or gone");
        return COMPARE_NOT_YET;
    }
    compare_blame(p, source, pages, "there is no other copy with the right "
                  "bytes, so that these pages are as good as lost");
    return COMPARE_NOWHERE;
}

static void compare_judge(Pager *p, Compare *c)
{
    Lease *at = c->place[0].lease, *source = c->place[1].lease;
    enum CompareVerdict verdict = COMPARE_RIGHT;

    if (c->unread) {
        c->done(p, c - p->compares.entry, judge_unread(p, c));
        return;
    }
    if (c->not_asked[0] || c->not_asked[1]) {
        c->done(p, c - p->compares.entry, COMPARE_NOT_YET);
        return;
    }
    source = source ? source : at;
    compare_blame(p, at, c->found[1], "the copy is made again");
    compare_blame(p, source, c->found[2],
                  "they are read from the other copy and stored anew");
    if (c->todo->len) {
        verdict = judge_nowhere(p, c, source, c->todo->len);
    }
    if (c->found[1]) {
        verdict = COMPARE_BAD_COPY;
    } else if (c->found[2]) {
        verdict = COMPARE_NOT_YET;
    }
    c->done(p, c - p->compares.entry, verdict);
}

/* ------------------------------------------------------------------ asking */

static uint32_t todo_page(const Compare *c, guint i)
{
    return g_array_index(c->todo, uint32_t, i);
}

static void compare_send(Pager *p, Compare *c)
{
    const ComparePlace *place = &c->place[c->turn];
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    WireHead head = { .type = RCACHE_SUMS, .lease = place->lease->known.id,
                      .epoch = place->lease->known.epoch };

    c->retry_at = 0;
    c->asked_at = pager_now();
    c->out = c->at < c->one_by_one
             ? 1 : MIN(c->todo->len - c->at, RCACHE_BATCH_PAGES);
    for (guint i = 0; i < c->out; i++) {
        slots[i] = wire_slot(place->number, todo_page(c, c->at + i));
    }
    c->tag = tag_encode(TAG_SUMS, c - p->compares.entry, ++p->serial);
    head.tag = c->tag;
    head.count = c->out;
    data_conn_send(&place->lease->remote->bulk, &head, slots, NULL, 0);
}

/* It comes here by a GET, which looks at all of its places. */
static void compare_fetch(Pager *p, Compare *c, uint32_t page)
{
    ComparePage wanted = { c->page_of[page] - 1, slot_make(c->slab, page) };

    g_array_append_val(p->compares.to_fetch, wanted);
}

/* It can be read, others of its slab cannot, and it is nowhere else. */
static void compare_rescue(Pager *p, Compare *c, uint32_t page)
{
    if (c->rescued < RESCUED_MAX) {
        c->rescued++;
        compare_fetch(p, c, page);
    }
}

/* This place cannot be asked, or not for the rest. */
static void compare_skip(Pager *p, Compare *c)
{
    const Lease *l = c->place[c->turn].lease;
    bool there = l && lease_ready(l);

    c->not_asked[c->turn] = l && !there && !l->lost;
    for (guint i = c->at; i < c->todo->len; i++) {
        uint32_t page = todo_page(c, i);

        if (there && c->turn == 2) {
            c->found[2]++;      /* it knows no SUMS */
            compare_fetch(p, c, page);
        } else {
            g_array_append_val(c->left, page);
        }
    }
}

/* The next batch of this place, or the next place, or the verdict. */
static void compare_go(Pager *p, Compare *c)
{
    for (;;) {
        const Lease *l = c->place[c->turn].lease;
        GArray *done = c->todo;

        if (c->at < c->todo->len && l && compare_is_possible(l)) {
            compare_send(p, c);
            return;
        }
        if (c->at < c->todo->len) {
            compare_skip(p, c);
        }
        c->todo = c->left;
        c->left = g_array_set_size(done, 0);
        c->at = c->out = c->one_by_one = 0;
        if (!c->todo->len || ++c->turn == COMPARE_PLACES) {
            compare_judge(p, c);
            return;
        }
    }
}

/* One page: is what the provider has what is kept here? */
static void compare_page(Pager *p, Compare *c, uint32_t page, uint64_t sum)
{
    uint64_t guest_page = c->page_of[page] - 1;
    uint64_t word = table_load(&p->table, guest_page);

    if (!is_away(word) || page_slot(word) != slot_make(c->slab, page)) {
        return;                 /* it is not there any more */
    }
    if (p->table.sides[guest_page].sum != sum) {
        g_array_append_val(c->left, page);
        return;
    }
    c->found[c->turn]++;
    if (c->turn == 2) {
        compare_fetch(p, c, page);
    } else if (c->unread && !c->place[2].lease) {
        compare_rescue(p, c, page);
    }
}

void compare_answer(Pager *p, const Remote *remote, const WireHead *head,
                    const void *payload)
{
    uint32_t i = tag_decode(head->tag).index;
    Compare *c = i < COMPARES_MAX ? &p->compares.entry[i] : NULL;

    if (!c || c->state != COMPARE_ASKING || c->retry_at ||
        c->tag != head->tag || c->place[c->turn].lease->remote != remote) {
        return;                 /* of one that has been given up */
    }
    if (head->status == RCACHE_E_BUSY || head->status == RCACHE_E_FENCED) {
        c->retry_at = pager_now() + BUSY_NS;
        return;                 /* the latter: its session is to end */
    }
    if (head->status == RCACHE_E_SLOT && c->unread && c->out > 1) {
        c->one_by_one = c->at + c->out;     /* which of them is it? */
        compare_go(p, c);
        return;
    }
    for (guint k = 0; k < c->out; k++) {
        uint32_t page = todo_page(c, c->at + k);

        if (head->status || head->count != c->out) {
            g_array_append_val(c->left, page);      /* it lacks some */
        } else {
            compare_page(p, c, page, wire_sum(payload, k));
        }
    }
    c->at += c->out;
    compare_go(p, c);
}

void compare_remote_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < COMPARES_MAX; i++) {
        Compare *c = &p->compares.entry[i];

        if (c->state == COMPARE_ASKING &&
            c->place[c->turn].lease->remote == remote) {
            compare_go(p, c);   /* its lease is not ready: it is skipped */
        }
    }
}

/* ----------------------------------------------------------------- listing */

/* The rest of a frame; returns where the next one begins. */
static uint64_t list_frame(Pager *p, Compare *c, uint64_t page, uint64_t end)
{
    uint64_t stop = (page / RCACHE_FRAME_PAGES + 1) * RCACHE_FRAME_PAGES;

    stop = MIN(stop, end);
    if (!table_frame_has(&p->table, page, RCACHE_REMOTE) &&
        !table_frame_has(&p->table, page, RCACHE_PUNCHING) &&
        !table_frame_has(&p->table, page, RCACHE_FETCHING)) {
        return stop;
    }
    for (; page < stop; page++) {
        uint64_t word = table_load(&p->table, page);
        uint32_t at = slot_page(page_slot(word));

        if (is_in_slab(word, c->slab) &&
            at < p->slots.slabs[c->slab].pages) {
            c->page_of[at] = page + 1;
        }
    }
    return stop;
}

static void list_done(Pager *p, Compare *c)
{
    for (uint32_t page = 0; page < p->slots.slabs[c->slab].pages; page++) {
        if (c->page_of[page]) {
            g_array_append_val(c->todo, page);
        }
    }
    c->state = COMPARE_ASKING;
    compare_go(p, c);
}

/* Until the time is over; false: all is listed. */
static bool list_slice(Pager *p, Compare *c, uint64_t until)
{
    do {
        uint64_t at;
        const GuestBlock *b = guest_next_block(&p->guest, c->next, &at);

        if (!b || at < c->next) {
            list_done(p, c);
            return false;
        }
        c->next = list_frame(p, c, at, b->first + b->pages);
    } while (pager_now() < until);
    return true;
}

bool compare_work(Pager *p)
{
    uint64_t until = 0;
    bool more = false;

    for (unsigned i = 0; i < COMPARES_MAX && !more; i++) {
        if (p->compares.entry[i].state == COMPARE_LISTING) {
            until = until ? until : pager_now() + SLICE_NS;
            more = list_slice(p, &p->compares.entry[i], until);
        }
    }
    return more;
}

void compare_lease_gone(Pager *p, const Lease *l)
{
    for (unsigned i = 0; i < COMPARES_MAX; i++) {
        Compare *c = &p->compares.entry[i];
        bool asked = c->state == COMPARE_ASKING &&
                     c->place[c->turn].lease == l;

        for (unsigned k = 0; c->state && k < COMPARE_PLACES; k++) {
            if (c->place[k].lease == l) {
                c->place[k].lease = NULL;
            }
        }
        if (asked) {
            compare_go(p, c);
        }
    }
}

/* ------------------------------------------------------- what is right once */

static bool is_in_slot(const Pager *p, const ComparePage *wanted)
{
    uint64_t word = table_load(&p->table, wanted->page);

    return is_away(word) && page_slot(word) == wanted->slot;
}

/* Is a place that has to be asked still away? */
static bool slab_waits(const Pager *p, uint32_t slab, uint64_t lease)
{
    const SlotSlab *s = &p->slots.slabs[slab];

    for (unsigned i = 0; s->used && i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && l->known.id == lease && !l->lost && !lease_ready(l)) {
            return true;
        }
    }
    return false;
}

static gboolean waits_no_more(void *slab, void *lease, void *p)
{
    return !slab_waits(p, GPOINTER_TO_UINT(slab), *(uint64_t *)lease);
}

bool compare_keeps_off(const Pager *p, uint32_t slab)
{
    const GArray *pages = p->compares.to_fetch;

    for (guint i = 0; i < pages->len; i++) {
        const ComparePage *wanted = &g_array_index(pages, ComparePage, i);

        if (slot_slab(wanted->slot) == slab && is_in_slot(p, wanted)) {
            return true;
        }
    }
    return g_hash_table_contains(p->compares.waits, GUINT_TO_POINTER(slab));
}

void compare_tick(Pager *p, uint64_t now)
{
    GArray *pages = p->compares.to_fetch;

    for (unsigned i = 0; i < COMPARES_MAX; i++) {
        Compare *c = &p->compares.entry[i];

        if (c->state != COMPARE_ASKING) {
            continue;
        }
        if (c->retry_at && now >= c->retry_at) {
            compare_go(p, c);
        } else if (!c->retry_at &&
                   now >= c->asked_at + PROVIDERS_ANSWER_NS) {
            remote_close(c->place[c->turn].lease->remote,
                         "no answer about the sums of a slab");
        }
    }
    for (guint i = pages->len; i-- > 0;) {
        const ComparePage *wanted = &g_array_index(pages, ComparePage, i);
        uint64_t word = table_load(&p->table, wanted->page);

        if (!is_in_slot(p, wanted)) {
            g_array_remove_index_fast(pages, i);
        } else if (page_state(word) == RCACHE_REMOTE &&
                   pager_resident(p) < limit_here(&p->limits) + ABOVE_MAX) {
            fetch_start(p, wanted->page, word, false, now);
        }
    }
    g_hash_table_foreach_remove(p->compares.waits, waits_no_more, p);
}
