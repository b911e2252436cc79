/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: what is known of the VMs here, in the forms that heartbeats and
 * the prediction take.
 */
#ifndef RCACHED_REPORT_H
#define RCACHED_REPORT_H

#include <glib.h>

#include "common/wire-beat.h"
#include "common/wire.h"
#include "rcached/agent/predict.h"
#include "rcached/vms.h"

/** Balloon figures older than this count as not reported. */
#define REPORT_BALLOON_MAX_MS   (60u * 1000)

/**
 * report_balloon_plausible() - can a guest's figures be true?
 * @memory: the guest's RAM in bytes; 0: not known
 *
 * All ones is how virtio-balloon says that it does not know.  A guest's total
 * is less than its RAM, by what firmware and kernel keep.
 */
bool report_balloon_plausible(uint64_t free, uint64_t total,
                              uint64_t memory);

/** report_guest() - @now as g_get_monotonic_time() */
void report_guest(const Vm *vm, int64_t now, WireBeatGuest *out);

/** report_held() - append each lease the VM holds to @out (WireBeatLease) */
void report_held(const Vm *vm, GArray *out);

/** report_predict() - the VM as the prediction sees it */
void report_predict(const Vm *vm, int64_t now, PredictGuest *out);

/** report_predict_all() - every VM's to @out (PredictGuest) */
void report_predict_all(Vms *vms, GArray *out);

/**
 * report_troubles() - append what the VM finds wrong (WireBeatTrouble)
 *
 * One for each provider with anything to say, and one without a provider for
 * what the pager counts beyond these: a lease that is given up takes what was
 * known of its provider with it.
 */
void report_troubles(const Vm *vm, GArray *out);

/** report_beat_all() - every VM (WireBeatGuest), its leases and troubles */
void report_beat_all(Vms *vms, GArray *guests, GArray *held,
                     GArray *troubles);

#endif
