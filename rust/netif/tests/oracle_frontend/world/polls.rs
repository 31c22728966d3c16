// SPDX-License-Identifier: GPL-2.0

//! The backend's part: each poll is worked out from what lies in the rings, then done and compared.

use super::World;
use crate::{
    backend::{
        Backend,
        PollTx,
        RxPoll,
        TxPoll, //
    },
    intent::Intent,
    oracle::{
        self,
        judge,
        Outcome, //
    },
    shared::{
        at,
        passes,
        size,
        tx_response,
        HostPacket,
        Page,
        FATAL_SLOTS, //
    }, //
};
use netif::{
    Checksum,
    Fault, //
};
use std::collections::BTreeMap;

#[derive(Default)]
struct RxExpectation {
    done: RxPoll,
    responses: Vec<[u32; 2]>,
    sent: Vec<HostPacket>,
    pages: BTreeMap<u32, Page>,
}

impl World {
    /// Attaches the backend, if there is none: `None` if the frontend is cut off for it.
    fn attach(&mut self) -> Option<()> {
        if self.backend.is_some() {
            return Some(());
        }
        let tx = self.tx.req_prod.wrapping_sub(self.tx.rsp_prod);
        let rx = self.rx.req_prod.wrapping_sub(self.rx.rsp_prod);
        match Backend::attach(&self.tx, &self.rx, self.sg) {
            Ok(backend) => {
                assert!(tx <= 256 && rx <= 256, "a lie passed: {tx} {rx}");
                self.backend = Some(backend);
                self.stats.count("attached");
                if tx + rx > 0 {
                    self.stats.count("attached in the middle");
                }
                Some(())
            }
            Err(fault) => {
                let lying = if tx > 256 {
                    (self.tx.req_prod, self.tx.rsp_prod)
                } else {
                    assert!(rx > 256, "cut off for no reason: {fault}");
                    (self.rx.req_prod, self.rx.rsp_prod)
                };
                let (req_prod, rsp_prod) = lying;
                assert_eq!(fault, Fault::RequestOverflow { req_prod, rsp_prod });
                self.cut_off(fault);
                None
            }
        }
    }

    /// Works out what a poll of guest Tx has to do, and books it.
    fn expect_tx(&mut self, op: &PollTx) -> Result<(TxPoll, Vec<(u16, i16)>), Fault> {
        let (cons, rsp) = self.tx_model;
        let req_prod = self.tx.req_prod;
        let posted = req_prod.wrapping_sub(rsp);
        let consumed = cons.wrapping_sub(rsp);
        if posted > 256 || posted < consumed {
            let rsp_prod = rsp;
            return Err(Fault::RequestOverflow { req_prod, rsp_prod });
        }
        let entries: Vec<_> = (consumed..posted)
            .map(|n| self.tx.entries[at(rsp.wrapping_add(n))])
            .collect();
        let mut rest = &entries[..];
        let mut done = TxPoll::default();
        let mut responses = Vec::new();
        let mut index = cons;
        for _ in 0..op.budget {
            if rest.is_empty() {
                break;
            }
            let intent = self.intents.remove(&index).filter(|_| !self.tampered);
            let verdict = judge(rest, FATAL_SLOTS).inspect_err(|_| {
                assert!(matches!(intent, None | Some(Intent::Lie)), "{intent:?}");
            })?;
            let (found, status) = match &verdict.outcome {
                Outcome::Packet {
                    slots, checksum, ..
                } => {
                    let bytes = |&(gref, offset, len): &oracle::Range| {
                        let page = self.pages.get(size(gref))?;
                        Some(&page[size(offset)..size(offset + len)])
                    };
                    match slots.iter().map(bytes).collect::<Option<Vec<_>>>() {
                        Some(data) => (Intent::Delivered(data.concat(), *checksum), 0),
                        None => (Intent::CopyFailed, -1),
                    }
                }
                Outcome::Multicast(_) => (Intent::Multicast, 0),
                Outcome::Dropped(reason) => (Intent::Dropped(*reason), -1),
            };
            if let Some(intent) = intent {
                assert_eq!(intent, found, "as the frontend means it");
                self.stats.count("meant and found");
            }
            match found {
                Intent::Delivered(data, checksum) => done.delivered.push((data, checksum)),
                Intent::Dropped(reason) => done.drops.push(reason),
                Intent::CopyFailed => self.stats.count("copy failed"),
                Intent::Multicast => self.stats.count("multicast"),
                Intent::Lie => unreachable!(),
            }
            let own = verdict.ids.iter().map(|id| match id {
                Some(id) => (*id, status),
                None => (0, 1),
            });
            responses.extend(own);
            rest = &rest[verdict.ids.len()..];
            index = index.wrapping_add(u32::try_from(verdict.ids.len()).unwrap());
        }
        self.tx_model.0 = index;
        done.again = !rest.is_empty();
        if op.push {
            let new = index;
            done.pushed = Some((rsp, new, passes(rsp, new, self.tx.rsp_event)));
        } else {
            done.again |= index != rsp;
        }
        Ok((done, responses))
    }

