/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-rows: the page's tables, from the daemon's answers.
 *
 * A row has what the daemon has said, under the daemon's own names for it, so
 * that the page cannot say anything else than rcachectl; and with it
 *
 *   kind   "bad", "warn", "ok" or "off": the colour of the state's word
 *   note   what else there is to say of the state, or ""
 *   stale  whether all of it is old, and then
 *   age_seconds  how old it was when the daemon answered
 *
 * What is not known is null, and so is a rate of what is stale.  There are
 * PAGE_ROWS_MAX rows at most: what is bad comes first, then by name.
 *
 * Pure.
 */
#ifndef EXPORTER_PAGE_ROWS_H
#define EXPORTER_PAGE_ROWS_H

#include <json-glib/json-glib.h>

#include "arbiter/exporter/rates.h"

#define PAGE_ROWS_MAX   500u

/* Of all VMs whose figures are fresh. */
typedef struct PageSums {
    double faults;              /* a second; NAN: of none is it known */
    double stalled;             /* percent of the time of their vCPUs; NAN */
    unsigned faults_vms;        /* of so many is .faults */
} PageSums;

/** page_hosts() - new rows; @omitted: set to how many more there are */
JsonArray *page_hosts(JsonArray *hosts, guint *omitted);

/**
 * page_vms() - the same of VMs
 * @rates: takes what they have counted up to @now
 */
JsonArray *page_vms(JsonArray *vms, Rates *rates, int64_t now,
                    PageSums *sums, guint *omitted);

/** page_lending() - rows of who lends to whom, as lending_list() has it */
JsonArray *page_lending(const GArray *list, guint *omitted);

#endif
