/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-version: which versions of the protocol this build speaks, and which of
 * them a connection goes by.  Nobody else asks for RCACHE_VERSION, so that a
 * test makes a build of another version by compiling one file anew.
 */
#ifndef RCACHE_WIRE_VERSION_H
#define RCACHE_WIRE_VERSION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/wire-control.h"

/** wire_version_offer() - name the versions of this build in a HELLO */
void wire_version_offer(WireHello *hello);

/**
 * wire_version_choose() - the highest version that both sides speak
 *
 * Return: the version, or 0 if there is none
 */
uint16_t wire_version_choose(const WireHello *hello);

/** wire_version_spoken() - is it a version that an answer may name? */
bool wire_version_spoken(uint16_t version);

/** wire_version_highest() - of this build */
uint16_t wire_version_highest(void);

/**
 * wire_version_refuse() - why there is none in common
 * @who: that refuses: "this provider"
 */
void wire_version_refuse(const WireHello *hello, const char *who, char *text,
                         size_t size);

#endif
