/* SPDX-License-Identifier: Apache-2.0
 *
 * How is a packet made out of a template and a step? See generator.h.
 */
#include <string.h>

#include <rte_mbuf.h>

#include "generator.h"

/* Compiled for each number of bytes, so that copying them takes no loop and no call. */
static __rte_always_inline void fill(struct weir_generator *self, struct rte_mbuf **packets,
				     uint16_t count, size_t bytes)
{
	uint64_t next = self->next;

	for (uint16_t i = 0; i < count; i++) {
		const struct weir_step *step = &self->steps[next];
		const struct weir_template *template = &self->templates[step->template_index];
		uint8_t *data = rte_pktmbuf_mtod(packets[i], uint8_t *);

		memcpy(data, template->bytes, bytes);
		memcpy(data + template->address_at, &step->address, sizeof(step->address));
		memcpy(data + template->port_at, &step->port, sizeof(step->port));
		packets[i]->data_len = template->length;
		packets[i]->pkt_len = template->length;
		next = next + 1 == self->count ? 0 : next + 1;
	}
	self->next = next;
}

uint16_t weir_generate(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count,
		       uint16_t room, void *generator)
{
	struct weir_generator *self = generator;

	(void)port;
	(void)queue;
	(void)room;
	if (unlikely(count > self->left)) {
		rte_pktmbuf_free_bulk(packets + self->left, count - (uint16_t)self->left);
		count = (uint16_t)self->left;
	}
	if (self->bytes > WEIR_TEMPLATE_BYTES)
		fill(self, packets, count, WEIR_LONG_TEMPLATE_BYTES);
	else
		fill(self, packets, count, WEIR_TEMPLATE_BYTES);
	self->left -= count;
	/* One aligned store: another process may be reading it. */
	self->made += count;
	return count;
}
