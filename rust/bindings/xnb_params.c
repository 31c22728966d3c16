// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters with the names and permissions of Linux's xen-netback, so
 * that a host's configuration carries over. They are declared here because the
 * module! macro cannot show a parameter in sysfs.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "xnb_helpers.h"

unsigned int xnb_max_queues;
module_param_named(max_queues, xnb_max_queues, uint, 0644);
MODULE_PARM_DESC(max_queues,
		 "Most queues that a guest's card may have (default: one for each CPU, up to 8; vifs created from now on)");

unsigned int xnb_rx_drain_timeout_msecs = 10000;
module_param_named(rx_drain_timeout_msecs, xnb_rx_drain_timeout_msecs, uint, 0444);
MODULE_PARM_DESC(rx_drain_timeout_msecs,
		 "Packets that wait this long for a guest's buffers are dropped (ms)");

unsigned int xnb_rx_stall_timeout_msecs = 60000;
module_param_named(rx_stall_timeout_msecs, xnb_rx_stall_timeout_msecs, uint, 0444);
MODULE_PARM_DESC(rx_stall_timeout_msecs,
		 "A guest that owes buffers for this long loses its carrier (ms, 0: never)");

/* A hash is a few dozen loads here: there is nothing to remember. */
static unsigned int hash_cache_size = 64;
module_param(hash_cache_size, uint, 0644);
MODULE_PARM_DESC(hash_cache_size,
		 "Without effect, for configurations of xen-netback: no cache is needed");

bool xnb_provides_xdp_headroom = true;
module_param_named(provides_xdp_headroom, xnb_provides_xdp_headroom, bool, 0644);
MODULE_PARM_DESC(provides_xdp_headroom,
		 "Offer guests room for XDP before each packet (vifs created from now on)");

unsigned int xnb_fatal_skb_slots = 20;
module_param_named(fatal_skb_slots, xnb_fatal_skb_slots, uint, 0444);
MODULE_PARM_DESC(fatal_skb_slots,
		 "A guest packet with more additional slots than this cuts the guest's card off (slots, at least 18)");

bool xnb_separate_tx_rx_irq = true;
module_param_named(separate_tx_rx_irq, xnb_separate_tx_rx_irq, bool, 0644);
MODULE_PARM_DESC(separate_tx_rx_irq,
		 "Offer guests one event channel for each direction (vifs created from now on)");
