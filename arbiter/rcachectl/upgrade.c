/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upgrade: see upgrade.h.
 *
 * The daemon that was told ends, so for a moment nobody answers.  The next one
 * is known by its pid.
 */
#include "arbiter/rcachectl/upgrade.h"

#include <stdint.h>
#include <stdio.h>

#include "arbiter/rcachectl/rcachectl.h"
#include "common/admin-client.h"
#include "common/admin.h"

#define POLL_US         (G_USEC_PER_SEC / 5)
#define ASK_MS          5000u

static int64_t number(JsonNode *node, const char *name)
{
    JsonNode *member = node && JSON_NODE_HOLDS_OBJECT(node)
        ? json_object_get_member(json_node_get_object(node), name) : NULL;

    return member && JSON_NODE_HOLDS_VALUE(member)
               ? json_node_get_int(member) : -1;
}

static void say_pagers(int64_t left)
{
    printf("%" G_GINT64_FORMAT " pager%s still to be replaced\n", left,
           left == 1 ? " is" : "s are");
    fflush(stdout);
}

int upgrade_wait(const char *path, JsonNode *answer, unsigned timeout_ms,
                 bool json)
{
    int64_t until = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
    int64_t was = number(answer, "pid"), shown = 0, left = -1;
    g_autoptr(GError) error = NULL;

    while (g_get_monotonic_time() < until) {
        g_autoptr(JsonNode) status = admin_execute(path, "status", NULL,
                                                   ASK_MS, NULL);

        if (status && number(status, "pid") != was) {
            left = number(status, "pagers_to_replace");
            if (left <= 0) {
                return rcachectl_put(status, json ? NULL
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
    g_set_error(&error, ADMIN_ERROR, ADMIN_ERROR_FAILED, left < 0
                ? "the next daemon does not answer yet: see its log"
                : "%" G_GINT64_FORMAT " pagers are not replaced yet: status "
                "and the log of the daemon say why", left);
    return rcachectl_fail(error);
}
