// SPDX-License-Identifier: GPL-2.0

//! The frontend's part: posting requests and taking responses.

use super::World;
use crate::{
    intent::intent,
    ops::{
        Damage,
        Layout, //
    },
    shared::{
        at,
        passes,
        size,
        tx_response,
        BLANK, //
    }, //
};
use netif::{
    Checksum,
    RxRequest,
    RxResponse,
    TxRequest, //
};

impl World {
    /// Takes pages to post, if the ring and the memory have room for so many entries.
    fn pages_for(&mut self, entries: usize, outstanding: u32) -> Option<Vec<u32>> {
        if outstanding > 256 || size(256 - outstanding) < entries || self.free.len() < entries {
            return None;
        }
        let pages = self.free.split_off(self.free.len() - entries);
        for &page in &pages {
            self.pages[size(page)] = [BLANK; 4096];
        }
        Some(pages)
    }

    pub(super) fn post_tx(&mut self, layout: &Layout) {
        let lie = matches!(
            layout.damage,
            Damage::Cross(_) | Damage::NoEnd | Damage::BadExtra | Damage::Total(_)
        );
        let slots = layout.slots.len();
        if !self.hostile && (lie || slots > 21) {
            return;
        }
        let count = slots + layout.extras.len();
        let outstanding = self.tx_prod.wrapping_sub(self.tx_cons);
        let Some(pages) = self.pages_for(count, outstanding) else {
            return;
        };

        let sum: u32 = layout.slots.iter().map(|&(len, _)| u32::from(len)).sum();
        let mut total = u16::try_from(sum % 65_536).unwrap();
        if let Damage::Total(wrong) = layout.damage {
            total = wrong;
        }
        let mut data = Vec::new();
        let mut entries = Vec::new();
        let mut ungranted = false;
        for (i, &(len, seed)) in layout.slots.iter().enumerate() {
            let mut offset = seed % (4097 - len);
            let mut gref = pages[i];
            for byte in &mut self.pages[size(gref)][usize::from(offset)..][..usize::from(len)] {
                self.next_byte = self.next_byte.wrapping_mul(5).wrapping_add(73);
                *byte = self.next_byte;
                data.push(*byte);
            }
            match layout.damage {
                Damage::Cross(slot) if slot == i => offset = 4097 - len,
                Damage::Ungranted(slot) if slot == i => {
                    gref += 1_000_000;
                    ungranted |= len > 0;
                }
                _ => {}
            }
            let last = i == slots - 1;
            let mut flags = 0;
            if !last || matches!(layout.damage, Damage::NoEnd) {
                flags |= 4;
            }
            if i == 0 {
                flags |= layout.checksum;
                if !layout.extras.is_empty() {
                    flags |= 8;
                }
            }
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_mul(13).wrapping_add(5);
            let request = TxRequest {
                gref,
                offset,
                flags,
                id,
                size: if i == 0 { total } else { len },
            };
            entries.push(request.to_words());
            if i == 0 {
                let mut left = layout.extras.len();
                for &kind in &layout.extras {
                    left -= 1;
                    let kind = match layout.damage {
                        Damage::BadExtra if left == 0 => kind + 5,
                        _ => kind,
                    };
                    let more = u32::from(left > 0);
                    entries.push([u32::from(kind) | more << 8, 0xabcd, 0x1234]);
                }
            }
        }

        if let Some(intent) = intent(layout, sum, data, ungranted) {
            self.intents.insert(self.tx_prod, intent);
        }
        let old = self.tx_prod;
        for (entry, page) in entries.into_iter().zip(pages) {
            self.tx.entries[at(self.tx_prod)] = entry;
            let before = self.tx_pages[at(self.tx_prod)].replace(page);
            self.free.extend(before);
            self.tx_prod = self.tx_prod.wrapping_add(1);
        }
        self.tx.req_prod = self.tx_prod;
        self.tx_event |= passes(old, self.tx_prod, self.tx.req_event);
    }

    pub(super) fn post_rx(&mut self, count: u32, ungranted: bool) {
        let outstanding = self.rx_prod.wrapping_sub(self.rx_cons);
        let Some(pages) = self.pages_for(size(count), outstanding) else {
            return;
        };
        let old = self.rx_prod;
        for (i, page) in pages.into_iter().enumerate() {
            let gref = if ungranted && i == 1 {
                page + 1_000_000
            } else {
                page
            };
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_mul(13).wrapping_add(5);
            self.rx.entries[at(self.rx_prod)] = RxRequest { id, gref }.to_words();
            let before = self.rx_pages[at(self.rx_prod)].replace(page);
            self.free.extend(before);
            self.rx_prod = self.rx_prod.wrapping_add(1);
        }
        self.rx.req_prod = self.rx_prod;
        self.rx_event |= passes(old, self.rx_prod, self.rx.req_event);
    }

    pub(super) fn take_tx(&mut self, max: u32, ask: u32) {
        self.tx_told = false;
        for _ in 0..max {
            if self.tx_cons == self.tx.rsp_prod {
                break;
            }
            let expected = self.tx_expected.pop_front().unwrap();
            if !self.tampered {
                let words = self.tx.entries[at(self.tx_cons)];
                assert_eq!(tx_response(words), expected, "Tx response");
            }
            self.free.extend(self.tx_pages[at(self.tx_cons)].take());
            self.tx_cons = self.tx_cons.wrapping_add(1);
        }
        self.tx_ask = ask;
        self.tx.rsp_event = self.tx_cons.wrapping_add(ask);
        // The final check.
        self.tx_told = self.tx.rsp_prod.wrapping_sub(self.tx_cons) >= ask;
    }

    pub(super) fn take_rx(&mut self, max: u32, ask: u32) {
        self.rx_told = false;
        for _ in 0..max {
            if self.rx_cons == self.rx.rsp_prod {
                break;
            }
            let place = at(self.rx_cons);
            let expected = self.rx_expected.pop_front().unwrap();
            if !self.tampered {
                let words = self.rx.entries[place];
                assert_eq!(words, expected, "Rx response");
                self.receive(words, place);
            }
            self.free.extend(self.rx_pages[place].take());
            self.rx_cons = self.rx_cons.wrapping_add(1);
        }
        self.rx_ask = ask;
        self.rx.rsp_event = self.rx_cons.wrapping_add(ask);
        // The final check.
        self.rx_told = self.rx.rsp_prod.wrapping_sub(self.rx_cons) >= ask;
    }

    /// Puts a packet together from its slots, as a frontend does.
    fn receive(&mut self, words: [u32; 2], place: usize) {
        let response = RxResponse::from_words(words);
        let first = self.receiving.is_none();
        let packet = self.receiving.get_or_insert((Vec::new(), 0, true));
        if first {
            packet.1 = response.flags & 3;
        }
        assert_eq!(response.offset, 0);
        match usize::try_from(response.status) {
            Ok(len) => {
                let page = &self.pages[size(self.rx_pages[place].unwrap())];
                packet.0.extend_from_slice(&page[..len]);
                assert!(page[len..].iter().all(|&byte| byte == BLANK));
            }
            Err(_) => packet.2 = false,
        }
        if response.flags & 4 == 0 {
            let (data, checksum, whole) = self.receiving.take().unwrap();
            let sent = self.sent.pop_front().expect("a packet was sent");
            if whole {
                assert!(data == sent.data, "bytes for the guest");
                let flags = match sent.checksum {
                    Checksum::None => 0,
                    Checksum::Validated => 1,
                    Checksum::Blank => 3,
                };
                assert_eq!(checksum, flags);
                self.stats.count("received");
            } else {
                self.stats.count("received in part");
            }
        }
    }
}
