/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * farewells: what ended VMs had at other hosts is given back.  See farewells.h.
 *
 * Many VMs may end at a time; so many processes run at a time, and the others
 * wait for their turn, each with a descriptor.
 */
#include "rcached/farewells.h"

#include <glib.h>
#include <string.h>

#include "common/cleanup.h"
#include "rcache/proto.h"
#include "rcached/pager-process.h"
#include "rcached/vm-state.h"

#define RUNNING_MAX     32u
#define WAITING_MAX     1024u
/* One that was killed is followed by another. */
#define STARTS_MAX      3u

typedef struct Farewell {
    Farewells *all;
    uint8_t uuid[RCACHE_UUID_LEN];
    uint64_t incarnation;
    char name[RCACHE_NAME_MAX];
    int state_fd;
    unsigned starts;
    PagerProcess *process;      /* NULL: it waits */
} Farewell;

struct Farewells {
    const char *exe, *host;
    const PagerConfig *config;
    int tls_fd;
    GQueue waiting, running;    /* of Farewell */
};

static void farewell_free(Farewell *f)
{
    pager_process_free(f->process);
    vm_state_close(&f->state_fd);
    g_free(f);
}

Farewells *farewells_new(const char *exe, const char *host,
                         const PagerConfig *config)
{
    Farewells *all = g_new0(Farewells, 1);

    all->exe = exe;
    all->host = host;
    all->config = config;
    all->tls_fd = -1;
    return all;
}

void farewells_free(Farewells *all)
{
    if (all) {
        g_queue_clear_full(&all->waiting, (GDestroyNotify)farewell_free);
        g_queue_clear_full(&all->running, (GDestroyNotify)farewell_free);
        g_free(all);
    }
}

void farewells_set_tls(Farewells *all, int fd)
{
    all->tls_fd = fd;
}

static void is_left(const Farewell *f, unsigned leases, const char *why)
{
    g_warning("vm %s: %u of its leases could not be given back (%s): the "
              "memory stays lent until the provider's orphan time ends "
              "(orphan-time)", f->name, leases, why);
}

static void go_on(Farewells *all);

/* One that could not reach a provider has said so itself. */
static void farewell_ended(PagerProcess *process, const PagerEnd *end,
                           void *opaque)
{
    Farewell *f = opaque;
    Farewells *all = f->all;
    unsigned leases = vm_state_leases(f->state_fd);

    pager_process_free(process);
    f->process = NULL;
    g_queue_remove(&all->running, f);
    if (leases && end->failed && f->starts < STARTS_MAX) {
        g_queue_push_tail(&all->waiting, f);
    } else {
        if (leases && end->failed) {
            is_left(f, leases, end->how);
        } else if (!leases) {
            g_message("vm %s: all it had at other hosts is given back",
                      f->name);
        }
        farewell_free(f);
    }
    go_on(all);
}

static bool farewell_start(Farewell *f, GError **errp)
{
    const PagerFarewell farewell = {
        .uuid = f->uuid, .incarnation = f->incarnation, .name = f->name,
        .state_fd = f->state_fd,
    };
    const PagerSpawn spawn = {
        .exe = f->all->exe, .host = f->all->host, .config = f->all->config,
        .farewell = &farewell, .vmm_fd = -1, .lock_fd = -1,
        .tls_fd = f->all->tls_fd,
    };

    f->starts++;
    f->process = pager_process_spawn(&spawn, farewell_ended, f, errp);
    return f->process;
}

static void go_on(Farewells *all)
{
    Farewell *f;

    while (g_queue_get_length(&all->running) < RUNNING_MAX &&
           (f = g_queue_pop_head(&all->waiting))) {
        unsigned leases = vm_state_leases(f->state_fd);
        g_autoptr(GError) error = NULL;

        if (!farewell_start(f, &error)) {
            is_left(f, leases, error->message);
            farewell_free(f);
            continue;
        }
        g_queue_push_tail(&all->running, f);
        g_message("vm %s: it has ended, and no pager of it: process %d gives "
                  "its %u lease%s back", f->name,
                  (int)pager_process_pid(f->process), leases,
                  leases == 1 ? "" : "s");
    }
}

void farewells_bid(Farewells *all, const uint8_t *uuid, uint64_t incarnation,
                   const char *name, int state_fd)
{
    autofd state = state_fd;
    unsigned leases = vm_state_leases(state);
    Farewell *f;

    if (!leases) {
        vm_state_close(&state);
        return;
    }
    f = g_new0(Farewell, 1);
    f->all = all;
    memcpy(f->uuid, uuid, sizeof(f->uuid));
    f->incarnation = incarnation;
    g_strlcpy(f->name, name, sizeof(f->name));
    f->state_fd = fd_steal(&state);
    if (g_queue_get_length(&all->waiting) >= WAITING_MAX) {
        is_left(f, leases, "too many VMs have ended");
        farewell_free(f);
        return;
    }
    g_queue_push_tail(&all->waiting, f);
    go_on(all);
}
