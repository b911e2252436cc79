/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arrival: what follows when install.c has put something into a page, or
 * could not.
 */
#ifndef PAGER_ARRIVAL_H
#define PAGER_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/**
 * arrival_hot() - end a FILLING of @page
 * @slot: it was mapped write-protected, and keeps this slot (kept.h); 0: its
 *        slot is freed
 */
void arrival_hot(Pager *p, uint64_t page, uint64_t slot);

/** arrival_passed() - @page is there, or nobody wants it any more */
void arrival_passed(Pager *p, uint64_t page);

/**
 * arrival_failed() - sort out an error of install.c on @page
 * @err: -errno
 *
 * Return: true: try again later, when page_errors_due() says so (a retry timer
 * has been set, or the tick is early enough)
 */
bool arrival_failed(Pager *p, uint64_t page, int err);

#endif
