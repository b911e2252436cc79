/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain: see drain.h.
 *
 * The daemon is asked for the host again and again.  Over an arbiter the
 * answer is as old as the host's last heartbeat, so at first the host may not
 * yet be said to drain.  A daemon that does not answer may be one that is
 * restarted: it is given a while.  So is a host that is dead, of which the
 * arbiter repeats what it has said last.  When nothing has left for some time,
 * the arbiter is asked what there is no room for.
 */
#include "arbiter/rcachectl/drain.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/print.h"
#include "arbiter/rcachectl/rcachectl.h"
#include "common/admin-client.h"
#include "common/admin.h"

#define POLL_US         (G_USEC_PER_SEC / 4)
#define ASK_MS          5000u
#define PATIENCE_US     (30 * G_USEC_PER_SEC)
#define STALL_US        (5 * G_USEC_PER_SEC)
#define LINE_US         G_USEC_PER_SEC  /* between lines, on no terminal */

typedef struct Drain {
    const char *path, *host;
    bool quiet, terminal;
    int64_t started, until;     /* 0: no end */
    int64_t answered;           /* the last time */
    bool seen;                  /* it was said to drain */
    uint64_t leased;            /* at the last look */
    int64_t moved;              /* when that changed, */
    uint64_t first;             /* what it was to begin with, */
    int64_t first_at;           /* and when */
    int64_t shown;
    char *why;                  /* the last reason that was shown */
} Drain;

/* Is it the host's word of now?  Else false with @errp set. */
static bool is_heard(const Drain *d, JsonObject *o, GError **errp)
{
    g_autofree char *state = cell_field(o, "state", CELL_TEXT);
    g_autofree char *age = cell_field(o, "age_seconds", CELL_SECONDS);

    if (strcmp(state, "dead")) {
        return true;
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                "host %s is dead, last heard %s ago: how much is left there "
                "is not known", d->host, age);
    return false;
}

/* The host's object, in @node; NULL with @errp set. */
static JsonObject *look(const Drain *d, JsonNode **node, GError **errp)
{
    g_autoptr(JsonObject) args = rcachectl_host_args(d->host);
    JsonArray *list;
    JsonObject *o;

    *node = admin_execute(d->path, "hosts", args, ASK_MS, errp);
    if (!*node) {
        return NULL;
    }
    list = JSON_NODE_HOLDS_ARRAY(*node) ? json_node_get_array(*node) : NULL;
    if (list && json_array_get_length(list) == 1 &&
        JSON_NODE_HOLDS_OBJECT(json_array_get_element(list, 0))) {
        o = json_array_get_object_element(list, 0);
        return is_heard(d, o, errp) ? o : NULL;
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                "the arbiter does not know host %s any more", d->host);
    return NULL;
}

/* Text that stays; on a terminal the progress is on the line below it. */
static void drain_say(const Drain *d, const char *text)
{
    if (!d->quiet) {
        printf("%s%s\n", d->terminal ? "\r\033[K" : "", text);
        fflush(stdout);
    }
}

static void show_progress(Drain *d, int64_t now)
{
    g_autofree char *left = cell_bytes(d->leased);
    g_autofree char *first = cell_bytes(d->first);
    double seconds = (now - d->first_at) / 1e6;
    double rate = seconds > 0 ? (d->first - d->leased) / seconds : 0;
    g_autofree char *text = NULL;

    if (rate > 0) {
        g_autofree char *speed = cell_bytes(rate);

        text = g_strdup_printf("%s: %s of %s left, %s/s, about %.0f s",
                               d->host, left, first, speed,
                               MAX(d->leased / rate, 1));
    } else {
        text = g_strdup_printf("%s: %s of %s left", d->host, left, first);
    }
    if (d->terminal && !d->quiet) {
        printf("\r\033[K%s", text);
        fflush(stdout);
    } else {
        drain_say(d, text);
    }
    d->shown = now;
}

