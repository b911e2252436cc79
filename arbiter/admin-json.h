/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-json: what the answers on the arbiter's admin socket have in common:
 * which host is asked for, and how many rows a list has.
 */
#ifndef ARBITER_ADMIN_JSON_H
#define ARBITER_ADMIN_JSON_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "arbiter/placement.h"

/** admin_json_free() - bytes that a request could get of a host now */
uint64_t admin_json_free(const PlacementHost *view);

/**
 * admin_json_only() - the argument "host" of a command
 *
 * Return: a name that belongs to @args, or NULL: all hosts are asked for
 */
const char *admin_json_only(JsonObject *args);

/** admin_json_is_asked() - is @name what admin_json_only() gave? */
bool admin_json_is_asked(const char *only, const char *name);

/**
 * admin_json_rows() - is a list of so many rows allowed?
 * @what: the rows, in the plural
 *
 * A list is made in one go, and nobody is served meanwhile: a large cluster
 * is listed host by host.
 *
 * Return: false with @errp set if there are too many
 */
bool admin_json_rows(unsigned rows, const char *what, GError **errp);

#endif
