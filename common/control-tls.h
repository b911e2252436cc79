/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-tls: TLS below the frames of a control connection; for
 * control-conn.c.  What its users call is in control-conn.h.
 */
#ifndef RCACHE_CONTROL_TLS_H
#define RCACHE_CONTROL_TLS_H

#include "common/control-conn-internal.h"

/** control_tls_send() - whole frames; false: that is the end */
bool control_tls_send(ControlConn *f, const GByteArray *bytes);

/**
 * control_tls_take() - what has come over the network
 * @bytes: the poller's buffer, which is free once they are taken
 */
void control_tls_take(ControlConn *f, uint8_t *bytes, size_t len);

/** control_tls_pass() - send what TLS has to; false: that is the end */
bool control_tls_pass(ControlConn *f);

#endif