    pub(super) fn poll_tx(&mut self, op: &PollTx) {
        if !self.tx_event || self.attach().is_none() {
            return;
        }
        let expected = self.expect_tx(op);
        let scribble = self.scribble;
        let touch = |entry: &mut [u32; 3]| {
            if scribble {
                *entry = entry.map(|word| !word.rotate_left(7));
            }
        };
        let backend = self.backend.as_mut().unwrap();
        let done = backend.poll_tx(&mut self.tx, &self.pages, op, touch);
        let (expected, responses) = match expected {
            Ok(expected) => expected,
            Err(fault) => {
                assert_eq!(done, Err(fault), "a lie, and nothing else, is a fault");
                self.cut_off(fault);
                return;
            }
        };
        assert_eq!(done, Ok(expected), "one poll of guest Tx");
        let done = done.unwrap();

        self.deferred.extend(responses);
        if let Some((old, new, notify)) = done.pushed {
            for (i, &response) in (0..).zip(&self.deferred) {
                let words = self.tx.entries[at(old.wrapping_add(i))];
                assert_eq!(tx_response(words), response, "Tx response");
            }
            self.tx_expected.extend(self.deferred.drain(..));
            self.tx_model.1 = new;
            assert_eq!(self.tx.rsp_prod, new);
            self.tx_told |= notify;
            if notify {
                self.stats.count("notified of Tx");
            }
        }
        self.tx_event = done.again;
        for _ in done.delivered {
            self.stats.count("delivered");
        }
        for reason in done.drops {
            self.stats.count(reason.name());
        }
    }

    /// Works out what a poll of guest Rx has to do: the outcome, the responses, the packets that
    /// get through and the pages after it.
    fn expect_rx(&self) -> Result<RxExpectation, Fault> {
        let rsp = self.rx_model;
        let req_prod = self.rx.req_prod;
        let posted = req_prod.wrapping_sub(rsp);
        if posted > 256 {
            let rsp_prod = rsp;
            return Err(Fault::RequestOverflow { req_prod, rsp_prod });
        }
        let mut expected = RxExpectation::default();
        let mut index = rsp;
        for packet in &self.queue {
            if packet.data.len() > if self.sg { 65_535 } else { 4096 } {
                expected.done.refused += 1;
                continue;
            }
            let slots: Vec<_> = packet.data.chunks(4096).collect();
            if size(req_prod.wrapping_sub(index)) < slots.len() {
                break;
            }
            for (i, bytes) in slots.iter().enumerate() {
                let [word, gref] = self.rx.entries[at(index)];
                let mut flags = u32::from(i < slots.len() - 1) * 4;
                if i == 0 {
                    flags += match packet.checksum {
                        Checksum::None => 0,
                        Checksum::Validated => 1,
                        Checksum::Blank => 3,
                    };
                }
                let mut status = u32::try_from(bytes.len()).unwrap();
                match self.pages.get(size(gref)) {
                    Some(page) => {
                        let page = expected.pages.entry(gref).or_insert(*page);
                        page[..bytes.len()].copy_from_slice(bytes);
                    }
                    None => status = 0xffff,
                }
                let response = [word & 0xffff, flags | status << 16];
                expected.responses.push(response);
                index = index.wrapping_add(1);
            }
            expected.done.sent += 1;
            expected.sent.push(packet.clone());
        }
        expected.done.pushed = Some((rsp, index, passes(rsp, index, self.rx.rsp_event)));
        Ok(expected)
    }

    pub(super) fn poll_rx(&mut self) {
        if !self.rx_event || self.attach().is_none() {
            return;
        }
        let expected = self.expect_rx();
        let scribble = self.scribble;
        let touch = |entry: &mut [u32; 2]| {
            if scribble {
                *entry = entry.map(|word| !word.rotate_left(7));
            }
        };
        let mut written = Vec::new();
        let backend = self.backend.as_mut().unwrap();
        let done = backend.poll_rx(
            &mut self.rx,
            &mut self.pages,
            &mut self.queue,
            touch,
            |gref| written.push(gref),
        );
        let expected = match expected {
            Ok(expected) => expected,
            Err(fault) => {
                assert_eq!(done, Err(fault), "a lie, and nothing else, is a fault");
                self.cut_off(fault);
                return;
            }
        };
        assert_eq!(done, Ok(expected.done), "one poll of guest Rx");
        let (old, new, notify) = done.unwrap().pushed.unwrap();
        for (i, &response) in (0..).zip(&expected.responses) {
            let words = self.rx.entries[at(old.wrapping_add(i))];
            assert_eq!(words, response, "Rx response");
        }
        for gref in written {
            assert!(expected.pages.contains_key(&gref), "page {gref} is touched");
        }
        for (gref, page) in expected.pages {
            assert!(self.pages[size(gref)] == page, "bytes of page {gref}");
        }
        assert_eq!(self.rx.rsp_prod, new);
        self.rx_model = new;
        self.rx_expected.extend(expected.responses);
        self.sent.extend(expected.sent);
        self.rx_told |= notify;
        if notify {
            self.stats.count("notified of Rx");
        }
        self.rx_event = false;
    }
}
