/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secrecy: a process whose memory nobody is to read: it holds other hosts'
 * pages, or tokens that open them.
 */
#ifndef RCACHE_SECRECY_H
#define RCACHE_SECRECY_H

#include <stdbool.h>

/**
 * secrecy_begin() - no core dump, and no ptrace or /proc/PID/mem without
 * CAP_SYS_PTRACE, from now on
 *
 * A build with AddressSanitizer stays traceable: its leak check needs that.
 */
void secrecy_begin(void);

/**
 * secrecy_host_has_swap() - could memory that is not locked reach a disk?
 * @root: what stands before /proc: "" but where another tree is looked at
 */
bool secrecy_host_has_swap(const char *root);

#endif
