/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ok-to-stop: would anything be gone if a host went now?
 *
 * It would be where the host has the only live copy of a page (whatif.h), and
 * with a VM that runs there.  What is not known counts as if it were so: an
 * arbiter that has just started, a VM whose host is silent or that has no
 * pager, another provider of it that is not heard, a heartbeat that had no
 * room for all.  Pure.
 */
#ifndef ARBITER_OK_TO_STOP_H
#define ARBITER_OK_TO_STOP_H

#include "arbiter/hosts.h"
#include "arbiter/whatif.h"

/**
 * ok_to_stop_reasons() - what speaks against it, one text for each VM
 * @whatif: of @host
 * @started_ms: since when the arbiter listens
 *
 * Return: an array of texts, both owned by the caller; empty: it may stop
 */
GPtrArray *ok_to_stop_reasons(const Whatif *whatif, const Hosts *hosts,
                              const Host *host, uint64_t started_ms,
                              uint64_t now);

#endif
