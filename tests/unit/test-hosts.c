/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of hosts: heartbeats in, states by time, boots and addresses. */
#include <check.h>
#include <malloc.h>
#include <string.h>

#include "common/wire-beat.h"
#include "arbiter/hosts-where.h"

static const HostsConfig config = {
    .heartbeat_ms = 1000, .suspect_beats = 3, .dead_beats = 10,
    .forget_ms = 60000, .max = 3,
};
static const uint8_t boot_a[RCACHE_UUID_LEN] = "boot a";
static const uint8_t boot_b[RCACHE_UUID_LEN] = "boot b";

static Hosts hosts;
static GByteArray *frame;

static void set_up(void)
{
    hosts_init(&hosts, &config);
    frame = g_byte_array_new();
}

static void tear_down(void)
{
    hosts_deinit(&hosts);
    g_byte_array_unref(frame);
}

/* A heartbeat with one of each section, in @frame. */
static void make_beat(uint64_t seq, const uint8_t *boot, uint64_t offered,
                      unsigned leases)
{
    WireBeatHost host = { .seq = seq, .offered = offered, .mem_total = 7 };
    WireBeatGuest guest = { .name = "vm", .guest = 5 };
    WireBeatLease lease = { .epoch = 1, .name = "vm", .host = "other",
                            .state = RCACHE_LEASE_CLAIMED, .bytes = 4096 };
    WireBeatTerm term = { .name = "reserve", .bytes = -3 };
    guint start;

    g_byte_array_set_size(frame, 0);
    start = wire_beat_begin(frame);
    memcpy(host.boot_id, boot, RCACHE_UUID_LEN);
    ck_assert(wire_beat_host(frame, start, &host));
    ck_assert(wire_beat_guest(frame, start, &guest));
    for (unsigned i = 0; i < leases; i++) {
        lease.lease = 100 + i;
        ck_assert(wire_beat_lease(frame, start, RCACHE_SECTION_LEASE,
                                  &lease));
    }
    lease.lease = 50;
    ck_assert(wire_beat_lease(frame, start, RCACHE_SECTION_HELD, &lease));
    ck_assert(wire_beat_term(frame, start, &term));
    wire_beat_end(frame, start);
}

static HostsBeat beat(Host *host, uint64_t now)
{
    const char *why = NULL;
    HostsBeat result = hosts_beat(&hosts, host, frame->data + WIRE_HEAD_LEN,
                                  frame->len - WIRE_HEAD_LEN, now, &why);

    ck_assert_int_eq(result == HOSTS_BEAT_BAD, why != NULL);
    return result;
}

START_TEST(a_beat_is_taken_whole)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "127.0.0.1:1", 0);

    ck_assert(!host->reported);
    make_beat(1, boot_a, 900, 2);
    ck_assert_int_eq(beat(host, 10), HOSTS_BEAT_TAKEN);
    ck_assert(host->reported);
    ck_assert_uint_eq(host->heard_ms, 10);
    ck_assert_uint_eq(host->beat.offered, 900);
    ck_assert_uint_eq(host->guests->len, 1);
    ck_assert_uint_eq(host->leases->len, 2);
    ck_assert_uint_eq(host->held->len, 1);
    ck_assert_uint_eq(host->terms->len, 1);
    ck_assert_ptr_nonnull(hosts_lease_find(host, 101));
    ck_assert_ptr_null(hosts_lease_find(host, 50));

    /* The next one replaces it. */
    make_beat(2, boot_a, 800, 1);
    ck_assert_int_eq(beat(host, 20), HOSTS_BEAT_TAKEN);
    ck_assert_uint_eq(host->beat.offered, 800);
    ck_assert_uint_eq(host->leases->len, 1);

    /* One that breaks off changes nothing, wherever that is. */
    make_beat(3, boot_a, 700, 9);
    for (guint cut = 1; cut < frame->len - WIRE_HEAD_LEN; cut += 7) {
        const char *why;
        HostsBeat r = hosts_beat(&hosts, host,
                                 frame->data + WIRE_HEAD_LEN,
                                 frame->len - WIRE_HEAD_LEN - cut, 30, &why);

        if (r == HOSTS_BEAT_TAKEN) {
            /* Cut between two sections: whole, as far as anyone can see. */
            ck_assert_uint_eq(host->beat.seq, 3);
            host->beat.seq = 2;
            host->beat.offered = 800;
        } else {
            ck_assert_int_eq(r, HOSTS_BEAT_BAD);
            ck_assert_uint_eq(host->beat.offered, 800);
        }
    }
}
END_TEST

