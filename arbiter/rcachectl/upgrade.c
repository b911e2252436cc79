/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upgrade: see upgrade.h.
 *
 * The daemon that was told ends, so for a moment nobody answers, or the arbiter
 * still has the figures of its last heartbeat.  The next one is known by its
 * pid.
 */
#include "arbiter/rcachectl/upgrade.h"

#include <stdint.h>
#include <stdio.h>

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/rcachectl.h"
#include "common/admin-client.h"
#include "common/admin.h"

#define POLL_US         (G_USEC_PER_SEC / 5)
#define ASK_MS          5000u

static int64_t number(JsonObject *o, const char *name)
{
    int64_t value;

    return cell_whole(o, name, &value) ? value : -1;
}

/* What is known of the host now; NULL: nobody answers, or nothing is. */
static JsonNode *look(const char *path, const char *host)
{
    g_autoptr(JsonObject) args = rcachectl_host_args(host);
    g_autoptr(JsonNode) node = admin_execute(path, "hosts", args, ASK_MS,
                                             NULL);
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node)
                          ? json_node_get_array(node) : NULL;

    return list && json_array_get_length(list) == 1 &&
           JSON_NODE_HOLDS_OBJECT(json_array_get_element(list, 0))
               ? json_array_dup_element(list, 0) : NULL;
}

static void say_pagers(int64_t left)
{
    printf("%" G_GINT64_FORMAT " pager%s still to be replaced\n", left,
           left == 1 ? " is" : "s are");
    fflush(stdout);
}

/* Return: whether the next daemon has said how far it is, in *@left. */
static bool next_is_there(JsonObject *o, int64_t was, int64_t *left)
{
    int64_t pid = number(o, "daemon_pid");

    if (pid < 0 || pid == was || !cell_is_true(o, "connected")) {
        return false;
    }
    *left = number(o, "pagers_to_replace");
    return *left >= 0;
}

int upgrade_wait(const char *path, const char *host, JsonNode *answer,
                 unsigned timeout_ms, bool json)
{
    int64_t until = timeout_ms ? g_get_monotonic_time() +
                                 timeout_ms * INT64_C(1000) : INT64_MAX;
    int64_t was = JSON_NODE_HOLDS_OBJECT(answer)
                      ? number(json_node_get_object(answer), "pid") : -1;
    int64_t shown = 0, left = -1;
    g_autoptr(GError) error = NULL;

    while (g_get_monotonic_time() < until) {
        g_autoptr(JsonNode) node = look(path, host);

        if (node && next_is_there(json_node_get_object(node), was, &left)) {
            if (!left) {
                return rcachectl_put(node, json ? NULL
                                     : "the daemon and all its pagers are of "
                                     "the installed build\n");
            }
            if (!json && left != shown) {
                say_pagers(left);
            }
            shown = left;
        }
        g_usleep(POLL_US);
    }
    if (left < 0) {
        g_set_error(&error, ADMIN_ERROR, ADMIN_ERROR_FAILED, "host %s: the "
                    "next daemon has not said yet how far it is: see its log",
                    host);
    } else {
        g_set_error(&error, ADMIN_ERROR, ADMIN_ERROR_FAILED, "host %s: %"
                    G_GINT64_FORMAT " pager%s not replaced yet: status on "
                    "that host and the log of its daemon say why", host, left,
                    left == 1 ? " is" : "s are");
    }
    return rcachectl_fail(error);
}
