// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel inlines and macros that Rust cannot call, as small as the kernel's
 * interfaces allow: what is decided is decided in Rust.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/hrtimer.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/workqueue.h>
#include <net/netdev_queues.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#include "xnb_helpers.h"

bool xnb_xen_domain(void)
{
	return xen_domain();
}

/* Is another driver of this name on the bus that @drv is registered with? */
bool xnb_backend_driver_exists(struct xenbus_driver *drv, const char *name)
{
	return driver_find(name, drv->driver.bus);
}

void xnb_module_get(struct module *module)
{
	__module_get(module);
}

void xnb_module_put(struct module *module)
{
	module_put(module);
}

/* What these order is said where they are called, in rust/xen/ring.rs. */
void xnb_virt_mb(void)
{
	virt_mb(); /* for the caller */
}

void xnb_virt_rmb(void)
{
	virt_rmb(); /* for the caller */
}

void xnb_virt_wmb(void)
{
	virt_wmb(); /* for the caller */
}

unsigned long xnb_virt_to_gfn(void *addr)
{
	return virt_to_gfn(addr);
}

/*
 * Makes the 4 KiB frame that holds byte @offset of (compound) @page the source
 * of @op. A page that dom0 itself has mapped from another guest is named by
 * that guest's grant, as Xen does not let dom0 copy from a frame of another.
 */
void xnb_gnttab_copy_source(struct gnttab_copy *op, struct page *page, u32 offset)
{
	struct xen_page_foreign *foreign;

	page += offset >> PAGE_SHIFT;
	offset &= ~PAGE_MASK;

	foreign = xen_page_foreign(page);
	if (foreign) {
		op->source.domid = foreign->domid;
		op->source.u.ref = foreign->gref;
		op->flags |= GNTCOPY_source_gref;
	} else {
		op->source.domid = DOMID_SELF;
		op->source.u.gmfn = virt_to_gfn(page_address(page) + offset);
	}
	op->source.offset = offset & ~XEN_PAGE_MASK;
}

/*
 * One hypercall. Unlike gnttab_batch_copy() it neither sleeps nor panics: a
 * copy that Xen asks to repeat stays GNTST_eagain, for the caller to fail.
 */
int xnb_gnttab_copy(struct gnttab_copy *ops, unsigned int count)
{
	return HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, count);
}

void xnb_netdev_describe(struct net_device *dev, const struct net_device_ops *ops,
			 const struct ethtool_ops *ethtool_ops, netdev_features_t features,
			 unsigned int min_mtu, unsigned int max_mtu, unsigned int max_gso)
{
	dev->netdev_ops = ops;
	dev->ethtool_ops = ethtool_ops;
	dev->hw_features = features;
	dev->features = features | NETIF_F_RXCSUM;
	dev->min_mtu = min_mtu;
	dev->max_mtu = max_mtu;
	netif_set_tso_max_size(dev, max_gso);
	/* Packets are queued by their own links, so they cannot be shared. */
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
}

unsigned int xnb_netdev_mtu(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu);
}

void xnb_netdev_write_mtu(struct net_device *dev, unsigned int mtu)
{
	WRITE_ONCE(dev->mtu, mtu);
}

void *xnb_netdev_priv(struct net_device *dev)
{
	return netdev_priv(dev);
}

bool xnb_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

void xnb_netif_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

void xnb_netif_tx_start_all_queues(struct net_device *dev)
{
	netif_tx_start_all_queues(dev);
}

void xnb_netif_tx_wake_all_queues(struct net_device *dev)
{
	netif_tx_wake_all_queues(dev);
}

void xnb_netdev_tx_reset_queue(struct net_device *dev, unsigned int queue)
{
	netdev_tx_reset_queue(netdev_get_tx_queue(dev, queue));
}

bool xnb_netdev_tx_sent(struct net_device *dev, unsigned int queue, unsigned int bytes)
{
	return __netdev_tx_sent_queue(netdev_get_tx_queue(dev, queue), bytes,
				      netdev_xmit_more());
}

/* Ends with a full barrier, before the caller looks for room. */
void xnb_netif_tx_stop_queue_mb(struct net_device *dev, unsigned int queue)
{
	netif_tx_stop_queue(netdev_get_tx_queue(dev, queue));
	smp_mb(); /* pairs with that of xnb_netdev_txq_completed_mb() */
}

void xnb_netif_tx_start_queue(struct net_device *dev, unsigned int queue)
{
	netif_tx_start_queue(netdev_get_tx_queue(dev, queue));
}

/* Ends with a full barrier, before the caller looks for room. */
void xnb_netdev_txq_completed_mb(struct net_device *dev, unsigned int queue,
				 unsigned int packets, unsigned int bytes)
{
	netdev_txq_completed_mb(netdev_get_tx_queue(dev, queue), packets, bytes);
}

bool xnb_netif_tx_queue_stopped(struct net_device *dev, unsigned int queue)
{
	return netif_tx_queue_stopped(netdev_get_tx_queue(dev, queue));
}

void xnb_netif_tx_wake_queue(struct net_device *dev, unsigned int queue)
{
	netif_tx_wake_queue(netdev_get_tx_queue(dev, queue));
}

void xnb_netif_napi_add(struct net_device *dev, struct napi_struct *napi,
			int (*poll)(struct napi_struct *napi, int budget))
{
	netif_napi_add(dev, napi, poll);
}

