// SPDX-License-Identifier: GPL-2.0

//! What an honest frontend means by a packet, worked out without looking at ring entries.

use crate::ops::{
    Damage,
    Layout, //
};
use netif::{
    Checksum,
    Drop, //
};

/// What a frontend expects of the packet that it posted, by its own lights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Intent {
    Delivered(Vec<u8>, Checksum),
    CopyFailed,
    Multicast,
    Dropped(Drop),
    Lie,
}

/// What the frontend knows of a packet that it makes; nothing if it leaves that to the rules.
pub(crate) fn intent(layout: &Layout, sum: u32, data: Vec<u8>, ungranted: bool) -> Option<Intent> {
    let further = layout.slots.len() - 1;
    let wrapped = sum > 65_535;
    match layout.damage {
        Damage::Nothing | Damage::Ungranted(_) => {}
        Damage::Cross(slot) => {
            let seen = if slot == 0 {
                layout.extras.is_empty() && further <= 18 && sum >= 14
            } else {
                slot <= further.min(18)
            };
            return (seen && !wrapped && further <= 20).then_some(Intent::Lie);
        }
        Damage::BadExtra if !layout.extras.is_empty() => return Some(Intent::Lie),
        Damage::BadExtra => {}
        Damage::Total(_) | Damage::NoEnd => return None,
    }
    Some(if further > 20 {
        Intent::Lie
    } else if !layout.extras.is_empty() {
        // That takes the rules.
        return None;
    } else if further > 18 {
        if wrapped {
            return None;
        }
        Intent::Dropped(Drop::TooManySlots)
    } else if wrapped {
        // A size of 16 bits cannot say 64 KiB, and the slots are then too long for it.
        Intent::Dropped(Drop::SlotExceedsPacket)
    } else if sum < 14 {
        Intent::Dropped(Drop::TooShort)
    } else if ungranted {
        Intent::CopyFailed
    } else {
        let checksum = match layout.checksum {
            0 => Checksum::None,
            2 => Checksum::Validated,
            _ => Checksum::Blank,
        };
        Intent::Delivered(data, checksum)
    })
}
