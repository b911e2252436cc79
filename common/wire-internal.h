/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the codec share; for nobody else.
 */
#ifndef RCACHE_WIRE_INTERNAL_H
#define RCACHE_WIRE_INTERNAL_H

#include "common/wire.h"

/** wire_text_decode() - check a text field of @size and copy it, zero filled */
WireError wire_text_decode(char *to, const char *from, size_t size);

/** wire_append_frame() - append head and payload; sets the head's length */
void wire_append_frame(GByteArray *out, const WireHead *head,
                       const void *payload, size_t len);

#endif
