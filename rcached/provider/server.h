/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server: the thread that answers requesters.
 *
 * One thread, one ring.  It owns the listening socket and every connection;
 * it shares with others only the store, under the store's lock, and the
 * event descriptor by which it is woken.
 */
#ifndef RCACHED_PROVIDER_SERVER_H
#define RCACHED_PROVIDER_SERVER_H

#include <glib.h>
#include <pthread.h>
#include <stdint.h>

#include "rcached/provider/store.h"

typedef struct Server Server;

typedef struct ServerConfig {
    int listen_fd;              /* stays the caller's, and so does wake_fd */
    int wake_fd;                /* an eventfd, see server_run() */
    unsigned poll_us;           /* spin for so long before sleeping */
    unsigned hello_ms;          /* a connection without HELLO may live */
    unsigned stall_ms;          /* one stuck in the middle of a frame may */
    unsigned conns_max;
    SlabGuard guard;
    Store *store;
    struct Spill *spill;        /* or NULL: no spill file */
    pthread_mutex_t *store_lock;
    const int *stop;            /* g_atomic: not 0 when it is to end */
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
} ServerConfig;

/* Counted since the start, under the store's lock. */
typedef struct ServerCounts {
    uint64_t get_pages;
    uint64_t put_pages;
    uint64_t freed_slots;
    uint64_t conns;             /* now */
    uint64_t accepted;
    uint64_t slabs_out;         /* pushed to other providers */
    uint64_t slabs_in;          /* filled by other providers, confirmed */
    uint64_t refused;           /* closed for what the peer did */
} ServerCounts;

/**
 * server_new() - a server; to be called on the thread that runs it
 *
 * Return: the server, or NULL with @errp set
 */
Server *server_new(const ServerConfig *config, GError **errp);

/**
 * server_run() - serve until *stop is not 0 and wake_fd is written to
 *
 * Every connection is closed when this returns.
 */
void server_run(Server *server);

void server_free(Server *server);

/** server_counts() - with the store's lock held, from any thread */
void server_counts(const Server *server, ServerCounts *out);

#endif
