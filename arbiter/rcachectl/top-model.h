/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top-model: what "rcachectl top" shows: the daemon's last answers, and rates
 * from the ones before.  Pure: time is an argument.
 */
#ifndef RCACHECTL_TOP_MODEL_H
#define RCACHECTL_TOP_MODEL_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct TopModel {
    JsonNode *status, *hosts, *vms;     /* the last answers; NULL: none yet */
    GHashTable *counts;         /* uuid of a VM -> its counts, before */
    char *error;                /* why there is no newer answer, or NULL */
} TopModel;

void top_model_init(TopModel *model);
void top_model_deinit(TopModel *model);

/**
 * top_model_update() - the daemon has answered
 * @status, @hosts, @vms: its answers to these commands; taken
 * @now: microseconds of any clock that only goes on
 *
 * Each VM is given members "faults_rate" and "evicted_rate", a second, if it
 * was known before.
 */
void top_model_update(TopModel *model, JsonNode *status, JsonNode *hosts,
                      JsonNode *vms, int64_t now);

/** top_model_fail() - it has not; what is shown stays */
void top_model_fail(TopModel *model, const char *why);

/** top_model_json() - all of it as one object, new: status, hosts, vms */
JsonNode *top_model_json(const TopModel *model);

#endif
