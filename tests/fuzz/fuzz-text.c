/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-text: texts that come from people and from the kernel.
 *
 * The first byte says what the rest is: a configuration, an address, a uuid,
 * a text of proc or of a cgroup.  What is taken is taken again when it has been
 * written out, as the same; what is not is refused with a reason.
 */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "common/address.h"
#include "common/config.h"
#include "common/proc-text.h"
#include "common/uuid.h"
#include "fuzz.h"

static const ConfigKey keys[] = {
    { "one", "text", CONFIG_STRING, "", "Any." },
    { "one", "choice", CONFIG_STRING, "a", "One of two.", .choices = "a|b" },
    { "one", "number", CONFIG_INT, "5", "A number.", .min = -9, .max = 99 },
    { "one", "yes", CONFIG_BOOL, "yes", "Or no." },
    { "two", "size", CONFIG_SIZE, "64M", "Bytes.", .percent = true },
    { "two", "least", CONFIG_SIZE, "4096", "More.", .min = 4096 },
    { "two", "time", CONFIG_TIME, "200ms", "A time.", .max = 86400000 },
    { "two", "list", CONFIG_LIST, "", "Some." },
};

/* All of it as one text, new. */
static char *config_values(const Config *config)
{
    const char *const *list = config_list(config, "two", "list");
    g_autofree char *names = g_strjoinv(",", (char **)list);
    int64_t number = config_int(config, "one", "number");
    uint64_t least = config_size(config, "two", "least", 0);
    uint64_t time = config_time_ms(config, "two", "time");

    for (unsigned i = 0; list[i]; i++) {
        g_assert(*list[i]);
    }
    g_assert(number >= -9 && number <= 99);
    g_assert(least >= 4096 && time <= 86400000);
    return g_strdup_printf("%s %s %d %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %s",
                           config_string(config, "one", "text"),
                           config_string(config, "one", "choice"),
                           (int)number, config_bool(config, "one", "yes"),
                           config_size(config, "two", "size", G_MAXUINT64),
                           least, time, names);
}

static void check_config(const char *text, size_t len)
{
    g_autoptr(Config) config = config_new("fuzz", keys, G_N_ELEMENTS(keys));
    g_autoptr(Config) again = config_new("fuzz", keys, G_N_ELEMENTS(keys));
    g_autofree char *printed = NULL, *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;

    if (!config_load_text(config, "fuzz.conf", text, len, &error)) {
        g_assert(error && g_str_has_prefix(error->message, "fuzz.conf"));
        return;
    }
    printed = config_print(config, false);
    g_assert(config_load_text(again, "fuzz.conf", printed, strlen(printed),
                              NULL));
    first = config_values(config);
    second = config_values(again);
    g_assert(!strcmp(first, second));
}

static void check_address(const char *text)
{
    struct sockaddr_storage addr, again;
    socklen_t len, again_len;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;

    if (!address_parse(text, 9470, &addr, &len, &error)) {
        g_assert(error);
        return;
    }
    out = address_format(&addr);
    g_assert(address_parse(out, 1, &again, &again_len, NULL));
    g_assert(len == again_len && !memcmp(&addr, &again, len));
    g_assert(address_is_loopback(&addr) == address_is_loopback(&again));
}

static void check_uuid(const char *text)
{
    uint8_t uuid[UUID_LEN] = { 0 }, again[UUID_LEN];
    char out[UUID_TEXT_LEN];

    if (uuid_parse(text, uuid)) {
        uuid_format(uuid, out);
        g_assert(!g_ascii_strcasecmp(out, text));
        g_assert(uuid_parse(out, again));
        g_assert(!memcmp(uuid, again, sizeof(uuid)));
    }
}

static void check_proc(const char *text)
{
    uint32_t some, full;
    uint64_t number;

    (void)proc_text_number(text, "MemAvailable", &number);
    (void)proc_text_number(text, "file", &number);
    if (proc_text_pressure(text, &some, &full)) {
        g_assert(some < 10100 && full < 10100);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* On the heap, so that a byte too far is seen. */
    g_autofree char *text = size ? g_strndup((const char *)data + 1, size - 1)
                                 : NULL;

    if (!size) {
        return 0;
    }
    switch (*data % 4) {
    case 0:
        check_config((const char *)data + 1, size - 1);
        break;
    case 1:
        check_address(text);
        break;
    case 2:
        check_uuid(text);
        break;
    case 3:
        check_proc(text);
        break;
    }
    return 0;
}
