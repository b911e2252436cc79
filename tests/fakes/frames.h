/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames: takes the frames of one type out of what goes through a connection.
 *
 * It sees the connection's bytes from the first one on, in pieces of any size.
 * While nothing is taken out all bytes pass at once; else those of a head that
 * has come in part wait for the rest, as its type is not known before.
 */
#ifndef FAKES_FRAMES_H
#define FAKES_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rcache/proto.h"

/* More than went in may come out: what was held of a head. */
#define FRAMES_HELD_MAX sizeof(struct RcacheHdr)

/**
 * struct Frames - one direction of a connection; all zero to begin with
 * @head: of the frame that has begun
 * @have: bytes of it that have come
 * @passed: and have been passed on
 * @left: bytes of the payload that are still to come; 0: the head is not whole
 * @taken: they are taken out
 */
typedef struct Frames {
    uint8_t head[sizeof(struct RcacheHdr)];
    size_t have, passed;
    uint32_t left;
    bool taken;
} Frames;

/**
 * frames_pass() - @len bytes have come
 * @without: type of the frames that are taken out; 0: none
 * @out: for what is to be passed on, @len + FRAMES_HELD_MAX bytes
 *
 * Return: bytes in @out
 */
size_t frames_pass(Frames *frames, unsigned without, const uint8_t *in,
                   size_t len, uint8_t *out);

#endif
