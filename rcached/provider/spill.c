/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill: slabs to the spill file and back.  See spill.h.
 *
 * A slab on its way out is gone over again and again until nothing of it is
 * left in memory: PUTs that had begun before end there.  On its way back the
 * same, until nothing is left in the file.  A chunk in flight names its pages;
 * one that is written to meanwhile is taken out of it (spill_touched()) and
 * stays where the newer bytes are.
 */
#include "rcached/provider/spill.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash-point.h"
#include "common/log-event.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/store-spill.h"

#define RATE_LEAST      (UINT64_C(1) << 20)     /* bytes worth measuring */

Spill *spill_new(SpillFile *file, SpillKey *key, SlabGuard guard,
                 uint64_t rate, uint32_t pause_ms)
{
    Spill *spill = g_new0(Spill, 1);

    spill->file = file;
    spill->key = key;
    spill->guard = guard;
    spill->rate = rate;
    spill->pause_ms = pause_ms;
    g_queue_init(&spill->waiting);
    return spill;
}

void spill_free(Spill *spill)
{
    if (!spill) {
        return;
    }
    for (unsigned i = 0; i < SPILL_CHUNKS; i++) {
        secret_free(spill->chunk[i].buf, SLAB_CHUNK * WIRE_PAGE_SIZE);
    }
    spill_file_free(spill->file);
    spill_key_free(spill->key);
    g_free(spill);
}

static void chunk_done(SpillXfer *xfer, int error);

bool spill_attach(Spill *spill, Server *server, SpillArrived *arrived)
{
    spill->server = server;
    spill->arrived = arrived;
    spill->ring = server->ring;
    for (unsigned i = 0; i < SPILL_CHUNKS; i++) {
        SpillChunk *chunk = &spill->chunk[i];

        chunk->spill = spill;
        chunk->buf = secret_alloc(SLAB_CHUNK * WIRE_PAGE_SIZE, spill->guard);
        if (!chunk->buf) {
            return false;
        }
    }
    return true;
}

SpillPlace spill_place(const Slab *slab, uint32_t page)
{
    return (SpillPlace) { slab->away->lease, slab->number, page };
}

void spill_forget(Spill *spill, const Slab *slab)
{
    if (slab->away) {
        spill_file_give(spill->file, slab->away->area);
    }
}

bool spill_failing(const Spill *spill, uint64_t now)
{
    return now < spill->pause_until;
}

void spill_says(Spill *spill, const char *why)
{
    spill->counts.errors++;
    g_snprintf(spill->problem, sizeof(spill->problem),
               "spill file: writing fails, slabs stay in memory: %s", why);
}

static const char *event_id(bool reading)
{
    if (reading) {
        return LOG_SPILL_UNREADABLE;
    }
    return LOG_SPILL_FAILS;
}

static void spill_log(Spill *spill, bool reading)
{
    if (spill->server->now >= spill->quiet_until) {
        log_event(G_LOG_LEVEL_WARNING, event_id(reading), "provider: %s",
                  spill->problem);
        spill->quiet_until = spill->server->now + spill->pause_ms;
    }
}

void spill_write_failed(Spill *spill, const char *why)
{
    server_lock(spill->server);
    spill_says(spill, why);
    spill->pause_until = spill->server->now + spill->pause_ms;
    server_unlock(spill->server);
    spill_log(spill, false);
}

void spill_read_failed(Spill *spill, const Slab *slab, int error)
{
    const StoreRecord *rec;

    server_lock(spill->server);
    rec = slab->lease ? slab->lease->rec : NULL;    /* NULL: it has ended */
    spill->counts.errors++;
    g_snprintf(spill->problem, sizeof(spill->problem),
               "spill file: slab %u of VM '%s' on '%s' has pages that cannot "
               "be read, and stay there: %s", slab->number,
               rec ? rec->name : "?", rec ? rec->host : "?",
               error ? g_strerror(-error)
                     : "a page read back is not what was written");
    server_unlock(spill->server);
    spill_log(spill, true);
}

/* -------------------------------------------------------------- chunks */

