/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in test-settle: a world is made, and much goes wrong in it.  See
 * settle.h.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/vmm-played.h"
#include "settle.h"

#define STEPS_LEAST     6u
#define STEPS_MOST      24u
#define LARGE           12288u  /* pages that may be away, in some worlds */
#define STEP_MS         4000u   /* at most, between two */

/* ------------------------------------------------------------- the world */

static void labels_set(void)
{
    unsigned how = chance(4);

    for (unsigned i = 0; i < HOSTS_MAX && how; i++) {
        Host *h = &world.host[i];

        /* All the same, two racks, or one for each. */
        g_snprintf(h->label, sizeof(h->label), "rack%u",
                   how == 1 ? 0 : how == 2 ? i % 2 : i);
    }
}

static unsigned some_slabs(void)
{
    unsigned most = world.slab_pages > 64 ? 40 : chance(2) ? 24 : 8;

    return chance(5) ? 1 + chance(most) : 0;
}

static void hosts_make(void)
{
    unsigned n = 1 + chance(HOSTS_MAX - 1);

    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        Host *h = &world.host[i];

        h->used = i < n;
        g_snprintf(h->name, sizeof(h->name), "p%u", i);
        h->capacity = some_slabs();
    }
    labels_set();
    world.host[OWN] = (Host) { .used = true, .name = HERE,
                               .capacity = chance(2) ? some_slabs() : 0 };
}

static void world_tell(void)
{
    tell("a guest of %u pages, %u of them here at most, wants %u; slabs have "
         "%u pages, up to %u pages may be away, and a request takes %u ms",
         RAM, LOCAL, played.copies, world.slab_pages,
         (unsigned)(played.size / RCACHE_PAGE_SIZE),
         (unsigned)(world.assign / NS_PER_MS));
    tell("pages that come %s", world.keep_clean ? "keep their slots"
                                                : "give their slots up");
    for (unsigned i = 0; i <= OWN; i++) {
        const Host *h = &world.host[i];

        if (h->used) {
            tell("  %s lends %u slabs, label '%s'", h->name, h->capacity,
                 h->label);
        }
    }
}

static void pager_begins(void)
{
    Pager *p = played.p;

    wire_text_copy(p->self.host, sizeof(p->self.host), HERE);
    demand_init(&p->want.demand, KEEP_NS);
    p->health.window = NS_PER_SEC;
    p->health.moves_per_minute = 60;
    p->copies.give_up_ns = GIVE_UP_NS;
    p->kept.wanted = world.keep_clean;
    played_set_up();
}

void story_begin(void)
{
    bool large = !chance(5);

    world.keep_clean = world.seed % 2;  /* no number is spent on it */
    world.slab_pages = large ? 256 : 64;
    world.assign = chance(4) ? chance(1000) * NS_PER_MS : 0;
    hosts_begin();
    daemon_begin();
    guest_begin();
    played_begin(RAM, (uint64_t)LOCAL * RCACHE_PAGE_SIZE, 1 + chance(2));
    if (large) {
        played.size = LARGE * (uint64_t)RCACHE_PAGE_SIZE;
    }
    hosts_make();
    world_tell();
    pager_begins();
    world.rate = 1 + chance(12);
    world.span = RAM;
}

/* --------------------------------------------------------------- the guest */

static void step_guest(void)
{
    world.rate = chance(4) ? chance(12) : 0;
    world.span = chance(3) ? RAM : 1 + chance(RAM);
    tell("the guest touches %u of its first %u pages a tick", world.rate,
         world.span);
}

static void step_resize(void)
{
    struct RcacheVmmResize resize = { .what = RCACHE_RESIZE_COPIES };

    played_head_set(&resize.hdr, RCACHE_VMM_RESIZE, sizeof(resize));
    resize.hdr.id = 1;
    resize.copies = 1 + chance(2);
    if (!chance(3)) {
        /*
         * No less than half of a large size: a lease that is larger than all
         * of the VM is taken for a lie by a pager that did not ask for it.
         */
        resize.what = RCACHE_RESIZE_SIZE | RCACHE_RESIZE_LOCAL_MAX;
        resize.size = (uint64_t)((world.slab_pages > 64 ? LARGE : RAM) -
                                 chance(LOCAL)) * RCACHE_PAGE_SIZE;
        resize.local_max = (uint64_t)(LOCAL + chance(RAM)) * RCACHE_PAGE_SIZE;
        tell("%u pages may be away, and %u here",
             (unsigned)(resize.size / RCACHE_PAGE_SIZE),
             (unsigned)(resize.local_max / RCACHE_PAGE_SIZE));
    } else {
        tell("%u copies are wanted", resize.copies);
    }
    played.copies = resize.copies ? resize.copies : played.copies;
    played.size = resize.size ? resize.size : played.size;
    played.local_max = resize.local_max ? resize.local_max : played.local_max;
    played_send(&resize, sizeof(resize), 0, 0);
}

