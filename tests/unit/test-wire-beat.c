/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The codec of heartbeats: sections, their bytes, and older and newer ones. */
#include <check.h>
#include <string.h>

#include "common/wire-beat.h"
#include "common/wire.h"

#define H WIRE_HEAD_LEN

static GByteArray *out;

static void set_up(void)
{
    out = g_byte_array_new();
}

static void tear_down(void)
{
    g_byte_array_unref(out);
}

static WireError decode(WireHead *head)
{
    return wire_head_decode(out->data, WIRE_ANY, head);
}

static guint beat_sample(void)
{
    WireBeatHost host = { .seq = 3, .stored = 5, .spilled = 2,
                          .slab_pages = 16384,
                          .flags = RCACHE_HOST_LENDS, .label = "rack 1" };
    WireBeatGuest guest = { .name = "vm", .fault_p99_ns = 9, .stall_ns = 1,
                            .figures_age_ms = 7 };
    WireBeatLease lease = { .lease = 4, .epoch = 1,
                            .state = RCACHE_LEASE_CLAIMED, .bytes = 8,
                            .name = "vm", .host = "h", .expires_ms = 6 };
    WireBeatTerm term = { .name = "reserve", .bytes = -42 };
    WireBeatTrouble trouble = { .vm = { 7 }, .name = "vm", .host = "p0",
                                .cause = RCACHE_CAUSE_HUNG, .since_s = 12,
                                .lost = 4096, .wrong = 2 };
    guint start = wire_beat_begin(out);

    ck_assert(wire_beat_host(out, start, &host));
    ck_assert(wire_beat_guest(out, start, &guest));
    ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_HELD, &lease));
    ck_assert(wire_beat_term(out, start, &term));
    ck_assert(wire_beat_trouble(out, start, &trouble));
    wire_beat_end(out, start);
    return start;
}

/* Walk it all; the number of sections, or minus the error. */
static int beat_walk(void)
{
    WireBeatIter iter;
    WireSection section;
    WireError err;
    int n = 0;

    wire_beat_iter_init(&iter, out->data + H, out->len - H);
    while (wire_beat_next(&iter, &section, &err)) {
        n++;
    }
    return err ? -(int)err : n;
}

START_TEST(beat_round_trip)
{
    WireSection section;
    WireBeatIter iter;
    WireError err;
    WireHead head;

    beat_sample();
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.length, out->len - H);
    wire_beat_iter_init(&iter, out->data + H, head.length);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_HOST);
    ck_assert_uint_eq(section.host.seq, 3);
    ck_assert_uint_eq(section.host.stored, 5);
    ck_assert_uint_eq(section.host.spilled, 2);
    ck_assert_uint_eq(section.host.flags, RCACHE_HOST_LENDS);
    ck_assert_str_eq(section.host.label, "rack 1");
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_GUEST);
    ck_assert_uint_eq(section.guest.fault_p99_ns, 9);
    ck_assert_uint_eq(section.guest.stall_ns, 1);
    ck_assert_uint_eq(section.guest.figures_age_ms, 7);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_HELD);
    ck_assert_uint_eq(section.lease.lease, 4);
    ck_assert_uint_eq(section.lease.expires_ms, 6);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_TERM);
    ck_assert_int_eq(section.term.bytes, -42);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_TROUBLE);
    ck_assert_uint_eq(section.trouble.vm[0], 7);
    ck_assert_str_eq(section.trouble.name, "vm");
    ck_assert_str_eq(section.trouble.host, "p0");
    ck_assert_uint_eq(section.trouble.cause, RCACHE_CAUSE_HUNG);
    ck_assert_uint_eq(section.trouble.since_s, 12);
    ck_assert_uint_eq(section.trouble.lost, 4096);
    ck_assert_uint_eq(section.trouble.wrong, 2);
    ck_assert(!wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(err, WIRE_OK);
}
END_TEST

/* Its bytes, as docs/protocol.rst and the header have them. */
START_TEST(beat_trouble_bytes)
{
    static const uint8_t golden[] = {
        6, 0, 0, 0, 168, 0, 0, 0,                       /* type, length */
        [8] = 7, [24] = 'v', 'm', [88] = 'p', '0',
        [152] = 3, [156] = 12, [160] = 0, 0x10, [168] = 2, [175] = 0,
    };
    const uint8_t *bytes;

    beat_sample();
    bytes = out->data + out->len - sizeof(golden);
    ck_assert_mem_eq(bytes, golden, sizeof(golden));
    /* Of a later version: what there is to say of it is said. */
    ck_assert_str_eq(wire_cause_text(99), "cannot be used");
}
END_TEST

