/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's tracepoints; Documentation/tracing.rst explains the events. Tx
 * and Rx are the guest's. Rust calls them through rust/tracepoint.rs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_netback_rs

#if !defined(XNB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XNB_TRACE_H

#include <linux/netdevice.h>
#include <linux/tracepoint.h>
#include <xen/interface/io/netif.h>
#include <xen/xenbus.h>

#ifndef XNB_TRACE_ONCE
#define XNB_TRACE_ONCE
/* What the frontend of a connected vif can take. */
enum xnb_trace_feature {
	XNB_TRACE_SG = 1,
	XNB_TRACE_RX_NOTIFY = 2,
	XNB_TRACE_NO_CSUM_OFFLOAD = 4,
	XNB_TRACE_IPV6_CSUM_OFFLOAD = 8,
	XNB_TRACE_GSO_TCPV4 = 16,
	XNB_TRACE_GSO_TCPV6 = 32,
	XNB_TRACE_CTRL_RING = 64,
};

enum xnb_trace_checksum {
	XNB_TRACE_CSUM_NONE,
	XNB_TRACE_CSUM_BLANK,
	XNB_TRACE_CSUM_VALIDATED,
};
#endif

TRACE_DEFINE_ENUM(XenbusStateUnknown);
TRACE_DEFINE_ENUM(XenbusStateInitialising);
TRACE_DEFINE_ENUM(XenbusStateInitWait);
TRACE_DEFINE_ENUM(XenbusStateInitialised);
TRACE_DEFINE_ENUM(XenbusStateConnected);
TRACE_DEFINE_ENUM(XenbusStateClosing);
TRACE_DEFINE_ENUM(XenbusStateClosed);
TRACE_DEFINE_ENUM(XenbusStateReconfiguring);
TRACE_DEFINE_ENUM(XenbusStateReconfigured);

TRACE_DEFINE_ENUM(XNB_TRACE_SG);
TRACE_DEFINE_ENUM(XNB_TRACE_RX_NOTIFY);
TRACE_DEFINE_ENUM(XNB_TRACE_NO_CSUM_OFFLOAD);
TRACE_DEFINE_ENUM(XNB_TRACE_IPV6_CSUM_OFFLOAD);
TRACE_DEFINE_ENUM(XNB_TRACE_GSO_TCPV4);
TRACE_DEFINE_ENUM(XNB_TRACE_GSO_TCPV6);
TRACE_DEFINE_ENUM(XNB_TRACE_CTRL_RING);

TRACE_DEFINE_ENUM(XNB_TRACE_CSUM_NONE);
TRACE_DEFINE_ENUM(XNB_TRACE_CSUM_BLANK);
TRACE_DEFINE_ENUM(XNB_TRACE_CSUM_VALIDATED);

/* Events of a card: its node in xenstore, relative to dom0's home. */
DECLARE_EVENT_CLASS(vif,
	TP_PROTO(const struct xenbus_device *vif),
	TP_ARGS(vif),
	TP_STRUCT__entry(
		__string(node, vif->nodename)
	),
	TP_fast_assign(
		__assign_str(node);
	),
	TP_printk("node=%s", __get_str(node))
);

DEFINE_EVENT(vif, vif_create,
	TP_PROTO(const struct xenbus_device *vif),
	TP_ARGS(vif)
);

DEFINE_EVENT(vif, vif_disconnect,
	TP_PROTO(const struct xenbus_device *vif),
	TP_ARGS(vif)
);

DEFINE_EVENT(vif, vif_unrealize,
	TP_PROTO(const struct xenbus_device *vif),
	TP_ARGS(vif)
);

DEFINE_EVENT(vif, vif_destroy,
	TP_PROTO(const struct xenbus_device *vif),
	TP_ARGS(vif)
);

TRACE_EVENT(vif_realize,
	TP_PROTO(const struct xenbus_device *vif, const struct net_device *dev,
		 unsigned int max_queues),
	TP_ARGS(vif, dev, max_queues),
	TP_STRUCT__entry(
		__string(node, vif->nodename)
		__string(name, dev->name)
		__field(unsigned int, max_queues)
	),
	TP_fast_assign(
		__assign_str(node);
		__assign_str(name);
		__entry->max_queues = max_queues;
	),
	TP_printk("node=%s name=%s max_queues=%u",
		  __get_str(node), __get_str(name), __entry->max_queues)
);

TRACE_EVENT(vif_frontend_state,
	TP_PROTO(const struct xenbus_device *vif, unsigned int state),
	TP_ARGS(vif, state),
	TP_STRUCT__entry(
		__string(node, vif->nodename)
		__field(unsigned int, state)
	),
	TP_fast_assign(
		__assign_str(node);
		__entry->state = state;
	),
	TP_printk("node=%s state=%s", __get_str(node),
		  __print_symbolic(__entry->state,
				   { XenbusStateUnknown, "Unknown" },
				   { XenbusStateInitialising, "Initialising" },
				   { XenbusStateInitWait, "InitWait" },
				   { XenbusStateInitialised, "Initialised" },
				   { XenbusStateConnected, "Connected" },
				   { XenbusStateClosing, "Closing" },
				   { XenbusStateClosed, "Closed" },
				   { XenbusStateReconfiguring, "Reconfiguring" },
				   { XenbusStateReconfigured, "Reconfigured" }))
);

