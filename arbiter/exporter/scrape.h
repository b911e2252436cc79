/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scrape: a daemon's figures for one scrape, asked for through its admin
 * socket.  rcache_up says whether it has answered; if it has not there is
 * nothing else of it, and the log says why, once.
 */
#ifndef EXPORTER_SCRAPE_H
#define EXPORTER_SCRAPE_H

#include <stdint.h>

typedef struct Scrape {
    const char *daemon;         /* "rcached" or "arbiter" */
    const char *socket;         /* its admin socket */
    char *said;                 /* why it last did not answer, or NULL */
} Scrape;

/**
 * scrape_text() - ask now; an HttpMetrics
 * @opaque: a Scrape
 *
 * Blocking, for as long as figures_ask() may.
 */
char *scrape_text(void *opaque, int64_t *took);

/** scrape_deinit() - free what it has said */
void scrape_deinit(Scrape *scrape);

#endif
