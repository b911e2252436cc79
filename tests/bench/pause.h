/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause: how long a guest at work stands still when its pager is killed.
 *
 * Threads of the guest read and write pages everywhere in its memory, so that
 * the pager is always in the middle of something.  A pause is the longest wait
 * for one page from the kill on, until the next pager knows all pages.
 */
#ifndef BENCH_PAUSE_H
#define BENCH_PAUSE_H

#include <sys/types.h>

#include "tests/fakes/vmm.h"

/**
 * pause_measure() - kill the pager, and print one line of JSON
 * @pager: its pid
 * @after_us: after so much time under load
 *
 * pause_ns: the pause; 0 if the next pager has not come to know all pages
 * within minutes.  touched: pages that the guest has touched since the kill.
 */
void pause_measure(Vmm *v, pid_t pager, unsigned after_us);

#endif
