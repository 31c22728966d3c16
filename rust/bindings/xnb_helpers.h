/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel inlines and macros that Rust cannot call, one function each, and the
 * module's parameters. The only header that C and bindgen share.
 */
#ifndef XNB_HELPERS_H
#define XNB_HELPERS_H

#include <linux/netdev_features.h>
#include <linux/types.h>

struct dentry;
struct file_operations;
struct gnttab_copy;
struct hrtimer;
struct ethtool_ops;
struct module;
struct napi_struct;
struct net_device;
struct net_device_ops;
struct netdev_queue;
struct page;
struct sk_buff;
struct sk_buff_head;
struct work_struct;
struct xenbus_driver;

/* xnb_params.c */
extern unsigned int xnb_fatal_skb_slots;
extern unsigned int xnb_max_queues;
extern bool xnb_provides_xdp_headroom;
extern unsigned int xnb_rx_drain_timeout_msecs;
extern unsigned int xnb_rx_stall_timeout_msecs;
extern bool xnb_separate_tx_rx_irq;

/* Xen */
bool xnb_xen_domain(void);
bool xnb_backend_driver_exists(struct xenbus_driver *drv, const char *name);
void xnb_module_get(struct module *module);
void xnb_module_put(struct module *module);
void xnb_virt_mb(void);
void xnb_virt_rmb(void);
void xnb_virt_wmb(void);
unsigned long xnb_virt_to_gfn(void *addr);
void xnb_gnttab_copy_source(struct gnttab_copy *op, struct page *page, u32 offset);
int xnb_gnttab_copy(struct gnttab_copy *ops, unsigned int count);

/* net_device, NAPI and queues */
void xnb_netdev_describe(struct net_device *dev, const struct net_device_ops *ops,
			 const struct ethtool_ops *ethtool_ops, netdev_features_t features,
			 unsigned int min_mtu, unsigned int max_mtu, unsigned int max_gso);
unsigned int xnb_netdev_mtu(const struct net_device *dev);
void xnb_netdev_write_mtu(struct net_device *dev, unsigned int mtu);
void *xnb_netdev_priv(struct net_device *dev);
bool xnb_netif_running(const struct net_device *dev);
void xnb_netif_tx_disable(struct net_device *dev);
void xnb_netif_tx_start_all_queues(struct net_device *dev);
void xnb_netif_tx_wake_all_queues(struct net_device *dev);
void xnb_netdev_tx_reset_queue(struct net_device *dev, unsigned int queue);
bool xnb_netdev_tx_sent(struct net_device *dev, unsigned int queue, unsigned int bytes);
void xnb_netif_tx_stop_queue_mb(struct net_device *dev, unsigned int queue);
void xnb_netif_tx_start_queue(struct net_device *dev, unsigned int queue);
void xnb_netdev_txq_completed_mb(struct net_device *dev, unsigned int queue,
				 unsigned int packets, unsigned int bytes);
bool xnb_netif_tx_queue_stopped(struct net_device *dev, unsigned int queue);
void xnb_netif_tx_wake_queue(struct net_device *dev, unsigned int queue);
void xnb_netif_napi_add(struct net_device *dev, struct napi_struct *napi,
			int (*poll)(struct napi_struct *napi, int budget));
void xnb_netif_napi_del(struct napi_struct *napi);
void xnb_netif_napi_set_irq(struct napi_struct *napi, int irq);
bool xnb_napi_schedule(struct napi_struct *napi);
void xnb_hrtimer_start_ns(struct hrtimer *timer, u64 ns);
void xnb_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb);

/* sk_buff */
void xnb_skb_queue_head_init(struct sk_buff_head *list);
void xnb_skb_put(struct sk_buff *skb, unsigned int len);
bool xnb_skb_add_page(struct sk_buff *skb, unsigned int len, gfp_t gfp);
void *xnb_skb_page(const struct sk_buff *skb, unsigned int index, unsigned int *len);
void xnb_skb_prepare(struct sk_buff *skb, struct net_device *dev, u16 queue, u8 ip_summed);
unsigned int xnb_skb_headlen(const struct sk_buff *skb);
unsigned int xnb_skb_nr_frags(const struct sk_buff *skb);
struct page *xnb_skb_frag(const struct sk_buff *skb, unsigned int index,
			  unsigned int *offset, unsigned int *size);
u8 xnb_skb_ip_summed(const struct sk_buff *skb);
u16 xnb_skb_queue_mapping(const struct sk_buff *skb);
void xnb_skb_tx_timestamp(struct sk_buff *skb);
int xnb_skb_checksum_setup(struct sk_buff *skb, bool recalculate);
int xnb_skb_tcp_headers_len(const struct sk_buff *skb, u16 ethertype);
void xnb_skb_set_gso(struct sk_buff *skb, u16 size, u32 type, u16 segments);
void xnb_skb_gso(const struct sk_buff *skb, u16 *size, u32 *type);
void xnb_skb_set_hash(struct sk_buff *skb, u32 hash, bool l4);
struct sk_buff *xnb_skb_frag_list(const struct sk_buff *skb);

/* CPUs, softirqs and work */
void xnb_local_bh_disable(void);
void xnb_local_bh_enable(void);
unsigned int xnb_num_online_cpus(void);
void xnb_schedule_work(struct work_struct *work);

/* debugfs, which the kernel may lack */
struct dentry *xnb_debugfs_create_dir(const char *name, struct dentry *parent);
struct dentry *xnb_debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				       void *data, const struct file_operations *ops);
void xnb_debugfs_remove(struct dentry *dentry);

#endif /* XNB_HELPERS_H */
