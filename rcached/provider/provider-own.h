/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-own: what VMs on this host have on its own disk. */
#ifndef RCACHED_PROVIDER_OWN_H
#define RCACHED_PROVIDER_OWN_H

#include "rcached/provider/provider.h"

/**
 * provider_grant_own() - give a VM on this host a lease on its own disk
 * @out: the answer, whole: also when it is no
 *
 * All that is stored in it goes to the spill file; it takes no memory.  It is
 * refused where nobody keeps descriptors for the next daemon: there a daemon
 * that is killed would take pages of VMs on its own host with it.  On the
 * thread of provider_grant().
 */
void provider_grant_own(Provider *provider, const WireGrant *grant,
                        WireGrantAck *out);

/**
 * provider_end_own() - a start of a VM on this host is over: end what it has on
 * this host's own disk
 *
 * Nobody has any use for it, so that it must not stay for the orphan time, and
 * no end of this daemon wait for it.  What was granted and not claimed goes as
 * any such lease.
 */
void provider_end_own(Provider *provider, const uint8_t *vm,
                      uint64_t incarnation, const char *name);

#endif
