/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmm-device: opens /dev/userfaultfd for a VMM that may not.
 *
 * libvirt gives each QEMU a /dev of its own and a list of devices that it may
 * open, and userfaultfd is not among them.  A descriptor of the device is all
 * that QEMU needs: what it makes with it is for its own memory, whoever has
 * opened it.
 */
#ifndef RCACHED_VMM_DEVICE_H
#define RCACHED_VMM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "rcache/vmm.h"

/** vmm_device_is() - is this message, of @len bytes, the request for it? */
bool vmm_device_is(const struct RcacheVmmHdr *hdr, size_t len);

/**
 * vmm_device_answer() - answer it; nothing more is sent on the connection
 * @fd: stays the caller's
 * @refused: why it is not opened, or NULL
 *
 * Return: 0, or -errno if the device is not opened
 */
int vmm_device_answer(int fd, const char *refused);

/** vmm_device_is_taken() - has who asked read the answer, or gone? */
bool vmm_device_is_taken(int fd);

#endif