static struct RcacheVmmDelays delays_sample(void)
{
    struct RcacheVmmDelays delays = {
        .vcpus = 4, .threads = 1, .waited = 300, .waited_recent = UINT64_MAX,
        .recent = 127, .faults_recent = 128, .whole = { .total = 1 },
    };

    delays.phase[RCACHE_NR_PHASES - 1].bucket[RCACHE_DELAY_BUCKETS - 1] = 5;
    return delays;
}

/* Numbers of as many bytes as they need. */
START_TEST(beat_delays_bytes)
{
    static const uint8_t golden[] = {
        7, 0, 0, 0, 204, 0, 0, 0,                       /* type, length */
        7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        4, 1, 0xac, 2,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        127, 0x80, 1, 1, 0,
        [211] = 5,
    };
    WireBeatHost host = { .seq = 1 };
    struct RcacheVmmDelays delays = delays_sample();
    WireBeatGuest guest = { .vm = { 7 }, .delays = &delays };
    WireSection section;
    WireBeatIter iter;
    WireError err;
    guint start = wire_beat_begin(out), at;

    ck_assert(wire_beat_host(out, start, &host));
    at = out->len;
    ck_assert(wire_beat_delays(out, start, &guest));
    ck_assert_uint_eq(out->len - at, sizeof(golden));
    ck_assert_mem_eq(out->data + at, golden, sizeof(golden));
    wire_beat_iter_init(&iter, out->data + H, out->len - H);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_DELAYS);
    ck_assert_mem_eq(section.delays.vm, guest.vm, sizeof(guest.vm));
    ck_assert_mem_eq(&section.delays.delays, &delays, sizeof(delays));
    ck_assert(!wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(err, WIRE_OK);
}
END_TEST

/* A later version may have more phases, and an earlier one fewer; what ends in
 * a number, or is none, is no section. */
START_TEST(beat_delays_of_others)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const unsigned phase = 2 + RCACHE_DELAY_BUCKETS;
    const struct RcacheVmmDelays delays = delays_sample();
    const uint8_t vm[RCACHE_UUID_LEN] = { 7 };
    WireDelays got;

    wire_delays_append(bytes, vm, &delays);
    ck_assert_int_eq(wire_delays_decode(bytes->data, bytes->len - phase, &got),
                     WIRE_OK);
    ck_assert_uint_eq(got.delays.waited_recent, UINT64_MAX);
    ck_assert_uint_eq(got.delays.phase[RCACHE_NR_PHASES - 1].bucket[
        RCACHE_DELAY_BUCKETS - 1], 0);
    ck_assert_int_eq(wire_delays_decode(bytes->data, bytes->len - 1, &got),
                     WIRE_E_SECTION);
    ck_assert_int_eq(wire_delays_decode(bytes->data, WIRE_DELAYS_MIN, &got),
                     WIRE_E_SECTION);
    g_byte_array_append(bytes, (const guint8 *)"more phases", 11);
    ck_assert_int_eq(wire_delays_decode(bytes->data, bytes->len, &got),
                     WIRE_OK);
    ck_assert_mem_eq(&got.delays, &delays, sizeof(delays));
    bytes->data[29]++;                          /* of 64 bits and one more */
    ck_assert_int_eq(wire_delays_decode(bytes->data, bytes->len, &got),
                     WIRE_E_SECTION);
}
END_TEST

/* A heartbeat of one more section, of which the last @cut bytes are missing. */
static bool section_cut(const uint8_t *bytes, size_t len, size_t cut,
                        WireSection *section)
{
    WireBeatHost host = { .seq = 1 };
    WireBeatIter iter;
    WireError err;
    uint32_t length;

    g_byte_array_set_size(out, 0);
    wire_beat_host(out, wire_beat_begin(out), &host);
    g_byte_array_append(out, bytes, len - cut);
    length = len - cut - sizeof(struct RcacheSection);
    memcpy(out->data + out->len - (len - cut) + 4, &length, sizeof(length));
    wire_beat_iter_init(&iter, out->data + H, out->len - H);
    ck_assert(wire_beat_next(&iter, section, &err));
    return wire_beat_next(&iter, section, &err);
}

