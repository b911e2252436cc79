/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trouble: what a VM finds wrong with a provider, in the words and fields that
 * the host's admin socket and the arbiter's have in common.  Pure.
 */
#ifndef RCACHE_TROUBLE_H
#define RCACHE_TROUBLE_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "common/verdict.h"
#include "common/wire-beat.h"
#include "common/wire.h"

/**
 * trouble_judge() - put what is gone, or came back wrong, into a verdict
 * @vm: the VM as the reader is to find it: "web", "web on a"
 *
 * What is gone fails; wrong bytes within the last minute degrade, and are a
 * note after that.  Other causes are left to the caller.
 */
void trouble_judge(const WireBeatTrouble *trouble, const char *vm,
                   Verdict *verdict);

/** trouble_set() - "lost_bytes", "wrong_pages" and "trouble" of a provider */
void trouble_set(JsonObject *o, const WireBeatTrouble *trouble);

/**
 * trouble_set_sums() - "lost_bytes" and "wrong_pages" of a VM
 * @known: false: nobody has said anything of this VM yet, and both are null
 * @troubles: of WireBeatTrouble, of any VMs
 */
void trouble_set_sums(JsonObject *o, bool known, const GArray *troubles,
                      const uint8_t *vm);

#endif
