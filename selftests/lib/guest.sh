# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest made by xl, on a bridge that Xen's own hotplug script fills. The
# contract with the guest's image is in README.md: a root shell on hvc0, nothing
# of the network set up. dom0 is 10.9.9.1 on the bridge, the guest 10.9.9.2.

# shellcheck source=lib/test.sh
. "$(dirname "${BASH_SOURCE[0]}")/test.sh"

GUEST_MAC=00:16:3e:0a:0b:01
DOM0_IP=10.9.9.1
GUEST_IP=10.9.9.2
GUEST_BOOT_LIMIT=180

guest_domid() { xl domid "$TEST_GUEST" 2> /dev/null; }
guest_exists() { [ -n "$(guest_domid)" ]; }

# guest_vif [DEVICE]: the name of its interface in dom0.
guest_vif() { echo "vif$(guest_domid).${1:-0}"; }

backend_path() { echo "/local/domain/0/backend/vif/$1/${2:-0}"; }

back_state() { xenstore-read "$(backend_path "$@")/state" 2> /dev/null; }
back_state_is() { [ "$(back_state "$1" "$2")" = "$3" ]; }

# guest_needs: skips the test where there is no guest to be had.
guest_needs() {
	[ -e "$GUEST_KERNEL" ] || skip_all "no guest kernel ($GUEST_KERNEL)"
	[ -e "$GUEST_RAMDISK" ] || skip_all "no guest ramdisk ($GUEST_RAMDISK)"
	command -v xl > /dev/null || skip_all "no xl"
}

bridge_up() {
	at_exit bridge_down
	ip link add "$TEST_BRIDGE" type bridge forward_delay 0 &&
		sysctl -q -w "net.ipv6.conf.$TEST_BRIDGE.disable_ipv6=1" &&
		ip addr add "$DOM0_IP/24" dev "$TEST_BRIDGE" &&
		ip link set "$TEST_BRIDGE" up
}

bridge_down() { ip link del "$TEST_BRIDGE"; }

# guest_create [VIF]: boot the guest; VIF is what the vif line of its
# configuration says, or "none".
guest_create() {
	local vif=${1:-mac=$GUEST_MAC,bridge=$TEST_BRIDGE}
	{
		echo "name='$TEST_GUEST'"
		echo "type='$GUEST_TYPE'"
		echo "kernel='$GUEST_KERNEL'"
		echo "ramdisk='$GUEST_RAMDISK'"
		echo "memory=192"
		echo "vcpus=1"
		echo "extra='console=hvc0 quiet'"
		[ "$vif" = none ] || echo "vif=['$vif']"
	} > "$SCRATCH/guest.cfg"
	at_exit guest_remove
	bounded 120 xl create "$SCRATCH/guest.cfg"
}

guest_remove() {
	guest_exists || return 0
	bounded 40 xl destroy "$TEST_GUEST"
}

# guest_sh COMMAND...: in the guest's shell, on its console.
guest_sh() {
	python3 -I -S "$TOOLS/console.py" "$(guest_domid)" "${GUEST_SH_LIMIT:-30}" "$*"
}

guest_booted() { python3 -I -S "$TOOLS/console.py" "$(guest_domid)" "$GUEST_BOOT_LIMIT"; }

# guest_net_up [INTERFACE]: what the guest's own init scripts would do.
guest_net_up() {
	local dev=${1:-eth0}
	# One line, since each costs a round trip of the console. The loop is for
	# the interface, which comes when the two drivers are done.
	guest_sh "dmesg -n 1; [ -d /sys/bus/xen/drivers/vif ] || modprobe xen-netfront;" \
		"i=0; until [ -e /sys/class/net/$dev ] || [ \$i -ge 100 ]; do sleep 0.1; i=\$((i+1)); done;" \
		"echo 1 > /proc/sys/net/ipv6/conf/$dev/disable_ipv6;" \
		"ip addr replace $GUEST_IP/24 dev $dev && ip link set $dev up"
}

guest_answers() { ping -n -q -c 1 -W 1 "$GUEST_IP"; }

# guest_ready: a bridge, a guest on it that answers, or the test is given up.
guest_ready() {
	guest_needs
	check "bridge" bridge_up || exit 1
	check "xl create" guest_create "$@" || exit 1
	check "the guest boots" guest_booted || exit 1
	check "the guest configures its interface" guest_net_up || exit 1
	check "the guest answers" wait_for 20 guest_answers || exit 1
}

carrier_is() { [ "$(< "/sys/class/net/$1/carrier")" = "$2" ]; }

# peer ARGUMENTS...: the dom0 end of a connection with the guest.
peer() { python3 -S -E "$TOOLS/stream_peer.py" "$@"; }

# guest_stream up|down OCTETS: a connection through the bridge that carries so
# many bytes out of the guest or into it, compared by their hashes.
guest_stream() {
	local way=$1 octets=$2 port=5300 here there
	case $way in
	down)
		guest_sh "(nc -l -p $port < /dev/null | sha256sum > /tmp/sum) &" || return 1
		here=$(peer send "$GUEST_IP" "$port" "$octets" 60) || return 1
		there=$(guest_sh "i=0; until [ -s /tmp/sum ] || [ \$i -ge 100 ]; do sleep 0.1; i=\$((i+1)); done;" \
			"cat /tmp/sum; rm -f /tmp/sum")
		;;
	up)
		background peer receive "$DOM0_IP" "$port" "$octets" 60
		there=$(GUEST_SH_LIMIT=60 guest_sh "head -c $octets /dev/urandom > /tmp/stream; sha256sum < /tmp/stream;" \
			"i=0; until nc $DOM0_IP $port < /tmp/stream || [ \$i -ge 50 ]; do sleep 0.1; i=\$((i+1)); done;" \
			"rm -f /tmp/stream") || return 1
		wait "$BACKGROUND"
		here=$(< "$SCRATCH/background.$_background")
		;;
	esac
	echo "in dom0 '$here', in the guest '$there'"
	[ -n "$here" ] && [ "$here" = "${there%% *}" ]
}

# bridge_has INTERFACE
bridge_has() { [ -e "/sys/class/net/$TEST_BRIDGE/brif/$1" ]; }

xenstore_has_no_vif() { [ -z "$(xenstore-list "/local/domain/0/backend/vif/$1" 2> /dev/null)" ]; }
