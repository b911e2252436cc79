/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts-vms: what hosts have said of single VMs, beside their figures.  Pure.
 */
#ifndef ARBITER_HOSTS_VMS_H
#define ARBITER_HOSTS_VMS_H

#include "arbiter/hosts.h"

/** hosts_delays() - what the guest of a VM there waits for; NULL: not known */
const struct RcacheVmmDelays *hosts_delays(const Host *host,
                                           const uint8_t *vm);

/** hosts_curve() - what less local memory would cost a VM; NULL: not known */
const struct RcacheVmmCurve *hosts_curve(const Host *host, const uint8_t *vm);

#endif
