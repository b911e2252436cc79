/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secrecy: a process whose memory nobody is to read: it holds other hosts'
 * pages, or tokens that open them.
 */
#ifndef RCACHE_SECRECY_H
#define RCACHE_SECRECY_H

/**
 * secrecy_begin() - no core dump, and no ptrace or /proc/PID/mem without
 * CAP_SYS_PTRACE, from now on
 *
 * A build with AddressSanitizer stays traceable: its leak check needs that.
 */
void secrecy_begin(void);

#endif
