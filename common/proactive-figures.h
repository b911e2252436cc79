/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proactive-figures: how far VMs are shrunk, in the words and fields that the
 * host's admin socket and the arbiter's have in common.  Pure.
 */
#ifndef RCACHE_PROACTIVE_FIGURES_H
#define RCACHE_PROACTIVE_FIGURES_H

#include <json-glib/json-glib.h>

#include "common/verdict.h"
#include "common/wire-beat.h"

/**
 * proactive_set() - "proactive", "proactive_limit_bytes",
 * "proactive_stall_percent", "stall_target_percent" and "proactive_why" of a VM
 */
void proactive_set(JsonObject *o, const WireBeatGuest *guest);

/**
 * proactive_note() - put into a verdict how a VM stands that is to be shrunk
 * @vm: the VM as the reader is to find it: "web", "web on a"
 */
void proactive_note(const WireBeatGuest *guest, const char *vm,
                    Verdict *verdict);

#endif