/* What an older host does not say is what is true of it. */
START_TEST(beat_guest_copies)
{
    WireBeatGuest guest = { .name = "vm", .remote = 7, .copies = 2,
                            .one_copy = 256, .repairing = 2 };
    size_t len = sizeof(struct RcacheSection) +
                 sizeof(struct RcacheBeatGuest);
    guint start = wire_beat_begin(out);
    g_autofree uint8_t *bytes = NULL;
    WireSection s;

    ck_assert(wire_beat_guest(out, start, &guest));
    ck_assert_uint_eq(out->len, start + H + len);
    bytes = g_memdup2(out->data + start + H, len);
    ck_assert_mem_eq(bytes + len - 48,
                     ((uint8_t[24]) { 2, [9] = 1, [16] = 2 }), 24);
    ck_assert(section_cut(bytes, len, 0, &s));
    ck_assert_uint_eq(s.guest.copies, 2);
    ck_assert_uint_eq(s.guest.one_copy, 256);
    ck_assert_uint_eq(s.guest.repairing, 2);
    ck_assert(section_cut(bytes, len, 48, &s));
    ck_assert_uint_eq(s.guest.copies, 1);
    ck_assert_uint_eq(s.guest.one_copy, 7);
    ck_assert_uint_eq(s.guest.repairing, 0);
    ck_assert(!section_cut(bytes, len, 49, &s));
}
END_TEST

/* A host of the release before says how many copies there are, and no more. */
START_TEST(beat_guest_proactive)
{
    WireBeatGuest guest = { .name = "vm", .copies = 2, .proactive = 5,
                            .stall_target = 1000, .proactive_stall = 3,
                            .proactive_limit = 256 };
    size_t len = sizeof(struct RcacheSection) +
                 sizeof(struct RcacheBeatGuest);
    guint start = wire_beat_begin(out);
    g_autofree uint8_t *bytes = NULL;
    WireSection s;

    ck_assert(wire_beat_guest(out, start, &guest));
    bytes = g_memdup2(out->data + start + H, len);
    ck_assert_mem_eq(bytes + len - 24, ((uint8_t[24]) {
        5, [4] = 0xe8, [5] = 3, [8] = 3, [17] = 1 }), 24);
    ck_assert(section_cut(bytes, len, 0, &s));
    ck_assert_uint_eq(s.guest.proactive, 5);
    ck_assert_uint_eq(s.guest.stall_target, 1000);
    ck_assert_uint_eq(s.guest.proactive_stall, 3);
    ck_assert_uint_eq(s.guest.proactive_limit, 256);
    ck_assert(section_cut(bytes, len, 24, &s));
    ck_assert_uint_eq(s.guest.proactive, 0);
    ck_assert_uint_eq(s.guest.copies, 2);
}
END_TEST

/* Where both are said it is the worse. */
START_TEST(beat_guest_seal)
{
    WireBeatGuest guest = { .flags = RCACHE_GUEST_MANAGED |
                                     RCACHE_GUEST_PAGER };

    ck_assert_ptr_null(wire_beat_seal(&guest));
    guest.flags |= RCACHE_GUEST_SEALED;
    ck_assert_str_eq(wire_beat_seal(&guest), "on");
    guest.flags |= RCACHE_GUEST_UNSEALED;
    ck_assert_str_eq(wire_beat_seal(&guest), "off");
}
END_TEST

/* What was added says which daemon it is; an earlier one does not. */
START_TEST(beat_host_daemon)
{
    static const uint8_t want[] = { 0x2a, 1, 0, 0, 3, 0, 0, 0 };
    const size_t added = offsetof(struct RcacheBeatHost, pid);
    WireBeatHost host = { .seq = 3, .label = "rack 1", .pid = 298,
                          .pagers_to_replace = 3 };
    WireBeatIter iter;
    WireSection s;
    WireError err;
    guint start = wire_beat_begin(out);

    ck_assert(wire_beat_host(out, start, &host));
    wire_beat_end(out, start);
    ck_assert_mem_eq(out->data + H + 8 + added, want, sizeof(want));
    wire_beat_iter_init(&iter, out->data + H, out->len - H);
    ck_assert(wire_beat_next(&iter, &s, &err));
    ck_assert_uint_eq(s.host.pid, 298);
    ck_assert_uint_eq(s.host.pagers_to_replace, 3);
    out->data[H + 4] -= sizeof(want);
    wire_beat_iter_init(&iter, out->data + H, out->len - H - sizeof(want));
    ck_assert(wire_beat_next(&iter, &s, &err));
    ck_assert_str_eq(s.host.label, "rack 1");
    ck_assert_uint_eq(s.host.pid, 0);
    ck_assert_uint_eq(s.host.pagers_to_replace, 0);
}
END_TEST

