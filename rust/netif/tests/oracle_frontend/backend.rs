// SPDX-License-Identifier: GPL-2.0

//! The backend: the driver's loops without the driver.

use crate::shared::{
    size,
    HostPacket,
    Page,
    Shared,
    BLANK,
    FATAL_SLOTS, //
};
use netif::{
    ring::must_notify,
    rx_plan::{
        Accepts,
        Headroom,
        Plan, //
    },
    tx_chain::parse,
    Answers,
    BackRing,
    Checksum,
    Drop,
    Fault,
    Gather,
    Request,
    RxRequest, //
};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct PollTx {
    /// Packets.
    pub(crate) budget: usize,
    /// Responses are pushed; else they wait for the next poll.
    pub(crate) push: bool,
    /// Where in a page the backend puts the data.
    pub(crate) head: usize,
}

/// A backend that serves one connection.
pub(crate) struct Backend {
    pub(crate) tx: BackRing,
    pub(crate) rx: BackRing,
    pub(crate) answers: Answers,
    pub(crate) sg: bool,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct TxPoll {
    pub(crate) delivered: Vec<(Vec<u8>, Checksum)>,
    pub(crate) drops: Vec<Drop>,
    /// There is more to do, without another event.
    pub(crate) again: bool,
    /// Responses were pushed: the index before and after, and whether the frontend is notified.
    pub(crate) pushed: Option<(u32, u32, bool)>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct RxPoll {
    pub(crate) sent: usize,
    pub(crate) refused: usize,
    pub(crate) pushed: Option<(u32, u32, bool)>,
}

impl Backend {
    pub(crate) fn attach(tx: &Shared<3>, rx: &Shared<2>, sg: bool) -> Result<Self, Fault> {
        Ok(Self {
            tx: BackRing::attach(tx.req_prod, tx.rsp_prod)?,
            rx: BackRing::attach(rx.req_prod, rx.rsp_prod)?,
            answers: Answers::new(),
            sg,
        })
    }

    /// Copies a packet to local pages, from byte `head` of the first on; fails with the hypervisor.
    fn copy(slots: &[netif::Slot], len: u32, head: usize, pages: &[Page]) -> Option<Vec<u8>> {
        let mut local: Vec<Page> = vec![[BLANK; 4096]; (head + size(len)).div_ceil(4096)];
        let mut gather = Gather::new(slots);
        let mut pos = head;
        loop {
            let space = u32::try_from(4096 - pos % 4096).unwrap();
            let Some(piece) = gather.take(space) else {
                break;
            };
            let n = usize::from(piece.len);
            let from = usize::from(piece.offset);
            assert!(n > 0 && from + n <= 4096, "outside a page: {piece:?}");
            let page = pages.get(size(piece.gref))?;
            local[pos / 4096][pos % 4096..][..n].copy_from_slice(&page[from..from + n]);
            pos += n;
        }
        assert_eq!(pos, head + size(len), "the slots add up to the packet");
        Some(local.concat()[head..pos].to_vec())
    }

    /// Guest Tx. `touch` is called on each entry once it was read.
    pub(crate) fn poll_tx(
        &mut self,
        shared: &mut Shared<3>,
        pages: &[Page],
        op: &PollTx,
        touch: impl Fn(&mut [u32; 3]),
    ) -> Result<TxPoll, Fault> {
        let mut done = TxPoll::default();
        let mut available = self.tx.unconsumed(shared.req_prod)?;
        for _ in 0..op.budget {
            if available == 0 {
                break;
            }
            let begin = self.answers.len();
            let ring = &self.tx;
            let read = |ahead| {
                assert!(ahead < available);
                let entry = &mut shared.entries[ring.peek_slot(ahead)];
                let words = *entry;
                touch(entry);
                words
            };
            let chain = parse(available, FATAL_SLOTS, read, &mut self.answers)?;
            self.tx.consume(chain.entries);
            available -= chain.entries;
            match chain.outcome {
                Ok(Request::Multicast(_)) => {}
                Ok(Request::Packet(packet)) => {
                    let len = packet.len();
                    match Self::copy(packet.slots(), len, op.head, pages) {
                        Some(data) => done.delivered.push((data, packet.checksum())),
                        None => self.answers.fail(begin..self.answers.len()),
                    }
                }
                Err(reason) => done.drops.push(reason),
            }
        }

        if op.push {
            let old = self.tx.rsp_prod();
            for response in self.answers.iter() {
                shared.entries[self.tx.answer()?][0] = response.to_word();
            }
            self.answers.clear();
            let new = self.tx.rsp_prod();
            shared.rsp_prod = new;
            done.pushed = Some((old, new, must_notify(old, new, shared.rsp_event)));
        }
        done.again = available > 0 || !self.answers.is_empty();
        if !done.again {
            shared.req_event = self.tx.req_event_for(1);
            done.again = self.tx.unconsumed(shared.req_prod)? > 0;
        }
        Ok(done)
    }

    /// Guest Rx. `wrote` is told of each page that is written to.
    pub(crate) fn poll_rx(
        &mut self,
        shared: &mut Shared<2>,
        pages: &mut [Page],
        queue: &mut VecDeque<HostPacket>,
        touch: impl Fn(&mut [u32; 2]),
        mut wrote: impl FnMut(u32),
    ) -> Result<RxPoll, Fault> {
        let mut done = RxPoll::default();
        let old = self.rx.rsp_prod();
        let mut available = self.rx.unconsumed(shared.req_prod)?;
        while let Some(packet) = queue.front() {
            let len = u32::try_from(packet.data.len()).unwrap();
            let accepts = Accepts {
                scatter_gather: self.sg,
                gso_tcpv4: false,
                gso_tcpv6: false,
                headroom: Headroom::NONE,
            };
            let Ok(plan) = Plan::new(len, packet.checksum, None, None, &accepts) else {
                done.refused += 1;
                queue.pop_front();
                continue;
            };
            let slots = plan.slots();
            if available < slots {
                shared.req_event = self.rx.req_event_for(slots);
                available = self.rx.unconsumed(shared.req_prod)?;
                if available < slots {
                    break;
                }
            }
            let places: Vec<_> = (0..slots).map(|i| self.rx.peek_slot(i)).collect();
            let mut requests = Vec::new();
            for &place in &places {
                requests.push(RxRequest::from_words(shared.entries[place]));
                touch(&mut shared.entries[place]);
            }
            self.rx.consume(slots);
            available -= slots;

            let mut granted = vec![true; requests.len()];
            let mut scatter = plan.scatter();
            let mut pieces = packet.pieces.iter().copied();
            let mut piece = 0;
            let mut pos = 0;
            while pos < packet.data.len() {
                piece = pieces.next().unwrap_or(piece);
                let mut left = piece;
                while let Some(place) = scatter.place(left) {
                    let n = usize::from(place.len);
                    let to = usize::from(place.offset);
                    assert!(n > 0 && to + n <= 4096, "outside a page: {place:?}");
                    let gref = requests[size(place.slot)].gref;
                    match pages.get_mut(size(gref)) {
                        Some(page) => {
                            page[to..to + n].copy_from_slice(&packet.data[pos..pos + n]);
                            wrote(gref);
                        }
                        None => granted[size(place.slot)] = false,
                    }
                    pos += n;
                    left -= u32::from(place.len);
                }
            }

            for (i, request) in (0..).zip(&requests) {
                let place = self.rx.answer()?;
                assert_eq!(
                    place,
                    places[size(i)],
                    "response in the slot of its request"
                );
                shared.entries[place] = plan.response(i, request.id, granted[size(i)]);
            }
            done.sent += 1;
            queue.pop_front();
        }
        let new = self.rx.rsp_prod();
        shared.rsp_prod = new;
        done.pushed = Some((old, new, must_notify(old, new, shared.rsp_event)));
        Ok(done)
    }
}
