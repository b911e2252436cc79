/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-status: how this host is, with a verdict: what is wrong with its VMs,
 * their providers, its memory and its arbiters, and what is good to know.
 */
#ifndef RCACHED_HOST_STATUS_H
#define RCACHED_HOST_STATUS_H

#include <json-glib/json-glib.h>

#include "rcached/rcached.h"

/**
 * host_status() - the answer to "status", with the names of rcachectl(1)
 * @started: when the daemon was; g_get_monotonic_time()
 *
 * Return: an object, the caller's
 */
JsonObject *host_status(const Rcached *r, int64_t started);

#endif
