/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. Types that kernel::bindings already has are not generated
 * again; see bindgen_parameters.
 */

/* First: bindgen gives a forward-referenced enum the wrong type otherwise. */
#include <linux/hrtimer_types.h>

#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/netdev_queues.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/interface/io/netif.h>
#include <xen/xenbus.h>

#include "xnb_helpers.h"
#include "xnb_trace.h"
