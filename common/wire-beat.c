/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-beat: heartbeats, a row of sections.
 *
 * A section longer than the structure known here is read as far as it is
 * known, and an unknown one is skipped, so that hosts and arbiters of
 * different ages understand each other.  One that is shorter than it was in
 * the first version is an error; fields that were added since and are missing
 * have the value that is true of a host that does not know them.
 */
#include "common/wire-beat.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "common/wire-internal.h"

guint wire_beat_begin(GByteArray *out)
{
    WireHead head = { .type = RCACHE_HEARTBEAT };
    guint start = out->len;

    wire_append_frame(out, &head, NULL, 0);
    return start;
}

void wire_beat_end(GByteArray *out, guint start)
{
    uint32_t len = htole32(out->len - start - WIRE_HEAD_LEN);

    memcpy(out->data + start + offsetof(struct RcacheHdr, length), &len,
           sizeof(len));
}

static bool beat_append(GByteArray *out, guint start,
                        enum RcacheSectionType type, const void *bytes,
                        size_t len)
{
    struct RcacheSection raw = {
        .type = htole16(type),
        .length = htole32(len),
    };

    if (out->len - start - WIRE_HEAD_LEN + sizeof(raw) + len >
        RCACHE_CONTROL_MAX) {
        return false;
    }
    g_byte_array_append(out, (const guint8 *)&raw, sizeof(raw));
    g_byte_array_append(out, bytes, len);
    return true;
}

/* A section of @len bytes as a structure of @size; zeros where it ends. */
static void beat_read(void *raw, size_t size, const uint8_t *bytes,
                      size_t len)
{
    memset(raw, 0, size);
    memcpy(raw, bytes, MIN(size, len));
}

bool wire_beat_host(GByteArray *out, guint start, const WireBeatHost *host)
{
    struct RcacheBeatHost raw = {
        .seq = htole64(host->seq),
        .mem_total = htole64(host->mem_total),
        .mem_available = htole64(host->mem_available),
        .offered = htole64(host->offered),
        .leased = htole64(host->leased),
        .stored = htole64(host->stored),
        .spilled = htole64(host->spilled),
        .reserve = htole64(host->reserve),
        .psi_some_avg10 = htole32(host->psi_some_avg10),
        .psi_full_avg10 = htole32(host->psi_full_avg10),
        .flags = htole32(host->flags),
        .slab_pages = htole32(host->slab_pages),
        .pid = htole32(host->pid),
        .pagers_to_replace = htole32(host->pagers_to_replace),
    };

    memcpy(raw.boot_id, host->boot_id, sizeof(raw.boot_id));
    wire_text_copy(raw.label, sizeof(raw.label), host->label);
    return beat_append(out, start, RCACHE_SECTION_HOST, &raw, sizeof(raw));
}

static WireError beat_host_decode(const uint8_t *bytes, size_t len,
                                  WireBeatHost *out)
{
    struct RcacheBeatHost raw;

    beat_read(&raw, sizeof(raw), bytes, len);
    *out = (WireBeatHost) {
        .seq = le64toh(raw.seq),
        .mem_total = le64toh(raw.mem_total),
        .mem_available = le64toh(raw.mem_available),
        .offered = le64toh(raw.offered),
        .leased = le64toh(raw.leased),
        .stored = le64toh(raw.stored),
        .spilled = le64toh(raw.spilled),
        .reserve = le64toh(raw.reserve),
        .psi_some_avg10 = le32toh(raw.psi_some_avg10),
        .psi_full_avg10 = le32toh(raw.psi_full_avg10),
        .flags = le32toh(raw.flags),
        .slab_pages = le32toh(raw.slab_pages),
        .pid = le32toh(raw.pid),
        .pagers_to_replace = le32toh(raw.pagers_to_replace),
    };
    memcpy(out->boot_id, raw.boot_id, sizeof(raw.boot_id));
    return wire_text_decode(out->label, raw.label, sizeof(raw.label));
}

