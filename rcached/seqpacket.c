/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seqpacket: listening unix sockets of messages.  See seqpacket.h. */
#include "rcached/seqpacket.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

/* How long to leave a full table of descriptors alone. */
#define PAUSE_MS        200u

struct SeqListener {
    char *path;
    int fd;
    guint source;               /* the watch, or the pause */
    SeqAccept *accept;
    void *opaque;
};

static gboolean seq_ready(gint fd, GIOCondition condition, gpointer opaque);

static gboolean seq_resume(gpointer opaque)
{
    SeqListener *listener = opaque;

    listener->source = g_unix_fd_add(listener->fd, G_IO_IN, seq_ready,
                                     listener);
    return G_SOURCE_REMOVE;
}

static gboolean seq_ready(gint listen_fd, GIOCondition condition,
                          gpointer opaque)
{
    SeqListener *listener = opaque;
    autofd fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS)) {
        g_warning("%s: cannot accept: %s", listener->path,
                  g_strerror(errno));
        listener->source = g_timeout_add(PAUSE_MS, seq_resume, listener);
        return G_SOURCE_REMOVE;
    }
    if (fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
        listener->accept(fd_steal(&fd), &peer, listener->opaque);
    }
    return G_SOURCE_CONTINUE;
}

/* A socket left behind goes; anything else there is not ours to remove. */
static void remove_socket(const char *path)
{
    struct stat st;

    if (!lstat(path, &st) && S_ISSOCK(st.st_mode)) {
        unlink(path);
    }
}

static int seq_listen(const char *path, const SocketRights *rights)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    autofd fd = -1;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        return -ENAMETOOLONG;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    remove_socket(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
        chown(path, rights->uid, rights->gid) || chmod(path, rights->mode) ||
        listen(fd, 128)) {
        return -errno;
    }
    return fd_steal(&fd);
}

SeqListener *seq_listener_new(const char *path, const SocketRights *rights,
                              SeqAccept *accept, void *opaque, GError **errp)
{
    SeqListener *listener;
    int fd = seq_listen(path, rights);

    if (fd < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(-fd),
                    "cannot listen on %s: %s", path, g_strerror(-fd));
        return NULL;
    }
    listener = g_new0(SeqListener, 1);
    listener->path = g_strdup(path);
    listener->fd = fd;
    listener->accept = accept;
    listener->opaque = opaque;
    listener->source = g_unix_fd_add(fd, G_IO_IN, seq_ready, listener);
    return listener;
}

void seq_listener_free(SeqListener *listener)
{
    if (listener) {
        g_source_remove(listener->source);
        close(listener->fd);
        remove_socket(listener->path);
        g_free(listener->path);
        g_free(listener);
    }
}

/* Room for the one that is taken; the kernel may use what that rounds up to. */
union Control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int seq_send(int fd, const void *msg, size_t len, int pass)
{
    union Control control = { 0 };
    struct iovec iov = { (void *)msg, len };
    struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cmsg;
    ssize_t sent;

    if (pass >= 0) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = sizeof(control.bytes);
        cmsg = CMSG_FIRSTHDR(&packet);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &pass, sizeof(int));
    }
    do {
        sent = sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* The first of those that came, or -1; any others are closed. */
static int take_one(struct msghdr *packet)
{
    int taken = -1, fd;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c;
         c = CMSG_NXTHDR(packet, c)) {
        size_t len = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
                         ? c->cmsg_len - CMSG_LEN(0) : 0;

        for (size_t at = 0; at + sizeof(fd) <= len; at += sizeof(fd)) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            if (taken < 0) {
                taken = fd;
            } else {
                close(fd);
            }
        }
    }
    return taken;
}

ssize_t seq_recv(int fd, void *buf, size_t size, int *pass)
{
    union Control control;
    struct iovec iov = { buf, size };
    struct msghdr packet = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof(control),
    };
    ssize_t len = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_TRUNC |
                                       MSG_CMSG_CLOEXEC);

    *pass = len < 0 ? -1 : take_one(&packet);
    return len < 0 ? -errno : len;
}
