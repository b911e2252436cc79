/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-text: see proc-text.h. */
#include "common/proc-text.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

bool proc_text_number(const char *text, const char *key, uint64_t *out)
{
    size_t len = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, len) && strchr(": \t", line[len]) &&
            line[len]) {
            const char *at = line + len + strspn(line + len, ": \t");
            char *end;

            errno = 0;
            *out = g_ascii_strtoull(at, &end, 10);
            return g_ascii_isdigit(*at) && !errno;
        }
    }
    return false;
}

/* "12.34" to 1234 */
static bool parse_hundredths(const char *text, uint32_t *out)
{
    char *end;
    uint64_t whole = g_ascii_strtoull(text, &end, 10);
    uint32_t part = 0;

    if (end == text || whole > 100) {
        return false;
    }
    if (*end == '.' && g_ascii_isdigit(end[1])) {
        part = (end[1] - '0') * 10;
        part += g_ascii_isdigit(end[2]) ? end[2] - '0' : 0;
    }
    *out = whole * 100 + part;
    return true;
}

static bool pressure_line(const char *text, const char *start, uint32_t *out)
{
    const char *line = strstr(text, start);

    return line && (line == text || line[-1] == '\n') &&
           parse_hundredths(line + strlen(start), out);
}

bool proc_text_pressure(const char *text, uint32_t *some, uint32_t *full)
{
    *some = *full = 0;
    if (!pressure_line(text, "some avg10=", some)) {
        return false;
    }
    pressure_line(text, "full avg10=", full);
    return true;
}