START_TEST(old_and_foreign_beats)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    make_beat(5, boot_a, 900, 0);
    ck_assert_int_eq(beat(host, 10), HOSTS_BEAT_TAKEN);
    ck_assert_int_eq(beat(host, 20), HOSTS_BEAT_OLD);
    make_beat(4, boot_a, 100, 0);
    ck_assert_int_eq(beat(host, 20), HOSTS_BEAT_OLD);
    ck_assert_uint_eq(host->heard_ms, 10);
    ck_assert_uint_eq(host->beat.offered, 900);
    make_beat(6, boot_b, 100, 0);
    ck_assert_int_eq(beat(host, 20), HOSTS_BEAT_BAD);

    /* A restarted daemon counts from the start; what was known stays. */
    ck_assert_ptr_eq(hosts_hello(&hosts, "h", boot_a, "", 30), host);
    ck_assert_uint_eq(host->beat.offered, 900);
    make_beat(1, boot_a, 200, 0);
    ck_assert_int_eq(beat(host, 40), HOSTS_BEAT_TAKEN);
    ck_assert_uint_eq(host->beat.offered, 200);
}
END_TEST

START_TEST(another_boot_is_another_host)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    make_beat(9, boot_a, 900, 3);
    ck_assert_int_eq(beat(host, 10), HOSTS_BEAT_TAKEN);
    host = hosts_hello(&hosts, "h", boot_b, "", 20);
    ck_assert(!host->reported);
    ck_assert_uint_eq(host->beat.offered, 0);
    ck_assert_uint_eq(host->leases->len, 0);
    ck_assert_uint_eq(host->guests->len, 0);
    ck_assert_uint_eq(host->held->len, 0);
    make_beat(1, boot_b, 300, 1);
    ck_assert_int_eq(beat(host, 30), HOSTS_BEAT_TAKEN);
}
END_TEST

START_TEST(states_by_time)
{
    static const struct {
        uint64_t at;
        HostState state;
    } cases[] = {
        { 0, HOST_ALIVE }, { 4000, HOST_ALIVE }, { 4001, HOST_SUSPECT },
        { 11000, HOST_SUSPECT }, { 11001, HOST_DEAD },
        { 1000000, HOST_DEAD },
    };
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 500);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        ck_assert_int_eq(hosts_state(&hosts, host, 500 + cases[i].at),
                         cases[i].state);
    }
    /* A clock that is behind does no harm. */
    ck_assert_int_eq(hosts_state(&hosts, host, 0), HOST_ALIVE);
    make_beat(1, boot_a, 1, 0);
    ck_assert_int_eq(beat(host, 50000), HOSTS_BEAT_TAKEN);
    ck_assert_int_eq(hosts_state(&hosts, host, 50001), HOST_ALIVE);
    ck_assert_str_eq(hosts_state_name(HOST_SUSPECT), "suspect");
}
END_TEST

START_TEST(long_dead_are_forgotten)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);

    host->conn = &hosts;
    make_beat(1, boot_a, 1, 0);
    ck_assert_int_eq(beat(host, 0), HOSTS_BEAT_TAKEN);
    ck_assert_uint_eq(hosts_forget(&hosts, 60001), 0);
    host->conn = NULL;
    ck_assert_uint_eq(hosts_forget(&hosts, 60000), 0);
    ck_assert_uint_eq(hosts_forget(&hosts, 60001), 1);
    ck_assert_ptr_null(hosts_find(&hosts, "h"));
    /* One that never reported is not kept once it has gone. */
    host = hosts_hello(&hosts, "h", boot_a, "", 0);
    host->conn = &hosts;
    hosts_gone(&hosts, host);
    ck_assert_ptr_null(hosts_find(&hosts, "h"));
    host = hosts_hello(&hosts, "h", boot_a, "", 0);
    ck_assert_int_eq(beat(host, 0), HOSTS_BEAT_TAKEN);
    host->conn = &hosts;
    hosts_gone(&hosts, host);
    ck_assert_ptr_null(host->conn);
    ck_assert_ptr_eq(hosts_find(&hosts, "h"), host);
}
END_TEST

