/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * site: which paths there are: /metrics for Prometheus, and where there is a
 * page for people: / with its script and style sheet, files of web/ that are
 * part of the program, and what that script asks for.
 */
#ifndef EXPORTER_SITE_H
#define EXPORTER_SITE_H

#include "arbiter/exporter/answers.h"
#include "arbiter/exporter/http.h"

#define SITE_FILES      4u

typedef struct Site {
    HttpSite http;
    HttpFile files[SITE_FILES];
    GBytes *bytes[SITE_FILES];  /* theirs */
} Site;

/** site_init() - @answers: what it tells; they outlive it */
void site_init(Site *site, Answers *answers);
void site_deinit(Site *site);

#endif
