// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters with the names and permissions of Linux's xen-netback, so
 * that a host's configuration carries over. They are declared here because the
 * module! macro cannot show a parameter in sysfs.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "xnb_helpers.h"

unsigned int xnb_fatal_skb_slots = 20;
module_param_named(fatal_skb_slots, xnb_fatal_skb_slots, uint, 0444);
MODULE_PARM_DESC(fatal_skb_slots,
		 "A guest packet with more additional slots than this cuts the guest's card off (slots, at least 18)");

bool xnb_separate_tx_rx_irq = true;
module_param_named(separate_tx_rx_irq, xnb_separate_tx_rx_irq, bool, 0644);
MODULE_PARM_DESC(separate_tx_rx_irq,
		 "Offer guests one event channel for each direction (vifs created from now on)");
