#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
#
# The guest reboots: the same configuration, a new domain, a new vif; and the
# old one's is gone.
. "$(dirname "$0")/../lib/guest.sh"

guest_ready
old=$(guest_domid)
old_vif=$(guest_vif)

guest_is_new() {
	local now
	now=$(guest_domid)
	[ -n "$now" ] && [ "$now" != "$old" ]
}

# The shell is gone with the guest, so there is no answer to this; nor does a
# bare busybox have an init that "reboot" could ask.
GUEST_SH_LIMIT=3 guest_sh "sync; reboot -f" > /dev/null 2>&1
check "xl makes a new domain" wait_for 60 guest_is_new || exit 1
check "$old_vif is gone" wait_for 10 not test -e "/sys/class/net/$old_vif"
check "its nodes are gone" wait_for 10 xenstore_has_no_vif "$old"
vif=$(guest_vif)
check "the guest boots again" guest_booted || exit 1
check "the guest configures its interface" guest_net_up
check "$vif is on the bridge" bridge_has "$vif"
check "backend is Connected" wait_for 10 back_state_is "$(guest_domid)" 0 4
check "the guest answers" wait_for 20 guest_answers
done_testing
