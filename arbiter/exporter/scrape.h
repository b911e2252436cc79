/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scrape: a daemon's figures for Prometheus.  rcache_up says whether it has
 * answered; if it has not there is nothing else of it.
 */
#ifndef EXPORTER_SCRAPE_H
#define EXPORTER_SCRAPE_H

#include "arbiter/exporter/answers.h"

/** scrape_text() - what /metrics says of these answers; new */
char *scrape_text(const Answers *answers);

#endif