static uint8_t *chunk_page(const SpillChunk *chunk, unsigned i)
{
    return chunk->buf + (size_t)i * WIRE_PAGE_SIZE;
}

static unsigned chunks_busy(const Spill *spill)
{
    unsigned busy = 0;

    for (unsigned i = 0; i < SPILL_CHUNKS; i++) {
        busy += spill->chunk[i].busy;
    }
    return busy;
}

static SpillChunk *chunk_idle(Spill *spill)
{
    for (unsigned i = 0; i < SPILL_CHUNKS; i++) {
        if (!spill->chunk[i].busy) {
            return &spill->chunk[i];
        }
    }
    return NULL;
}

/* The chunk in flight that has to do with this page, or NULL. */
static SpillChunk *chunk_of(const Spill *spill, const Slab *slab,
                            uint32_t page)
{
    for (unsigned i = 0; i < SPILL_CHUNKS; i++) {
        const SpillChunk *chunk = &spill->chunk[i];

        if (chunk->busy && chunk->slab == slab &&
            chunk->first == page - page % SLAB_CHUNK) {
            return (SpillChunk *)chunk;
        }
    }
    return NULL;
}

bool spill_in_flight(const Spill *spill, const Slab *slab, uint32_t page)
{
    const SpillChunk *chunk = chunk_of(spill, slab, page);

    return chunk && chunk->out;
}

void spill_touched(Spill *spill, Slab *slab, uint32_t page)
{
    SpillChunk *chunk = chunk_of(spill, slab, page);

    slab_set_in_file(slab, page, false);
    if (chunk) {
        chunk->pages &= ~(UINT64_C(1) << (page % SLAB_CHUNK));
    }
}

/* Hand the pages of a chunk to the ring, neighbours together. */
static void chunk_send(Spill *spill, SpillChunk *chunk)
{
    uint64_t left = chunk->pages;

    spill_xfer_init(&chunk->xfer, chunk_done);
    while (left) {
        unsigned i = __builtin_ctzll(left), n = 1;

        while (i + n < SLAB_CHUNK && left >> (i + n) & 1) {
            n++;
        }
        spill_xfer_add(spill->ring, spill->file, &chunk->xfer, chunk->out,
                       chunk->slab, chunk->first + i, chunk_page(chunk, i),
                       n);
        left &= n == 64 ? 0 : ~(((UINT64_C(1) << n) - 1) << i);
    }
    spill_xfer_go(&chunk->xfer);
}

static bool chunk_seal(Spill *spill, SpillChunk *chunk)
{
    for (unsigned i = 0; i < SLAB_CHUNK; i++) {
        uint32_t page = chunk->first + i;
        SpillPlace place;

        if (!(chunk->pages >> i & 1)) {
            continue;
        }
        place = spill_place(chunk->slab, page);
        memcpy(chunk_page(chunk, i), slab_page(chunk->slab, page),
               WIRE_PAGE_SIZE);
        if (!spill_seal(spill->key, &place, chunk_page(chunk, i),
                        &chunk->slab->away->seals[page])) {
            return false;
        }
    }
    return true;
}

static void chunk_begin(Spill *spill, uint32_t number, uint64_t pages,
                        bool out)
{
    SpillChunk *chunk = chunk_idle(spill);

    chunk->busy = true;
    chunk->out = out;
    chunk->slab = spill->slab;
    chunk->first = number * SLAB_CHUNK;
    chunk->pages = pages;
    if (out && !chunk_seal(spill, chunk)) {
        chunk->busy = false;
        spill->give_up = true;
        spill_write_failed(spill, "the cipher failed");
        return;
    }
    spill->written += __builtin_popcountll(pages) * WIRE_PAGE_SIZE;
    chunk_send(spill, chunk);
}

/* The file has the pages, but for those that have been written to since. */
static void chunk_is_out(SpillChunk *chunk)
{
    for (unsigned i = 0; i < SLAB_CHUNK; i++) {
        uint32_t page = chunk->first + i;

        if (chunk->pages >> i & 1 && slab_is_stored(chunk->slab, page)) {
            slab_set_in_file(chunk->slab, page, true);
        }
    }
}

