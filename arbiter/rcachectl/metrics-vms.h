/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics-vms: the VMs of an answer, and their figures that are no plain
 * numbers: the state of each, its providers, and the histograms of what it
 * waits for.
 */
#ifndef RCACHECTL_METRICS_VMS_H
#define RCACHECTL_METRICS_VMS_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct MetricsVm {
    JsonObject *o;
    char *labels;               /* {vm="...",uuid="...",host="..." */
    bool gone;                  /* only its state is told: all else is what was
                                 * heard last, of a host that is dead or a VM
                                 * that has ended */
    bool silent;                /* its pager has not said anything yet */
    bool unmanaged;             /* it has no pager: rcached only looks on */
} MetricsVm;

/**
 * metrics_vms_list() - those that there are figures of
 * @vms: the answer to "vms", which the list goes on to point into
 *
 * A VM that runs elsewhere is told from there.  One that a host has named twice
 * is there once, or the text would have two values of one figure.
 *
 * Return: of MetricsVm, new; its labels go with it
 */
GArray *metrics_vms_list(JsonArray *vms);

/** metrics_vms() - all figures of them that are no plain numbers */
void metrics_vms(GString *out, const GArray *vms);

#endif
