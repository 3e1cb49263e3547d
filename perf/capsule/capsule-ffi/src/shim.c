/* SPDX-License-Identifier: Apache-2.0
 *
 * How is each of them answered? See shim.h.
 */
#include "shim.h"

int _rte_errno(void)
{
	return rte_errno;
}

struct rte_mbuf *_rte_pktmbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int _rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned count)
{
	return rte_pktmbuf_alloc_bulk(pool, packets, count);
}

void _rte_pktmbuf_free(struct rte_mbuf *packet)
{
	rte_pktmbuf_free(packet);
}

void _rte_mempool_put_bulk(struct rte_mempool *pool, void *const *objects, unsigned count)
{
	rte_mempool_put_bulk(pool, objects, count);
}

uint16_t _rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t room)
{
	return rte_eth_rx_burst(port, queue, packets, room);
}

uint16_t _rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, packets, count);
}

int capsule_eal_init(int argc, char **argv)
{
	(void)argv;
	return argc;
}

int capsule_eal_cleanup(void)
{
	return 0;
}

int numa_node_of_cpu(int processor)
{
	(void)processor;
	return rte_socket_id() == (unsigned)SOCKET_ID_ANY ? 0 : (int)rte_socket_id();
}

int rte_kni_init(unsigned interfaces)
{
	(void)interfaces;
	return -1;
}

void rte_kni_close(void)
{
}

struct rte_kni *rte_kni_alloc(struct rte_mempool *pool, const struct rte_kni_conf *conf,
			      struct rte_kni_ops *ops)
{
	(void)pool;
	(void)conf;
	(void)ops;
	return NULL;
}

const char *rte_kni_get_name(const struct rte_kni *kni)
{
	(void)kni;
	return "";
}

int rte_kni_release(struct rte_kni *kni)
{
	(void)kni;
	return -1;
}

int rte_kni_handle_request(struct rte_kni *kni)
{
	(void)kni;
	return -1;
}

unsigned rte_kni_rx_burst(struct rte_kni *kni, struct rte_mbuf **packets, unsigned room)
{
	(void)kni;
	(void)packets;
	(void)room;
	return 0;
}

unsigned rte_kni_tx_burst(struct rte_kni *kni, struct rte_mbuf **packets, unsigned count)
{
	(void)kni;
	(void)packets;
	(void)count;
	return 0;
}
