/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-look: ask a daemon for what "top" and "metrics" show. */
#ifndef RCACHECTL_TOP_LOOK_H
#define RCACHECTL_TOP_LOOK_H

#include "arbiter/rcachectl/top-model.h"

/** top_look() - ask once; false with @errp set, and the model as it was */
bool top_look(TopModel *model, const char *path, GError **errp);

/**
 * top_once() - ask once, and print it
 * @print: makes the text of top_model_json()'s object; NULL: print that
 *
 * Return: the exit status; what is wrong has been said
 */
int top_once(const char *path, char *(*print)(JsonNode *answers));

#endif
