/* SPDX-License-Identifier: Apache-2.0
 *
 * What does capsule 0.1.5 call that a later DPDK has no symbol for?
 *
 * Three kinds of things: inline functions, which need a symbol; starting and ending EAL, which is
 * the business of Weir's bindings; and the kernel interface (KNI), which Weir's DPDK may lack and
 * this benchmark does not use: declared so that capsule compiles, and always refused.
 *
 * Not here: what DPDK exports under the name that capsule uses; see FUNCTIONS in build.rs.
 */
#ifndef CAPSULE_SHIM_H
#define CAPSULE_SHIM_H

/* Without it DPDK's headers have no processor sets. */
#define _GNU_SOURCE

#include <stdint.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

/* Macros with casts, which bindgen cannot read, by the names that DPDK 19.11 gave them. */
static const uint64_t ETH_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t ETH_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t ETH_RSS_UDP = RTE_ETH_RSS_UDP;
static const uint64_t ETH_RSS_SCTP = RTE_ETH_RSS_SCTP;
static const uint64_t DEV_TX_OFFLOAD_MBUF_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;

/* Inline in DPDK. */
int _rte_errno(void);
struct rte_mbuf *_rte_pktmbuf_alloc(struct rte_mempool *pool);
int _rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned count);
void _rte_pktmbuf_free(struct rte_mbuf *packet);
void _rte_mempool_put_bulk(struct rte_mempool *pool, void *const *objects, unsigned count);
uint16_t _rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets,
			   uint16_t room);
uint16_t _rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets,
			   uint16_t count);

/* What rte_eal_init and rte_eal_cleanup are for capsule: EAL runs already, and goes on. */
int capsule_eal_init(int argc, char **argv);
int capsule_eal_cleanup(void);

/* Of libnuma: the node of the caller, since only one processor is used here. */
int numa_node_of_cpu(int processor);

struct rte_kni;

struct rte_kni_conf {
	char name[32];
	uint16_t group_id;
	uint32_t mbuf_size;
	uint8_t mac_addr[RTE_ETHER_ADDR_LEN];
};

struct rte_kni_ops {
	uint16_t port_id;
	int (*change_mtu)(uint16_t port, unsigned mtu);
	int (*config_network_if)(uint16_t port, uint8_t up);
	int (*config_mac_address)(uint16_t port, uint8_t *address);
	int (*config_promiscusity)(uint16_t port, uint8_t on);
};

/* -1, NULL, "", no packets. */
int rte_kni_init(unsigned interfaces);
void rte_kni_close(void);
struct rte_kni *rte_kni_alloc(struct rte_mempool *pool, const struct rte_kni_conf *conf,
			      struct rte_kni_ops *ops);
const char *rte_kni_get_name(const struct rte_kni *kni);
int rte_kni_release(struct rte_kni *kni);
int rte_kni_handle_request(struct rte_kni *kni);
unsigned rte_kni_rx_burst(struct rte_kni *kni, struct rte_mbuf **packets, unsigned room);
unsigned rte_kni_tx_burst(struct rte_kni *kni, struct rte_mbuf **packets, unsigned count);

#endif