bool wire_beat_guest(GByteArray *out, guint start, const WireBeatGuest *guest)
{
    struct RcacheBeatGuest raw = {
        .flags = htole32(guest->flags),
        .pager_restarts = htole32(guest->pager_restarts),
        .guest = htole64(guest->guest),
        .resident = htole64(guest->resident),
        .remote = htole64(guest->remote),
        .zero = htole64(guest->zero),
        .local_max = htole64(guest->local_max),
        .size = htole64(guest->size),
        .balloon_free = htole64(guest->balloon_free),
        .balloon_available = htole64(guest->balloon_available),
        .balloon_total = htole64(guest->balloon_total),
        .balloon_age_ms = htole64(guest->balloon_age_ms),
        .faults = htole64(guest->faults),
        .evicted_pages = htole64(guest->evicted_pages),
        .fault_p50_ns = htole64(guest->fault_p50_ns),
        .fault_p99_ns = htole64(guest->fault_p99_ns),
        .stall_ns = htole64(guest->stall_ns),
        .figures_age_ms = htole64(guest->figures_age_ms),
        .copies = htole32(guest->copies),
        .one_copy = htole64(guest->one_copy),
        .repairing = htole64(guest->repairing),
        .proactive = htole32(guest->proactive),
        .stall_target = htole32(guest->stall_target),
        .proactive_stall = htole32(guest->proactive_stall),
        .proactive_limit = htole64(guest->proactive_limit),
    };

    memcpy(raw.vm, guest->vm, sizeof(raw.vm));
    wire_text_copy(raw.name, sizeof(raw.name), guest->name);
    return beat_append(out, start, RCACHE_SECTION_GUEST, &raw, sizeof(raw));
}

const char *wire_beat_seal(const WireBeatGuest *guest)
{
    if (guest->flags & RCACHE_GUEST_UNSEALED) {
        return "off";
    }
    return guest->flags & RCACHE_GUEST_SEALED ? "on" : NULL;
}

static WireError beat_guest_decode(const uint8_t *bytes, size_t len,
                                   WireBeatGuest *out)
{
    struct RcacheBeatGuest raw;

    beat_read(&raw, sizeof(raw), bytes, len);
    if (len < offsetof(struct RcacheBeatGuest, proactive)) {
        raw.copies = htole32(1);
        raw.one_copy = raw.remote;
        raw.repairing = 0;
    }
    *out = (WireBeatGuest) {
        .flags = le32toh(raw.flags),
        .pager_restarts = le32toh(raw.pager_restarts),
        .guest = le64toh(raw.guest),
        .resident = le64toh(raw.resident),
        .remote = le64toh(raw.remote),
        .zero = le64toh(raw.zero),
        .local_max = le64toh(raw.local_max),
        .size = le64toh(raw.size),
        .balloon_free = le64toh(raw.balloon_free),
        .balloon_available = le64toh(raw.balloon_available),
        .balloon_total = le64toh(raw.balloon_total),
        .balloon_age_ms = le64toh(raw.balloon_age_ms),
        .faults = le64toh(raw.faults),
        .evicted_pages = le64toh(raw.evicted_pages),
        .fault_p50_ns = le64toh(raw.fault_p50_ns),
        .fault_p99_ns = le64toh(raw.fault_p99_ns),
        .stall_ns = le64toh(raw.stall_ns),
        .figures_age_ms = le64toh(raw.figures_age_ms),
        .copies = MAX(le32toh(raw.copies), 1),
        .one_copy = le64toh(raw.one_copy),
        .repairing = le64toh(raw.repairing),
        .proactive = le32toh(raw.proactive),
        .stall_target = le32toh(raw.stall_target),
        .proactive_stall = le32toh(raw.proactive_stall),
        .proactive_limit = le64toh(raw.proactive_limit),
    };
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    return wire_text_decode(out->name, raw.name, sizeof(raw.name));
}

