/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-ends: two ends of TLS in memory, and what goes between them. */
#ifndef TESTS_TLS_ENDS_H
#define TESTS_TLS_ENDS_H

#include "common/tls-stream.h"

#define WHOLE   (1u << 20)

/* Two ends, and how many bytes go from one to the other at once. */
typedef struct Ends {
    TlsStream *client, *server;
    size_t piece;
} Ends;

extern const TlsWanted tls_any_host;

/** ends_open() - both, before anything was said; @wanted: by the client */
void ends_open(Ends *e, TlsCredentials *client, TlsCredentials *server,
               const TlsWanted *wanted);
void ends_close(Ends *e);

/** ends_carry() - what one wants to send arrives at the other, @piece bytes
 * at most; false: there was nothing */
bool ends_carry(TlsStream *from, TlsStream *to, size_t piece);

/** ends_shake_hands() - until nothing moves any more */
void ends_shake_hands(Ends *e);

/** ends_try() - open, and shake hands */
void ends_try(Ends *e, TlsCredentials *client, TlsCredentials *server,
              const TlsWanted *wanted);

/** ends_assert_up() - both are */
void ends_assert_up(const Ends *e);

/** ends_assert_failed() - it is not up, and its reason has @text in it */
void ends_assert_failed(const TlsStream *s, const char *text);

void ends_write(TlsStream *s, const void *bytes, size_t len);

/** ends_assert_arrives() - all that @from has to send is read at @to, and is
 * @want */
void ends_assert_arrives(TlsStream *from, TlsStream *to, size_t piece,
                         const void *want, size_t len);

/** ends_join() - @session is the peer of @s: what one says the other reads */
void ends_join(gnutls_session_t session, TlsStream *s);

#endif
