/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answers: what the daemon has answered last, asked for through its admin
 * socket.  Prometheus and the page are both told from the same answers.
 *
 * Whoever asks is given answers that are up to ANSWERS_KEEP_US old, or
 * ANSWERS_KEEP_TIMES as old as the daemon took to answer, but no older than
 * ANSWERS_KEEP_MAX_US: so those who ask, and any local user can, cost the
 * daemon a tenth of its time at most, however many they are and however much
 * there is to tell.
 *
 * For the charts of the page the daemon is asked every HISTORY_STEP_US also
 * when nobody else asks.  Of its answers there is one at a time here: the last
 * one is let go of before the next is asked for, and what is kept of it then,
 * the page, is short.
 */
#ifndef EXPORTER_ANSWERS_H
#define EXPORTER_ANSWERS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "arbiter/exporter/page.h"

#define ANSWERS_KEEP_US         G_USEC_PER_SEC
#define ANSWERS_KEEP_TIMES      10
#define ANSWERS_KEEP_MAX_US     (30 * G_USEC_PER_SEC)

typedef struct Answers {
    const char *daemon;         /* "rcached" or "arbiter" */
    const char *socket;         /* its admin socket */
    bool paged;                 /* there is a page */

    JsonNode *all;              /* an object of the last ones, or NULL: ... */
    char *error;                /* ... why there are none */
    char *said;                 /* why it last did not answer, or NULL */
    unsigned times;             /* it was asked */
    int64_t began;              /* when, */
    int64_t took;               /* and how long it took */
    Page page;
} Answers;

/** answers_init() - nobody has been asked yet; @socket: stays the caller's */
void answers_init(Answers *answers, const char *daemon, const char *socket,
                  bool paged);
void answers_deinit(Answers *answers);

/**
 * answers_refresh() - ask, if the last answers are too old to be given on
 *
 * Blocking, for as long as figures_ask() may.  A log line says when the daemon
 * stops to answer and why, and when it answers again.
 *
 * Return: a number that is another one when they have changed
 */
unsigned answers_refresh(Answers *answers);

/** answers_sample() - ask for the charts' sake, if nobody has for that long */
void answers_sample(Answers *answers);

/** answers_page() - what the page is told of them; new */
char *answers_page(const Answers *answers);

#endif
