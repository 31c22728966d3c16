# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The machine the tests run in: is it a dom0, which driver is loaded, what the
# kernel said, what a test left behind.

# What the tests call things, so that leftovers can be told from the machine's
# own interfaces. Where there are several guests, a number follows.
TEST_BRIDGE=xnbt-br
TEST_NETNS=xnbt-front
TEST_GUEST=xnbt-guest

# now: the time in milliseconds, in NOW. Without a process: one costs a tenth of
# a second in an emulated machine.
now() {
	# shellcheck disable=SC2034 # for the caller
	NOW=$((${EPOCHREALTIME/[.,]/} / 1000))
}

# host_ready: 0 if the tests can run here; otherwise says why not.
host_ready() {
	local tool
	[ "$(id -u)" = 0 ] || { echo "not root"; return 1; }
	for tool in xenstore-read xenstore-write xenstore-rm ip ethtool python3 ping modprobe; do
		command -v "$tool" > /dev/null || { echo "no $tool"; return 1; }
	done
	[ "$(cat /sys/hypervisor/type 2> /dev/null)" = xen ] || { echo "not running on Xen"; return 1; }
	timeout 10 xenstore-read domid > /dev/null 2>&1 || { echo "xenstored does not answer"; return 1; }
}

# other_drivers: the network backends that are not under test.
other_drivers() {
	case $DRIVER in
	xen_netback_rs) echo xen_netback ;;
	*) echo xen_netback_rs ;;
	esac
}

driver_loaded() {
	[ -d "/sys/module/${1//-/_}" ]
}

# driver_load [PARAMETER=VALUE...]: have $DRIVER loaded, with exactly these
# parameters, and the other backend not.
driver_load() {
	local other
	for other in $(other_drivers); do
		! driver_loaded "$other" || modprobe -r "$other" || return 1
	done
	if driver_loaded "$DRIVER"; then
		[ $# -gt 0 ] || return 0
		modprobe -r "$DRIVER" || return 1
	fi
	# Without modprobe's configuration: it may load the other one first.
	modprobe -C /dev/null "$DRIVER" "$@"
}

# The name under which the driver registers with xenbus is its own affair;
# this is whoever serves the device.
backend_driver_of() {
	basename "$(readlink "/sys/bus/xen-backend/devices/$1/driver")" 2> /dev/null
}

kernel_log_mark() {
	echo "selftests: $1" > /dev/kmsg
}

# kernel_log_since MARK: the kernel log from the last such mark on.
kernel_log_since() {
	dmesg | awk -v mark="selftests: $1" '
		substr($0, length($0) - length(mark) + 1) == mark { text = ""; found = 1; next }
		{ text = text $0 "\n" }
		END { if (!found) print "(the mark of this test has left the kernel log)"; printf "%s", text }'
}

# kernel_trouble_since MARK: lines of the log that mean trouble.
kernel_trouble_since() {
	kernel_log_since "$1" | "$SELFTESTS/trouble" | head -n 20
}

skip_reason() {
	cat "$SKIP_REASON_FILE"
}

# leftovers: what no test may leave: interfaces, namespaces, guests, nodes.
leftovers() {
	local path
	for path in /sys/class/net/vif* "/sys/class/net/$TEST_BRIDGE" \
		/sys/bus/xen-backend/devices/vif-* /sys/bus/xen/devices/vif-* \
		"/run/netns/$TEST_NETNS"; do
		[ ! -e "$path" ] || echo -n "$path "
	done
	for path in backend/vif device/vif; do
		xenstore-ls -f "$path" 2> /dev/null | tr '\n' ' '
	done
	! command -v xl > /dev/null ||
		xl list 2> /dev/null | awk -v name="$TEST_GUEST" 'index($1, name) == 1 { printf "guest %s ", $1 }'
}
