/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command: resize and evict, one at a time, and bringing pages home.
 *
 * A command ends when its goal is reached, when there has been no progress for
 * a while, or when the VMM cancels it; a resize that does not reach its goal is
 * rolled back.  An evict also ends when all that was here has had its turn, as
 * often as a page with the highest credit needs: what is here then is what the
 * guest brings back as fast as it goes, and to go on would only hold the guest
 * up.  What an evict reports is what providers have acknowledged and
 * what was committed.  How far a command has come is told with the figures.
 */
#include <errno.h>
#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/pager.h"

#define PATIENCE_NS     (10 * NS_PER_SEC)
#define HELD            "this VM is held and nothing more of it goes; " \
                        "rcachectl set VM hold=off ends that"
/* So often does the back hand go round for an evict. */
#define EVICT_TURNS     (CLOCK_CREDIT_MAX + 2)

static void command_result(Pager *p, bool from_link, uint64_t id, int status,
                           uint64_t value, const char *text)
{
    const Limits *l = &p->limits;
    struct RcacheVmmResult msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_RESULT,
                 .size = sizeof(msg), .id = id },
        .status = status, .value = value,
        .flags = l->auto_least ? RCACHE_RESULT_AUTO : 0,
        .size = l->size * RCACHE_PAGE_SIZE,
        .local_max = (l->auto_least ? l->auto_least : l->local_max) *
                     RCACHE_PAGE_SIZE,
    };

    if (from_link) {
        uplink_result(p, id, status, value, text);
        return;
    }
    wire_text_copy(msg.text, sizeof(msg.text), text);
    seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
}

static void command_end(Pager *p, int status, const char *text)
{
    Command *c = &p->command.active;
    uint64_t pages = c->kind == COMMAND_RESIZE ? pager_resident(p) : c->done;

    command_result(p, c->from_link, c->id, status, pages * RCACHE_PAGE_SIZE,
                   text);
    *c = (Command) { 0 };
}

/* Where the command stands, as a number that falls to zero. */
static uint64_t command_left(const Pager *p)
{
    const Command *c = &p->command.active;
    uint64_t here = pager_resident(p), away = table_away(&p->table), left = 0;
    uint64_t most = limit_here(&p->limits);

    switch (c->kind) {
    case COMMAND_EVICT_BYTES:
        return c->goal > c->done ? c->goal - c->done : 0;
    case COMMAND_EVICT_TARGET:
        return here > c->goal ? here - c->goal : 0;
    case COMMAND_RESIZE:
        left += here > most ? here - most : 0;
        /* What is on its way is away in a moment. */
        away += MAX(p->table.count[RCACHE_EVICTING], 0);
        left += away > p->limits.size ? away - p->limits.size : 0;
        return left;
    case COMMAND_NONE:
        break;
    }
    return 0;
}

/* How much of a command's work is done; both figures only ever grow. */
static void command_count(Pager *p)
{
    Command *c = &p->command.active;
    uint64_t left = command_left(p);

    c->total = MAX(c->total, c->told + left);
    c->told = MAX(c->told, c->total - left);
}

static void command_begin(Pager *p, enum CommandKind kind, bool from_link,
                          uint64_t id, uint64_t goal)
{
    p->command.active = (Command) {
        .kind = kind, .from_link = from_link, .id = id, .goal = goal,
        .deadline = pager_now() + PATIENCE_NS, .seen = UINT64_MAX,
        .swept = p->clock.swept,
    };
    p->evictor.zap_fruitless = 0;
    /* An evict is asked for RAM that may not be managed yet. */
    p->takeover.managing |= kind != COMMAND_RESIZE;
    p->takeover.look_at = 0;
}

void command_evict(Pager *p, bool from_link, uint64_t id, uint32_t what,
                   uint64_t bytes)
{
    uint64_t pages = bytes / RCACHE_PAGE_SIZE;

    if (p->command.active.kind != COMMAND_NONE) {
        command_result(p, from_link, id, -EBUSY, 0,
                       "another resize or evict of this VM is under way");
    } else if (p->limits.held) {
        command_result(p, from_link, id, -EPERM, 0, HELD);
    } else if (what == RCACHE_EVICT_BYTES) {
        command_begin(p, COMMAND_EVICT_BYTES, from_link, id, pages);
    } else if (what == RCACHE_EVICT_TARGET) {
        command_begin(p, COMMAND_EVICT_TARGET, from_link, id, pages);
    } else {
        command_result(p, from_link, id, -EINVAL, 0, "unknown kind of evict");
    }
}

