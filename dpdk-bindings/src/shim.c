/* SPDX-License-Identifier: Apache-2.0
 *
 * How are DPDK's inline functions called from Rust? See shim.h.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "shim.h"

/* More than this in one call does not happen: it is BURST of the Rust side. */
#define WEIR_SLOTS 32

int weir_eal_init(int argc, char **argv, int keep_affinity)
{
	cpu_set_t before;
	int saved = keep_affinity &&
		    pthread_getaffinity_np(pthread_self(), sizeof(before), &before) == 0;
	int result = rte_eal_init(argc, argv);

	if (saved)
		pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	return result;
}

int weir_errno(void)
{
	return rte_errno;
}

uint32_t weir_lcore_id(void)
{
	return rte_lcore_id();
}

uint64_t weir_cycles(void)
{
	return rte_rdtsc();
}

static void (*log_sink)(const char *text, size_t length);

static ssize_t write_log(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	log_sink(text, length);
	return (ssize_t)length;
}

int weir_log_to(void (*sink)(const char *text, size_t length))
{
	cookie_io_functions_t functions = { .write = write_log };
	FILE *stream;

	log_sink = sink;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -ENOMEM;
	/* rte_vlog flushes after each message, so that a full buffer means one call a message. */
	setvbuf(stream, NULL, _IOFBF, 4096);
	return rte_openlog_stream(stream);
}

uint16_t weir_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint64_t *meta,
		       uint16_t room)
{
	uint16_t count = rte_eth_rx_burst(port, queue, packets, room);

	for (uint16_t i = 0; i < count; i++) {
		/* net_ring passes on the sender's value; the line is warm from the driver. */
		packets[i]->port = port;
		meta[i] = 0;
	}
	return count;
}

uint16_t weir_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, packets, count);
}

int weir_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, uint32_t count)
{
	return rte_pktmbuf_alloc_bulk(pool, packets, count);
}

uint32_t weir_ring_send(struct rte_ring *ring, struct rte_mbuf *const *packets,
			const uint64_t *meta, uint32_t count)
{
	struct weir_slot slots[WEIR_SLOTS];

	if (count > WEIR_SLOTS)
		count = WEIR_SLOTS;
	for (uint32_t i = 0; i < count; i++)
		slots[i] = (struct weir_slot){ packets[i], meta[i] };
	return rte_ring_sp_enqueue_burst_elem(ring, slots, sizeof(slots[0]), count, NULL);
}

uint32_t weir_ring_receive(struct rte_ring *ring, struct rte_mbuf **packets, uint64_t *meta,
			   uint32_t room)
{
	struct weir_slot slots[WEIR_SLOTS];

	if (room > WEIR_SLOTS)
		room = WEIR_SLOTS;
	uint32_t count = rte_ring_sc_dequeue_burst_elem(ring, slots, sizeof(slots[0]), room, NULL);

	for (uint32_t i = 0; i < count; i++) {
		packets[i] = slots[i].packet;
		meta[i] = slots[i].meta;
	}
	return count;
}

uint32_t weir_ring_count(const struct rte_ring *ring)
{
	return rte_ring_count(ring);
}

int weir_port_info(uint16_t port, struct weir_port_info *info)
{
	struct rte_eth_dev_info device;
	int result = rte_eth_dev_info_get(port, &device);

	if (result != 0)
		return result;
	*info = (struct weir_port_info){
		.driver = device.driver_name,
		.rss_functions = device.flow_type_rss_offloads,
		.rx_offloads = device.rx_offload_capa,
		.tx_offloads = device.tx_offload_capa,
		.socket = rte_eth_dev_socket_id(port),
		.max_rx_queues = device.max_rx_queues,
		.max_tx_queues = device.max_tx_queues,
		.min_mtu = device.min_mtu,
		.max_mtu = device.max_mtu,
		.reta_size = device.reta_size,
		.rss_key_size = device.hash_key_size,
	};
	return 0;
}

int weir_port_configure(uint16_t port, const struct weir_port_request *request)
{
	struct rte_eth_conf configuration;

	memset(&configuration, 0, sizeof(configuration));
	configuration.rxmode.mtu = request->mtu;
	configuration.rxmode.offloads = request->rx_offloads;
	/* No MBUF_FAST_FREE: packets of several pools share a transmit queue. */
	if (request->rss_functions != 0) {
		configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		configuration.rx_adv_conf.rss_conf.rss_hf = request->rss_functions;
		configuration.rx_adv_conf.rss_conf.rss_key = request->rss_key;
		configuration.rx_adv_conf.rss_conf.rss_key_len = request->rss_key_size;
	}
	return rte_eth_dev_configure(port, request->rx_queues, request->tx_queues, &configuration);
}

int weir_port_rx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket,
		       struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, descriptors, socket, NULL, pool);
}

