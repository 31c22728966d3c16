// SPDX-License-Identifier: GPL-2.0

//! What is sent to the guest: from the stack to the buffers that it posted.
//!
//! A poll lays waiting packets out on posted buffers, copies them all by one hypercall, and answers
//! with at most one event. Each response goes into the slot of its request, as frontends rely on.

use super::{
    doorbell::{
        Doorbell,
        Worked, //
    },
    frontend::Frontend,
    interface::Interface,
    patience::{
        Debt,
        Patience, //
    },
    queue::Queue, //
};
use crate::{
    net::{
        clock::Tick,
        napi::{
            Context,
            Poll,
            Polled, //
        },
        skb::{
            DropReason,
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
use kernel::{
    prelude::*,
    sync::Arc, //
};
use netif::{
    eoi::Direction,
    fault::Fault,
    ring::BackRing,
    rx_plan::{
        Accepts,
        Headroom,
        Plan,
        RxRefusal,
        MAX_SLOTS, //
    },
    wire::{
        RxRequest,
        RING_SIZE, //
    },
};

/// Copies in one hypercall: room for a poll's usual budget of packets, and for one packet in as many
/// pieces as there usually are at most: one of 64 KiB that GRO made of many small ones. A packet in
/// more is made one piece first.
const BATCH_COPIES: usize = 256;

/// A packet that is being copied to the guest.
struct InFlight {
    plan: Plan,
    ids: [u16; MAX_SLOTS],
}

/// What a connected frontend has for this direction.
pub(super) struct Link {
    ring: Ring<{ RxRequest::WORDS }>,
    indices: BackRing,
    channel: Arc<Channel<Doorbell>>,
    batch: Batch<(SkBuff, InFlight)>,
    accepts: Accepts,
    worked: Worked,
    patience: Patience,
    /// Taken off the queue, and waiting for buffers.
    next: Option<SkBuff>,
    /// What the guest owes.
    debt: Option<Debt>,
}

impl Link {
    /// Attaches to a ring whose frontend may have used it with an earlier backend.
    pub(super) fn new(
        ring: Ring<{ RxRequest::WORDS }>,
        indices: BackRing,
        channel: Arc<Channel<Doorbell>>,
        domid: DomId,
        frontend: &Frontend,
    ) -> Result<Self> {
        Ok(Self {
            ring,
            indices,
            channel,
            batch: Batch::new(domid, BATCH_COPIES, RING_SIZE as usize)?,
            accepts: Accepts {
                scatter_gather: frontend.features.sg,
                gso_tcpv4: frontend.features.gso_tcpv4,
                gso_tcpv6: frontend.features.gso_tcpv6,
                headroom: frontend.headroom,
            },
            worked: Worked::new(),
            patience: Patience::with(&frontend.features),
            next: None,
            debt: None,
        })
    }
}

/// The state of the poll.
pub(super) struct GuestRx {
    queue: u16,
    link: Option<Link>,
    /// Why the frontend is not served any more.
    fault: Option<Fault>,
}

impl GuestRx {
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

    /// Drops the packet that waits for buffers, and returns how many (0 or 1) that was.
    pub(super) fn drop_next(&mut self) -> u64 {
        match self.link.as_mut().and_then(|link| link.next.take()) {
            Some(skb) => {
                skb.drop_with(DropReason::NotReady);
                1
            }
            None => 0,
        }
    }

    /// Leaves the frontend another headroom from the next poll on.
    pub(super) fn set_headroom(&mut self, headroom: Headroom) {
        if let Some(link) = &mut self.link {
            link.accepts.headroom = headroom;
        }
    }

    /// Forgets the frontend, and unmaps its ring. Process context.
    pub(super) fn detach(&mut self) {
        self.link = None;
    }
}

impl Poll for GuestRx {
    type Device = Interface;

    fn poll(&mut self, napi: &Context<'_, Self>, budget: u32) -> Polled {
        let Some(queue) = napi.device().data().queue(self.queue) else {
            return Polled::Done(0);
        };
        let Some(link) = self.link.as_mut().filter(|_| self.fault.is_none()) else {
            return Polled::Done(0);
        };

        let outcome = link.serve(napi, queue, budget);
        queue.rx_position.publish(&link.indices);
        queue.owed.publish(link.debt.as_ref(), link.next.as_ref());
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

/// What became of the packets of one poll, for the stack.
#[derive(Default)]
struct Completed {
    packets: u32,
    bytes: u32,
}

impl Completed {
    fn add(&mut self, len: u32) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(len);
    }
}

impl Link {
    /// Sends up to `budget` packets to the guest.
    fn serve(
        &mut self,
        napi: &Context<'_, GuestRx>,
        queue: &Queue,
        budget: u32,
    ) -> Result<Polled, Fault> {
        let mut completed = Completed::default();
        let outcome = self.send(napi, queue, budget, &mut completed);
        // Also when the frontend is found to lie: what was completed is.
        if completed.packets > 0 {
            queue.completed(napi.device(), completed.packets, completed.bytes);
        }
        let sent = outcome?;
        self.worked.add(sent);

        if sent >= budget {
            return Ok(Polled::Again);
        }
        if let Some(wanted) = self.debt.as_ref().map(Debt::wanted) {
            // Said before asking, so that the event finds it.
            queue.want_buffers();
            self.ring.set_req_event(self.indices.req_event_for(wanted));
            if self.indices.unconsumed(self.ring.req_prod())? >= wanted {
                return Ok(Polled::Again);
            }
            self.wait(napi, queue);
        }
        self.worked.finish(&self.channel, Direction::GuestRx);
        Ok(Polled::Done(sent))
    }

    /// Returns the number of packets taken off the queue. When there were too few buffers for the
    /// next one, the guest is in debt afterwards.
    fn send(
        &mut self,
        napi: &Context<'_, GuestRx>,
        queue: &Queue,
        budget: u32,
        completed: &mut Completed,
    ) -> Result<u32, Fault> {
        let counters = &queue.counters.guest_rx;
        let mut available = self.indices.unconsumed(self.ring.req_prod())?;
        let mut sent: u32 = 0;

        if self
            .debt
            .as_ref()
            .is_some_and(|debt| available >= debt.wanted())
        {
            self.forgive(napi);
        }
        while sent < budget {
            let Some(skb) = self.next.take().or_else(|| queue.next_pending()) else {
                break;
            };
            let len = skb.len();
            let (checksum, gso) = (skb.checksum(), skb.gso());
            let hash = napi.device().data().hash.of(&skb);
            let plan = match Plan::new(len, checksum, gso, hash, &self.accepts) {
                Ok(plan) => plan,
                Err(refusal) => {
                    match refusal {
                        RxRefusal::TooLong => counters.too_long.add(1),
                        RxRefusal::Unsegmented => counters.unsegmented.add(1),
                    }
                    trace::guest_rx_error(napi.device(), queue.index(), refusal.name());
                    completed.add(len);
                    skb.drop_with(DropReason::TooBig);
                    sent = sent.wrapping_add(1);
                    continue;
                }
            };
            let slots = plan.slots();
            if slots > available {
                let now = Tick::now();
                self.debt
                    .get_or_insert_with(|| Debt::new(slots, now))
                    .want(slots);
                if self.patience.is_over(skb.queued(), now) {
                    counters.expired.add(1);
                    trace::guest_rx_error(napi.device(), queue.index(), "expired");
                    completed.add(len);
                    skb.drop_with(DropReason::Expired);
                    sent = sent.wrapping_add(1);
                    continue;
                }
                self.next = Some(skb);
                break;
            }
            if self.debt.is_some() {
                self.forgive(napi);
            }
            if self.place(napi, skb, &plan, queue, completed)? {
                available = available.wrapping_sub(slots);
            }
            sent = sent.wrapping_add(1);
        }

        match &mut self.debt {
            None => queue.have_buffers(),
            // What it lost its carrier for has expired. Any buffer will do now, as a guest that never
            // posts many could not get it back otherwise.
            Some(debt) if debt.is_stalled() && self.next.is_none() && sent < budget => debt.want(1),
            Some(_) => (),
        }
        self.flush(napi, queue, completed)?;
        Ok(sent)
    }

    /// The guest has paid its debt.
    fn forgive(&mut self, napi: &Context<'_, GuestRx>) {
        if self.debt.take().is_some_and(|debt| debt.is_stalled()) {
            Interface::queue_ready(napi.device());
        }
    }

    /// The guest is in debt: has the ring looked at again in time, and the queue stalled if it has
    /// been for too long and something waits for it.
    fn wait(&mut self, napi: &Context<'_, GuestRx>, queue: &Queue) {
        let Some(debt) = &mut self.debt else {
            return;
        };
        let now = Tick::now();
        let queued = self.next.as_ref().map(SkBuff::queued);
        if queued.is_some() && debt.stalls(&self.patience, now) {
            queue.counters.guest_rx.stalls.add(1);
            Interface::queue_stalled(napi.device());
        }
        if let Some(delay) = debt.look_again(&self.patience, queued, now) {
            napi.schedule_after(delay);
        }
    }

    /// Lays a packet out on the next buffers, and says whether it did: a packet in too many pieces is
    /// dropped for want of memory to make it one.
    fn place(
        &mut self,
        napi: &Context<'_, GuestRx>,
        skb: SkBuff,
        plan: &Plan,
        queue: &Queue,
        completed: &mut Completed,
    ) -> Result<bool, Fault> {
        let Err(skb) = self.start_copy(skb, plan) else {
            return Ok(true);
        };
        // The batch has no room for it. An empty one may have.
        self.flush(napi, queue, completed)?;
        let Err(mut skb) = self.start_copy(skb, plan) else {
            return Ok(true);
        };
        let skb = match skb.linearize() {
            Ok(()) => match self.start_copy(skb, plan) {
                Ok(()) => return Ok(true),
                Err(skb) => skb,
            },
            Err(_) => skb,
        };
        queue.counters.guest_rx.no_memory.add(1);
        trace::guest_rx_error(napi.device(), queue.index(), "no_memory");
        completed.add(plan.len());
        skb.drop_with(DropReason::NoMemory);
        Ok(false)
    }

    /// Adds the copies of a packet to the batch, if they fit.
    fn start_copy(&mut self, skb: SkBuff, plan: &Plan) -> Result<(), SkBuff> {
        let slots = plan.slots();
        let mut grefs = [0; MAX_SLOTS];
        let mut ids = [0; MAX_SLOTS];
        for ((gref, id), ahead) in grefs.iter_mut().zip(&mut ids).zip(0..slots) {
            let request = RxRequest::from_words(self.ring.read(self.indices.peek_slot(ahead)));
            *gref = request.gref;
            *id = request.id;
        }

        let in_flight = InFlight { plan: *plan, ids };
        let mut scatter = plan.scatter();
        self.batch
            .drain((skb, in_flight), |follow| {
                let place = scatter.place(follow)?;
                Some(Foreign {
                    gref: *grefs.get(place.slot as usize)?,
                    offset: place.offset,
                    len: place.len,
                })
            })
            .map_err(|(skb, _)| skb)?;
        self.indices.consume(slots);
        Ok(())
    }

    /// Makes all copies, and answers with at most one event.
    fn flush(
        &mut self,
        napi: &Context<'_, GuestRx>,
        queue: &Queue,
        completed: &mut Completed,
    ) -> Result<(), Fault> {
        let counters = &queue.counters.guest_rx;
        let old = self.indices.rsp_prod();
        let (ring, indices) = (&self.ring, &mut self.indices);
        let mut outcome = Ok(());

        self.batch.submit(|(skb, packet), copied| {
            outcome = outcome.and(respond(ring, indices, &packet, copied));
            completed.add(packet.plan.len());
            if copied {
                counters.packets.add(1);
                counters.bytes.add(packet.plan.len().into());
                trace::guest_rx(
                    napi.device(),
                    &PacketEvent {
                        queue: queue.index(),
                        len: packet.plan.len(),
                        slots: packet.plan.slots(),
                        checksum: packet.plan.checksum(),
                        gso: packet.plan.gso(),
                    },
                );
                skb.consume(napi);
            } else {
                counters.copy_failed.add(1);
                trace::guest_rx_error(napi.device(), queue.index(), "copy_failed");
                skb.drop_with(DropReason::Fault);
            }
        });
        outcome?;

        let new = self.indices.rsp_prod();
        if new != old && self.ring.push_responses(old, new) {
            self.channel.notify();
        }
        Ok(())
    }
}

/// Writes the responses to the buffers of one packet, for [`Ring::push_responses`] to publish.
fn respond(
    ring: &Ring<{ RxRequest::WORDS }>,
    indices: &mut BackRing,
    packet: &InFlight,
    copied: bool,
) -> Result<(), Fault> {
    for (slot, id) in (0..packet.plan.slots()).zip(packet.ids) {
        ring.write(indices.answer()?, packet.plan.response(slot, id, copied));
    }
    Ok(())
}
