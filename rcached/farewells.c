/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * farewells: what ended VMs had at other hosts is given back.  See farewells.h.
 *
 * Many VMs may end at a time; so many processes run at a time, and the others
 * wait for their turn, each with a descriptor.  What a user's VMs owe may be
 * made up, at addresses where nobody answers: half of all is for others, and
 * who has the fewest that run is next.
 *
 * A process that cannot be started, or was killed, says nothing of the next
 * attempt, but the host may be short of what it takes: there is a pause first.
 */
#include "rcached/farewells.h"

#include <glib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log-limit.h"
#include "rcache/proto.h"
#include "rcached/pager-process.h"
#include "rcached/vm-state.h"

#define RUNNING_MAX     32u
#define WAITING_MAX     1024u
#define RUNNING_OF_USER (RUNNING_MAX / 2)
#define WAITING_OF_USER (WAITING_MAX / 2)
/* One that was killed is followed by another. */
#define STARTS_MAX      3u
/* The first pause; they double. */
#define PAUSE_MS        1000u
#define PAUSE_MAX_MS    30000u

typedef struct Farewell {
    Farewells *all;
    uid_t uid;
    uint8_t uuid[RCACHE_UUID_LEN];
    uint64_t incarnation;
    char name[RCACHE_NAME_MAX];
    int state_fd;
    unsigned starts;
    guint pause;                /* until it may start again */
    PagerProcess *process;      /* NULL: it waits */
} Farewell;

struct Farewells {
    const char *exe, *host;
    const PagerConfig *config;
    int tls_fd;
    GQueue waiting, running;    /* of Farewell */
    unsigned failures;          /* to start one, in a row */
    guint pause;                /* until the next attempt */
    LogLimit log;               /* of what is left */
};

static void farewell_free(Farewell *f)
{
    g_clear_handle_id(&f->pause, g_source_remove);
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

static void tell_of_waiting(const Farewells *all)
{
    unsigned n = all->waiting.length;

    if (n) {
        g_warning("%u VM%s that ended without a pager had no turn to give "
                  "leases back: the memory stays lent until the providers' "
                  "orphan time ends (orphan-time)", n, n == 1 ? "" : "s");
    }
}

void farewells_free(Farewells *all)
{
    if (all) {
        tell_of_waiting(all);
        g_clear_handle_id(&all->pause, g_source_remove);
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
    unsigned left_out = log_limit_tick(&f->all->log,
                                       g_get_monotonic_time() / 1000);

    if (left_out) {
        g_warning("of %u more VMs leases could not be given back", left_out);
    }
    if (!log_limit_take(&f->all->log)) {
        return;
    }
    g_warning("vm %s: %u of its leases could not be given back (%s): the "
              "memory stays lent until the provider's orphan time ends "
              "(orphan-time)", f->name, leases, why);
}

static void go_on(Farewells *all);

static unsigned pause_ms(unsigned times)
{
    return MIN(PAUSE_MS << MIN(times - 1, 5), PAUSE_MAX_MS);
}

static gboolean farewell_rested(gpointer opaque)
{
    Farewell *f = opaque;

    f->pause = 0;
    go_on(f->all);
    return G_SOURCE_REMOVE;
}

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
        f->pause = g_timeout_add(pause_ms(f->starts), farewell_rested, f);
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

    f->process = pager_process_spawn(&spawn, farewell_ended, f, errp);
    f->starts += f->process != NULL;
    return f->process;
}

static unsigned of_user(const GQueue *queue, uid_t uid)
{
    unsigned n = 0;

    for (const GList *l = queue->head; l; l = l->next) {
        n += ((const Farewell *)l->data)->uid == uid;
    }
    return n;
}

/* Whose turn it is: of the user with the fewest that run, the oldest. */
static GList *next(const Farewells *all)
{
    unsigned fewest = RUNNING_OF_USER;
    GList *best = NULL;

    for (GList *l = all->waiting.head; l && fewest; l = l->next) {
        const Farewell *f = l->data;
        unsigned n = f->pause ? fewest : of_user(&all->running, f->uid);

        if (n < fewest) {
            fewest = n;
            best = l;
        }
    }
    return best;
}

static gboolean all_rested(gpointer opaque)
{
    Farewells *all = opaque;

    all->pause = 0;
    go_on(all);
    return G_SOURCE_REMOVE;
}

static void rest(Farewells *all, const Farewell *f, const char *why)
{
    unsigned ms = pause_ms(++all->failures);

    g_warning("vm %s: it has ended, and no pager of it: its leases cannot be "
              "given back now (%s): trying again in %u s", f->name, why,
              ms / 1000);
    all->pause = g_timeout_add(ms, all_rested, all);
}

static void go_on(Farewells *all)
{
    GList *link;

    while (!all->pause && all->running.length < RUNNING_MAX &&
           (link = next(all))) {
        Farewell *f = link->data;
        unsigned leases = vm_state_leases(f->state_fd);
        g_autoptr(GError) error = NULL;

        if (!farewell_start(f, &error)) {
            rest(all, f, error->message);
            return;
        }
        all->failures = 0;
        g_queue_delete_link(&all->waiting, link);
        g_queue_push_tail(&all->running, f);
        g_message("vm %s: it has ended, and no pager of it: process %d gives "
                  "its %u lease%s back", f->name,
                  (int)pager_process_pid(f->process), leases,
                  leases == 1 ? "" : "s");
    }
}

void farewells_bid(Farewells *all, uid_t uid, const uint8_t *uuid,
                   uint64_t incarnation, const char *name, int state_fd)
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
    f->uid = uid;
    memcpy(f->uuid, uuid, sizeof(f->uuid));
    f->incarnation = incarnation;
    g_strlcpy(f->name, name, sizeof(f->name));
    f->state_fd = fd_steal(&state);
    if (all->waiting.length >= WAITING_MAX ||
        of_user(&all->waiting, uid) >= WAITING_OF_USER) {
        is_left(f, leases, "too many VMs have ended");
        farewell_free(f);
        return;
    }
    g_queue_push_tail(&all->waiting, f);
    go_on(all);
}