START_TEST(beat_lease_sole)
{
    WireBeatLease lease = { .lease = 4, .epoch = 1,
                            .state = RCACHE_LEASE_CLAIMED, .bytes = 8,
                            .stored = 6, .sole = 0x102 };
    size_t len = sizeof(struct RcacheSection) +
                 sizeof(struct RcacheBeatLease);
    guint start = wire_beat_begin(out);
    g_autofree uint8_t *bytes = NULL;
    WireSection s;

    ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_HELD, &lease));
    ck_assert_uint_eq(out->len, start + H + len);
    bytes = g_memdup2(out->data + start + H, len);
    ck_assert_mem_eq(bytes + len - 8, ((uint8_t[8]) { 2, 1 }), 8);
    ck_assert(section_cut(bytes, len, 0, &s));
    ck_assert_uint_eq(s.lease.sole, 0x102);
    ck_assert(section_cut(bytes, len, 8, &s));
    ck_assert_uint_eq(s.lease.sole, 6);
    ck_assert(!section_cut(bytes, len, 9, &s));
}
END_TEST

static void section_append(uint16_t type, uint32_t length, size_t bytes)
{
    uint8_t head[8] = { type, type >> 8, 0, 0, length, length >> 8,
                        length >> 16, length >> 24 };
    g_autofree uint8_t *zero = g_malloc0(bytes + 1);

    g_byte_array_append(out, head, sizeof(head));
    g_byte_array_append(out, zero, bytes);
}

START_TEST(beat_unknown_and_longer_sections)
{
    beat_sample();
    section_append(99, 5, 5);
    section_append(RCACHE_SECTION_TERM, 60, 60);
    section_append(1000, 0, 0);
    ck_assert_int_eq(beat_walk(), 6);
}
END_TEST

START_TEST(beat_refused)
{
    WireBeatHost host = { .seq = 1 };
    guint start;

    /* Nothing, and no HOST. */
    start = wire_beat_begin(out);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    section_append(RCACHE_SECTION_TERM, 40, 40);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* Two of them. */
    g_byte_array_set_size(out, start + H);
    wire_beat_host(out, start, &host);
    ck_assert_int_eq(beat_walk(), 1);
    wire_beat_host(out, start, &host);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* Shorter than it must be; longer than the frame; half a head. */
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(RCACHE_SECTION_TERM, 39, 39);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(99, 6, 5);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(99, UINT32_MAX, 0);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, out->len - 1);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* A lease in no known state. */
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(RCACHE_SECTION_LEASE, sizeof(struct RcacheBeatLease),
                   sizeof(struct RcacheBeatLease));
    ck_assert_int_eq(beat_walk(), -WIRE_E_VALUE);
}
END_TEST

START_TEST(beat_has_an_end)
{
    WireBeatGuest guest = { .name = "vm" };
    WireBeatHost host = { .seq = 1 };
    guint start = wire_beat_begin(out);
    WireHead head;
    int n = 0;

    wire_beat_host(out, start, &host);
    while (wire_beat_guest(out, start, &guest)) {
        ck_assert_int_lt(n++, 100000);
    }
    wire_beat_end(out, start);
    ck_assert_uint_le(out->len - H, RCACHE_CONTROL_MAX);
    ck_assert_uint_gt(out->len - H, RCACHE_CONTROL_MAX - 512);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(beat_walk(), n + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire-beat");
    TCase *tc = tcase_create("wire-beat");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, beat_round_trip);
    tcase_add_test(tc, beat_trouble_bytes);
    tcase_add_test(tc, beat_delays_bytes);
    tcase_add_test(tc, beat_delays_of_others);
    tcase_add_test(tc, beat_guest_copies);
    tcase_add_test(tc, beat_guest_proactive);
    tcase_add_test(tc, beat_guest_seal);
    tcase_add_test(tc, beat_host_daemon);
    tcase_add_test(tc, beat_lease_sole);
    tcase_add_test(tc, beat_unknown_and_longer_sections);
    tcase_add_test(tc, beat_refused);
    tcase_add_test(tc, beat_has_an_end);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
