/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-replay: what /api/page says after a history that is read, in no time.
 *
 * Each line of the input is an object with the answers to "status", "hosts"
 * and "vms", and "at", the second at which a daemon gave them.  The output is
 * the page as it is "after" seconds, the argument, beyond the last of them.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arbiter/exporter/page.h"

/* Return: when, in us */
static int64_t answered(Page *page, const char *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(line, &error);
    JsonObject *o;
    int64_t at;

    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        fprintf(stderr, "page-replay: a line is no object: %s\n",
                error ? error->message : line);
        exit(1);
    }
    o = json_node_get_object(node);
    at = llround(json_object_get_double_member(o, "at") * 1e6);
    page_answered(page, json_object_get_member(o, "status"),
                  json_object_get_member(o, "hosts"),
                  json_object_get_member(o, "vms"), at);
    return at;
}

int main(int argc, char **argv)
{
    g_autofree char *text = NULL;
    char *line = NULL;
    size_t size = 0;
    int64_t at = 0;
    Page page;

    if (argc != 2) {
        fprintf(stderr, "usage: page-replay AFTER <ANSWERS\n");
        return 2;
    }
    page_init(&page);
    while (getline(&line, &size, stdin) > 0) {
        at = answered(&page, line);
    }
    free(line);
    text = page_text(&page, "arbiter", NULL,
                     at + llround(atof(argv[1]) * 1e6));
    puts(text);
    page_deinit(&page);
    return 0;
}
