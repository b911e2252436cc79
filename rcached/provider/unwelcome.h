/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unwelcome: connections that nobody speaks to, kept open for a moment.
 *
 * From an address that was refused many times within a second
 * (strangers_unwelcome()) a new connection is not worth a handshake.  Who is
 * shown the door at once is back at once: a program that speaks no TLS, or has
 * a certificate that is not taken, and tries for ever, does so some thousand
 * times a second, and VMs wait meanwhile ("lines" of scripts/bench floods).
 * One that has to wait until its connection ends comes back as often as
 * unwelcome_end() is called.
 *
 * There is room for few, and the oldest gives way: who opens many at a time
 * gains nothing, and takes few descriptors; none where they have run out.
 */
#ifndef PROVIDER_UNWELCOME_H
#define PROVIDER_UNWELCOME_H

#define UNWELCOME_MAX   64u

/**
 * struct Unwelcome - all zeros at first
 * @fd: @nr of them, the oldest at @oldest, round the end
 */
typedef struct Unwelcome {
    int fd[UNWELCOME_MAX];
    unsigned oldest, nr;
} Unwelcome;

/** unwelcome_add() - @fd is taken over; what gives way for it is closed */
void unwelcome_add(Unwelcome *u, int fd);

/** unwelcome_end() - close all of them */
void unwelcome_end(Unwelcome *u);

#endif
