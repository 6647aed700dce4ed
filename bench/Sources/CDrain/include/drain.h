// What vmascope's consumer does of each record of the ring, in C: numbers checked, pointers made into
// ids, a layout of each address space kept and compared with what write sections find. Merges are not
// judged.
#ifndef DRAIN_H
#define DRAIN_H

#include <stddef.h>
#include <stdint.h>

struct drain;

// Equal for both consumers, or one of them does something else.
struct drain_sums {
	uint64_t received, lost, peaks, compared, equal, resynced;
};

struct drain *drain_new(void);
// A ring_buffer_sample_fn of libbpf; `context` is a struct drain.
int drain_record(void *context, void *data, size_t size);
struct drain_sums drain_sums(const struct drain *drain);
void drain_free(struct drain *drain);

// The inner loop of libbpf's ring_buffer__consume over a ring that is full up to `bytes`: each record
// lies behind its length and 4 bytes more, at a multiple of 8.
int ring_consume(const void *ring, size_t bytes, int (*each)(void *, void *, size_t),
		 void *context);

#endif
