/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmm-refuse: tell a VMM that it gets no pager, and why. */
#ifndef RCACHE_VMM_REFUSE_H
#define RCACHE_VMM_REFUSE_H

/**
 * vmm_refuse() - answer the HELLO that waits on @fd with a reason, and close
 * @status: an errno value below 0
 * @text: for the person who started the VM
 */
void vmm_refuse(int fd, int status, const char *text);

#endif
