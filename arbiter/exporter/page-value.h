/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-value: what the page's parts read of a daemon's answers, and how they
 * write it.
 *
 * Names come from the network.  What the page is given has no character that
 * is not for printing (nor one that turns the direction of a line) and is
 * PAGE_NAME_MAX characters long at most; for SVG it is escaped besides.
 *
 * Pure.
 */
#ifndef EXPORTER_PAGE_VALUE_H
#define EXPORTER_PAGE_VALUE_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

#define PAGE_NAME_MAX   80u     /* characters */
#define PAGE_FIGURE_MAX 0x1p53  /* of any unit */
#define PAGE_WORDS_MAX  400u    /* of a sentence */

/** page_object_at() - an element of a list that is an object, or NULL */
JsonObject *page_object_at(JsonArray *list, guint i);

/** page_text_of() - a member that is a text, as it is; "" if it is none */
const char *page_text_of(JsonObject *o, const char *field);

/**
 * page_figure() - a member that is a number; NAN: it is none
 *
 * From 0 to PAGE_FIGURE_MAX, however much the daemon says: json-glib writes
 * larger ones in a form that is no JSON, and a picture has no room for them.
 */
double page_figure(JsonObject *o, const char *field);

/** page_amount() - the same, 0 if it is none */
double page_amount(JsonObject *o, const char *field);

/** page_set() - a member of what the page is told; NAN: null */
void page_set(JsonObject *o, const char *field, double value);

/** page_clean() - @text for people, cut to @max characters; new */
char *page_clean(const char *text, unsigned max);

/** page_escape() - page_clean(), for the text of an SVG's element; new */
char *page_escape(const char *text, unsigned max);

/** page_bytes() - "1.5 GiB", rounded as rcachectl does; new */
char *page_bytes(double bytes);

/** page_host_is_stale() - are the figures of this host old? */
bool page_host_is_stale(JsonObject *host);

/** page_vm_is_stale() - are the figures of this VM old? */
bool page_vm_is_stale(JsonObject *vm);

#endif
