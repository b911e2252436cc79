/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-attach: whatever a killed pager may have left behind, made on purpose.
 *
 * While no pager is there and the guest stands still, some pages get the word
 * and the memory of each row of the attach table (docs/vmm-protocol.rst): the
 * states are reached by what the memory and the slots hold already, so that a
 * new pager cannot tell.  Once it knows all pages each word must be what the
 * table says, and each page, read by the guest, what the oracle says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fakes/oracle.h"
#include "tests/fakes/vmm.h"

/* What a row needs of the page that it is made from. */
enum RowFrom {
    FROM_HERE,                  /* bytes in the memfd, no slot */
    FROM_AWAY,                  /* a slot, and a hole */
};

static const struct Row {
    enum RcachePageState state;
    enum RowFrom from;
    bool data;                  /* is there anything in the memfd? */
    bool slot;
    enum RcachePageState becomes;
} rows[] = {
    { RCACHE_FILLING, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_HOT, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_ZAPPING, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_ZAPPED, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_EVICTING, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_UNTOUCHED, FROM_HERE, true, false, RCACHE_HOT },
    { RCACHE_ZERO, FROM_HERE, true, false, RCACHE_HOT },
    /* The guest has written since: what is here is newer than the slot. */
    { RCACHE_FILLING, FROM_AWAY, true, true, RCACHE_HOT },
    { RCACHE_CACHED, FROM_AWAY, true, true, RCACHE_HOT },
    /* Not the pager's bytes: it had not begun to put any there. */
    { RCACHE_REMOTE, FROM_AWAY, true, true, RCACHE_REMOTE },
    { RCACHE_FETCHING, FROM_AWAY, true, true, RCACHE_REMOTE },
    { RCACHE_PUNCHING, FROM_AWAY, true, true, RCACHE_REMOTE },
    { RCACHE_REMOTE, FROM_AWAY, false, true, RCACHE_REMOTE },
    { RCACHE_FETCHING, FROM_AWAY, false, true, RCACHE_REMOTE },
    { RCACHE_CACHED, FROM_AWAY, false, true, RCACHE_REMOTE },
    { RCACHE_PUNCHING, FROM_AWAY, false, true, RCACHE_REMOTE },
    { RCACHE_FILLING, FROM_AWAY, false, true, RCACHE_REMOTE },
    { RCACHE_UNTOUCHED, FROM_AWAY, false, false, RCACHE_ZERO },
    { RCACHE_ZERO, FROM_AWAY, false, false, RCACHE_ZERO },
    { RCACHE_FILLING, FROM_AWAY, false, false, RCACHE_ZERO },
    { RCACHE_PUNCHING, FROM_AWAY, false, false, RCACHE_ZERO },
    { RCACHE_HOT, FROM_AWAY, false, false, RCACHE_LOST },
    { RCACHE_ZAPPING, FROM_AWAY, false, false, RCACHE_LOST },
    { RCACHE_ZAPPED, FROM_AWAY, false, false, RCACHE_LOST },
    { RCACHE_EVICTING, FROM_AWAY, false, false, RCACHE_LOST },
    { RCACHE_DISCARDING, FROM_AWAY, false, true, RCACHE_DISCARDING },
    { RCACHE_DISCARDING, FROM_HERE, true, false, RCACHE_DISCARDING },
};

_Static_assert(G_N_ELEMENTS(rows) == VMM_ATTACH_ROWS, "room for all rows");

static bool is_taken(const Vmm *v, uint64_t page)
{
    for (unsigned i = 0; i < VMM_ATTACH_ROWS * VMM_ATTACH_EACH; i++) {
        if (v->attach_page[i] == page + 1) {
            return true;
        }
    }
    return false;
}

/*
 * The next page from @page on, round the end, that the row can be made from;
 * .pages if there is none.
 */
static uint64_t row_page(const Vmm *v, const struct Row *row, uint64_t page)
{
    enum RcachePageState want = row->from == FROM_HERE ? RCACHE_HOT
                                                       : RCACHE_REMOTE;

    for (uint64_t n = 0; n < v->config.pages; n++) {
        if (vmm_page_state(v, page) == want && v->version[page] &&
            v->version[page] != VMM_VERSION_LOST && !is_taken(v, page)) {
            return page;
        }
        page = (page + 1) % v->config.pages;
    }
    return v->config.pages;
}

