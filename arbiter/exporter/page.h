/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page: what the page for people shows: the daemon's last answers, made short
 * enough for a person, and the sums of the last hour.
 *
 * Sums of memory are those of the answer to "status", as rcachectl prints them;
 * only what no answer has is summed here, once, for tables, pictures and
 * charts alike.  When the daemon does not answer, what it said last stays and
 * the page is told how old it is.
 *
 * Pure: time is an argument, in microseconds of a clock that only goes on.
 */
#ifndef EXPORTER_PAGE_H
#define EXPORTER_PAGE_H

#include <json-glib/json-glib.h>
#include <stdint.h>

#include "arbiter/exporter/history.h"
#include "arbiter/exporter/rates.h"

#define PAGE_POLL_S     5       /* how often a browser asks */

typedef struct Page {
    Rates rates;
    History history;
    JsonObject *body;           /* of the last answers; NULL: none yet */
    int64_t answered;           /* when that was */
} Page;

void page_init(Page *page);
void page_deinit(Page *page);

/**
 * page_answered() - the daemon has answered
 * @status, @hosts, @vms: its answers to these commands, which stay the caller's
 */
void page_answered(Page *page, JsonNode *status, JsonNode *hosts,
                   JsonNode *vms, int64_t now);

/**
 * page_text() - all of it as JSON
 * @daemon: whom it is of
 * @error: why the daemon did not answer when it was asked last; NULL: it did
 *
 * Return: the text, new
 */
char *page_text(const Page *page, const char *daemon, const char *error,
                int64_t now);

#endif
