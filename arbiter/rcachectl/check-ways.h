/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-ways: what is wrong on the way to other hosts.  Pure. */
#ifndef RCACHECTL_CHECK_WAYS_H
#define RCACHECTL_CHECK_WAYS_H

#include "common/finding.h"

/** check_ways() - judge them; @paths: of CheckPath */
void check_ways(const GPtrArray *paths, Findings *findings);

#endif
