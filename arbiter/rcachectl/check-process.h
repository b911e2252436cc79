/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-process: what the running daemon may do, by /proc and its cgroup: the
 * limits of whoever runs rcachectl are others.
 */
#ifndef RCACHECTL_CHECK_PROCESS_H
#define RCACHECTL_CHECK_PROCESS_H

#include "arbiter/rcachectl/check-facts.h"

/**
 * check_process_read() - read it of a process
 * @root: what stands before /proc and /sys
 * @process: what it may; not .known if there is no such process
 * @host: gets the user, and how much memory it may lock
 */
void check_process_read(const char *root, int64_t pid, CheckProcess *process,
                        HostFacts *host);

/**
 * check_process_expect() - the user that the daemon would run as
 * @name: of the user
 * @host: gets the user, if this host has it
 */
void check_process_expect(const char *name, HostFacts *host);

#endif
