/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach: what a guest sees of it when its pager is killed.
 *
 * Two threads of the guest go on touching pages, one only such that are away,
 * the other only such that are here and not mapped.  They begin once the pager
 * is proved dead, so that it has answered none of them, and end when the
 * figures of the next one cover the whole guest.  All times count from the
 * kill.
 */
#ifndef BENCH_ATTACH_H
#define BENCH_ATTACH_H

#include <sys/types.h>

#include "tests/fakes/vmm.h"

/**
 * attach_measure() - kill the pager, and print one line of JSON
 * @pager: its pid
 *
 * first_away_ns and first_here_ns: the first page each thread got.
 * longest_away_ns and longest_here_ns: the longest wait for one of the others.
 * dead_ns, ready_ns, known_ns: the old pager's end, the next one's READY, and
 * its figures with no page left out.  sweep_ns, measured before the kill: what
 * cannot be left out of becoming whole, which is to read each word and to ask
 * the memfds for each page.  known_ns is 0 if that has not come within minutes.
 */
void attach_measure(Vmm *v, pid_t pager);

#endif
