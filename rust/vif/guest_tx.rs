// SPDX-License-Identifier: GPL-2.0

//! What the guest sends: from its ring to the stack.
//!
//! A poll takes requests off the ring, copies all packets that they make by one hypercall, answers
//! all requests with at most one event, and only then hands the packets up: the guest has its slots
//! back before the stack starts to work.

use super::{
    counters,
    doorbell::{
        Doorbell,
        Worked, //
    },
    interface::Interface,
    queue::Queue,
    rate::Allowance, //
};
use crate::{
    net::{
        napi::{
            Context,
            Poll,
            Polled, //
        },
        skb::{
            DropReason,
            Offload,
            ReceiveBuffer,
            SkBuff, //
        },
        trace::{
            self,
            PacketEvent, //
        },
    },
    xen::{
        event::Channel,
        grant::{
            Batch,
            Foreign, //
        },
        ring::Ring,
        DomId, //
    },
};
use core::ops::Range;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use netif::{
    answers::Answers,
    eoi::Direction,
    fault::Fault,
    gather::Gather,
    packet::Packet,
    ring::BackRing,
    tx_chain::{
        self,
        Request, //
    },
    wire::{
        TxRequest,
        MAX_PACKET,
        PAGE_SIZE,
        RING_SIZE, //
    },
};

/// The most copies that one packet can need: its slots and, where our buffers end inside of a slot,
/// one more for each buffer: the header, which may cross a page, and the pages.
const MAX_COPIES: usize = tx_chain::MAX_SLOTS + 2 + MAX_PACKET.div_ceil(PAGE_SIZE) as usize;

/// Copies in one hypercall: room for a poll's usual budget of small packets, and for the requests
/// of several large ones.
const BATCH_COPIES: usize = 256;

/// A packet whose bytes are being copied.
struct InFlight {
    len: u32,
    offload: Offload,
    /// Its part of the answers.
    answers: Range<usize>,
}

/// What a connected frontend has for this direction.
pub(super) struct Link {
    ring: Ring<{ TxRequest::WORDS }>,
    indices: BackRing,
    channel: Arc<Channel<Doorbell>>,
    answers: KBox<Answers>,
    batch: Batch<(ReceiveBuffer, InFlight)>,
    ready: KVec<SkBuff>,
    worked: Worked,
    fatal_slots: u32,
}

impl Link {
    /// Attaches to a ring whose frontend may have used it with an earlier backend.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(
        ring: Ring<{ TxRequest::WORDS }>,
        indices: BackRing,
        channel: Arc<Channel<Doorbell>>,
        domid: DomId,
    ) -> Result<Self> {
        let packets = RING_SIZE as usize;
        Ok(Self {
            ring,
            indices,
            channel,
            answers: KBox::new(Answers::new(), GFP_KERNEL)?,
            batch: Batch::new(domid, BATCH_COPIES, packets)?,
            ready: KVec::with_capacity(packets, GFP_KERNEL)?,
            worked: Worked::new(),
            fatal_slots: crate::parameters::fatal_skb_slots(),
        })
    }
}

/// The state of the poll.
pub(super) struct GuestTx {
    queue: u16,
    link: Option<Link>,
    /// Why the frontend is not served any more.
    fault: Option<Fault>,
}

impl GuestTx {
    pub(super) const fn new(queue: u16) -> Self {
        Self {
            queue,
            link: None,
            fault: None,
        }
    }

    /// Serves a frontend from the next poll on.
    pub(super) fn attach(&mut self, link: Link) {
        self.link = Some(link);
        self.fault = None;
    }

    /// The lie for which the frontend is to be cut off.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Forgets the frontend, and unmaps its ring. Process context.
    pub(super) fn detach(&mut self) {
        self.link = None;
    }
}

impl Poll for GuestTx {
    type Device = Interface;

    fn poll(&mut self, napi: &Context<'_, Self>, budget: u32) -> Polled {
        let Some(queue) = napi.device().data().queue(self.queue) else {
            return Polled::Done(0);
        };
        let Some(link) = self.link.as_mut().filter(|_| self.fault.is_none()) else {
            return Polled::Done(0);
        };

        let outcome = link.serve(napi, queue, self.queue, budget);
        queue.tx_position.publish(&link.indices);
        match outcome {
            Ok(polled) => polled,
            Err(fault) => {
                // The event stays unacknowledged: this frontend is not heard any more.
                self.fault = Some(fault);
                queue.cutoff.schedule();
                Polled::Done(0)
            }
        }
    }
}

impl Link {
    /// Takes up to `budget` requests off the ring, or a few more to complete a packet.
    fn serve(
        &mut self,
        napi: &Context<'_, GuestTx>,
        queue: &Queue,
        queue_index: u16,
        budget: u32,
    ) -> Result<Polled, Fault> {
        let mut available = self.indices.unconsumed(self.ring.req_prod())?;
        let mut taken: u32 = 0;
        let allowance = napi.device().data().rate.now();
        let mut allowed = Ok(());

        while available > 0 && taken < budget && self.batch.has_room(MAX_COPIES) {
            allowed = allowance.ready();
            if allowed.is_err() {
                break;
            }
            let entries = self.take_packet(napi, queue, &allowance, available)?;
            taken = taken.wrapping_add(entries);
            available = available.wrapping_sub(entries);
        }

        self.worked.add(taken);
        self.copy(napi, &queue.counters.guest_tx, queue_index);
        self.answer()?;
        for skb in self.ready.drain_all() {
            napi.receive(skb);
        }

        if let Err(wait) = allowed {
            // The guest is not asked for an event: what it posts meanwhile is found by this poll.
            queue.counters.guest_tx.rate_limited.add(1);
            napi.schedule_after(wait);
        } else if taken >= budget || available > 0 || self.more_after_asking()? {
            return Ok(Polled::Again);
        }
        self.worked.finish(&self.channel, Direction::GuestTx);
        Ok(Polled::Done(taken))
    }