START_TEST(no_more_than_the_most)
{
    static const char *const names[] = { "c", "a", "b" };
    g_autoptr(GPtrArray) all = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        Host *host = hosts_hello(&hosts, names[i], boot_a, "", 0);

        ck_assert_ptr_nonnull(host);
        host->conn = &hosts;
    }
    ck_assert_ptr_null(hosts_hello(&hosts, "d", boot_a, "", 0));
    ck_assert_ptr_nonnull(hosts_hello(&hosts, "a", boot_b, "", 0));
    all = hosts_sorted(&hosts);
    ck_assert_uint_eq(all->len, 3);
    ck_assert_str_eq(((Host *)all->pdata[0])->name, "a");
    ck_assert_str_eq(((Host *)all->pdata[2])->name, "c");
}
END_TEST

/* A heartbeat of a host in @label that lends @bytes to VM @vm of @to. */
/* What it lists was granted by this arbiter. */
static void grant_all(Host *host)
{
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);
        WireGrant grant = { .lease = l->lease, .bytes = l->bytes };

        memcpy(grant.vm, l->vm, sizeof(grant.vm));
        wire_text_copy(grant.host, sizeof(grant.host), l->host);
        hosts_granted(&hosts, host, &grant);
    }
}

static void lend(Host *host, uint64_t seq, const char *label, char vm,
                 const char *to, uint64_t bytes, unsigned leases)
{
    WireBeatHost h = { .seq = seq, .mem_total = 8192, .offered = 8192 };
    WireBeatLease lease = { .epoch = 1, .name = "vm", .bytes = bytes,
                            .state = RCACHE_LEASE_CLAIMED, .vm = { vm } };
    const char *why;
    guint start;

    g_byte_array_set_size(frame, 0);
    start = wire_beat_begin(frame);
    g_strlcpy(h.label, label, sizeof(h.label));
    g_strlcpy(lease.host, to, sizeof(lease.host));
    ck_assert(wire_beat_host(frame, start, &h));
    for (unsigned i = 0; i < leases; i++) {
        lease.lease = 1 + i;
        ck_assert(wire_beat_lease(frame, start, RCACHE_SECTION_LEASE,
                                  &lease));
    }
    wire_beat_end(frame, start);
    memset(host->boot_id, 0, sizeof(host->boot_id));
    ck_assert_int_eq(hosts_beat(&hosts, host, frame->data + WIRE_HEAD_LEN,
                                frame->len - WIRE_HEAD_LEN, 10, &why),
                     HOSTS_BEAT_TAKEN);
    grant_all(host);
}

static uint64_t lent(char vm, const Host *host)
{
    const uint8_t uuid[RCACHE_UUID_LEN] = { vm };
    const GArray *array = hosts_lent(&hosts, uuid);

    for (guint i = 0; array && i < array->len; i++) {
        const HostsLent *l = &g_array_index(array, HostsLent, i);

        if (l->host == host) {
            return l->bytes;
        }
    }
    return 0;
}

