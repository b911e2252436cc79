/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-errors: pages that the kernel refuses to fill or map for a reason that
 * may not pass, such as broken memory.
 *
 * The guest waits for such a page, so it is tried again, but more and more
 * seldom: after 1 ms, 2 ms, ... and then every second.  An entry lives from the
 * first error until the page is there or nobody wants it any more.
 *
 * Pure.  Time is in nanoseconds.
 */
#ifndef PAGER_PAGE_ERRORS_H
#define PAGER_PAGE_ERRORS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct PageErrors - private to page-errors.c
 * @pages: of PageError, owned, by page; there are few
 */
typedef struct PageErrors {
    GHashTable *pages;
} PageErrors;

void page_errors_init(PageErrors *errors);
void page_errors_deinit(PageErrors *errors);

/**
 * page_errors_add() - a page has met an error
 * @soon: set to whether it is due again before long: in less than 100 ms
 *
 * Return: true: it is the page's first
 */
bool page_errors_add(PageErrors *errors, uint64_t page, uint64_t now,
                     bool *soon);

/** page_errors_due() - may it be tried? a page without an entry may */
bool page_errors_due(const PageErrors *errors, uint64_t page, uint64_t now);

/** page_errors_end() - it is there, or unwanted; true: there was an entry */
bool page_errors_end(PageErrors *errors, uint64_t page);

/**
 * page_errors_oldest() - how many there are, and which met its error first
 * @page, @since: set if there are any
 */
unsigned page_errors_oldest(const PageErrors *errors, uint64_t *page,
                            uint64_t *since);

/** page_errors_has() - has this page met an error, and still not passed it? */
bool page_errors_has(const PageErrors *errors, uint64_t page);

#endif
