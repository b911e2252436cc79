/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcachectl: see rcachectl.h. */
#include "arbiter/rcachectl/rcachectl.h"

#include <stdio.h>

#include "arbiter/rcachectl/cell.h"
#include "common/admin-client.h"

JsonObject *rcachectl_host_args(const char *host)
{
    JsonObject *args = json_object_new();

    json_object_set_string_member(args, "host", host);
    return args;
}

static int exit_status(const GError *error)
{
    if (error->domain != ADMIN_ERROR) {
        return EXIT_FAILED;
    }
    switch (error->code) {
    case ADMIN_ERROR_NO_DAEMON:
    case ADMIN_ERROR_TIMEOUT:
        return EXIT_NO_DAEMON;
    case ADMIN_ERROR_REFUSED:
    case ADMIN_ERROR_NO_COMMAND:
        return EXIT_REFUSED;
    default:
        return EXIT_FAILED;
    }
}

int rcachectl_fail(const GError *error)
{
    /* A daemon's words, mostly, on our terminal. */
    g_autofree char *text = cell_text(error->message);

    g_printerr("rcachectl: %s\n", text);
    return exit_status(error);
}

int rcachectl_put(JsonNode *answer, const char *text)
{
    g_autofree char *json = text ? NULL : json_to_string(answer, TRUE);

    if (fputs(text ? text : json, stdout) < 0 ||
        (json && putchar('\n') < 0) || fflush(stdout) < 0) {
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}
