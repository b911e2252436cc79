/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options-keys: the table of the keys of rcached.conf, from which what is
 * allowed, what is printed and the manual come (common/config.h).
 */
#ifndef RCACHED_OPTIONS_KEYS_H
#define RCACHED_OPTIONS_KEYS_H

#include "common/config.h"

/* Those of one section stand together. */
extern const ConfigKey options_keys[];
extern const unsigned options_nr_keys;

#endif
