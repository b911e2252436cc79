/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms-fixture: a table of VMs in a folder of its own, with little patience,
 * and VMMs that talk to it.  Pagers are fake-pager's.
 */
#ifndef TESTS_VMMS_FIXTURE_H
#define TESTS_VMMS_FIXTURE_H

#include "rcached/vms.h"
#include "tests/unit/fake-pager.h"

typedef struct VmmsFixture {
    char *folder, *vmm_path, *link_path;
    RunDir *dir;
    VmsConfig config;
    Vms *vms;
    GArray *pids;               /* pagers to be killed in the end */
} VmmsFixture;

extern VmmsFixture fix;

void set_up(void);
void tear_down(void);

/** be_patient() - start over with so much patience that no pager is killed
 * for its slowness */
void be_patient(void);

/** say() - connect and send this HELLO */
int say(const struct RcacheVmmHello *hello);

/** start() - a VMM of this process connects with a HELLO that is in order */
int start(uint8_t uuid, uint64_t incarnation, const char *name);

/** read_ack() - the answer to HELLO */
struct RcacheVmmHelloAck read_ack(int fd);

/** pager_of() - the pid of the pager, which is to be answering */
pid_t pager_of(int fd);

/** expect_refusal() - HELLO_ACK with this, then the end */
void expect_refusal(int fd, int status, const char *word);

/** other_vmm() - fake_vmm_process() of this user */
pid_t other_vmm(uint8_t uuid, uint64_t incarnation, const char *name);

/** wait_for_pager() - the pager of a VMM that is not us */
pid_t wait_for_pager(void);

/** the_vm() - the only one in the table */
const Vm *the_vm(void);

/* For fake_pump(). */
bool is_dead(void *opaque);     /* a pid_t */
bool no_vm(void *opaque);
bool no_pager(void *opaque);

#endif
