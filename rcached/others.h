/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * others: VMs of this host that have no remote-cache object, as their QMP
 * monitors describe them, in the forms that heartbeats, the prediction and
 * the admin socket take.  A VM that is attached as well is left out: it
 * speaks for itself.
 */
#ifndef RCACHED_OTHERS_H
#define RCACHED_OTHERS_H

#include <json-glib/json-glib.h>

#include "rcached/agent/qmp.h"
#include "rcached/vmms.h"

/** others_predict() - append to @out (PredictGuest); @folder may be NULL */
void others_predict(QmpFolder *folder, Vmms *vmms, GArray *out);

/** others_beat() - append to @out (WireBeatGuest); @folder may be NULL */
void others_beat(QmpFolder *folder, Vmms *vmms, GArray *out);

/** others_json() - what each monitor says, the silent ones too */
JsonArray *others_json(QmpFolder *folder);

#endif
