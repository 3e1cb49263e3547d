/* SPDX-License-Identifier: Apache-2.0
 *
 * How does a DPDK program that is not ours receive what a generator makes?
 *
 * Preloaded into it (LD_PRELOAD), this adds the generator to queue 0 of the first port that the
 * program starts. Templates and steps come from the file that WEIR_SOURCE names, whose first page
 * counts the packets made, for whoever measures to read:
 *
 *   page 0    magic, templates, steps, made, bytes of a template
 *   page 1    the templates
 *   page 2…   the steps
 *
 * Built by whoever measures, as a shared object of its own; no part of the bindings.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generator.c"

#define PAGE 4096

struct source {
	uint64_t magic;
	uint64_t templates;
	uint64_t steps;
	uint64_t made;
	uint64_t bytes;
};

static struct weir_generator generator;
static struct source *source;

static uint16_t generate(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count,
			 uint16_t room, void *argument)
{
	count = weir_generate(port, queue, packets, count, room, argument);
	source->made = generator.made;
	return count;
}

static int map_source(void)
{
	const char *path = getenv("WEIR_SOURCE");
	int file = path == NULL ? -1 : open(path, O_RDWR);
	struct stat status;
	uint8_t *bytes;

	if (file < 0 || fstat(file, &status) != 0)
		return -1;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, file, 0);
	close(file);
	if (bytes == MAP_FAILED)
		return -1;
	source = (struct source *)bytes;
	if (source->templates * sizeof(struct weir_template) > PAGE || source->steps == 0 ||
	    2 * PAGE + source->steps * sizeof(struct weir_step) > (uint64_t)status.st_size)
		return -1;
	generator = (struct weir_generator){
		.templates = (const struct weir_template *)(bytes + PAGE),
		.steps = (const struct weir_step *)(bytes + 2 * PAGE),
		.count = source->steps,
		.left = UINT64_MAX,
		.bytes = source->bytes,
	};
	return 0;
}

int rte_eth_dev_start(uint16_t port)
{
	int (*start)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_start");
	int result = start == NULL ? -ENOSYS : start(port);

	if (result != 0 || source != NULL)
		return result;
	if (map_source() != 0 || rte_eth_add_rx_callback(port, 0, generate, &generator) == NULL) {
		fprintf(stderr, "WEIR_SOURCE names no usable source of packets\n");
		return -EINVAL;
	}
	return 0;
}