/* The buffer has the pages; false: one is not what it was. */
static bool chunk_is_back(Spill *spill, SpillChunk *chunk)
{
    bool good = true;

    for (unsigned i = 0; i < SLAB_CHUNK; i++) {
        uint32_t page = chunk->first + i;
        SpillPlace place = spill_place(chunk->slab, page);

        if (!(chunk->pages >> i & 1) || !slab_in_file(chunk->slab, page) ||
            !slab_is_stored(chunk->slab, page)) {
            continue;
        }
        if (!spill_unseal(spill->key, &place, chunk_page(chunk, i),
                          &chunk->slab->away->seals[page])) {
            good = false;
            continue;
        }
        memcpy(slab_page(chunk->slab, page), chunk_page(chunk, i),
               WIRE_PAGE_SIZE);
        crash_point("page-restored");
        slab_set_in_file(chunk->slab, page, false);
    }
    return good;
}

static void chunk_done(SpillXfer *xfer, int error)
{
    SpillChunk *chunk = container_of(xfer, SpillChunk, xfer);
    Spill *spill = chunk->spill;
    bool good = !error;

    server_lock(spill->server);
    if (!error && chunk->out) {
        crash_point("chunk-written");
        chunk_is_out(chunk);
        crash_point("chunk-in-file");
    } else if (!error) {
        good = chunk_is_back(spill, chunk);
    }
    server_unlock(spill->server);
    chunk->busy = false;
    if (!good && chunk->out) {
        spill->give_up = true;
        spill_write_failed(spill, g_strerror(-error));
    } else if (!good) {
        spill->unread = true;
        spill_read_failed(spill, chunk->slab, error);
    }
    spill->arrived(spill);
}

/* ---------------------------------------------------------------- a slab */

/* With the lock held: @slab is the one that is moved. */
static bool job_begin(Spill *spill, Slab *slab, bool back)
{
    uint32_t area;
    int ret = 0;

    if (!slab->away) {
        area = spill_file_take(spill->file);
        ret = area == SPILL_NO_AREA ? -ENOSPC : slab_away_begin(slab, area);
        if (ret && area != SPILL_NO_AREA) {
            spill_file_give(spill->file, area);
        }
    }
    if (ret) {
        g_snprintf(spill->problem, sizeof(spill->problem),
                   "spill file: slab %u stays in memory: %s", slab->number,
                   g_strerror(-ret));
        spill->pause_until = spill->server->now + spill->pause_ms;
        /* Not the disk's fault, and no error of it. */
        g_warning("provider: %s", spill->problem);
        return false;
    }
    crash_point(back ? "spill-back-begun" : "spill-begun");
    slab->away->back = back;
    slab->users++;
    slab->filing++;
    store_use(slab->lease);
    spill->slab = slab;
    spill->lease = slab->lease;
    spill->next = 0;
    spill->give_up = spill->unread = false;
    spill->began = spill->server->now;
    spill->written = 0;
    return true;
}

/* What could not be read is tried again, less and less often. */
static void job_put_off(Spill *spill, SlabAway *away)
{
    away->back_at = spill->server->now +
                    ((uint64_t)spill->pause_ms << MIN(away->unread, 6u));
    away->unread++;
}

/* With the lock held: it is where it was to go, or has been given up. */
static void job_end(Spill *spill, bool there)
{
    Slab *slab = spill->slab;
    uint64_t ms = MAX(spill->server->now - spill->began, 1);

    if (there && slab->away->back) {
        crash_point("slab-restored");
        spill_file_give(spill->file, slab->away->area);
        slab_away_end(slab);
        spill->counts.slabs_back++;
    } else if (there) {
        spill->counts.slabs_out++;
        spill->problem[0] = '\0';
        if (spill->written >= RATE_LEAST) {
            spill->rate = (spill->rate + spill->written * 1000 / ms) / 2;
        }
    } else {
        slab->away->back = false;
        if (spill->unread) {
            job_put_off(spill, slab->away);
        }
    }
    slab->users--;
    slab->filing--;
    spill->slab = NULL;
    store_unuse(spill->server->config.store, spill->lease);
    spill->lease = NULL;
    spill->look = true;
}

