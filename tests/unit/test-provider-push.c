/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A push out of the spill file to a provider that is not true to it. */
#include <arpa/inet.h>
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spill-fixture.h"

#include "common/wire-move.h"

/* The other provider, on loopback; its address goes to @text. */
static int other_listen(char text[RCACHE_NAME_MAX])
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert(!bind(fd, (struct sockaddr *)&addr, len) && !listen(fd, 1) &&
              !getsockname(fd, (struct sockaddr *)&addr, &len));
    g_snprintf(text, RCACHE_NAME_MAX, "127.0.0.1:%u", ntohs(addr.sin_port));
    return fd;
}

/* Of the slab that pages from @page on are in. */
static void send_move(uint32_t page, const char *address)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .tag = ++c.tag, .lease = c.lease, .epoch = c.epoch };
    WireMove move = {
        .to_lease = 7, .to_epoch = 1, .to_session = 1, .token = { 1 },
        .slab = wire_slot_slab(client_slot(&c, page)),
    };

    wire_text_copy(move.address, sizeof(move.address), address);
    wire_append_move(frame, &head, &move);
    client_send_frame(&c, frame->data, frame->len);
}

/* Slab 0 is pushed to another provider, which is to say @answers so far. */
static Client push_begins(int listener, const char *address,
                          GByteArray *answers)
{
    WireHelloAck hello = { .version = RCACHE_VERSION };
    WireHead ack = { .type = RCACHE_PUSH_ACK };
    Client other = { 0 };

    send_move(0, address);
    other.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(other.fd, 0);
    wire_append_hello_ack(answers, 0, RCACHE_OK, &hello);
    wire_append_bare(answers, &ack);
    return other;
}

/* Buffers that are being read into are not those of PUTs that were sent. */
START_TEST(acks_of_what_was_not_sent)
{
    g_autoptr(GByteArray) answers = g_byte_array_new();
    WireHead ack = { .type = RCACHE_PUT_ACK };
    char address[RCACHE_NAME_MAX];
    int listener = other_listen(address);
    Client other;

    spill_put(0, PAGES, 1);
    spill_go_out();
    other = push_begins(listener, address, answers);
    for (ack.tag = 1; ack.tag <= 4; ack.tag++) {
        wire_append_bare(answers, &ack);
    }
    client_send(&other, answers->data, answers->len);
    ck_assert_uint_eq(client_answer(&c, RCACHE_MOVE_ACK, NULL, NULL),
                      RCACHE_E_REFUSED);
    client_close(&other);
    close(listener);
    spill_check(0, PAGES, 1);
}
END_TEST

/* A byte of page 7 of every slab in the file is another one now. */
static void flip_page(void)
{
    int fd = spill_open();

    for (uint64_t at = 7 * WIRE_PAGE_SIZE + 99; at < AREAS * SLAB;
         at += SLAB) {
        uint8_t byte;

        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

/* Is there a PUSHED among all that the new provider has been sent? */
static bool is_pushed(const Client *other)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    uint8_t bytes[65536];
    bool pushed = false;
    WireHead head;
    ssize_t n;

    while ((n = read(other->fd, bytes, sizeof(bytes))) > 0) {
        g_byte_array_append(all, bytes, n);
    }
    for (guint at = 0; at + WIRE_HEAD_LEN <= all->len;
         at += WIRE_HEAD_LEN + head.length) {
        ck_assert(!wire_head_decode(all->data + at, WIRE_PROVIDER, &head));
        pushed |= head.type == RCACHE_PUSHED;
    }
    return pushed;
}

/* The new provider gets no PUSHED, and the requester knows why. */
START_TEST(what_cannot_be_read_is_not_pushed)
{
    g_autoptr(GByteArray) answers = g_byte_array_new();
    char address[RCACHE_NAME_MAX];
    int listener = other_listen(address);
    Client other;

    spill_put(0, PAGES, 1);
    spill_go_out();
    flip_page();
    other = push_begins(listener, address, answers);
    client_send(&other, answers->data, answers->len);
    ck_assert_uint_eq(client_answer(&c, RCACHE_MOVE_ACK, NULL, NULL),
                      RCACHE_E_SLOT);
    ck_assert(!is_pushed(&other));
    ck_assert(!snapshot().spill_failing);
    client_close(&other);
    close(listener);
    spill_check(0, 7, 1);
    spill_check(8, PAGES - 8, 1);
    flip_page();
    spill_check(0, PAGES, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("provider-push");
    TCase *tc = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, spill_set_up, spill_tear_down);
    tcase_add_test(tc, acks_of_what_was_not_sent);
    tcase_add_test(tc, what_cannot_be_read_is_not_pushed);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