void command_resize(Pager *p, const struct RcacheVmmResize *msg)
{
    uint64_t size = p->limits.size, local_max = p->limits.local_max;

    if (p->command.active.kind != COMMAND_NONE) {
        command_result(p, false, msg->hdr.id, -EBUSY, 0,
                       "another resize or evict of this VM is under way");
        return;
    }
    if (msg->what & RCACHE_RESIZE_SIZE) {
        size = msg->size / RCACHE_PAGE_SIZE;
    }
    if (msg->what & RCACHE_RESIZE_LOCAL_MAX) {
        local_max = msg->local_max / RCACHE_PAGE_SIZE;
    } else if (size == 0) {
        /* All of it comes home. */
        local_max = MAX(local_max, p->limits.ram);
    }
    if (size + local_max < p->limits.ram || !local_max) {
        command_result(p, false, msg->hdr.id, -EINVAL, 0,
                       "size + local-max is below the VM's memory: raise "
                       "one of them");
        return;
    }
    if (msg->what & RCACHE_RESIZE_COPIES &&
        (!msg->copies || msg->copies > RCACHE_LOCATIONS)) {
        command_result(p, false, msg->hdr.id, -EINVAL, 0,
                       "copies must be 1 or 2");
        return;
    }
    command_begin(p, COMMAND_RESIZE, false, msg->hdr.id, 0);
    p->command.active.old_copies = p->locations.copies;
    if (msg->what & RCACHE_RESIZE_COPIES) {
        p->locations.copies = msg->copies;
    }
    p->command.active.old_size = p->limits.size;
    p->command.active.old_local_max = p->limits.local_max;
    p->command.active.old_auto_least = p->limits.auto_least;
    if (p->limits.auto_least &&
        (msg->what & RCACHE_RESIZE_LOCAL_MAX || !size)) {
        limit_end(p);           /* an operator set an explicit limit */
    }
    p->limits.local_max = local_max;
    command_size_set(p, size);
    crash_point("resize-begun");
}

/* Has all that was here had its turn?  Memory that is still to come under
 * management has not. */
static bool command_is_round(const Pager *p)
{
    return p->takeover.managed && p->clock.swept - p->command.active.swept >
                                  EVICT_TURNS * p->table.nr;
}

uint64_t command_wants(const Pager *p)
{
    if ((p->command.active.kind == COMMAND_EVICT_BYTES ||
         p->command.active.kind == COMMAND_EVICT_TARGET) &&
        !p->limits.held && !command_is_round(p)) {
        return command_left(p);
    }
    return 0;
}

void command_evicted(Pager *p, unsigned n)
{
    if (p->command.active.kind == COMMAND_EVICT_BYTES ||
        p->command.active.kind == COMMAND_EVICT_TARGET) {
        p->command.active.done += n;
    }
}

void command_progress(Pager *p)
{
    const Command *c = &p->command.active;
    struct RcacheVmmProgress msg = {
        .hdr = { .magic = RCACHE_VMM_MAGIC, .type = RCACHE_VMM_PROGRESS,
                 .size = sizeof(msg), .id = c->id },
        .total = c->total * RCACHE_PAGE_SIZE,
        .done = c->told * RCACHE_PAGE_SIZE,
    };

    if (c->kind != COMMAND_NONE && !c->from_link &&
        p->vmm.features & RCACHE_VMM_F_COMMANDS) {
        seqsock_send(&p->vmm.sock, &msg, sizeof(msg), -1);
    }
}

/* A resize that does not come to its end leaves the limits as they were. */
static void command_roll_back(Pager *p)
{
    const Command *c = &p->command.active;

    if (c->kind == COMMAND_RESIZE) {
        p->locations.copies = c->old_copies;
        p->limits.local_max = c->old_local_max;
        command_size_set(p, c->old_size);
        if (c->old_auto_least && !p->limits.auto_least) {
            limit_resume(p, c->old_auto_least);
        }
    }
}

void command_cancel(Pager *p, uint64_t id)
{
    const Command *c = &p->command.active;
    bool resize = c->kind == COMMAND_RESIZE;

    if (c->kind == COMMAND_NONE || c->from_link || c->id != id) {
        return;                 /* its RESULT is on its way */
    }
    command_roll_back(p);
    command_end(p, -ECANCELED, resize ? "cancelled; the limits are unchanged"
                                      : "cancelled before all of it was "
                                        "evicted");
}

/* As much is away as may be, and nothing is on its way: waiting is no use. */
static bool command_at_size(const Pager *p)
{
    return command_wants(p) && !p->table.count[RCACHE_EVICTING] &&
           table_away(&p->table) >= p->limits.size;
}

static void command_end_at_size(Pager *p)
{
    g_autofree char *text = g_strdup_printf(
        "size is reached: %" G_GUINT64_FORMAT " MiB of this VM are away, and "
        "no more may be; QMP remote-cache-resize with a larger size allows "
        "more", p->limits.size / (1048576 / RCACHE_PAGE_SIZE));

    command_end(p, -ENOSPC, text);
}

/* What is here is in use, if anything is. */
static void command_end_round(Pager *p)
{
    g_autofree char *text = g_strdup_printf(
        "%" G_GUINT64_FORMAT " MiB went, and %s",
        p->command.active.done / (1048576 / RCACHE_PAGE_SIZE),
        pager_resident(p) ? "the guest is using what is left: it brings back "
                            "what is evicted" : "nothing is left here");

    command_end(p, -EAGAIN, text);
}

