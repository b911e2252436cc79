/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unmanaged-vms: VMs of this host that have no remote-cache object, as their
 * QMP monitors describe them, in the forms that heartbeats, the prediction and
 * the admin socket take.  A VM that is attached as well is left out: it
 * speaks for itself.
 */
#ifndef RCACHED_UNMANAGED_VMS_H
#define RCACHED_UNMANAGED_VMS_H

#include <json-glib/json-glib.h>

#include "rcached/agent/qmp-folder.h"
#include "rcached/vms.h"

/** unmanaged_vms_predict() - append to @out (PredictGuest); @folder may be NULL
 */
void unmanaged_vms_predict(QmpFolder *folder, Vms *vms, GArray *out);

/** unmanaged_vms_beat() - append to @out (WireBeatGuest); @folder may be NULL
 */
void unmanaged_vms_beat(QmpFolder *folder, Vms *vms, GArray *out);

/** unmanaged_vms_json() - what each monitor says, the silent ones too */
JsonArray *unmanaged_vms_json(QmpFolder *folder);

#endif
