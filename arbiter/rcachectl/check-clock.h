/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-clock: does anything keep this host's clock right?
 *
 * Heartbeats carry no time of day, so that nobody can say how far the clocks of
 * two hosts are apart; the kernel knows whether its own is kept right.
 */
#ifndef RCACHECTL_CHECK_CLOCK_H
#define RCACHECTL_CHECK_CLOCK_H

#include "arbiter/rcachectl/check-facts.h"

/** check_clock_read() - ask the kernel */
void check_clock_read(CheckFacts *facts);

#endif
