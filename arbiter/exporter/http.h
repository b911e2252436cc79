/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http: what Prometheus and browsers connect to: GET and HEAD of the paths of a
 * site; 404 for any other path, 405 for any other method.
 *
 * libmicrohttpd parses and sends, in this thread's main loop: it never waits
 * for a client.  Each connection is for one request and ends with its answer,
 * or when it is HTTP_LIFE_US old, however busy it looks; where there are
 * HTTP_CONNS_MAX of them the oldest makes room for the next.
 *
 * A text that is made is given to all who ask until there is news.  While
 * HTTP_TEXTS_MAX texts of a path are still being sent, to clients that read
 * slowly, no new one is made and the newest is given on: so their memory is
 * bounded, and each is let go of with its connections.  How old it was when it
 * was given on says the header Age.
 *
 * A browser is told to take nothing from elsewhere, to run no script and to use
 * no style that is not a file of this site, to be in nobody's frame and to keep
 * nothing.
 */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include <glib.h>
#include <stdint.h>

#define HTTP_CONNS_MAX  64u
#define HTTP_TEXTS_MAX  4u
#define HTTP_LIFE_US    (30 * G_USEC_PER_SEC)
#define HTTP_MADE_MAX   4u

/* A text that changes. */
typedef struct HttpMade {
    const char *path, *type;
    char *(*make)(void *opaque);        /* it now; new, never NULL */
} HttpMade;

/* A file that does not. */
typedef struct HttpFile {
    const char *path, *type;
    const void *data;
    size_t size;
} HttpFile;

/* All that there is; it outlives the server. */
typedef struct HttpSite {
    const HttpMade *made;
    unsigned nr_made;           /* HTTP_MADE_MAX at most */
    const HttpFile *files;
    unsigned nr_files;
    /* See to it that what is made is new; returns another number when it would
     * be another text than before. */
    unsigned (*refresh)(void *opaque);
    void *opaque;
} HttpSite;

typedef struct Http Http;

/**
 * http_new() - listen
 * @listen: as address_parse() takes it
 * @port: if @listen has none
 *
 * Return: the server, or NULL with @errp set: the address is wrong or in use
 */
Http *http_new(const char *listen, uint16_t port, const HttpSite *site,
               GError **errp);

/** http_free() - end all connections */
void http_free(Http *http);

/** http_address() - where it listens, with the port */
const char *http_address(const Http *http);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Http, http_free)

#endif
