/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold: whether an operator holds a VM (hold=on) and how far that is, in the
 * words and fields that the host's admin socket and the arbiter's have in
 * common.  Pure.
 */
#ifndef RCACHE_HOLD_H
#define RCACHE_HOLD_H

#include <json-glib/json-glib.h>

#include "common/verdict.h"
#include "common/wire-beat.h"

/**
 * hold_text() - how far it is: "asked", "coming home", "no room", "home"
 *
 * Return: NULL: the VM is not held
 */
const char *hold_text(const WireBeatGuest *guest);

/**
 * hold_judge() - put a VM that is held into a verdict
 * @vm: the VM as the reader is to find it: "web", "web on a"
 * @host: where it runs
 */
void hold_judge(const WireBeatGuest *guest, const char *vm, const char *host,
                Verdict *verdict);

/** hold_set() - "held" and "hold" of a VM */
void hold_set(JsonObject *o, const WireBeatGuest *guest);

#endif