/* Do the next chunk; false: no chunk has anything to do now. */
static bool step_out(Spill *spill)
{
    Slab *slab = spill->slab;
    bool done;

    for (; spill->next < slab_chunks(slab); spill->next++) {
        uint32_t page = spill->next * SLAB_CHUNK;
        uint64_t pages = slab_chunk_memory(slab, spill->next);

        if (chunk_of(spill, slab, page) ||
            (!pages && slab_is_punched(slab, page))) {
            continue;
        }
        if (pages) {
            chunk_begin(spill, spill->next++, pages, true);
            return true;
        }
        server_lock(spill->server);
        done = slab_chunk_punch(slab, spill->next);
        server_unlock(spill->server);
        if (done) {
            crash_point("chunk-punched");
            spill->next++;
            return true;
        }
    }
    return false;
}

static bool step_back(Spill *spill)
{
    Slab *slab = spill->slab;
    uint64_t pages;
    int ret;

    for (; spill->next < slab_chunks(slab); spill->next++) {
        uint32_t page = spill->next * SLAB_CHUNK;
        bool punched = slab_is_punched(slab, page);

        if (chunk_of(spill, slab, page)) {
            continue;
        }
        server_lock(spill->server);
        ret = slab_chunk_restore(slab, spill->next);
        server_unlock(spill->server);
        if (ret) {
            spill->give_up = true;
            spill->back_until = spill->server->now + spill->pause_ms;
            return true;
        }
        crash_point("chunk-allocated");
        pages = slab_chunk_file(slab, spill->next);
        if (pages) {
            chunk_begin(spill, spill->next++, pages, false);
            return true;
        }
        if (punched) {
            spill->next++;
            return true;
        }
    }
    return false;
}

/* Is all of it where it is to go? */
static bool job_is_there(const Spill *spill)
{
    const Slab *slab = spill->slab;

    return slab->away->back
           ? !slab_given_back(slab) && !slab_pages_in_file(slab) &&
             slab->filing == 1
           : slab_given_back(slab) == slab->pages;
}

/* Somebody else decides about the slab now, or there is no room any more. */
static bool job_is_off(const Spill *spill)
{
    const Slab *slab = spill->slab;

    return spill->give_up || !slab->lease || slab->lease->ending ||
           slab->pushes ||
           (slab->away->back &&
            store_is_short(spill->server->config.store));
}

static bool job_step(Spill *spill)
{
    bool off, there;

    if (chunks_busy(spill) == SPILL_CHUNKS) {
        return false;
    }
    server_lock(spill->server);
    off = job_is_off(spill);
    there = !off && !chunks_busy(spill) && job_is_there(spill);
    if ((off && !chunks_busy(spill)) || there) {
        job_end(spill, there);
    }
    server_unlock(spill->server);
    if (off || there) {
        return there;
    }
    if (spill->slab->away->back ? step_back(spill) : step_out(spill)) {
        return true;
    }
    if (spill->unread) {
        spill->give_up = true;  /* all the rest of it has been looked at */
        return !chunks_busy(spill);
    }
    spill->next = 0;            /* from the start, after the next event */
    return false;
}

void spill_look(Spill *spill)
{
    spill->look = true;
}

bool spill_step(Spill *spill)
{
    Store *store = spill->server->config.store;
    uint64_t now = spill->server->now;
    Slab *slab;
    bool begun = false;

    if (spill->slab) {
        return job_step(spill);
    }
    if (!spill->look) {
        return false;
    }
    spill->look = false;
    server_lock(spill->server);
    slab = spill_failing(spill, now)
           ? NULL : store_spill_next(store, now, spill->rate);
    if (slab) {
        begun = job_begin(spill, slab, false);
    } else if (now >= spill->back_until) {
        slab = store_spill_back(store, now);
        begun = slab && job_begin(spill, slab, true);
    }
    server_unlock(spill->server);
    return begun;
}

void spill_stop(Spill *spill)
{
    spill->give_up = true;
    spill->pause_until = spill->back_until = UINT64_MAX;
    if (spill->slab && !chunks_busy(spill)) {
        server_lock(spill->server);
        job_end(spill, false);
        server_unlock(spill->server);
    }
}
