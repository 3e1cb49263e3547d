/* SPDX-License-Identifier: Apache-2.0
 *
 * What does Rust need of DPDK that a function call cannot reach?
 *
 * Most of DPDK's packet path is inline functions and macros. Here they become symbols, always for
 * a whole burst, because a call across languages is never inlined. Structures that grow from one
 * DPDK to the next are copied into flat ones that only we define, so that the Rust side depends on
 * no layout but the offsets below.
 *
 * Not here: anything that can be called directly; see FUNCTIONS in build.rs.
 */
#ifndef WEIR_SHIM_H
#define WEIR_SHIM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_version.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_cycles.h>
#include <rte_thash.h>

#include "generator.h"

/* Offsets, because the nesting of anonymous unions in rte_mbuf differs between releases. */
static const size_t WEIR_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t WEIR_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t WEIR_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t WEIR_MBUF_PORT = offsetof(struct rte_mbuf, port);
static const size_t WEIR_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const size_t WEIR_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t WEIR_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t WEIR_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);

/* RTE_BIT64() is a cast that bindgen cannot read. */
static const uint64_t WEIR_RX_IP_CHECKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t WEIR_RX_IP_CHECKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t WEIR_RX_IP_CHECKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t WEIR_RX_IP_CHECKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t WEIR_RX_L4_CHECKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t WEIR_RX_L4_CHECKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t WEIR_RX_L4_CHECKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t WEIR_RX_L4_CHECKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;

static const uint64_t WEIR_RX_OFFLOAD_IPV4_CHECKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t WEIR_RX_OFFLOAD_TCP_CHECKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t WEIR_RX_OFFLOAD_UDP_CHECKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

static const uint64_t WEIR_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t WEIR_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t WEIR_RSS_UDP = RTE_ETH_RSS_UDP;

static const size_t WEIR_TEMPLATE_SIZE = WEIR_TEMPLATE_BYTES;
static const size_t WEIR_LONG_TEMPLATE_SIZE = WEIR_LONG_TEMPLATE_BYTES;

static const uint32_t WEIR_LCORE_ANY = LCORE_ID_ANY;
static const uint16_t WEIR_HEADROOM = RTE_PKTMBUF_HEADROOM;
static const uint32_t WEIR_POOL_NAME_SIZE = RTE_MEMPOOL_NAMESIZE;
static const uint32_t WEIR_POOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const uint32_t WEIR_RING_NAME_SIZE = RTE_RING_NAMESIZE;
static const uint32_t WEIR_RING_SINGLE = RING_F_SP_ENQ | RING_F_SC_DEQ;
static const uint32_t WEIR_PORT_NAME_SIZE = RTE_ETH_NAME_MAX_LEN;
static const uint16_t WEIR_PORTS_MAX = RTE_MAX_ETHPORTS;
static const uint16_t WEIR_RETA_GROUP = RTE_ETH_RETA_GROUP_SIZE;

/* One slot of a Ring: the packet and the word that travels with it. */
struct weir_slot {
	struct rte_mbuf *packet;
	uint64_t meta;
};

struct weir_port_info {
	const char *driver;
	uint64_t rss_functions;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	int32_t socket;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint16_t reta_size;
	uint8_t rss_key_size;
};

struct weir_port_request {
	uint64_t rx_offloads;
	uint64_t rss_functions; /* 0: no RSS */
	uint8_t *rss_key;       /* NULL: the driver's own */
	uint8_t rss_key_size;
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu;
};

struct weir_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_buffer;
};

struct weir_port_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
};

/* Life of the process. */
int weir_eal_init(int argc, char **argv, int keep_affinity);
int weir_errno(void);
uint32_t weir_lcore_id(void);
uint64_t weir_cycles(void);
int weir_log_to(void (*sink)(const char *text, size_t length));

/* Per burst. */
uint16_t weir_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint64_t *meta,
		       uint16_t room);
uint16_t weir_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count);
int weir_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, uint32_t count);
uint32_t weir_ring_send(struct rte_ring *ring, struct rte_mbuf *const *packets,
			const uint64_t *meta, uint32_t count);
uint32_t weir_ring_receive(struct rte_ring *ring, struct rte_mbuf **packets, uint64_t *meta,
			   uint32_t room);
uint32_t weir_ring_count(const struct rte_ring *ring);

/* Ports, control side. All return 0 or a negative errno. */
int weir_port_info(uint16_t port, struct weir_port_info *info);
int weir_port_configure(uint16_t port, const struct weir_port_request *request);
int weir_port_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket,
		       struct rte_mempool *pool);
int weir_port_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket);
int weir_port_rss(uint16_t port, uint64_t *functions, uint8_t *key, uint8_t key_size);
int weir_port_set_rss(uint16_t port, uint64_t functions, uint8_t *key, uint8_t key_size);
int weir_port_stats(uint16_t port, struct weir_port_stats *stats);
int weir_port_link(uint16_t port, struct weir_port_link *link);
const char *weir_rss_name(uint64_t function);

/* The hash of `count` words under a key of at least one word more. */
uint32_t weir_softrss(uint32_t *input, uint32_t count, const uint32_t *key);

/* The generator of a queue: a handle, or NULL; and its end, 0 or a negative errno. */
const void *weir_generate_into(uint16_t port, uint16_t queue, struct weir_generator *generator);
int weir_generate_no_more(uint16_t port, uint16_t queue, const void *handle);

#endif
