/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arbiter-commands: see arbiter-commands.h. */
#include "rcached/arbiter-commands.h"

#include <string.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/uuid.h"
#include "common/wire-control.h"
#include "rcached/rcached.h"

static void rcached_evicted(const Evicted *evicted, void *opaque)
{
    WireEvictAck ack = {
        .status = evicted->failed ? RCACHE_E_REFUSED : RCACHE_OK,
        .bytes = evicted->bytes,
    };

    wire_text_copy(ack.text, sizeof(ack.text), evicted->text);
    arbiter_evict_answer(opaque, &ack);
}

void arbiter_commands_evict(ArbiterAsked *request, const WireEvict *evict,
                            void *opaque)
{
    Rcached *r = opaque;
    g_autoptr(GError) error = NULL;
    char uuid[UUID_TEXT_LEN];
    const Vm *vm;

    uuid_format(evict->vm, uuid);
    vm = vms_find(r->vms, uuid);
    if (!vm) {
        g_set_error(&error, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "the VM is not on host %s any more", r->options->host);
    } else if (evicts_start(r->evicts, vm, evict->bytes, rcached_evicted,
                            request, &error)) {
        g_message("vm %s: an arbiter asks to evict %" G_GUINT64_FORMAT " MiB",
                  vm->name, evict->bytes >> 20);
    }
    if (error) {
        WireEvictAck ack = { .status = RCACHE_E_REFUSED };

        wire_text_copy(ack.text, sizeof(ack.text), error->message);
        arbiter_evict_answer(request, &ack);
    }
}

void arbiter_commands_upgrade(ArbiterAsked *request, void *opaque)
{
    Rcached *r = opaque;
    WireUpgradeAck ack = { .pid = getpid() };
    g_autoptr(GError) error = NULL;

    if (stopping_restart(r->stopping, &error)) {
        g_message("upgrade: an arbiter wants the installed daemon started");
    } else {
        ack.status = RCACHE_E_REFUSED;
        wire_text_copy(ack.text, sizeof(ack.text), error->message);
    }
    arbiter_upgrade_answer(request, &ack);
}