START_TEST(sums_follow_the_leases)
{
    static const uint8_t none[RCACHE_UUID_LEN];
    Host *a = hosts_hello(&hosts, "a", none, "", 0);
    Host *b = hosts_hello(&hosts, "b", none, "", 0);

    lend(a, 1, "", 1, "me", 4096, 3);
    lend(b, 1, "", 1, "me", 4096, 1);
    ck_assert_uint_eq(lent(1, a), 3 * 4096);
    ck_assert_uint_eq(lent(1, b), 4096);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 4 * 4096);
    lend(a, 2, "", 1, "me", 4096, 3);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 4 * 4096);
    lend(a, 3, "", 2, "you", 8192, 1);
    ck_assert_uint_eq(lent(1, a), 0);
    ck_assert_uint_eq(lent(2, a), 8192);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 4096);
    ck_assert_uint_eq(hosts_taken(&hosts, "you"), 8192);
    /* Figures that no host has do not wrap, and go away again. */
    lend(b, 2, "", 1, "me", UINT64_MAX, 9);
    ck_assert_uint_gt(hosts_taken(&hosts, "me"), 1ull << 50);
    lend(b, 3, "", 1, "me", 4096, 1);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 4096);
    /* Another boot, and a host that is forgotten, have lent nothing. */
    hosts_hello(&hosts, "b", boot_b, "", 20);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 0);
    ck_assert_uint_eq(hosts_forget(&hosts, UINT64_MAX / 2), 2);
    ck_assert_uint_eq(hosts_taken(&hosts, "you"), 0);
    ck_assert_uint_eq(hosts.all->len, 0);
    ck_assert_uint_eq(g_hash_table_size(hosts.lent), 0);
}
END_TEST

START_TEST(labels_are_numbered)
{
    static const uint8_t none[RCACHE_UUID_LEN];
    Host *a = hosts_hello(&hosts, "a", none, "", 0);
    Host *b = hosts_hello(&hosts, "b", none, "", 0);
    uint32_t rack1;

    ck_assert_uint_eq(a->domain, 0);
    lend(a, 1, "rack1", 1, "me", 1, 0);
    lend(b, 1, "rack1", 1, "me", 1, 0);
    rack1 = a->domain;
    ck_assert_uint_ne(rack1, 0);
    ck_assert_uint_eq(b->domain, rack1);
    lend(b, 2, "rack2", 1, "me", 1, 0);
    ck_assert_uint_ne(b->domain, rack1);
    lend(b, 3, "", 1, "me", 1, 0);
    ck_assert_uint_eq(b->domain, 0);
    /* A host that changes its label for ever costs one entry. */
    for (unsigned i = 0; i < 100; i++) {
        g_autofree char *label = g_strdup_printf("rack%u", i);

        lend(b, 10 + i, label, 1, "me", 1, 0);
    }
    ck_assert_uint_eq(g_hash_table_size(hosts.domains), 2);
}
END_TEST

static unsigned in_domain_of(const Host *host, const Host *other)
{
    const GPtrArray *domain = hosts_domain(&hosts, host);

    return domain && domain->pdata[other->domain_at] == other ? domain->len
                                                              : 0;
}

START_TEST(a_label_has_its_hosts)
{
    static const uint8_t none[RCACHE_UUID_LEN];
    Host *h[3];

    for (unsigned i = 0; i < 3; i++) {
        h[i] = hosts_hello(&hosts, (const char *[]){ "a", "b", "c" }[i], none,
                           "", 0);
        ck_assert_ptr_null(hosts_domain(&hosts, h[i]));
        lend(h[i], 1, "rack1", 1, "me", 1, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(in_domain_of(h[0], h[i]), 3);
    }
    lend(h[0], 2, "rack2", 1, "me", 1, 0);
    ck_assert_uint_eq(in_domain_of(h[0], h[0]), 1);
    ck_assert_uint_eq(in_domain_of(h[1], h[2]), 2);
    ck_assert_uint_eq(in_domain_of(h[2], h[1]), 2);
    /* Another boot says its label anew; who is forgotten is nowhere. */
    hosts_hello(&hosts, "c", boot_b, "", 20);
    ck_assert_uint_eq(in_domain_of(h[1], h[1]), 1);
    ck_assert_uint_eq(hosts_forget(&hosts, UINT64_MAX / 2), 3);
    ck_assert_uint_eq(g_hash_table_size(hosts.domains), 0);
}
END_TEST

START_TEST(the_last_host_takes_the_place)
{
    Host *a = hosts_hello(&hosts, "a", boot_a, "", 0);
    Host *b = hosts_hello(&hosts, "b", boot_a, "", 0);
    Host *c = hosts_hello(&hosts, "c", boot_a, "", 0);

    b->conn = c->conn = &hosts;
    ck_assert_uint_eq(hosts_forget(&hosts, UINT64_MAX / 2), 1);
    (void)a;
    ck_assert_uint_eq(hosts.all->len, 2);
    ck_assert_ptr_eq(hosts.all->pdata[b->index], b);
    ck_assert_ptr_eq(hosts.all->pdata[c->index], c);
}
END_TEST

START_TEST(implausible_figures)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);
    WireBeatHost *b = &host->beat;
    const WireBeatHost good = { .mem_total = 100, .mem_available = 100,
                                .offered = 100, .leased = 100,
                                .psi_some_avg10 = 10000,
                                .psi_full_avg10 = 10000 };

    *b = good;
    ck_assert_ptr_null(hosts_implausible(host));
    b->offered = 101;
    ck_assert_ptr_nonnull(strstr(hosts_implausible(host), "offers more"));
    *b = good;
    b->leased = UINT64_MAX;
    ck_assert_ptr_nonnull(strstr(hosts_implausible(host), "lent more"));
    *b = good;
    b->spilled = 101;
    ck_assert_ptr_nonnull(strstr(hosts_implausible(host), "spilled more"));
    *b = good;
    b->mem_available = 101;
    ck_assert_ptr_nonnull(strstr(hosts_implausible(host), "available"));
    *b = good;
    b->psi_full_avg10 = 10001;
    ck_assert_ptr_nonnull(strstr(hosts_implausible(host), "pressure"));
}
END_TEST

