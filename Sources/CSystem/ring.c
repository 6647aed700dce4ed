#define _GNU_SOURCE
#include "system.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

// libbpf maps a whole ring, twice, with all of its pages at once: 64 MiB of resident memory for a
// ring of 32 MiB. A window on the next records is enough; to move it costs one mmap for thousands
// of records.
#define WINDOW (128UL << 10)

struct vms_ring {
	int fd;
	unsigned long page, mask;
	unsigned long *consumed;  // positions: they only grow
	const unsigned long *produced;
	char *window;
	size_t window_bytes;
	unsigned long at;  // where in the ring the window begins
	vms_record_fn deliver;
	void *context;
};

static int show(struct vms_ring *r, unsigned long at)
{
	void *found =
		mmap(r->window, r->window_bytes, PROT_READ,
		     MAP_SHARED | (r->window ? MAP_FIXED : 0), r->fd, (off_t)(2 * r->page + at));

	if (found == MAP_FAILED)
		return -errno;
	r->window = found;
	r->at = at;
	return 0;
}

// The bytes of the ring from `offset` on. The data appear twice in a row, so that a record is
// never split.
static char *bytes(struct vms_ring *r, unsigned long offset, unsigned long size)
{
	if (offset < r->at || offset + size > r->at + r->window_bytes)
		if (show(r, offset & ~(r->page - 1)))
			return NULL;
	return r->window + (offset - r->at);
}

struct vms_ring *vms_ring_open(int fd, size_t size, vms_record_fn deliver, void *context)
{
	struct vms_ring *r = calloc(1, sizeof(*r));
	void *consumed = MAP_FAILED, *produced = MAP_FAILED;

	if (!r)
		return NULL;
	r->fd = fd;
	r->page = (unsigned long)getpagesize();
	r->mask = size - 1;
	r->deliver = deliver;
	r->context = context;
	// One page more: a window begins at a page, a record anywhere in it.
	r->window_bytes = (size < WINDOW ? size : WINDOW) + r->page;
	consumed = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	produced = mmap(NULL, r->page, PROT_READ, MAP_SHARED, fd, (off_t)r->page);
	r->consumed = consumed == MAP_FAILED ? NULL : consumed;
	r->produced = produced == MAP_FAILED ? NULL : produced;
	if (r->consumed && r->produced && !show(r, 0))
		return r;
	vms_ring_close(r);
	return NULL;
}

void vms_ring_close(struct vms_ring *r)
{
	int error = errno;

	if (r->consumed)
		munmap(r->consumed, r->page);
	if (r->produced)
		munmap((void *)r->produced, r->page);
	if (r->window)
		munmap(r->window, r->window_bytes);
	free(r);
	errno = error;
}

// Edge-triggered: the ring is hardly ever empty.
int vms_ring_alarm(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int alarm = epoll_create1(EPOLL_CLOEXEC), error;

	if (alarm < 0)
		return -errno;
	if (!epoll_ctl(alarm, EPOLL_CTL_ADD, fd, &event))
		return alarm;
	error = -errno;
	close(alarm);
	return error;
}

void vms_ring_awake(int alarm)
{
	struct epoll_event event;

	epoll_wait(alarm, &event, 1, 0);
}

int vms_ring_consume(struct vms_ring *r)
{
	unsigned long at = *r->consumed, end;
	int result = 0;

	while (!result && at < (end = __atomic_load_n(r->produced, __ATOMIC_ACQUIRE)))
		while (!result && at < end) {
			char *record = bytes(r, at & r->mask, BPF_RINGBUF_HDR_SZ);
			unsigned header, size;

			if (!record)
				return -errno;
			header = __atomic_load_n((unsigned *)record, __ATOMIC_ACQUIRE);
			if (header & BPF_RINGBUF_BUSY_BIT)
				return 0;
			size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
			record = bytes(r, at & r->mask, BPF_RINGBUF_HDR_SZ + size);
			if (!record)
				return -errno;
			if (!(header & BPF_RINGBUF_DISCARD_BIT))
				result = r->deliver(r->context, record + BPF_RINGBUF_HDR_SZ, size);
			at += (BPF_RINGBUF_HDR_SZ + size + 7) & ~7UL;
			__atomic_store_n(r->consumed, at, __ATOMIC_RELEASE);
		}
	return result;
}
