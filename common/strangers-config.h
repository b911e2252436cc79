/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strangers-config: what daemons' configurations say alike about connections
 * that have not said who they are (strangers.h), in the section [limits].
 */
#ifndef RCACHE_STRANGERS_CONFIG_H
#define RCACHE_STRANGERS_CONFIG_H

#include "common/config.h"

/* Each argument is a default, as a text, and the last one how many handshakes
 * an address may begin at once: "ten seconds' worth". */
#define STRANGERS_CONFIG_KEYS(hellos_address, shakes, shakes_address, at_once) \
    { .section = "limits", .key = "hellos-per-address", .type = CONFIG_INT, \
      .fallback = hellos_address, .min = 4, .max = 100000, \
      .unit = "connections", .example = "128", \
      .doc = "How many connections of one address may not have said HELLO " \
             "yet. The oldest gives way to the newest. Of IPv6 the first 64 " \
             "bits count." }, \
    { .section = "limits", .key = "handshakes", .type = CONFIG_INT, \
      .fallback = shakes, .min = 1, .max = 1000, \
      .unit = "handshakes a second", .example = "200", \
      .doc = "How many TLS handshakes a second addresses may begin where " \
             "nobody has proved who he is for a day, and twenty seconds' " \
             "worth at once. One costs up to a millisecond." }, \
    { .section = "limits", .key = "handshakes-per-address", \
      .type = CONFIG_INT, .fallback = shakes_address, .min = 1, .max = 1000, \
      .unit = "handshakes a second", .example = "100", \
      .doc = "The same for one address, known or not, and " at_once \
             " at once." }

#endif