static const char *clash(const Host *host, const uint8_t *boot_id,
                         const char *address, const char *from, uint64_t now)
{
    return hosts_clash(&hosts, host, boot_id, address, from, now);
}

START_TEST(two_of_one_name)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "a:1", 0);
    uint64_t late = 100 * config.heartbeat_ms;

    wire_text_copy(host->from, sizeof(host->from), "1.2.3.4");
    ck_assert_ptr_null(clash(host, boot_a, "a:1", "1.2.3.4", 1));
    ck_assert_ptr_null(clash(host, boot_a, "", "1.2.3.4", 1));
    ck_assert_ptr_nonnull(clash(host, boot_b, "a:1", "1.2.3.4", 1));
    ck_assert_ptr_nonnull(clash(host, boot_a, "b:1", "1.2.3.4", 1));
    /* Two that lend nothing are told apart by where they are. */
    ck_assert_ptr_nonnull(clash(host, boot_a, "", "1.2.3.5", 1));
    /* One that has been silent may have rebooted. */
    ck_assert_ptr_null(clash(host, boot_b, "a:1", "1.2.3.5", late));
}
END_TEST

/* Whatever the clock does nobody is lost for it, and nothing wraps. */
START_TEST(a_clock_that_jumps)
{
    static const uint8_t none[RCACHE_UUID_LEN];
    Host *host = hosts_hello(&hosts, "h", none, "", 50000);

    ck_assert_int_eq(hosts_state(&hosts, host, 0), HOST_ALIVE);
    ck_assert_uint_eq(hosts_forget(&hosts, 0), 0);
    lend(host, 1, "", 1, "me", 4096, 1);        /* its time is 10 */
    ck_assert_uint_eq(host->heard_ms, 10);
    ck_assert_int_eq(hosts_state(&hosts, host, 11), HOST_ALIVE);
    ck_assert_int_eq(hosts_state(&hosts, host, UINT64_MAX), HOST_DEAD);
    lend(host, 2, "", 1, "me", 4096, 1);
    ck_assert_int_eq(hosts_state(&hosts, host, 11), HOST_ALIVE);
    host->conn = &hosts;
    ck_assert_uint_eq(hosts_forget(&hosts, UINT64_MAX), 0);
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 4096);
}
END_TEST

START_TEST(an_arbiter_that_slept_blames_nobody)
{
    Host *host = hosts_hello(&hosts, "h", boot_a, "", 0);
    uint64_t late = 100 * config.heartbeat_ms;

    ck_assert_int_eq(hosts_state(&hosts, host, late), HOST_DEAD);
    hosts_slept(&hosts, late, late);
    ck_assert_int_eq(hosts_state(&hosts, host, late), HOST_ALIVE);
    ck_assert_int_eq(hosts_state(&hosts, host, 2 * late), HOST_DEAD);
    /* Who was heard just now, from what had queued up, not again so long. */
    lend(host, 1, "", 1, "me", 4096, 1);
    host->heard_ms = late;
    hosts_slept(&hosts, late, late);
    ck_assert_uint_eq(host->heard_ms, late);
}
END_TEST