/* No progress: what the arbiter last said about room is most likely why. */
static void command_end_late(Pager *p)
{
    bool resize = p->command.active.kind == COMMAND_RESIZE;
    g_autofree char *text = g_strdup_printf(
        "no progress for 10 s: %s (is there a provider with room, and can it "
        "be reached?%s%s)",
        resize ? "the limits are unchanged" : "not all of it was evicted",
        *p->want.text ? " The last request for more: " : "", p->want.text);

    command_roll_back(p);
    command_end(p, -ETIME, text);
}

void command_tick(Pager *p, uint64_t now)
{
    Command *c = &p->command.active;
    uint64_t left;

    if (c->kind == COMMAND_NONE) {
        return;
    }
    if (!attach_is_done(&p->attach)) {
        c->deadline = now + PATIENCE_NS;
        return;                 /* the counts do not tell all yet */
    }
    command_count(p);
    left = command_left(p);
    if (p->limits.held && c->kind != COMMAND_RESIZE) {
        command_end(p, -EPERM, HELD);
        return;
    }
    if (!left && (p->takeover.managed || c->kind != COMMAND_EVICT_TARGET)) {
        crash_point(c->kind == COMMAND_RESIZE ? "resize-reached"
                                              : "evict-reached");
        command_end(p, 0, "");
        return;
    }
    if (command_at_size(p)) {
        command_end_at_size(p);
        return;
    }
    if (!p->takeover.managed) {
        c->swept = p->clock.swept;
    } else if (c->kind != COMMAND_RESIZE && command_is_round(p) &&
               !p->table.count[RCACHE_EVICTING]) {
        command_end_round(p);
        return;
    }
    if (left < c->seen) {
        c->seen = left;
        c->deadline = now + PATIENCE_NS;
    }
    if (now >= c->deadline) {
        command_end_late(p);
    }
}

void command_size_set(Pager *p, uint64_t size)
{
    p->limits.size = size;
    p->command.homing = true;
    p->command.home_at = 0;
    p->command.home_fruitless = 0;
}

/* The next page that is away, a step further at least; no block: false. */
static bool home_step(Pager *p, uint64_t *page)
{
    uint64_t at;
    GuestBlock *b = guest_next_block(&p->guest, p->command.home_at, &at);

    if (!b) {
        return false;
    }
    *page = at;
    if (table_frame_has(&p->table, at, RCACHE_REMOTE)) {
        p->command.home_at = (at + 1) % p->table.nr;
    } else {
        at = (at / RCACHE_FRAME_PAGES + 1) * RCACHE_FRAME_PAGES;
        p->command.home_at = MIN(at, b->first + b->pages) % p->table.nr;
    }
    return true;
}

/*
 * @looks at words or frames, of which @found had a page to fetch: as long as
 * not all of the guest has been looked through in vain, it is progress.
 */
static bool home_gets_on(Pager *p, unsigned looks, unsigned found,
                         uint64_t now)
{
    Commands *c = &p->command;
    uint64_t turn = p->limits.ram + p->limits.ram / RCACHE_FRAME_PAGES;

    c->home_fruitless = found ? 0 : c->home_fruitless + looks;
    if (!looks || c->home_fruitless > turn) {
        return false;
    }
    if (c->active.kind == COMMAND_RESIZE) {
        c->active.deadline = now + PATIENCE_NS;
    }
    return looks >= CLOCK_SCAN_MAX;
}

/* What was read ahead before the command began ends by itself. */
static unsigned home_under_way(const Pager *p)
{
    return p->fetches.nr - p->fetches.nr_ahead;
}

bool command_home_work(Pager *p, uint64_t now)
{
    uint64_t away = table_away(&p->table), page;
    uint64_t going = MAX(p->table.count[RCACHE_EVICTING], 0);
    uint64_t coming = MAX(p->table.count[RCACHE_FETCHING], 0);
    uint64_t most = limit_away(&p->limits);
    unsigned looks = 0, found = 0;

    /*
     * Evictions stop at size: once that holds, it goes on holding.  Of a VM
     * that is held a page may still go for one that comes, as long as the host
     * has no room.
     */
    p->command.homing |= p->limits.held;
    p->command.homing &= away + going > most;
    if (!p->command.homing) {
        return false;
    }
    while (away > most + coming && home_under_way(p) < FETCH_HOME_MAX &&
           pager_resident(p) + coming < limit_here(&p->limits) &&
           looks < CLOCK_SCAN_MAX && home_step(p, &page)) {
        uint64_t word = table_load(&p->table, page);

        looks++;
        if (page_state(word) == RCACHE_REMOTE &&
            fetch_start(p, page, word, false, now) == 0) {
            coming++;
            found++;
        }
    }
    return home_gets_on(p, looks, found, now);
}
