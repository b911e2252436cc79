/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-path: does all that is sent to another host arrive, in full size?
 *
 * No privilege is needed, and nothing has to run there but what does:
 *
 *  - A connection to the port is made and ended again.  As it begins, both
 *    sides say how large their packets may be: who asks for less than the
 *    device here has, has a smaller MTU (or something between has).
 *  - Datagrams of the size that both sides have agreed on are sent to the same
 *    port, where nobody takes datagrams: the other kernel answers with an ICMP
 *    error, which proves that they have arrived.  They may not be fragmented,
 *    and what was learnt of the way before does not count.  If small ones
 *    arrive and large ones do not, pages would not either: these are the first
 *    thing that is larger than a packet.  If nobody answers the small ones, a
 *    firewall drops them, and nothing is known.
 *
 * The way back is looked at from the other host.
 */
#ifndef RCACHECTL_CHECK_PATH_H
#define RCACHECTL_CHECK_PATH_H

#include "arbiter/rcachectl/check-facts.h"

/**
 * check_path_look() - look at a way
 * @path: its .address says whereto; gets all the rest
 *
 * Takes milliseconds, or a few seconds where something does not arrive.
 */
void check_path_look(CheckPath *path);

#endif
