/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lending: who lends to whom, host by host, summed from the VMs' providers as
 * the answer to "vms" names them.  The only place where these are summed: the
 * page's picture and the table beneath it show the same list.
 *
 * Pure.
 */
#ifndef EXPORTER_LENDING_H
#define EXPORTER_LENDING_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct Lending {
    char *provider, *requester; /* hosts, as the daemon calls them */
    double stored, leased;      /* bytes */
    unsigned vms;
    bool stale;                 /* some of it is of a host that is silent */
    char *trouble;              /* what a VM finds wrong with it, or NULL */
} Lending;

/**
 * lending_list() - of all VMs, what stores most first
 * @hosts, @vms: the answers to these commands; @vms may be NULL
 *
 * A VM that runs elsewhere is told from there.
 *
 * Return: of Lending, new; its texts go with it
 */
GArray *lending_list(JsonArray *hosts, JsonArray *vms);

#endif
