/* SPDX-License-Identifier: Apache-2.0
 *
 * How does a device without a wire receive the packets that a measurement wants?
 *
 * A receive callback copies a template into each packet and patches one address and one port,
 * which an endless sequence of steps names. The work per packet is the same whatever the sequence
 * says, so that its cost can be measured once and compared everywhere.
 */
#ifndef WEIR_GENERATOR_H
#define WEIR_GENERATOR_H

#include <stdint.h>

#include <rte_ethdev.h>

/* Bytes of a template: Ethernet, IPv4 and TCP without options, and some. */
#define WEIR_TEMPLATE_BYTES 64
/* Of a long one: the same with IPv6. */
#define WEIR_LONG_TEMPLATE_BYTES 80

struct weir_template {
	uint8_t bytes[WEIR_LONG_TEMPLATE_BYTES];
	uint16_t length;     /* of the frame; what lies behind the bytes is not written */
	uint16_t address_at; /* where the step's address goes */
	uint16_t port_at;    /* where the step's port goes */
	uint16_t written;    /* how many of the bytes are the template's */
};

/* One packet: network byte order. */
struct weir_step {
	uint32_t address;
	uint16_t port;
	uint16_t template_index;
};

struct weir_generator {
	const struct weir_template *templates;
	const struct weir_step *steps;
	uint64_t count; /* of steps, not 0 */
	uint64_t next;  /* below count */
	uint64_t left;  /* packets until silence */
	uint64_t made;  /* packets so far */
	uint64_t bytes; /* of each template: those of a long one if any is long */
};

uint16_t weir_generate(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count,
		       uint16_t room, void *generator);

#endif
