/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fakedevices: kernel devices that are not there, for QEMU to create devices
 * with (LD_PRELOAD)
 *
 * A file below /dev that is also in the folder of the environment variable
 * FAKE_DEV is opened there, and the requests of vhost, vDPA and VFIO are
 * answered as a kernel would that has such a device: just enough for QEMU to
 * create it, nothing works.  Their numbers are told by the type in them, so
 * nobody else's request is answered here.
 *
 * While there is a file "broken" in that folder, pages of guest memory that a
 * UFFDIO_CONTINUE would map are broken.  A file "unpunched" there makes as many
 * attempts to punch a hole fail as it has bytes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FILE_OFFSET_BITS        /* open() and open64() are two functions here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_BYTES 256

/* A PCI device as its configuration space has it, in FAKE_DEV/config. */
static int open_device(void)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/config", getenv("FAKE_DEV"));
    return open(path, O_RDWR | O_CLOEXEC);
}

static int vhost_request(unsigned long request, void *arg)
{
    switch (request) {
    case VHOST_GET_FEATURES:
        *(uint64_t *)arg = 3ull << 32;      /* VERSION_1, ACCESS_PLATFORM */
        break;
    case VHOST_GET_BACKEND_FEATURES:
        *(uint64_t *)arg = 0;
        break;
    case VHOST_VDPA_GET_DEVICE_ID:
        *(uint32_t *)arg = 2;               /* a disk */
        break;
    case VHOST_VDPA_GET_STATUS:
        *(uint8_t *)arg = 0;
        break;
    case VHOST_VDPA_GET_VRING_NUM:
        *(uint16_t *)arg = 64;
        break;
    case VHOST_VDPA_GET_VQS_COUNT:
        *(uint32_t *)arg = 1;
        break;
    case VHOST_VDPA_GET_CONFIG_SIZE:
        *(uint32_t *)arg = 60;
        break;
    case VHOST_VDPA_GET_IOVA_RANGE:
        *(struct vhost_vdpa_iova_range *)arg =
            (struct vhost_vdpa_iova_range) { 0, UINT64_MAX };
        break;
    }
    return 0;
}

static int vfio_region(struct vfio_region_info *info)
{
    info->flags = info->cap_offset = 0;
    info->offset = info->size = 0;
    if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
        info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        info->size = CONFIG_BYTES;
    } else if (info->index >= VFIO_PCI_NUM_REGIONS) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

static int vfio_request(unsigned long request, void *arg)
{
    switch (request) {
    case VFIO_CHECK_EXTENSION:
        return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return open_device();
    case VFIO_DEVICE_GET_INFO:
        ((struct vfio_device_info *)arg)->flags = VFIO_DEVICE_FLAGS_PCI;
        ((struct vfio_device_info *)arg)->num_regions = VFIO_PCI_NUM_REGIONS;
        ((struct vfio_device_info *)arg)->num_irqs = VFIO_PCI_NUM_IRQS;
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return vfio_region(arg);
    case VFIO_DEVICE_GET_IRQ_INFO:
        ((struct vfio_irq_info *)arg)->flags = 0;
        ((struct vfio_irq_info *)arg)->count = 0;
        return 0;
    case VFIO_IOMMU_GET_INFO:               /* and the device's hot reset */
        if (*(uint32_t *)arg < sizeof(struct vfio_iommu_type1_info)) {
            break;
        }
        ((struct vfio_iommu_type1_info *)arg)->flags = VFIO_IOMMU_INFO_PGSIZES;
        ((struct vfio_iommu_type1_info *)arg)->iova_pgsizes = 4096;
        return 0;
    case VFIO_GET_API_VERSION:
    case VFIO_SET_IOMMU:
    case VFIO_GROUP_SET_CONTAINER:
    case VFIO_GROUP_UNSET_CONTAINER:
    case VFIO_DEVICE_SET_IRQS:
    case VFIO_DEVICE_RESET:
    case VFIO_IOMMU_MAP_DMA:
    case VFIO_IOMMU_UNMAP_DMA:
        return 0;
    }
    errno = ENOTTY;
    return -1;
}

static int memory_is_broken(void)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/broken", getenv("FAKE_DEV"));
    return !access(path, F_OK);
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    void *arg;
    va_list ap;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (_IOC_TYPE(request) == VHOST_VIRTIO) {
        return vhost_request(request, arg);
    }
    if (_IOC_TYPE(request) == VFIO_TYPE) {
        return vfio_request(request, arg);
    }
    if (request == UFFDIO_CONTINUE && memory_is_broken()) {
        errno = EIO;
        return -1;
    }
    return real(fd, request, arg);
}

/* Does an attempt to punch a hole fail?  If so, that was one. */
static int punch_fails(int mode)
{
    char path[4096];
    struct stat st;

    snprintf(path, sizeof(path), "%s/unpunched", getenv("FAKE_DEV"));
    return mode & FALLOC_FL_PUNCH_HOLE && !stat(path, &st) && st.st_size &&
           !truncate(path, st.st_size - 1);
}

static int fallocate_here(const char *name, int fd, int mode, int64_t offset,
                          int64_t length)
{
    int (*real)(int, int, int64_t, int64_t) = dlsym(RTLD_NEXT, name);

    if (punch_fails(mode)) {
        errno = EIO;
        return -1;
    }
    return real(fd, mode, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fallocate_here("fallocate", fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return fallocate_here("fallocate64", fd, mode, offset, length);
}

static int open_here(const char *name, const char *path, int flags, int mode)
{
    int (*real)(const char *, int, int) = dlsym(RTLD_NEXT, name);
    char fake[4096];

    if (!strncmp(path, "/dev/", 5)) {
        snprintf(fake, sizeof(fake), "%s/%s", getenv("FAKE_DEV"), path + 5);
        if (!access(fake, F_OK)) {
            path = fake;
        }
    }
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = va_arg(ap, int);
    va_end(ap);
    return open_here("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = va_arg(ap, int);
    va_end(ap);
    return open_here("open64", path, flags, mode);
}
