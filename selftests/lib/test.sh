# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every test is written with: results in KTAP, conditions with a deadline,
# cleaning up in any case. A test file sources this first and ends with "done_testing".

: "${SELFTESTS:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${DRIVER:=xen_netback_rs}"
export SELFTESTS DRIVER
# shellcheck source=lib/host.sh
. "$SELFTESTS/lib/host.sh"

export TOOLS=$SELFTESTS/tools
_results=0
_failures=0
_expected_from_c=''
_cleanups=()
SCRATCH=$(mktemp -d)

# --- results ---------------------------------------------------------------

# note TEXT: a diagnostic line.
note() {
	local text=$*
	text=${text%$'\n'}
	printf '# %s\n' "${text//$'\n'/$'\n'# }"
}

pass() {
	_results=$((_results + 1))
	echo "ok $_results $1"
	[ -z "$_expected_from_c" ] || note "the C driver was expected to fail this: $_expected_from_c"
	_expected_from_c=''
}

# fail NAME [WHY...]
fail() {
	local name=$1
	shift
	_results=$((_results + 1))
	[ $# -eq 0 ] || note "$*"
	if [ -n "$_expected_from_c" ]; then
		echo "ok $_results $name # XFAIL the C driver: $_expected_from_c"
	else
		echo "not ok $_results $name"
		_failures=$((_failures + 1))
	fi
	_expected_from_c=''
}

# c_fails REASON: the next result is known to be a failure with the C driver,
# and it is then reported as such. It changes nothing for any other driver.
c_fails() {
	[ "$DRIVER" != xen-netback ] || _expected_from_c=$*
}

# check NAME COMMAND...: passes if the command does; its output is shown if not.
# The command runs in this shell, so it may call at_exit.
check() {
	local name=$1 status
	shift
	"$@" > "$SCRATCH/output" 2>&1
	status=$?
	if [ "$status" = 0 ]; then
		pass "$name"
	else
		fail "$name" "$* -> status $status
$(< "$SCRATCH/output")"
	fi
	return "$status"
}

check_eq() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got '$2', want '$3'"
		return 1
	fi
}

# give_up NAME [WHY...]: a failure after which nothing else makes sense.
give_up() {
	fail "$@"
	exit 1
}

# skip_all REASON
skip_all() {
	[ -z "${SKIP_REASON_FILE:-}" ] || echo "$*" > "$SKIP_REASON_FILE"
	note "skipped: $*"
	exit 4
}

done_testing() {
	exit $((_failures > 0))
}

# --- waiting ---------------------------------------------------------------

# wait_for SECONDS COMMAND...: until the command succeeds; fails at the deadline.
wait_for() {
	local end
	now
	end=$((NOW + $1 * 1000))
	shift
	until "$@" > /dev/null 2>&1; do
		now
		[ "$NOW" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# bounded SECONDS COMMAND...: run it, but stop waiting for it at the deadline.
# For commands that may hang in the kernel, where no signal reaches them.
bounded() {
	local seconds=$1 pid
	shift
	"$@" &
	pid=$!
	if ! wait_for "$seconds" not kill -0 "$pid"; then
		echo "'$*' did not end within $seconds s"
		return 124
	fi
	wait "$pid"
}

not() {
	! "$@"
}

write_to() {
	echo "$2" > "$1"
}

# --- cleaning up -----------------------------------------------------------

# at_exit COMMAND...: run when the test ends, however it ends; the last first.
at_exit() {
	local command
	printf -v command '%q ' "$@"
	_cleanups=("$command" "${_cleanups[@]}")
}

_clean_up() {
	local status=$? command
	trap - EXIT
	trap '' TERM INT
	for command in "${_cleanups[@]}"; do
		eval "$command" > "$SCRATCH/output" 2>&1 ||
			note "cleaning up: $command failed
$(< "$SCRATCH/output")"
	done
	rm -rf "$SCRATCH"
	exit "$status"
}
trap _clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# background COMMAND...: start it; it is stopped at the end. Sets BACKGROUND.
background() {
	_background=$((_background + 1))
	"$@" > "$SCRATCH/background.$_background" 2>&1 &
	BACKGROUND=$!
	at_exit stop_background "$BACKGROUND"
}
_background=0

stop_background() {
	kill "$1" 2> /dev/null
	wait "$1" 2> /dev/null
	return 0
}
