/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http: what Prometheus connects to: GET and HEAD of /metrics, and of / a page
 * with a link to it; 404 for any other path, 405 for any other method.
 *
 * libmicrohttpd parses and sends, in this thread's main loop: it never waits
 * for a client.  Each connection is for one request and ends with its answer,
 * or when it is HTTP_LIFE_US old, however busy it looks; where there are
 * HTTP_CONNS_MAX of them the oldest makes room for the next.
 *
 * A text is given for HTTP_KEEP_US to whoever asks, and for HTTP_KEEP_TIMES as
 * long as the daemon took to answer, but no longer than HTTP_KEEP_MAX_US: so
 * those who ask, and any local user can, cost the daemon a tenth of its time at
 * most, however many they are and however much there is to tell.
 *
 * While HTTP_TEXTS_MAX texts are still being sent, to clients that read slowly,
 * no new one is made and the newest is given on: so their memory is bounded,
 * and each is let go of with its connections.
 */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include <glib.h>
#include <stdint.h>

#define HTTP_CONNS_MAX  64u
#define HTTP_TEXTS_MAX  4u
#define HTTP_LIFE_US    (30 * G_USEC_PER_SEC)
#define HTTP_KEEP_US    G_USEC_PER_SEC
#define HTTP_KEEP_TIMES 10
#define HTTP_KEEP_MAX_US (30 * G_USEC_PER_SEC)

/**
 * HttpMetrics - make the text of /metrics now
 * @took: set to how long the daemon took to answer, in us
 *
 * Return: the text, new, never NULL
 */
typedef char *HttpMetrics(void *opaque, int64_t *took);

typedef struct Http Http;

/**
 * http_new() - listen
 * @listen: as address_parse() takes it
 * @port: if @listen has none
 *
 * Return: the server, or NULL with @errp set: the address is wrong or in use
 */
Http *http_new(const char *listen, uint16_t port, HttpMetrics *metrics,
               void *opaque, GError **errp);

/** http_free() - end all connections */
void http_free(Http *http);

/** http_address() - where it listens, with the port */
const char *http_address(const Http *http);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Http, http_free)

#endif