/* Nothing has left for a while: for want of room? */
static void show_why(Drain *d)
{
    g_autoptr(JsonObject) args = rcachectl_host_args(d->host);
    g_autoptr(JsonNode) node = admin_execute(d->path, "whatif", args, ASK_MS,
                                             NULL);
    JsonObject *o = node && JSON_NODE_HOLDS_OBJECT(node)
                        ? json_node_get_object(node) : NULL;
    JsonNode *vms = o ? json_object_get_member(o, "vms") : NULL;
    JsonArray *list = vms && JSON_NODE_HOLDS_ARRAY(vms)
                          ? json_node_get_array(vms) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *vm = json_array_get_element(list, i);
        g_autofree char *why = print_why(vm);

        if (why && g_strcmp0(why, d->why)) {
            drain_say(d, why);
            g_free(d->why);
            d->why = g_steal_pointer(&why);
        }
        if (why || d->why) {
            return;
        }
    }
}

/* Return: whether it is empty, or has failed with @errp set. */
static bool look_at(Drain *d, JsonObject *o, int64_t now, GError **errp)
{
    uint64_t leased;
    int64_t said;

    if (!cell_whole(o, "leased_bytes", &said) || said < 0) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "the arbiter does not say how much is left on host %s",
                    d->host);
        return true;
    }
    leased = said;
    d->answered = now;
    if (!cell_is_true(o, "draining")) {
        if (d->seen || now - d->started > PATIENCE_US) {
            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED, d->seen
                        ? "host %s is not being drained any more: it was "
                        "rebooted, or an operator has run undrain"
                        : "host %s has not begun to drain", d->host);
            return true;
        }
        return false;
    }
    if (!d->seen || leased > d->first) {
        d->seen = true;
        d->first = d->leased = leased;
        d->first_at = d->moved = now;
    }
    if (leased != d->leased) {
        d->leased = leased;
        d->moved = now;
    }
    if (!leased) {
        return true;
    }
    if (!d->shown || ((d->terminal || d->moved > d->shown) &&
                      now - d->shown >= LINE_US)) {
        show_progress(d, now);
    }
    if (now - d->moved >= STALL_US) {
        show_why(d);
        d->moved = now - STALL_US / 2;
    }
    return false;
}

/* Return: the host's answer when it is empty; else NULL with @errp set. */
static JsonNode *wait_empty(Drain *d, GError **errp)
{
    for (;;) {
        g_autoptr(JsonNode) node = NULL;
        g_autoptr(GError) error = NULL;
        int64_t now = g_get_monotonic_time();
        JsonObject *o = look(d, &node, &error);

        if (o && look_at(d, o, now, &error)) {
            if (error) {
                g_propagate_error(errp, g_steal_pointer(&error));
                return NULL;
            }
            return json_array_dup_element(json_node_get_array(node), 0);
        }
        if (error && (now - d->answered > PATIENCE_US ||
                      (d->until && now > d->until))) {
            g_propagate_error(errp, g_steal_pointer(&error));
            return NULL;
        }
        if (d->until && now > d->until) {
            g_autofree char *left = cell_bytes(d->leased);

            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED, d->seen
                        ? "host %s is not empty in time: %s are left, and the "
                        "drain goes on"
                        : "host %s has not begun to drain in time",
                        d->host, left);
            return NULL;
        }
        g_usleep(POLL_US);
    }
}

int drain_wait(const char *path, const char *host, unsigned timeout_ms,
               bool json)
{
    int64_t now = g_get_monotonic_time();
    Drain d = {
        .path = path, .host = host, .quiet = json,
        .terminal = isatty(STDOUT_FILENO), .started = now, .answered = now,
        .until = timeout_ms ? now + timeout_ms * INT64_C(1000) : 0,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = wait_empty(&d, &error);
    g_autofree char *text = NULL;

    g_free(d.why);
    if (!answer) {
        drain_say(&d, "");
        return rcachectl_fail(error);
    }
    if (json) {
        return rcachectl_put(answer, NULL);
    }
    text = g_strdup_printf("%s is empty", host);
    drain_say(&d, text);
    return EXIT_DONE;
}
