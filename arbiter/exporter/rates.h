/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rates: how often each VM has faulted a second, from counts.
 *
 * A rate is of RATES_SPAN_US at least and is shown until there is the next one:
 * daemons count what hosts tell them once a second, so that over a shorter
 * time it would be now none and now twice as many.  A VM is its uuid on its
 * host: one that has moved begins anew, and so does one whose count has
 * fallen.
 *
 * Pure: time is an argument, in microseconds of a clock that only goes on.
 */
#ifndef EXPORTER_RATES_H
#define EXPORTER_RATES_H

#include <glib.h>
#include <stdint.h>

#define RATES_SPAN_US   INT64_C(5000000)

typedef struct Rates {
    GHashTable *of;             /* "uuid host" -> what is known of it */
    unsigned turn;              /* which list of VMs this is */
} Rates;

void rates_init(Rates *rates);
void rates_deinit(Rates *rates);

/** rates_begin() - what follows is a new list of all VMs */
void rates_begin(Rates *rates);

/**
 * rates_next() - a VM's rate; NAN: it is not known yet
 * @count: what it has counted up to @now
 */
double rates_next(Rates *rates, const char *uuid, const char *host,
                  double count, int64_t now);

/** rates_end() - forget those that were not in the list */
void rates_end(Rates *rates);

#endif
