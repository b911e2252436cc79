/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frames: takes the frames of one type out.  See frames.h. */
#include "frames.h"

#include <endian.h>
#include <glib.h>
#include <string.h>

/* What of the head has not been passed on. */
static size_t head_pass(Frames *frames, uint8_t *out)
{
    size_t n = frames->have - frames->passed;

    memcpy(out, frames->head + frames->passed, n);
    frames->passed = frames->have;
    return n;
}

/* More of a head; how many bytes are to be passed on now. */
static size_t head_bytes(Frames *frames, unsigned without, const uint8_t *in,
                         size_t len, uint8_t *out)
{
    struct RcacheHdr head;
    size_t n = 0;

    memcpy(frames->head + frames->have, in, len);
    frames->have += len;
    if (!without) {
        n = head_pass(frames, out);
    }
    if (frames->have < sizeof(head)) {
        return n;
    }
    memcpy(&head, frames->head, sizeof(head));
    frames->taken = !frames->passed && head.type == without;
    if (!frames->taken) {
        n += head_pass(frames, out + n);
    }
    frames->left = le32toh(head.length);
    frames->have = frames->passed = 0;
    return n;
}

size_t frames_pass(Frames *frames, unsigned without, const uint8_t *in,
                   size_t len, uint8_t *out)
{
    size_t n = 0, some;

    for (; len; in += some, len -= some) {
        if (!frames->left) {
            some = MIN(len, sizeof(frames->head) - frames->have);
            n += head_bytes(frames, without, in, some, out + n);
            continue;
        }
        some = MIN(len, frames->left);
        if (!frames->taken) {
            memcpy(out + n, in, some);
            n += some;
        }
        frames->left -= some;
    }
    return n;
}