static void step_pager(void)
{
    tell("a new pager takes over");
    played_pager_end();
    played_pager_begin();
    daemon_begin();
    pager_begins();
}

/* --------------------------------------------------------------- the hosts */

static void step_capacity(unsigned host)
{
    Host *h = &world.host[host];

    h->capacity = some_slabs();
    tell("%s lends %u slabs now, and %u are leased", h->name, h->capacity,
         host_slabs(host));
}

static void step_appears(void)
{
    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        if (!world.host[i].used) {
            world.host[i].used = true;
            tell("%s is new, and lends %u slabs", world.host[i].name,
                 world.host[i].capacity);
            return;
        }
    }
}

static void step_drain(unsigned host)
{
    Host *h = &world.host[host];

    h->draining = !h->draining;
    tell("%s is %s", h->name, h->draining ? "drained" : "not drained any more");
}

static void step_cut(unsigned host)
{
    Host *h = &world.host[host];

    if (h->cut) {
        tell("%s is back", h->name);
        host_cut(host, false);
        return;
    }
    host_cut(host, true);
    if (chance(2)) {
        host_loses_all(host);
        tell("%s dies, and what it had is lost", h->name);
    } else {
        tell("%s is cut off", h->name);
    }
}

/* Something of a host that is wrong, or right again. */
static void toggle(unsigned host, bool *what, const char *on, const char *off)
{
    *what = !*what;
    tell("%s %s", world.host[host].name, *what ? on : off);
}

static void step_trouble(unsigned host)
{
    Host *h = &world.host[host];

    switch (chance(6)) {
    case 0:
        toggle(host, &h->hung, "hangs", "hangs no more");
        break;
    case 1:
        toggle(host, &h->busy, "refuses pages", "takes pages again");
        break;
    case 2:
        toggle(host, &h->no_pages, "gets and sends no pages",
               "gets and sends pages again, on new connections");
        if (!h->no_pages && !h->cut) {
            host_cut(host, true);       /* what has not come never will */
            host_cut(host, false);
        }
        break;
    case 3:
        toggle(host, &h->wrong, "stores other bytes than it is sent",
               "stores what it is sent");
        break;
    case 4:
        h->delay = chance(3) ? chance(500) * NS_PER_MS : 0;
        tell("%s takes %u ms for an answer", h->name,
             (unsigned)(h->delay / NS_PER_MS));
        break;
    case 5:
        h->island = chance(2) ? chance(1u << OWN) : 0;
        tell("%s cannot push slabs to hosts of the set 0x%x", h->name,
             h->island);
        break;
    }
}

static void step(void)
{
    unsigned host = chance(HOSTS_MAX);

    while (!world.host[host].used) {
        host = chance(HOSTS_MAX);
    }
    switch (chance(16)) {
    case 0:
    case 1:
        step_guest();
        break;
    case 2:
    case 3:
        step_capacity(host);
        break;
    case 4:
        step_capacity(OWN);
        break;
    case 5:
        step_appears();
        break;
    case 6:
    case 7:
        step_drain(host);
        break;
    case 8:
    case 9:
        step_cut(host);
        break;
    case 10:
    case 11:
    case 12:
        step_trouble(host);
        break;
    case 13:
        world.away = !world.away;
        tell("the arbiters are %s", world.away ? "away" : "back");
        break;
    case 14:
        step_resize();
        break;
    case 15:
        step_pager();
        break;
    }
}

void story_go(void)
{
    unsigned steps = STEPS_LEAST + chance(STEPS_MOST - STEPS_LEAST + 1);

    run(2 * NS_PER_SEC + chance(3000) * NS_PER_MS);
    for (unsigned i = 0; i < steps && !*world.why; i++) {
        step();
        run(chance(3) ? chance(STEP_MS) * NS_PER_MS : 0);
    }
}

/* A host that has died may stay so, and one that is drained. */
void story_heal(void)
{
    bool stays = !chance(4);

    for (unsigned i = 0; i <= OWN; i++) {
        Host *h = &world.host[i];

        if (h->cut && stays) {
            host_loses_all(i);
        } else {
            if (h->no_pages) {
                host_cut(i, true);      /* what has not come never will */
            }
            host_cut(i, false);
        }
        h->hung = h->busy = h->no_pages = h->wrong = false;
        h->delay = h->island = 0;
        h->draining &= !chance(2);
        if (h->used) {
            tell("in the end %s has %u of %u slabs leased%s%s", h->name,
                 host_slabs(i), h->capacity, h->draining ? ", is drained" : "",
                 h->cut ? ", is dead and stays so" : "");
        }
    }
    world.away = false;
}
