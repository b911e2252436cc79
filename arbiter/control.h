/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control: the connections of hosts.
 *
 * It listens, sees HELLO through (versions, role, a deadline), and hands what
 * comes after it to its owner, decoded.  A frame that cannot be, or one that
 * the owner does not take, ends that connection and nothing else.
 */
#ifndef ARBITER_CONTROL_H
#define ARBITER_CONTROL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "arbiter/control-limits.h"
#include "common/limit-json.h"
#include "common/tls-credentials.h"
#include "common/wire-control.h"
#include "common/wire.h"

typedef struct Control Control;
typedef struct HostConn HostConn;

typedef struct ControlOps {
    /*
     * HELLO, with a version in common and the right role.  @text: 128 bytes
     * for the reason.  Return: what the owner keeps for this connection
     * (control_data()), or NULL to refuse it.
     */
    void *(*on_hello)(HostConn *conn, const WireHello *hello, char *text,
                      void *opaque);
    /* HEARTBEAT.  Return: false, with *@why set, to end the connection. */
    bool (*on_beat)(HostConn *conn, const uint8_t *payload, size_t len,
                    const char **why, void *opaque);
    void (*on_request)(HostConn *conn, uint64_t tag,
                       const WireLeaseRequest *request, void *opaque);
    void (*on_grant_ack)(HostConn *conn, const WireGrantAck *ack, void *opaque);
    /* WHERE.  Return: false: there is no such one; else both are set. */
    bool (*on_where)(WireWhere *where, void *opaque);
    void (*on_evict_ack)(HostConn *conn, uint64_t tag, const WireEvictAck *ack,
                         void *opaque);
    void (*on_upgrade_ack)(HostConn *conn, uint64_t tag,
                           const WireUpgradeAck *ack, void *opaque);
    /* A connection that was through HELLO has ended. */
    void (*on_gone)(HostConn *conn, const char *reason, void *opaque);
} ControlOps;

typedef struct ControlConfig {
    const char *listen;
    unsigned conns_max;
    ControlLimits limits;
    unsigned heartbeat_ms;      /* told to hosts */
    unsigned silence_ms;        /* a host that is silent for so long is out */
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX]; /* ours */
    TlsCredentials *tls;        /* NULL: without TLS */
} ControlConfig;

/** control_new() - listen; NULL with @errp set if that cannot be */
Control *control_new(const ControlConfig *config, const ControlOps *ops,
                     void *opaque, GError **errp);

/** control_free() - end all connections, without on_gone */
void control_free(Control *control);

/**
 * control_set_tls() - other credentials, if there were some
 *
 * New connections get them; those are ended that they would not take.
 */
void control_set_tls(Control *control, TlsCredentials *creds);

/** control_expires() - when the host's certificate does, in seconds since
 * 1970; 0: it has none */
int64_t control_expires(const HostConn *conn);

/** control_limits_add() - who has run into limits, see limit_hits_add() */
void control_limits_add(const Control *control, JsonArray *list,
                        Verdict *verdict);

/** control_address() - where it listens */
const char *control_address(const Control *control);

/** control_data() - what on_hello returned */
void *control_data(const HostConn *conn);

/** control_peer() - where it comes from: "ADDRESS:PORT" */
const char *control_peer(const HostConn *conn);

/** control_peer_host() - the same without the port and brackets */
const char *control_peer_host(const HostConn *conn);

/** control_send_grant() - false if the connection has ended; @owner: the
 * provider knows incarnations */
bool control_send_grant(HostConn *conn, const WireGrant *grant, bool owner);

/** control_send_drain() - false if the connection has ended */
bool control_send_drain(HostConn *conn, bool drain);

/** control_send_withdraw() - false if the connection has ended */
bool control_send_withdraw(HostConn *conn, uint64_t lease);

/** control_send_evict() - false if the connection has ended */
bool control_send_evict(HostConn *conn, uint64_t tag, const WireEvict *evict);

/** control_send_upgrade() - false if the connection has ended */
bool control_send_upgrade(HostConn *conn, uint64_t tag);

/** control_send_reply() - false if the connection has ended */
bool control_send_reply(HostConn *conn, uint64_t tag,
                        const WireLeaseReply *reply);

/**
 * control_drop() - end a connection now, without on_gone; another has taken
 * its place.  Not from within a callback for the same connection.
 */
void control_drop(HostConn *conn, const char *reason);

#endif