void xnb_netif_napi_del(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

void xnb_netif_napi_set_irq(struct napi_struct *napi, int irq)
{
	netif_napi_set_irq(napi, irq);
}

bool xnb_napi_schedule(struct napi_struct *napi)
{
	return napi_schedule(napi);
}

void xnb_hrtimer_start_ns(struct hrtimer *timer, u64 ns)
{
	hrtimer_start(timer, ns_to_ktime(ns), HRTIMER_MODE_REL);
}

void xnb_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	napi_gro_receive(napi, skb);
}

void xnb_skb_queue_head_init(struct sk_buff_head *list)
{
	skb_queue_head_init(list);
}

void xnb_skb_put(struct sk_buff *skb, unsigned int len)
{
	__skb_put(skb, len);
}

/* Appends a fresh page that holds the next @len <= PAGE_SIZE bytes. */
bool xnb_skb_add_page(struct sk_buff *skb, unsigned int len, gfp_t gfp)
{
	unsigned int nr = skb_shinfo(skb)->nr_frags;
	struct page *page;

	if (nr >= MAX_SKB_FRAGS || len > PAGE_SIZE)
		return false;

	page = alloc_page(gfp);
	if (!page)
		return false;

	skb_add_rx_frag(skb, nr, page, 0, len, PAGE_SIZE);
	return true;
}

/* Address and length of the fragment @index that xnb_skb_add_page() made. */
void *xnb_skb_page(const struct sk_buff *skb, unsigned int index, unsigned int *len)
{
	const skb_frag_t *frag = &skb_shinfo(skb)->frags[index];

	*len = skb_frag_size(frag);
	return skb_frag_address(frag);
}

/* What a driver sets on a received packet before it goes up. */
void xnb_skb_prepare(struct sk_buff *skb, struct net_device *dev, u16 queue, u8 ip_summed)
{
	skb->protocol = eth_type_trans(skb, dev);
	skb_reset_network_header(skb);
	skb_record_rx_queue(skb, queue);
	skb->ip_summed = ip_summed;
}

unsigned int xnb_skb_headlen(const struct sk_buff *skb)
{
	return skb_headlen(skb);
}

unsigned int xnb_skb_nr_frags(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->nr_frags;
}

struct page *xnb_skb_frag(const struct sk_buff *skb, unsigned int index,
			  unsigned int *offset, unsigned int *size)
{
	const skb_frag_t *frag = &skb_shinfo(skb)->frags[index];

	*offset = skb_frag_off(frag);
	*size = skb_frag_size(frag);
	return skb_frag_page(frag);
}

u8 xnb_skb_ip_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

u16 xnb_skb_queue_mapping(const struct sk_buff *skb)
{
	return skb_get_queue_mapping(skb);
}

void xnb_skb_tx_timestamp(struct sk_buff *skb)
{
	skb_tx_timestamp(skb);
}

/* skb_checksum_setup(), which believes in IPv4 headers shorter than they can be. */
int xnb_skb_checksum_setup(struct sk_buff *skb, bool recalculate)
{
	int least = sizeof(struct ipv6hdr);
	int err = skb_checksum_setup(skb, recalculate);

	if (err)
		return err;
	if (skb->protocol == htons(ETH_P_IP))
		least = sizeof(struct iphdr);
	return skb_transport_offset(skb) < least ? -EINVAL : 0;
}

/*
 * Bytes before the payload of a packet that xnb_skb_checksum_setup() found to
 * be TCP or UDP; -EINVAL if it is not TCP over @ethertype with all of its
 * headers in the linear part.
 */
int xnb_skb_tcp_headers_len(const struct sk_buff *skb, u16 ethertype)
{
	unsigned int offset = skb_transport_offset(skb);
	unsigned int len;

	if (skb->protocol != htons(ethertype) ||
	    skb->csum_offset != offsetof(struct tcphdr, check) ||
	    offset + sizeof(struct tcphdr) > skb_headlen(skb))
		return -EINVAL;

	len = __tcp_hdrlen(tcp_hdr(skb));
	if (len < sizeof(struct tcphdr) || offset + len > skb_headlen(skb))
		return -EINVAL;
	return offset + len;
}

void xnb_skb_set_gso(struct sk_buff *skb, u16 size, u32 type, u16 segments)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);

	shinfo->gso_size = size;
	shinfo->gso_type = type;
	shinfo->gso_segs = segments;
}

void xnb_skb_gso(const struct sk_buff *skb, u16 *size, u32 *type)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);

	*size = shinfo->gso_size;
	*type = shinfo->gso_type;
}

void xnb_skb_set_hash(struct sk_buff *skb, u32 hash, bool l4)
{
	skb_set_hash(skb, hash, l4 ? PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);
}

/* The first of the packets that continue @skb; their "next" leads on. */
struct sk_buff *xnb_skb_frag_list(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->frag_list;
}

void xnb_local_bh_disable(void)
{
	local_bh_disable();
}

void xnb_local_bh_enable(void)
{
	local_bh_enable();
}

unsigned int xnb_num_online_cpus(void)
{
	return num_online_cpus();
}

void xnb_schedule_work(struct work_struct *work)
{
	schedule_work(work);
}

struct dentry *xnb_debugfs_create_dir(const char *name, struct dentry *parent)
{
	return debugfs_create_dir(name, parent);
}

struct dentry *xnb_debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				       void *data, const struct file_operations *ops)
{
	return debugfs_create_file_unsafe(name, mode, parent, data, ops);
}

void xnb_debugfs_remove(struct dentry *dentry)
{
	debugfs_remove(dentry);
}
