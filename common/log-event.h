/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log-event: lines of the log that an operator looks for.
 *
 * Such a line has a number, MESSAGE_ID, which stays what it is when the words
 * change, and fields that say whom it is about:
 *
 *     journalctl -u rcached MESSAGE_ID=... RCACHED_VM=web
 *
 * "journalctl -x" shows what dist/rcached.catalog says about it: what it means
 * and what to do.  Where the log is no journal these are lines like others.
 * All numbers stand here, and tests/style/test-catalog.py sees that each is in
 * the catalogue and in use.
 */
#ifndef RCACHE_LOG_EVENT_H
#define RCACHE_LOG_EVENT_H

#include <glib.h>

/* a VM's pager has ended and was not told to */
#define LOG_PAGER_ENDED     "ccab887706a9493c8e62ffd048ccd1e6"
/* a pager that says nothing is killed */
#define LOG_PAGER_STUCK     "4079b307ce284caba2cd816888f63323"
/* pages of a VM are gone */
#define LOG_VM_LOST         "5e2077caf25e43508158ba1907b995c8"
/* a fault of a VM has waited for over a second */
#define LOG_VM_WAITING      "2ba419cc464648f4ba42ab09b973854b"
/* and goes on, or what was wrong is over */
#define LOG_VM_RECOVERED    "d03ca7e3bcd341bfa7851a19b9079dfe"
/* something else that a VM's operator should know */
#define LOG_VM_DEGRADED     "dc550edceca44dfeaf655af689f82e04"
/* a provider is slow for a VM */
#define LOG_PROVIDER_SLOW   "df49d2c7296b4a2b95051abd4cc705a6"
/* no pages get through to a provider */
#define LOG_PROVIDER_NO_PAGES "334f0c4d5ce647bd834020bb2bc87246"
/* writing the spill file fails */
#define LOG_SPILL_FAILS     "66dc97b01a5348f4aaa4b598f026aeaa"
/* what is in the spill file cannot be read */
#define LOG_SPILL_UNREADABLE "e328c734706743938970119729a6e10f"
/* somebody runs into a limit */
#define LOG_LIMIT_BITES     "0815cd2a318c4cd6868e9288c1284dd5"
/* memory pressure is high, or over */
#define LOG_PRESSURE        "0351390790904fd6aad1900d3add2468"
/* lent memory is asked back, or no more */
#define LOG_ASKED_BACK      "d0f58eb97d73476f86bbd2c7b29e7ff1"
/* an operator drains a host, or ends that */
#define LOG_DRAIN           "326f7098d7124a24a14b8ebbb7ef2c9b"
/* an operator holds a VM, or ends that */
#define LOG_HOLD            "a6bd2a1e923248779bae666dafe6ba3d"
/* the daemon ends, and others' memory with it */
#define LOG_STOP_LOSES      "3c67ebd2e59b418ba2b6b6488608baac"
/* the connection to an arbiter cannot be made, or has ended */
#define LOG_NO_ARBITER      "5cc2ed3e92024880967f4263af3c8ccc"
/* certificates could not be read again */
#define LOG_TLS_KEPT        "4861dffbc27e4a0a9286e011ebd6175a"
/* connections without TLS */
#define LOG_TLS_NONE        "6cbf41dbec334e09808511300c761d90"
/* rcache-exporter gets no answer of its daemon */
#define LOG_NO_FIGURES      "82c5f95f38124cc8b1801ff50e8b45c3"

/* For the compiler to look at the format, which g_log_structured() has among
 * its fields. */
static inline void G_GNUC_PRINTF(1, 2) log_event_format(const char *fmt, ...)
{
}

/* The fields stand before the message; @key: of a field, with its value. */
#define LOG_EVENT_1(level, id, key, value, ...)                             \
    do {                                                                    \
        if (0) {                                                            \
            log_event_format(__VA_ARGS__);                                  \
        }                                                                   \
        g_log_structured(G_LOG_DOMAIN, (level), "MESSAGE_ID", (id),         \
                         key, (value), "MESSAGE", __VA_ARGS__);             \
    } while (0)

/**
 * log_event() - a line with a number and no other field
 * @level: G_LOG_LEVEL_WARNING or G_LOG_LEVEL_MESSAGE
 * @id: a LOG_... from above
 *
 * The rest is as printf() takes it, here and below.
 */
#define log_event(level, id, ...)                                           \
    do {                                                                    \
        if (0) {                                                            \
            log_event_format(__VA_ARGS__);                                  \
        }                                                                   \
        g_log_structured(G_LOG_DOMAIN, (level), "MESSAGE_ID", (id),         \
                         "MESSAGE", __VA_ARGS__);                           \
    } while (0)

/** log_event_vm() - about a VM, by its name */
#define log_event_vm(level, id, vm, ...)                                    \
    LOG_EVENT_1(level, id, "RCACHED_VM", vm, __VA_ARGS__)

/** log_event_host() - about a host, by its name */
#define log_event_host(level, id, host, ...)                                \
    LOG_EVENT_1(level, id, "RCACHED_HOST", host, __VA_ARGS__)

/** log_event_limit() - about a key of the section [limits] */
#define log_event_limit(level, id, limit, ...)                              \
    LOG_EVENT_1(level, id, "RCACHED_LIMIT", limit, __VA_ARGS__)

/** log_event_arbiter() - about an arbiter, by its address */
#define log_event_arbiter(level, id, arbiter, ...)                          \
    LOG_EVENT_1(level, id, "RCACHED_ARBITER", arbiter, __VA_ARGS__)

/** log_event_daemon() - about a daemon, by its name */
#define log_event_daemon(level, id, daemon, ...)                            \
    LOG_EVENT_1(level, id, "RCACHED_DAEMON", daemon, __VA_ARGS__)

/** log_event_provider() - what a VM has seen of a provider */
#define log_event_provider(level, id, vm, provider, ...)                    \
    do {                                                                    \
        if (0) {                                                            \
            log_event_format(__VA_ARGS__);                                  \
        }                                                                   \
        g_log_structured(G_LOG_DOMAIN, (level), "MESSAGE_ID", (id),         \
                         "RCACHED_VM", (vm), "RCACHED_PROVIDER", (provider),\
                         "MESSAGE", __VA_ARGS__);                           \
    } while (0)

/** log_event_vm_of() - about a VM of another host */
#define log_event_vm_of(level, id, vm, host, ...)                           \
    do {                                                                    \
        if (0) {                                                            \
            log_event_format(__VA_ARGS__);                                  \
        }                                                                   \
        g_log_structured(G_LOG_DOMAIN, (level), "MESSAGE_ID", (id),         \
                         "RCACHED_VM", (vm), "RCACHED_HOST", (host),        \
                         "MESSAGE", __VA_ARGS__);                           \
    } while (0)

#endif
