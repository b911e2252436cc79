/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push-pages: the pages of a slab that is pushed.  See push-pages.h.
 *
 * Those in memory are sent from where they lie.  Those in the spill file are
 * read into a few buffers first, each of which is in use until its PUT has been
 * answered; its number is the PUT's tag.
 */
#include "rcached/provider/push-pages.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/crash-point.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill.h"

#define PUSH_WINDOW     8u      /* PUTs not yet answered */

/* The next run of stored pages from push->at on, all of them in memory or all
 * in the file; 0: there is none. */
static unsigned push_next_run(const Push *push, uint32_t *first)
{
    const uint64_t *bits = push->bits;
    const Slab *slab = push->slab;
    uint32_t page = push->at, end;

    while (page < slab->pages && !(bits[page / 64] >> page % 64 & 1)) {
        page++;
    }
    end = page;
    while (end < slab->pages && end - page < RCACHE_BATCH_PAGES &&
           bits[end / 64] >> end % 64 & 1 &&
           slab_in_file(slab, end) == slab_in_file(slab, page)) {
        end++;
    }
    *first = page;
    return end - page;
}

static void push_send_pushed(Push *push)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = push_head(push, RCACHE_PUSHED);

    push->state = PUSH_ENDING;
    wire_append_moved(frame, &head, &push->sent);
    data_conn_send_bytes(&push->conn, frame);
    crash_point_sent("pushed-sent");
}

/* @tag: of the read that holds the bytes, or 0. */
static void push_send_run(Push *push, uint32_t first, unsigned n,
                          const uint8_t *bytes, uint64_t tag)
{
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    WireHead head = push_head(push, RCACHE_PUT);

    for (unsigned i = 0; i < n; i++) {
        slots[i] = wire_slot(push->move.to_slab, first + i);
        push->sent.digest += slab_digest(bytes + (size_t)i * WIRE_PAGE_SIZE,
                                         first + i);
    }
    push->sent.pages += n;
    head.count = n;
    head.tag = tag;
    data_conn_send(&push->conn, &head, slots, bytes,
                   (size_t)n * WIRE_PAGE_SIZE);
    crash_point_sent("pages-pushed");
}

static bool read_unseal(PushRead *read)
{
    Push *push = read->push;

    for (unsigned i = 0; i < read->n; i++) {
        SpillPlace place = spill_place(push->slab, read->first + i);

        if (!spill_unseal(push->server->config.spill->key, &place,
                          read->buf + (size_t)i * WIRE_PAGE_SIZE,
                          &read->seals[i])) {
            return false;
        }
    }
    return true;
}

static void read_done(SpillXfer *xfer, int error)
{
    PushRead *read = container_of(xfer, PushRead, xfer);
    Push *push = read->push;

    read->reading = false;
    if (push->closed) {
        push_free(push);
    } else if (push->state == PUSH_OVER) {
        return;
    } else if (error || !read_unseal(read)) {
        spill_read_failed(push->server->config.spill, push->slab, error);
        push_end(push, RCACHE_E_SLOT, "a page cannot be read");
    } else {
        unsigned tag = 1;

        while (push->reads[tag - 1] != read) {
            tag++;
        }
        push_send_run(push, read->first, read->n, read->buf, tag);
    }
}

/* One that is not in use, or NULL. */
static PushRead *push_read_idle(Push *push)
{
    for (unsigned i = 0; i < PUSH_READS; i++) {
        PushRead *read = push->reads[i];

        if (!read) {
            read = g_new0(PushRead, 1);
            read->push = push;
            read->buf = secret_alloc(RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE,
                                     push->server->config.guard);
            push->reads[i] = read;
        }
        if (!read->used && read->buf) {
            return read;
        }
    }
    return NULL;
}

static bool push_read_run(Push *push, uint32_t first, unsigned n)
{
    Spill *spill = push->server->config.spill;
    PushRead *read = push_read_idle(push);

    if (!read) {
        return false;
    }
    read->used = read->reading = true;
    read->first = first;
    read->n = n;
    memcpy(read->seals, push->slab->away->seals + first,
           n * sizeof(read->seals[0]));
    spill_xfer_init(&read->xfer, read_done);
    spill_xfer_add(spill->ring, spill->file, &read->xfer, false,
                   push->slab, first, read->buf, n);
    spill_xfer_go(&read->xfer);
    return true;
}

void push_pages_send(Push *push)
{
    uint32_t first;
    unsigned n;

    while (push->out < PUSH_WINDOW) {
        n = push_next_run(push, &first);
        if (!n && !push->out) {
            push_send_pushed(push);
        }
        if (!n) {
            return;
        }
        if (!slab_in_file(push->slab, first)) {
            push_send_run(push, first, n, slab_page(push->slab, first), 0);
            push->plain++;
        } else if (!push_read_run(push, first, n)) {
            if (!push->out) {
                push_end(push, RCACHE_E_BUSY, "no memory for a buffer");
            }
            return;
        }
        push->out++;
        push->at = first + n;
    }
}

/*
 * A PUT has been answered.  The new provider may say so of one that was not
 * sent: a buffer that is still being read into must not be used for another.
 *
 * Return: false: that is what it has done
 */
bool push_pages_answered(Push *push, uint64_t tag)
{
    PushRead *read = tag && tag <= PUSH_READS ? push->reads[tag - 1] : NULL;

    if (tag ? !read || !read->used || read->reading : !push->plain) {
        return false;
    }
    if (read) {
        read->used = false;
    } else {
        push->plain--;
    }
    push->out--;
    push_pages_send(push);
    return true;
}

bool push_pages_reading(const Push *push)
{
    for (unsigned i = 0; i < PUSH_READS; i++) {
        if (push->reads[i] && push->reads[i]->reading) {
            return true;
        }
    }
    return false;
}

void push_pages_drop(Push *push)
{
    for (unsigned i = 0; i < PUSH_READS; i++) {
        if (push->reads[i]) {
            secret_free(push->reads[i]->buf,
                        RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE);
            g_free(push->reads[i]);
        }
    }
}
