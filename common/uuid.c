/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uuid: 16 bytes and their text.  See uuid.h. */
#include "common/uuid.h"

#include <string.h>

void uuid_format(const uint8_t uuid[UUID_LEN], char text[UUID_TEXT_LEN])
{
    char *at = text;

    for (unsigned i = 0; i < UUID_LEN; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = "0123456789abcdef"[uuid[i] >> 4];
        *at++ = "0123456789abcdef"[uuid[i] & 15];
    }
    *at = '\0';
}

bool uuid_parse(const char *text, uint8_t uuid[UUID_LEN])
{
    if (!g_uuid_string_is_valid(text)) {
        return false;
    }
    for (unsigned i = 0; i < UUID_LEN; i++) {
        text += *text == '-';
        uuid[i] = g_ascii_xdigit_value(text[0]) << 4 |
                  g_ascii_xdigit_value(text[1]);
        text += 2;
    }
    return true;
}

guint uuid_hash(gconstpointer uuid)
{
    uint64_t a, b;

    memcpy(&a, uuid, sizeof(a));
    memcpy(&b, (const uint8_t *)uuid + sizeof(a), sizeof(b));
    a = (a ^ b) * 0x9e3779b97f4a7c15ull;
    return a >> 32;
}

gboolean uuid_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, UUID_LEN);
}