static void page_write(Vmm *v, uint64_t page, const void *bytes)
{
    unsigned block = vmm_block_of(v, page);
    uint64_t at = (page - vmm_block_first(v, block)) * RCACHE_PAGE_SIZE;

    if (pwrite(v->ram_fd[block], bytes, RCACHE_PAGE_SIZE, at) !=
        RCACHE_PAGE_SIZE) {
        perror("pwrite");
        abort();
    }
}

/* The word and the memory of a row; the oracle is told what it comes to. */
static void row_make(Vmm *v, const struct Row *row, uint64_t page)
{
    uint64_t bytes[ORACLE_WORDS] = { 0 }, word = v->words[page];

    if (row->from == FROM_AWAY && row->data) {
        if (row->becomes == RCACHE_HOT) {
            oracle_stamp(bytes, page, ++v->version[page]);
        }
        page_write(v, page, bytes);
    }
    word = (word & ~(RCACHE_STATE_MASK | RCACHE_CLEAN)) | row->state;
    if (!row->slot) {
        word &= ~RCACHE_SLOT_MASK;
    }
    v->words[page] = word;
    if (row->becomes == RCACHE_ZERO) {
        v->version[page] = 0;
    } else if (row->becomes == RCACHE_LOST) {
        v->version[page] = VMM_VERSION_LOST;
    }
}

unsigned vmm_attach_prepare(Vmm *v)
{
    unsigned made = 0;

    for (unsigned i = 0; i < VMM_ATTACH_ROWS * VMM_ATTACH_EACH; i++) {
        const struct Row *row = &rows[i / VMM_ATTACH_EACH];
        uint64_t page = i * (v->config.pages /
                             (VMM_ATTACH_ROWS * VMM_ATTACH_EACH));

        page = row_page(v, row, page);
        if (page == v->config.pages) {
            fprintf(stderr, "no page to be made one of state %u\n",
                    row->state);
            continue;
        }
        row_make(v, row, page);
        v->attach_page[i] = page + 1;
        made++;
    }
    return made;
}

static bool page_is_hole(const Vmm *v, uint64_t page)
{
    unsigned block = vmm_block_of(v, page);
    off_t at = (page - vmm_block_first(v, block)) * RCACHE_PAGE_SIZE;
    off_t data = lseek(v->ram_fd[block], at, SEEK_DATA);

    return data < 0 || data >= at + RCACHE_PAGE_SIZE;
}

/* What a page must be after the attach; also ends the discards. */
static bool row_check(Vmm *v, const struct Row *row, uint64_t page)
{
    uint64_t word = v->words[page];
    enum RcachePageState state = word & RCACHE_STATE_MASK;
    bool slot = word >> RCACHE_SLOT_SHIFT;

    if (state == RCACHE_UNTOUCHED) {
        state = RCACHE_ZERO;    /* as good */
    }
    if (state != row->becomes ||
        (row->becomes == RCACHE_REMOTE && !page_is_hole(v, page)) ||
        slot != (row->becomes == RCACHE_REMOTE ||
                 (row->becomes == RCACHE_DISCARDING && row->slot))) {
        fprintf(stderr, "attach: page %lu: state %u, %s, %s became %016lx\n",
                page, row->state, row->data ? "data" : "hole",
                row->slot ? "slot" : "no slot", word);
        return false;
    }
    if (row->becomes == RCACHE_DISCARDING) {
        vmm_discard_end(v, page);
        v->version[page] = 0;
    }
    return true;
}

unsigned vmm_attach_check(Vmm *v)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < VMM_ATTACH_ROWS * VMM_ATTACH_EACH; i++) {
        if (v->attach_page[i]) {
            wrong += !row_check(v, &rows[i / VMM_ATTACH_EACH],
                                v->attach_page[i] - 1);
            v->attach_page[i] = 0;
        }
    }
    return wrong;
}
