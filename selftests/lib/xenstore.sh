# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A vif as the toolstack makes it, in xenstore, with this domain at both ends.

DOMID=$(xenstore-read domid 2> /dev/null || echo 0)
FRONT_MAC=00:16:3e:00:00

# The states of xenbus, by the names of the protocol.
declare -gA XENBUS_STATE=([Unknown]=0 [Initialising]=1 [InitWait]=2 [Initialised]=3
	[Connected]=4 [Closing]=5 [Closed]=6 [Reconfiguring]=7 [Reconfigured]=8)

frontend_path() { echo "/local/domain/$DOMID/device/vif/$1"; }
backend_path() { echo "/local/domain/$DOMID/backend/vif/$DOMID/$1"; }
error_path() { echo "/local/domain/$DOMID/error/backend/vif/$DOMID/$1/error"; }
vif_name() { echo "vif$DOMID.$1"; }
front_mac() { printf '%s:%02x\n' "$FRONT_MAC" "$1"; }
backend_device() { echo "vif-$DOMID-$1"; }

# front KEY / back KEY / of vif HANDLE: one value, empty if absent.
front_read() { xenstore-read "$(frontend_path "$1")/$2" 2> /dev/null; }
back_read() { xenstore-read "$(backend_path "$1")/$2" 2> /dev/null; }
front_write() { xenstore-write "$(frontend_path "$1")/$2" "$3"; }
back_write() { xenstore-write "$(backend_path "$1")/$2" "$3"; }

# back_state_is HANDLE NAME, front_state_is HANDLE NAME
back_state_is() { [ "$(back_read "$1" state)" = "${XENBUS_STATE[$2]}" ]; }
front_state_is() { [ "$(front_read "$1" state)" = "${XENBUS_STATE[$2]}" ]; }

wait_back_state() { wait_for "$1" back_state_is "$2" "$3"; }

# vif_nodes HANDLE [KEY=VALUE...]: write the nodes of a new vif, both ends, as
# the toolstack does. A KEY that begins with "front/" goes to the frontend.
# hotplug-status is "connected" unless given: no script runs for these vifs.
vif_nodes() {
	local handle=$1 pair key front back mac
	local -A node=()
	shift
	front=$(frontend_path "$handle") back=$(backend_path "$handle") mac=$(front_mac "$handle")
	node=([frontend]=$front [frontend-id]=$DOMID [online]=1 [handle]=$handle [mac]=$mac
		[script]=/bin/true [hotplug-status]=connected [state]=1
		[front/backend]=$back [front/backend-id]=$DOMID [front/handle]=$handle
		[front/mac]=$mac [front/state]=1)
	for pair in "$@"; do
		node[${pair%%=*}]=${pair#*=}
	done
	local words=()
	for key in "${!node[@]}"; do
		case $key in
		state | front/state) ;;
		front/*) words+=("$front/${key#front/}" "${node[$key]}") ;;
		*) words+=("$back/$key" "${node[$key]}") ;;
		esac
	done
	# The states come last: they are what wakes the two drivers.
	xenstore-write "${words[@]}" "$front/state" "${node[front/state]}" "$back/state" "${node[state]}"
}

vif_nodes_remove() {
	local path
	# The backend's side first: a netfront that waits for the backend's state
	# then sees it gone.
	for path in "$(backend_path "$1")" "$(frontend_path "$1")" "$(dirname "$(error_path "$1")")"; do
		xenstore-exists "$path" 2> /dev/null && xenstore-rm -t "$path"
	done
	return 0
}

backend_gone() { [ ! -e "/sys/bus/xen-backend/devices/$(backend_device "$1")" ]; }
frontend_gone() { [ ! -e "/sys/bus/xen/devices/vif-$1" ]; }
