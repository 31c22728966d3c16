#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""One guest with 16 cards: all connect, all carry traffic at the same time, each
has the event channels that its frontend asked for; half of them are detached one
by one, the others go with the guest, and nothing is left."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import BRIDGE, Bridge, Guest, event_channels, interrupts, together, xl  # noqa: E402
from ipcheck import ping_sizes  # noqa: E402
from netdev import run  # noqa: E402
from report import Report, wait_for  # noqa: E402

CARDS = range(16)
DETACHED = CARDS[1::2]
SMALL = [0, 57, 1000]
SIZES = [0, 57, 1472, 1473, 4096, 16384, 65507]
MTU = 1500


def address(card, end):
    """A network for each card, so that routes tell them apart."""
    return f"10.9.{card + 16}.{end}"


def ping_all(cards):
    """Echoes of dom0: small ones through all the cards at once, and all sizes
    through one after the other, since a CPU of the guest's answers with one socket
    that has room for two large echoes. What went wrong, or nothing."""
    failures = together(lambda card: ping_sizes(None, address(card, 2), SMALL), cards)
    failures += [ping_sizes(None, address(card, 2), SIZES) for card in cards]
    return "; ".join(f"card {card}: {why}" for card, why in zip(list(cards) * 2, failures) if why)


def fragments(octets):
    """Frames that an echo of so many bytes goes in."""
    return -(-(octets + 8) // (MTU - 20))


def traffic(report, guest, cards, what):
    before = [guest.vif(card).counters() for card in cards]
    why = ping_all(cards)
    report.check(f"echoes of 0 to 65507 bytes through {len(cards)} cards{what}", not why, why)
    frames = sum(map(fragments, SMALL + SIZES))
    wrong = []
    for card, start in zip(cards, before):
        grown = [b - a for a, b in zip(start, guest.vif(card).counters())]
        if grown[1] < frames or grown[2] or grown[6]:
            wrong.append(f"{guest.vif(card).name}: {grown}")
    report.check(f"each card has carried its own{what}", not wrong,
                 f"want {frames} frames of the guest at least, no errors: {'; '.join(wrong)}")


def event_keys(guest, card):
    """The number of event channels that the frontend of this card has named."""
    return len(re.findall("/event-channel[^/]* = ", run("xenstore-ls", "-f", guest.front_path(card))))


def test(report):
    channels = event_channels()
    Bridge(report)
    for card in CARDS:
        run("ip", "address", "add", f"{address(card, 1)}/24", "dev", BRIDGE)
    guest = Guest(report, memory=192, vcpus=2, vif=[
        f"mac=00:16:3e:0a:0d:{card:02x},bridge={BRIDGE}" for card in CARDS])
    report.need("xl create with 16 cards", guest.create())
    report.need("the guest boots", guest.booted())
    # An address is answered for by the card that has it, and no other.
    guest.sh("echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
    for card in CARDS:
        guest.net_up(card, address(card, 2))
    report.need("all are Connected", all(guest.connected(card) for card in CARDS),
                [guest.back_read("state", card) for card in CARDS])
    report.check("all are on the bridge", all(Bridge.has(guest.vif(card)) for card in CARDS))
    macs = guest.sh("cat /sys/class/net/eth*/address").split()
    report.equal("each has the toolstack's MAC in the guest", sorted(macs),
                 [f"00:16:3e:0a:0d:{card:02x}" for card in CARDS])

    wrong = [f"card {card}: {len(interrupts(guest.vif(card).name + '-'))} interrupts, "
             f"{event_keys(guest, card)} event channels" for card in CARDS
             if len(interrupts(guest.vif(card).name + "-")) != event_keys(guest, card)]
    report.check("each event channel of a frontend is an interrupt of its card", not wrong, "; ".join(wrong))
    report.check("a card has some", event_keys(guest, 0) > 0)
    traffic(report, guest, CARDS, "")

    rest = [card for card in CARDS if card not in DETACHED]
    for card in DETACHED:
        xl("network-detach", guest.name, str(card))
    left = wait_for(10, lambda: not [card for card in DETACHED if os.path.exists(
        f"/sys/class/net/{guest.vif(card).name}") or interrupts(guest.vif(card).name + "-")])
    report.check("8 cards are detached one by one", left)
    report.equal("the guest has lost them", guest.sh("ls -d /sys/class/net/eth* | wc -l").strip(), "8")
    traffic(report, guest, rest, ", the others detached")

    xl("destroy", guest.name)
    why = guest.gone()
    report.check("the guest is destroyed with 8 cards, and nothing is left", not why, why)
    report.check("dom0 has as many event channels as before",
                 wait_for(10, lambda: event_channels() == channels),
                 f"{channels} before, {event_channels()} now")


if __name__ == "__main__":
    Report().run(test)