TRACE_EVENT(vif_connect,
	TP_PROTO(const struct xenbus_device *vif, unsigned int queues,
		 unsigned int features, unsigned int headroom),
	TP_ARGS(vif, queues, features, headroom),
	TP_STRUCT__entry(
		__string(node, vif->nodename)
		__field(unsigned int, queues)
		__field(unsigned int, features)
		__field(unsigned int, headroom)
	),
	TP_fast_assign(
		__assign_str(node);
		__entry->queues = queues;
		__entry->features = features;
		__entry->headroom = headroom;
	),
	TP_printk("node=%s queues=%u features=%s headroom=%u",
		  __get_str(node), __entry->queues,
		  __print_flags(__entry->features, "|",
				{ XNB_TRACE_SG, "sg" },
				{ XNB_TRACE_RX_NOTIFY, "rx-notify" },
				{ XNB_TRACE_NO_CSUM_OFFLOAD, "no-csum-offload" },
				{ XNB_TRACE_IPV6_CSUM_OFFLOAD, "ipv6-csum-offload" },
				{ XNB_TRACE_GSO_TCPV4, "gso-tcpv4" },
				{ XNB_TRACE_GSO_TCPV6, "gso-tcpv6" },
				{ XNB_TRACE_CTRL_RING, "ctrl-ring" }),
		  __entry->headroom)
);

/* A frontend is cut off; @fault says for what, as the error node does. */
TRACE_EVENT(vif_fatal,
	TP_PROTO(const struct xenbus_device *vif, const char *fault),
	TP_ARGS(vif, fault),
	TP_STRUCT__entry(
		__string(node, vif->nodename)
		__string(fault, fault)
	),
	TP_fast_assign(
		__assign_str(node);
		__assign_str(fault);
	),
	TP_printk("node=%s fault=\"%s\"", __get_str(node), __get_str(fault))
);

/*
 * A packet that went on: from the guest to the stack, or to the guest's
 * buffers. @slots are the ring entries that it took, extra info included.
 */
DECLARE_EVENT_CLASS(vif_packet,
	TP_PROTO(const struct net_device *dev, unsigned int queue, unsigned int len,
		 unsigned int slots, unsigned int checksum, unsigned int gso_type,
		 unsigned int gso_size),
	TP_ARGS(dev, queue, len, slots, checksum, gso_type, gso_size),
	TP_STRUCT__entry(
		__string(name, dev->name)
		__field(unsigned int, queue)
		__field(unsigned int, len)
		__field(unsigned int, slots)
		__field(unsigned int, checksum)
		__field(unsigned int, gso_type)
		__field(unsigned int, gso_size)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->queue = queue;
		__entry->len = len;
		__entry->slots = slots;
		__entry->checksum = checksum;
		__entry->gso_type = gso_type;
		__entry->gso_size = gso_size;
	),
	TP_printk("name=%s queue=%u len=%u slots=%u checksum=%s gso=%s gso_size=%u",
		  __get_str(name), __entry->queue, __entry->len, __entry->slots,
		  __print_symbolic(__entry->checksum,
				   { XNB_TRACE_CSUM_NONE, "none" },
				   { XNB_TRACE_CSUM_BLANK, "blank" },
				   { XNB_TRACE_CSUM_VALIDATED, "validated" }),
		  __print_symbolic(__entry->gso_type,
				   { XEN_NETIF_GSO_TYPE_NONE, "none" },
				   { XEN_NETIF_GSO_TYPE_TCPV4, "tcpv4" },
				   { XEN_NETIF_GSO_TYPE_TCPV6, "tcpv6" }),
		  __entry->gso_size)
);

DEFINE_EVENT(vif_packet, vif_guest_tx,
	TP_PROTO(const struct net_device *dev, unsigned int queue, unsigned int len,
		 unsigned int slots, unsigned int checksum, unsigned int gso_type,
		 unsigned int gso_size),
	TP_ARGS(dev, queue, len, slots, checksum, gso_type, gso_size)
);

DEFINE_EVENT(vif_packet, vif_guest_rx,
	TP_PROTO(const struct net_device *dev, unsigned int queue, unsigned int len,
		 unsigned int slots, unsigned int checksum, unsigned int gso_type,
		 unsigned int gso_size),
	TP_ARGS(dev, queue, len, slots, checksum, gso_type, gso_size)
);

/* A packet that was dropped, for the reason that "ethtool -S" counts it under. */
DECLARE_EVENT_CLASS(vif_error,
	TP_PROTO(const struct net_device *dev, unsigned int queue, const char *reason,
		 unsigned int reason_len),
	TP_ARGS(dev, queue, reason, reason_len),
	TP_STRUCT__entry(
		__string(name, dev->name)
		__field(unsigned int, queue)
		__string_len(reason, reason, reason_len)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->queue = queue;
		__assign_str(reason);
	),
	TP_printk("name=%s queue=%u reason=%s",
		  __get_str(name), __entry->queue, __get_str(reason))
);

DEFINE_EVENT(vif_error, vif_guest_tx_error,
	TP_PROTO(const struct net_device *dev, unsigned int queue, const char *reason,
		 unsigned int reason_len),
	TP_ARGS(dev, queue, reason, reason_len)
);

DEFINE_EVENT(vif_error, vif_guest_rx_error,
	TP_PROTO(const struct net_device *dev, unsigned int queue, const char *reason,
		 unsigned int reason_len),
	TP_ARGS(dev, queue, reason, reason_len)
);

#endif /* XNB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE xnb_trace
#include <trace/define_trace.h>