int weir_port_tx_queue(uint16_t port, uint16_t queue, uint16_t descriptors, uint32_t socket)
{
	return rte_eth_tx_queue_setup(port, queue, descriptors, socket, NULL);
}

int weir_port_rss(uint16_t port, uint64_t *functions, uint8_t *key, uint8_t key_size)
{
	struct rte_eth_rss_conf configuration = { .rss_key = key, .rss_key_len = key_size };
	int result = rte_eth_dev_rss_hash_conf_get(port, &configuration);

	if (result == 0)
		*functions = configuration.rss_hf;
	return result;
}

int weir_port_set_rss(uint16_t port, uint64_t functions, uint8_t *key, uint8_t key_size)
{
	struct rte_eth_rss_conf configuration = {
		.rss_key = key,
		.rss_key_len = key_size,
		.rss_hf = functions,
	};

	return rte_eth_dev_rss_hash_update(port, &configuration);
}

int weir_port_stats(uint16_t port, struct weir_port_stats *stats)
{
	struct rte_eth_stats device;
	int result = rte_eth_stats_get(port, &device);

	if (result != 0)
		return result;
	*stats = (struct weir_port_stats){
		.rx_packets = device.ipackets,
		.tx_packets = device.opackets,
		.rx_bytes = device.ibytes,
		.tx_bytes = device.obytes,
		.rx_missed = device.imissed,
		.rx_errors = device.ierrors,
		.tx_errors = device.oerrors,
		.rx_no_buffer = device.rx_nombuf,
	};
	return 0;
}

int weir_port_link(uint16_t port, struct weir_port_link *link)
{
	struct rte_eth_link device;
	int result;

	memset(&device, 0, sizeof(device));
	result = rte_eth_link_get_nowait(port, &device);
	if (result != 0)
		return result;
	*link = (struct weir_port_link){
		.speed_mbps = device.link_speed,
		.up = device.link_status == RTE_ETH_LINK_UP,
		.full_duplex = device.link_duplex == RTE_ETH_LINK_FULL_DUPLEX,
	};
	return 0;
}

const char *weir_rss_name(uint64_t function)
{
	static const struct {
		uint64_t function;
		const char *name;
	} names[] = {
		{ RTE_ETH_RSS_IPV4, "ipv4" },
		{ RTE_ETH_RSS_FRAG_IPV4, "ipv4-frag" },
		{ RTE_ETH_RSS_NONFRAG_IPV4_TCP, "ipv4-tcp" },
		{ RTE_ETH_RSS_NONFRAG_IPV4_UDP, "ipv4-udp" },
		{ RTE_ETH_RSS_NONFRAG_IPV4_SCTP, "ipv4-sctp" },
		{ RTE_ETH_RSS_NONFRAG_IPV4_OTHER, "ipv4-other" },
		{ RTE_ETH_RSS_IPV6, "ipv6" },
		{ RTE_ETH_RSS_FRAG_IPV6, "ipv6-frag" },
		{ RTE_ETH_RSS_NONFRAG_IPV6_TCP, "ipv6-tcp" },
		{ RTE_ETH_RSS_NONFRAG_IPV6_UDP, "ipv6-udp" },
		{ RTE_ETH_RSS_NONFRAG_IPV6_SCTP, "ipv6-sctp" },
		{ RTE_ETH_RSS_NONFRAG_IPV6_OTHER, "ipv6-other" },
		{ RTE_ETH_RSS_IPV6_EX, "ipv6-ex" },
		{ RTE_ETH_RSS_IPV6_TCP_EX, "ipv6-tcp-ex" },
		{ RTE_ETH_RSS_IPV6_UDP_EX, "ipv6-udp-ex" },
		{ RTE_ETH_RSS_L2_PAYLOAD, "l2-payload" },
		{ RTE_ETH_RSS_ETH, "eth" },
		{ RTE_ETH_RSS_L3_SRC_ONLY, "l3-src-only" },
		{ RTE_ETH_RSS_L3_DST_ONLY, "l3-dst-only" },
		{ RTE_ETH_RSS_L4_SRC_ONLY, "l4-src-only" },
		{ RTE_ETH_RSS_L4_DST_ONLY, "l4-dst-only" },
	};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (names[i].function == function)
			return names[i].name;
	return NULL;
}

uint32_t weir_softrss(uint32_t *input, uint32_t count, const uint32_t *key)
{
	return rte_softrss(input, count, (const uint8_t *)key);
}

const void *weir_generate_into(uint16_t port, uint16_t queue, struct weir_generator *generator)
{
	return rte_eth_add_rx_callback(port, queue, weir_generate, generator);
}

int weir_generate_no_more(uint16_t port, uint16_t queue, const void *handle)
{
	return rte_eth_remove_rx_callback(port, queue, handle);
}
