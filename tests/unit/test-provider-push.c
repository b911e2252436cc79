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

/* Buffers that are being read into are not those of PUTs that were sent. */
START_TEST(acks_of_what_was_not_sent)
{
    g_autoptr(GByteArray) answers = g_byte_array_new();
    WireHelloAck hello = { .version = RCACHE_VERSION };
    WireHead ack = { .type = RCACHE_PUSH_ACK };
    char address[RCACHE_NAME_MAX];
    int listener = other_listen(address);
    Client other = { 0 };

    spill_put(0, PAGES, 1);
    spill_go_out();
    send_move(0, address);
    other.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(other.fd, 0);
    wire_append_hello_ack(answers, 0, RCACHE_OK, &hello);
    wire_append_bare(answers, &ack);
    ack.type = RCACHE_PUT_ACK;
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

int main(void)
{
    Suite *suite = suite_create("provider-push");
    TCase *tc = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, spill_set_up, spill_tear_down);
    tcase_add_test(tc, acks_of_what_was_not_sent);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
