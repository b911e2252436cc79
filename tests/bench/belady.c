/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * belady: see belady.h.
 *
 * A heap has the next visit of each page that is here, the last of them on
 * top; a page that is not visited again comes after all visits.  A visit makes
 * its page's entry old: old ones are left where they are, and passed over when
 * they come to the top.
 */
#include "tests/bench/belady.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct Belady {
    const uint32_t *trace;
    size_t n;
    size_t *next;               /* of each visit: the page's next one */
    uint64_t *key;              /* of each page that is here, plus one */
    uint64_t *heap;
    size_t heap_len;
} Belady;

static void heap_push(Belady *b, uint64_t key)
{
    size_t at = b->heap_len++;

    while (at && b->heap[(at - 1) / 2] < key) {
        b->heap[at] = b->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    b->heap[at] = key;
}

static uint64_t heap_pop(Belady *b)
{
    uint64_t top = b->heap[0], last = b->heap[--b->heap_len];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < b->heap_len) {
        if (child + 1 < b->heap_len && b->heap[child + 1] > b->heap[child]) {
            child++;
        }
        if (b->heap[child] <= last) {
            break;
        }
        b->heap[at] = b->heap[child];
        at = child;
    }
    b->heap[at] = last;
    return top;
}

static uint32_t page_of(const Belady *b, uint64_t key)
{
    return key < b->n ? b->trace[key] : key - b->n;
}

/*
 * Which visit of each visit's page comes next; after all: n + page.  What is
 * here at the start goes into the heap by its first visit.
 */
static void find_next(Belady *b, uint64_t pages, uint64_t room)
{
    size_t *seen = calloc(pages, sizeof(*seen));

    for (uint64_t page = 0; page < pages; page++) {
        seen[page] = b->n + page;
    }
    for (size_t i = b->n; i--;) {
        b->next[i] = seen[b->trace[i]];
        seen[b->trace[i]] = i;
    }
    for (uint64_t page = pages - room; page < pages; page++) {
        b->key[page] = seen[page] + 1;
        heap_push(b, seen[page]);
    }
    free(seen);
}

static void make_room(Belady *b)
{
    uint64_t key;

    do {
        key = heap_pop(b);
    } while (b->key[page_of(b, key)] != key + 1);
    b->key[page_of(b, key)] = 0;
}

size_t belady_misses(const uint32_t *trace, size_t n, size_t from,
                     uint64_t pages, uint64_t room)
{
    Belady b = { .trace = trace, .n = n };
    size_t misses = 0;

    b.next = calloc(n, sizeof(*b.next));
    b.key = calloc(pages, sizeof(*b.key));
    room = room < pages ? room : pages;
    b.heap = calloc(n + room, sizeof(*b.heap));
    find_next(&b, pages, room);
    for (size_t i = 0; i < n; i++) {
        uint32_t page = trace[i];

        if (!b.key[page]) {
            misses += i >= from;
            make_room(&b);
        }
        b.key[page] = b.next[i] + 1;
        heap_push(&b, b.next[i]);
    }
    free(b.heap);
    free(b.key);
    free(b.next);
    return misses;
}