bool wire_beat_lease(GByteArray *out, guint start, enum RcacheSectionType type,
                     const WireBeatLease *lease)
{
    struct RcacheBeatLease raw = {
        .lease = htole64(lease->lease),
        .epoch = htole32(lease->epoch),
        .state = htole32(lease->state),
        .bytes = htole64(lease->bytes),
        .stored = htole64(lease->stored),
        .expires_ms = htole64(lease->expires_ms),
        .sole = htole64(lease->sole),
    };

    memcpy(raw.vm, lease->vm, sizeof(raw.vm));
    wire_text_copy(raw.name, sizeof(raw.name), lease->name);
    wire_text_copy(raw.host, sizeof(raw.host), lease->host);
    return beat_append(out, start, type, &raw, sizeof(raw));
}

static WireError beat_lease_decode(const uint8_t *bytes, size_t len,
                                   WireBeatLease *out)
{
    struct RcacheBeatLease raw;

    beat_read(&raw, sizeof(raw), bytes, len);
    if (len < sizeof(raw)) {
        raw.sole = raw.stored;
    }
    *out = (WireBeatLease) {
        .lease = le64toh(raw.lease),
        .epoch = le32toh(raw.epoch),
        .state = le32toh(raw.state),
        .bytes = le64toh(raw.bytes),
        .stored = le64toh(raw.stored),
        .expires_ms = le64toh(raw.expires_ms),
        .sole = le64toh(raw.sole),
    };
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    if (!out->lease || out->lease > INT64_MAX ||
        out->state < RCACHE_LEASE_GRANTED ||
        out->state > RCACHE_LEASE_EXPIRED) {
        return WIRE_E_VALUE;
    }
    if (wire_text_decode(out->name, raw.name, sizeof(raw.name)) ||
        wire_text_decode(out->host, raw.host, sizeof(raw.host))) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

bool wire_beat_term(GByteArray *out, guint start, const WireBeatTerm *term)
{
    struct RcacheBeatTerm raw = {
        .bytes = (int64_t)htole64((uint64_t)term->bytes),
    };

    wire_text_copy(raw.name, sizeof(raw.name), term->name);
    return beat_append(out, start, RCACHE_SECTION_TERM, &raw, sizeof(raw));
}

static WireError beat_term_decode(const uint8_t *bytes, WireBeatTerm *out)
{
    struct RcacheBeatTerm raw;

    memcpy(&raw, bytes, sizeof(raw));
    *out = (WireBeatTerm) { .bytes = (int64_t)le64toh((uint64_t)raw.bytes) };
    return wire_text_decode(out->name, raw.name, sizeof(raw.name));
}

bool wire_beat_trouble(GByteArray *out, guint start,
                       const WireBeatTrouble *trouble)
{
    struct RcacheBeatTrouble raw = {
        .cause = htole32(trouble->cause),
        .since_s = htole32(trouble->since_s),
        .lost = htole64(trouble->lost),
        .wrong = htole64(trouble->wrong),
    };

    memcpy(raw.vm, trouble->vm, sizeof(raw.vm));
    wire_text_copy(raw.name, sizeof(raw.name), trouble->name);
    wire_text_copy(raw.host, sizeof(raw.host), trouble->host);
    return beat_append(out, start, RCACHE_SECTION_TROUBLE, &raw, sizeof(raw));
}

/* A cause that is not known here is one of a later version. */
static WireError beat_trouble_decode(const uint8_t *bytes,
                                     WireBeatTrouble *out)
{
    struct RcacheBeatTrouble raw;

    memcpy(&raw, bytes, sizeof(raw));
    *out = (WireBeatTrouble) {
        .cause = le32toh(raw.cause),
        .since_s = le32toh(raw.since_s),
        .lost = le64toh(raw.lost),
        .wrong = le64toh(raw.wrong),
    };
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    if (wire_text_decode(out->name, raw.name, sizeof(raw.name)) ||
        wire_text_decode(out->host, raw.host, sizeof(raw.host))) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

bool wire_beat_delays(GByteArray *out, guint start, const WireBeatGuest *guest)
{
    g_autoptr(GByteArray) raw = g_byte_array_new();

    wire_delays_append(raw, guest->vm, guest->delays);
    return beat_append(out, start, RCACHE_SECTION_DELAYS, raw->data, raw->len);
}

const char *wire_cause_text(uint32_t cause)
{
    static const char *const texts[] = {
        [RCACHE_CAUSE_NONE] = "is well",
        [RCACHE_CAUSE_SLOW] = "is slow",
        [RCACHE_CAUSE_NO_PAGES] = "passes small frames but no pages",
        [RCACHE_CAUSE_HUNG] = "is connected and does not answer",
        [RCACHE_CAUSE_UNREACHABLE] = "cannot be reached",
        [RCACHE_CAUSE_WRONG] = "returned wrong bytes",
        [RCACHE_CAUSE_LOST] = "has lost what it held",
    };

    return cause < G_N_ELEMENTS(texts) ? texts[cause] : "cannot be used";
}

void wire_beat_iter_init(WireBeatIter *iter, const void *payload, size_t len)
{
    *iter = (WireBeatIter) { .at = payload, .left = len };
}

/* The least that a section of this type has; 0: not known here. */
static size_t section_size(uint16_t type)
{
    switch (type) {
    case RCACHE_SECTION_HOST:
        return offsetof(struct RcacheBeatHost, pid);
    case RCACHE_SECTION_GUEST:
        return offsetof(struct RcacheBeatGuest, copies);
    case RCACHE_SECTION_LEASE:
    case RCACHE_SECTION_HELD:
        return offsetof(struct RcacheBeatLease, sole);
    case RCACHE_SECTION_TERM:
        return sizeof(struct RcacheBeatTerm);
    case RCACHE_SECTION_TROUBLE:
        return sizeof(struct RcacheBeatTrouble);
    case RCACHE_SECTION_DELAYS:
        return WIRE_DELAYS_MIN;
    default:
        return 0;
    }
}

static WireError section_decode(const uint8_t *bytes, size_t len,
                                WireSection *out)
{
    switch (out->type) {
    case RCACHE_SECTION_HOST:
        return beat_host_decode(bytes, len, &out->host);
    case RCACHE_SECTION_GUEST:
        return beat_guest_decode(bytes, len, &out->guest);
    case RCACHE_SECTION_LEASE:
    case RCACHE_SECTION_HELD:
        return beat_lease_decode(bytes, len, &out->lease);
    case RCACHE_SECTION_TERM:
        return beat_term_decode(bytes, &out->term);
    case RCACHE_SECTION_TROUBLE:
        return beat_trouble_decode(bytes, &out->trouble);
    case RCACHE_SECTION_DELAYS:
        return wire_delays_decode(bytes, len, &out->delays);
    }
    return WIRE_E_SECTION;
}

/* Cut the next section off the front, whatever it is. */
static WireError section_take(WireBeatIter *iter, uint16_t *type,
                              const uint8_t **bytes, size_t *length)
{
    struct RcacheSection raw;
    size_t len, least;

    if (iter->left < sizeof(raw)) {
        return WIRE_E_SECTION;
    }
    memcpy(&raw, iter->at, sizeof(raw));
    *type = le16toh(raw.type);
    *bytes = iter->at + sizeof(raw);
    len = le32toh(raw.length);
    least = section_size(*type);
    if (len > iter->left - sizeof(raw) || len < least) {
        return WIRE_E_SECTION;
    }
    /* HOST is first and alone. */
    if ((*type == RCACHE_SECTION_HOST) != (iter->seen == 0)) {
        return WIRE_E_SECTION;
    }
    *length = len;
    iter->at += sizeof(raw) + len;
    iter->left -= sizeof(raw) + len;
    iter->seen++;
    return WIRE_OK;
}

bool wire_beat_next(WireBeatIter *iter, WireSection *out, WireError *err)
{
    const uint8_t *bytes;
    uint16_t type;
    size_t len;

    *err = iter->left || iter->seen ? WIRE_OK : WIRE_E_SECTION;
    while (iter->left) {
        *err = section_take(iter, &type, &bytes, &len);
        if (*err) {
            iter->left = 0;
            return false;
        }
        if (section_size(type)) {
            out->type = type;
            *err = section_decode(bytes, len, out);
            iter->left = *err ? 0 : iter->left;
            return !*err;
        }
    }
    return false;
}
