/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies: how many copies there are of a VM's pages, in the words and fields
 * that the host's admin socket and the arbiter's have in common.  Pure.
 */
#ifndef RCACHE_COPIES_H
#define RCACHE_COPIES_H

#include <json-glib/json-glib.h>

#include "common/verdict.h"
#include "common/wire-beat.h"

/**
 * copies_judge() - put what has one copy and ought to have two into a verdict
 * @vm: the VM as the reader is to find it: "web", "web on a"
 */
void copies_judge(const WireBeatGuest *guest, const char *vm,
                  Verdict *verdict);

/** copies_set() - "copies", "one_copy_bytes" and "repairing_bytes" of a VM */
void copies_set(JsonObject *o, const WireBeatGuest *guest);

#endif
