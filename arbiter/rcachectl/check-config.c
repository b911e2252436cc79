/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-config: see check-config.h. */
#include "arbiter/rcachectl/check-config.h"

#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/rcachectl/cell.h"
#include "common/address.h"
#include "common/config.h"
#include "common/tls-config.h"
#include "common/tls-credentials.h"
#include "rcache/proto.h"

#define GROUPS_MAX      256
#define SOME_TOTAL      (UINT64_C(1) << 40)

/* Of rcached's keys those that are looked at; their defaults are rcached's,
 * which prints all of its values. */
static const ConfigKey keys[] = {
    { .section = "host", .key = "name", .type = CONFIG_STRING,
      .fallback = "", .doc = "" },
    { .section = "host", .key = "tls", .type = CONFIG_STRING,
      .fallback = "required", .choices = TLS_CONFIG_CHOICES, .doc = "" },
    TLS_CONFIG_KEYS,
    { .section = "provider", .key = "listen", .type = CONFIG_STRING,
      .fallback = "", .doc = "" },
    { .section = "provider", .key = "lend", .type = CONFIG_SIZE,
      .fallback = "0", .percent = true, .doc = "" },
    { .section = "provider", .key = "slab-size", .type = CONFIG_SIZE,
      .fallback = "0", .doc = "" },
    { .section = "agent", .key = "memory-source", .type = CONFIG_STRING,
      .fallback = "", .doc = "" },
    { .section = "agent", .key = "arbiters", .type = CONFIG_LIST,
      .fallback = "", .doc = "" },
};

/* ------------------------------------------------------------------- user */

typedef struct Rights {
    bool changed;
    gid_t gid, groups[GROUPS_MAX];
    int nr_groups;
} Rights;

/* Root can be the daemon's user for a while; whoever else is asks as himself,
 * and what he may not read is not looked at. */
static void rights_take(Rights *old, const HostUser *user)
{
    gid_t groups[GROUPS_MAX];
    guint n = user->groups ? MIN(user->groups->len, GROUPS_MAX) : 0;

    old->changed = false;
    if (geteuid() || !user->known || !user->uid || !n) {
        return;
    }
    for (guint i = 0; i < n; i++) {
        groups[i] = g_array_index(user->groups, uint64_t, i);
    }
    old->gid = getegid();
    old->nr_groups = getgroups(GROUPS_MAX, old->groups);
    if (old->nr_groups < 0 || setgroups(n, groups)) {
        return;
    }
    old->changed = true;
    if (setegid(groups[0]) || seteuid(user->uid)) {
        g_debug("cannot read files as user %s", user->name);
    }
}

static void rights_give_back(const Rights *old)
{
    if (old->changed &&
        (seteuid(0) || setegid(old->gid) ||
         setgroups(old->nr_groups, old->groups))) {
        g_error("cannot become root again");
    }
}

/* ------------------------------------------------------------------ files */

/* What is worth a word is made a finding of. */
static void say_nothing(const char *domain, GLogLevelFlags level,
                        const char *text, void *opaque)
{
}

static bool is_for_want_of_rights(const GError *error)
{
    return geteuid() && strstr(error->message, "cannot read") &&
           error->code == G_IO_ERROR_PERMISSION_DENIED;
}

/* As whoever may read them by now. */
static void read_files(const TlsSettings *settings, bool self,
                       CheckConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TlsMaterial) material = tls_material_read(settings, &error);
    g_autoptr(TlsCredentials) creds = NULL;

    if (material) {
        creds = tls_credentials_new(material, &error);
    }
    if (creds) {
        config->expires = tls_credentials_expires(creds);
    } else if (self && is_for_want_of_rights(error)) {
        config->files_unseen = g_strdup(error->message);
    } else {
        config->files_wrong = g_strdup(error->message);
    }
}

static void look_at_files(const TlsSettings *settings, const HostUser *user,
                          CheckConfig *config)
{
    GLogFunc before;
    Rights rights;

    if (settings->mode == TLS_MODE_NONE) {
        return;
    }
    rights_take(&rights, user);
    before = g_log_set_default_handler(say_nothing, NULL);
    config->has_files = tls_config_present(settings);
    if (config->has_files) {
        read_files(settings, !rights.changed, config);
    }
    g_log_set_default_handler(before, NULL);
    rights_give_back(&rights);
}

/* ----------------------------------------------------------------- values */

/* All of its keys that we know; those of a later release are left out. */
static bool take_values(Config *config, const char *text, GError **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!g_key_file_load_from_data(file, text, -1, G_KEY_FILE_NONE, errp)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *value = g_key_file_get_value(file, keys[i].section,
                                                      keys[i].key, NULL);

        if (value && !config_set(config, keys[i].section, keys[i].key, value,
                                 "rcached --print-config", errp)) {
            return false;
        }
    }
    return true;
}

static bool is_beyond_loopback(const char *listen)
{
    struct sockaddr_storage addr;
    socklen_t len;

    return address_parse(listen, RCACHE_DEFAULT_PORT, &addr, &len, NULL) &&
           !address_is_loopback(&addr);
}

bool check_config_take(const char *text, const HostUser *user,
                       CheckConfig *c, GError **errp)
{
    g_autoptr(Config) config = config_new("rcached", keys,
                                          G_N_ELEMENTS(keys));
    TlsSettings settings;
    const char *name;

    if (!take_values(config, text, errp)) {
        return false;
    }
    name = config_string(config, "host", "name");
    c->host = g_strdup(*name ? name : g_get_host_name());
    tls_config_view(config, "host", c->host, &settings);
    c->tls = g_strdup(config_string(config, "host", "tls"));
    c->directory = g_strdup(settings.directory);
    c->listen = g_strdup(config_string(config, "provider", "listen"));
    c->listens_beyond = is_beyond_loopback(c->listen);
    c->lends = config_size(config, "provider", "lend", SOME_TOTAL) > 0;
    c->slab_size = config_size(config, "provider", "slab-size", 0);
    c->memory_source = g_strdup(config_string(config, "agent",
                                              "memory-source"));
    c->arbiters = g_strv_length((char **)config_list(config, "agent",
                                                     "arbiters"));
    c->warn_s = settings.warn_ms / 1000;
    look_at_files(&settings, user, c);
    return true;
}

/* ---------------------------------------------------------------- program */

void check_config_read(const char *program, const HostUser *user,
                       CheckConfig *config)
{
    char *argv[] = { (char *)program, (char *)"--print-config", NULL };
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    if (!g_file_test(program, G_FILE_TEST_EXISTS)) {
        config->missing = g_strdup_printf("there is no %s", program);
    } else if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                             &out, &err, &status, &error)) {
        config->missing = g_strdup(error->message);
    } else if (!g_spawn_check_wait_status(status, NULL)) {
        config->refused = cell_text(g_strchomp(err));
        if (!*config->refused) {
            g_free(config->refused);
            config->refused = g_strdup_printf("%s --print-config fails",
                                              program);
        }
    } else if (!check_config_take(out, user, config, &error)) {
        config->missing = g_strdup_printf("%s --print-config: %s", program,
                                          error->message);
    }
}