    /// Takes the entries of one packet off the ring, and returns how many they were.
    fn take_packet(
        &mut self,
        napi: &Context<'_, GuestTx>,
        queue: &Queue,
        allowance: &Allowance<'_>,
        available: u32,
    ) -> Result<u32, Fault> {
        let counters = &queue.counters.guest_tx;
        let first = self.answers.len();
        let (ring, indices) = (&self.ring, &self.indices);
        let chain = tx_chain::parse(
            available,
            self.fatal_slots,
            |i| ring.read(indices.peek_slot(i)),
            &mut self.answers,
        )?;
        self.indices.consume(chain.entries);

        let answers = first..self.answers.len();
        match chain.outcome {
            Ok(Request::Packet(packet)) => {
                allowance.charge(packet.len());
                self.start_copy(napi, queue, &packet, answers);
            }
            Ok(Request::Multicast(change)) => {
                if napi.device().data().multicast.change(change).is_err() {
                    counters.multicast_refused.add(1);
                    self.answers.fail(answers);
                }
            }
            Err(reason) => {
                if let Some(counter) = counters.drops.get(reason.index()) {
                    counter.add(1);
                }
                trace::guest_tx_error(napi.device(), queue.index(), reason.name());
            }
        }
        Ok(chain.entries)
    }

    /// Adds a packet's copies to the batch.
    fn start_copy(
        &mut self,
        napi: &Context<'_, GuestTx>,
        queue: &Queue,
        packet: &Packet,
        answers: Range<usize>,
    ) {
        let counters = &queue.counters.guest_tx;
        let Some(buffer) = ReceiveBuffer::new(napi, packet.len()) else {
            counters.no_memory.add(1);
            trace::guest_tx_error(napi.device(), queue.index(), "no_memory");
            self.answers.fail(answers);
            return;
        };

        let in_flight = InFlight {
            len: packet.len(),
            offload: Offload::new(packet.checksum(), packet.gso(), packet.hash()),
            answers,
        };
        let mut gather = Gather::new(packet.slots());
        let added = self.batch.fill((buffer, in_flight), |space| {
            gather.take(space).map(|piece| Foreign {
                gref: piece.gref,
                offset: piece.offset,
                len: piece.len,
            })
        });
        // There was room for the largest packet, so this does not happen; if it does, the packet
        // is lost and said to be.
        if let Err((buffer, in_flight)) = added {
            counters.no_memory.add(1);
            trace::guest_tx_error(napi.device(), queue.index(), "no_memory");
            self.answers.fail(in_flight.answers);
            buffer.discard(DropReason::NoMemory);
        }
    }

    /// Makes all copies, and sorts the packets into those for the stack and those that failed.
    fn copy(&mut self, napi: &Context<'_, GuestTx>, counters: &counters::GuestTx, queue: u16) {
        let (answers, ready) = (&mut self.answers, &mut self.ready);
        self.batch.submit(|(buffer, packet), copied| {
            if !copied {
                counters.copy_failed.add(1);
                trace::guest_tx_error(napi.device(), queue, "copy_failed");
                answers.fail(packet.answers);
                buffer.discard(DropReason::Fault);
                return;
            }
            let len = packet.len;
            // `Range::len()` has an assertion. CAST: A ring has 256 entries.
            let slots = packet.answers.end.wrapping_sub(packet.answers.start) as u32;
            if packet.offload.is_fixup() {
                counters.gso_checksum_fixup.add(1);
            }
            match buffer.received(napi.device(), queue, &packet.offload) {
                // Has room for as many packets as the ring has entries.
                Ok(skb) => match ready.push_within_capacity(skb) {
                    Ok(()) => {
                        counters.packets.add(1);
                        counters.bytes.add(len.into());
                        trace::guest_tx(
                            napi.device(),
                            &PacketEvent {
                                queue,
                                len,
                                slots,
                                checksum: packet.offload.checksum(),
                                gso: packet.offload.gso(),
                            },
                        );
                    }
                    Err(full) => {
                        counters.no_memory.add(1);
                        trace::guest_tx_error(napi.device(), queue, "no_memory");
                        full.0.drop_with(DropReason::NoMemory);
                    }
                },
                // The guest gave us all that it should have; what is wrong is inside.
                Err(skb) => {
                    counters.bad_headers.add(1);
                    trace::guest_tx_error(napi.device(), queue, "bad_headers");
                    skb.drop_with(DropReason::BadHeaders);
                }
            }
        });
    }

    /// Answers every entry that was taken, in order, with at most one event.
    fn answer(&mut self) -> Result<(), Fault> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let old = self.indices.rsp_prod();
        for response in self.answers.iter() {
            let slot = self.indices.answer()?;
            self.ring.write(slot, [response.to_word()]);
        }
        self.answers.clear();
        if self.ring.push_responses(old, self.indices.rsp_prod()) {
            self.channel.notify();
        }
        Ok(())
    }

    /// Asks for an event for the next request, and says whether it has come already.
    fn more_after_asking(&mut self) -> Result<bool, Fault> {
        self.ring.set_req_event(self.indices.req_event_for(1));
        Ok(self.indices.unconsumed(self.ring.req_prod())? > 0)
    }
}