/* Not even what many hosts make up. */
START_TEST(sums_do_not_wrap)
{
    hosts.config.max = 14;
    for (unsigned i = 0; i < 14; i++) {
        g_autofree char *name = g_strdup_printf("liar%u", i);

        lend(hosts_hello(&hosts, name, boot_a, "", 0), 1, "", 1, "me",
             UINT64_MAX, 1300);
    }
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), UINT64_MAX);
    for (unsigned i = 0; i < 14; i++) {
        g_autofree char *name = g_strdup_printf("liar%u", i);

        lend(hosts_find(&hosts, name), 2, "", 1, "me", 4096, 1);
    }
    ck_assert_uint_eq(hosts_taken(&hosts, "me"), 14 * 4096);
}
END_TEST

/* The room for one host's many leases is not handed on to the others. */
START_TEST(each_has_room_for_its_own)
{
    Host *busy = hosts_hello(&hosts, "busy", boot_a, "", 0);
    Host *idle = hosts_hello(&hosts, "idle", boot_a, "", 0);

    lend(busy, 1, "", 1, "me", 4096, 1300);
    for (uint64_t seq = 2; seq < 5; seq++) {
        lend(busy, seq, "", 1, "me", 4096, 1);
        lend(idle, seq, "", 1, "me", 4096, 1);
    }
    ck_assert_uint_lt(malloc_usable_size(busy->leases->data), 4096);
    ck_assert_uint_lt(malloc_usable_size(idle->leases->data), 4096);
}
END_TEST

static const struct {
    const char *address, *peer, *want;  /* NULL: refused */
} addresses[] = {
    { "", "192.0.2.1", "" },
    { "192.0.2.9:1", "192.0.2.1", "192.0.2.9:1" },
    { "[2001:db8::1]:1", "192.0.2.1", "[2001:db8::1]:1" },
    { ":9470", "192.0.2.1", "192.0.2.1:9470" },
    { "0.0.0.0:9470", "192.0.2.1", "192.0.2.1:9470" },
    { "*:9470", "192.0.2.1", "192.0.2.1:9470" },
    { "[::]:9470", "2001:db8::5", "[2001:db8::5]:9470" },
    { "nonsense", "192.0.2.1", NULL },
    { "[::]", "192.0.2.1", NULL },
    { ":x", "192.0.2.1", NULL },
    { ":0", "192.0.2.1", NULL },
    { ":65536", "192.0.2.1", NULL },
};

START_TEST(addresses_are_completed)
{
    char out[RCACHE_NAME_MAX];
    bool ok = hosts_complete_address(out, addresses[_i].address,
                                     addresses[_i].peer);

    ck_assert_msg(ok == !!addresses[_i].want, "%s", addresses[_i].address);
    if (ok) {
        ck_assert_str_eq(out, addresses[_i].want);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hosts");
    TCase *tc = tcase_create("hosts");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_beat_is_taken_whole);
    tcase_add_test(tc, old_and_foreign_beats);
    tcase_add_test(tc, another_boot_is_another_host);
    tcase_add_test(tc, states_by_time);
    tcase_add_test(tc, long_dead_are_forgotten);
    tcase_add_test(tc, no_more_than_the_most);
    tcase_add_test(tc, sums_follow_the_leases);
    tcase_add_test(tc, labels_are_numbered);
    tcase_add_test(tc, a_label_has_its_hosts);
    tcase_add_test(tc, the_last_host_takes_the_place);
    tcase_add_test(tc, implausible_figures);
    tcase_add_test(tc, two_of_one_name);
    tcase_add_test(tc, a_clock_that_jumps);
    tcase_add_test(tc, an_arbiter_that_slept_blames_nobody);
    tcase_add_test(tc, sums_do_not_wrap);
    tcase_add_test(tc, each_has_room_for_its_own);
    tcase_add_loop_test(tc, addresses_are_completed, 0,
                        G_N_ELEMENTS(addresses));
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
