/* SPDX-License-Identifier: GPL-2.0-or-later */
/* page-errors: pages that the kernel refuses.  See page-errors.h. */
#include "rcached/pager/page-errors.h"

#define MS              1000000ull
#define PAUSE_MIN_NS    MS
#define PAUSE_MAX_NS    (1000 * MS)
#define SOON_NS         (100 * MS)

typedef struct PageError {
    uint64_t since;
    uint64_t pause;
    uint64_t retry_at;
} PageError;

static PageError *error_of(const PageErrors *errors, uint64_t page)
{
    return g_hash_table_lookup(errors->pages, GSIZE_TO_POINTER(page));
}

void page_errors_init(PageErrors *errors)
{
    errors->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

void page_errors_deinit(PageErrors *errors)
{
    g_hash_table_destroy(errors->pages);
}

bool page_errors_add(PageErrors *errors, uint64_t page, uint64_t now,
                     bool *soon)
{
    PageError *e = error_of(errors, page);
    bool first = !e;

    if (first) {
        e = g_new0(PageError, 1);
        e->since = now;
        g_hash_table_insert(errors->pages, GSIZE_TO_POINTER(page), e);
    }
    e->pause = CLAMP(2 * e->pause, PAUSE_MIN_NS, PAUSE_MAX_NS);
    e->retry_at = now + e->pause;
    *soon = e->pause < SOON_NS;
    return first;
}

bool page_errors_due(const PageErrors *errors, uint64_t page, uint64_t now)
{
    const PageError *e = error_of(errors, page);

    return !e || now >= e->retry_at;
}

bool page_errors_end(PageErrors *errors, uint64_t page)
{
    return g_hash_table_remove(errors->pages, GSIZE_TO_POINTER(page));
}

unsigned page_errors_oldest(const PageErrors *errors, uint64_t *page,
                            uint64_t *since)
{
    GHashTableIter iter;
    gpointer key, value;

    *since = UINT64_MAX;
    g_hash_table_iter_init(&iter, errors->pages);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const PageError *e = value;

        if (e->since < *since) {
            *since = e->since;
            *page = GPOINTER_TO_SIZE(key);
        }
    }
    return g_hash_table_size(errors->pages);
}

bool page_errors_has(const PageErrors *errors, uint64_t page)
{
    return error_of(errors, page);
}
