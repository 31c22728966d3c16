# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A vif whose frontend is xen-netfront in this same domain, in a network
# namespace of its own: real rings, grants and event channels without a guest.
# The backend's end is 10.8.HANDLE.1, the frontend's 10.8.HANDLE.2.

# shellcheck source=lib/test.sh
. "$(dirname "${BASH_SOURCE[0]}")/test.sh"
# shellcheck source=lib/xenstore.sh
. "$SELFTESTS/lib/xenstore.sh"

# Xen moves a page for which an auto-translated domain maps a grant of its own to
# where it is mapped: the frontend's end of the ring would be gone.
case $(cat /sys/hypervisor/guest_type) in
PVH | HVM) skip_all "a $(cat /sys/hypervisor/guest_type) domain cannot be its own frontend" ;;
esac

NETFRONT_SYSFS=/sys/bus/xen/drivers/vif

back_ip() { echo "10.8.$1.1"; }
front_ip() { echo "10.8.$1.2"; }

# in_front COMMAND...: run it where the frontend's interface is.
in_front() { ip netns exec "$TEST_NETNS" "$@"; }

carrier_is() { [ "$(cat "/sys/class/net/$1/carrier" 2> /dev/null)" = "$2" ]; }
front_carrier_is() { [ "$(in_front cat /sys/class/net/eth0/carrier 2> /dev/null)" = "$1" ]; }

# vif_attach HANDLE [KEY=VALUE...]: as vif_nodes, and cleaned up in the end.
vif_attach() {
	modprobe xen-netfront || return 1
	at_exit vif_detach "$1"
	vif_nodes "$@"
}

# vif_attach_bare HANDLE [KEY=VALUE...]: without a driver at the frontend's end.
# The test plays the frontend itself, or calls netfront_bind when it likes.
vif_attach_bare() {
	at_exit write_to /sys/bus/xen/drivers_autoprobe 1
	write_to /sys/bus/xen/drivers_autoprobe 0
	vif_attach "$@" && wait_for 10 test -e "/sys/bus/xen/devices/vif-$1"
}

# netfront_interface HANDLE: netfront's interface where it was created. sysfs
# shows the interfaces of the reader's namespace only, hence both are asked.
netfront_interface() {
	local found
	found=$(ls "/sys/bus/xen/devices/vif-$1/net" 2> /dev/null)
	[ -n "$found" ] && echo "$found"
}

# front_move HANDLE: netfront's interface into the namespace, as eth0.
front_move() {
	local name
	wait_for 10 netfront_interface "$1" || { echo "netfront made no interface"; return 1; }
	name=$(netfront_interface "$1")
	if [ ! -e "/run/netns/$TEST_NETNS" ]; then
		ip netns add "$TEST_NETNS" || return 1
		in_front ip link set lo up
	fi
	ip link set "$name" netns "$TEST_NETNS" name eth0
}

# No frames but the test's own: the kernel's neighbour and multicast chatter
# would spoil exact counts.
front_quiet() {
	in_front sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1
}

back_quiet() {
	sysctl -q -w "net.ipv6.conf.$(vif_name "$1").disable_ipv6=1"
}

# front_up HANDLE: address and link of the frontend's end.
front_up() {
	front_quiet
	in_front ip addr replace "$(front_ip "$1")/24" dev eth0 && in_front ip link set eth0 up
}

back_up() {
	back_quiet "$1"
	ip addr replace "$(back_ip "$1")/24" dev "$(vif_name "$1")" &&
		ip link set "$(vif_name "$1")" up
}

# vif_up HANDLE: wait until both ends are Connected and give them addresses.
vif_up() {
	wait_back_state 15 "$1" Connected ||
		{ echo "backend state is $(back_read "$1" state), want Connected"; return 1; }
	front_move "$1" && back_up "$1" && front_up "$1" || return 1
	wait_for 15 carrier_is "$(vif_name "$1")" 1 || { echo "no carrier at $(vif_name "$1")"; return 1; }
	wait_for 15 front_carrier_is 1 || { echo "no carrier at netfront"; return 1; }
}

# vif_ready HANDLE [KEY=VALUE...]: attach and up, or give the test up.
vif_ready() {
	vif_attach "$@" || give_up "attach vif $1"
	check "vif $1 connects" vif_up "$1" || exit 1
}

netfront_bound() { [ -e "$NETFRONT_SYSFS/vif-$1" ]; }

# Both of these talk to the other end and wait for it, in the kernel.
netfront_unbind() { bounded 20 write_to "$NETFRONT_SYSFS/unbind" "vif-$1"; }
netfront_bind() { bounded 20 write_to "$NETFRONT_SYSFS/bind" "vif-$1"; }

# vif_detach HANDLE: take the vif away as the toolstack does, but with the
# frontend unbound by hand: were netfront removed by the watch on its node, it
# would wait for a backend that is served by the same xenwatch thread.
vif_detach() {
	local handle=$1 status=0
	back_read "$handle" state > /dev/null && back_write "$handle" online 0
	if netfront_bound "$handle"; then
		netfront_unbind "$handle" || status=1
	elif ! backend_gone "$handle" && [ -n "$(front_read "$handle" backend)" ]; then
		front_write "$handle" state "${XENBUS_STATE[Closed]}"
	fi
	wait_for 10 backend_gone "$handle" || { echo "the backend device stays after online=0"; status=1; }
	vif_nodes_remove "$handle"
	wait_for 10 backend_gone "$handle" || { echo "the backend device stays after its node is gone"; status=1; }
	wait_for 10 frontend_gone "$handle" || { echo "the frontend device stays"; status=1; }
	if [ -e "/run/netns/$TEST_NETNS" ] && ! in_front ip link show eth0 > /dev/null 2>&1; then
		ip netns del "$TEST_NETNS"
	fi
	return "$status"
}

# counter HANDLE NAME: one of the vif's netdev statistics.
counter() { cat "/sys/class/net/$(vif_name "$1")/statistics/$2"; }
front_counter() { in_front cat "/sys/class/net/eth0/statistics/$1"; }

spurious_events() {
	cat "/sys/bus/xen-backend/devices/$(backend_device "$1")/xenbus/spurious_events"
}

pings() { ping -n -q -c "${3:-1}" -W 2 -s "${2:-56}" "$(front_ip "$1")" > /dev/null; }
