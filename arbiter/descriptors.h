/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many descriptors the arbiter needs, and connections it can take. */
#ifndef ARBITER_DESCRIPTORS_H
#define ARBITER_DESCRIPTORS_H

#include "arbiter/options.h"

/* What it opens beside the connections of hosts, admin clients among it. */
#define ARBITER_DESCRIPTORS     128u

/** arbiter_descriptors() - how many it may need, for max-hosts */
unsigned arbiter_descriptors(const Options *options);

/** arbiter_conns_max() - connections that there are descriptors for */
unsigned arbiter_conns_max(const Options *options);

#endif
