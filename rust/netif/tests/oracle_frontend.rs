// SPDX-License-Identifier: GPL-2.0

//! A whole connection in memory: a frontend, honest or hostile, against a backend that is made of
//! nothing but the pieces of this crate.
//!
//! The rings are arrays of words and the guest's memory is a list of pages; a grant reference is a
//! page's number. The frontend plays a random list of operations. Before each poll of the backend
//! the outcome is worked out from what lies in the rings, by rules stated independently of the
//! crate, and afterwards everything that the backend did is compared with it: the packets delivered
//! and their bytes, each response and its place, each byte of the guest's pages, each notification,
//! and whether the frontend was cut off.

mod oracle;

use netif::{
    ring::must_notify,
    rx_plan::{
        check_len,
        response_flags,
        slot_len, //
    },
    tx_chain::parse,
    Answers,
    BackRing,
    Checksum,
    Drop,
    Fault,
    Gather,
    RxRequest,
    RxResponse,
    Scatter,
    Status,
    TxRequest, //
};
use oracle::{
    judge,
    Outcome, //
};
use proptest::prelude::*;
use std::collections::{
    BTreeMap,
    HashMap,
    VecDeque, //
};

/// A page of either side.
type Page = [u8; 4096];

/// Pages of the guest: enough for two full rings.
const PAGES: u32 = 560;

/// The limit of slots that all backends here have.
const FATAL_SLOTS: u32 = 20;

/// What a page holds before the frontend or the backend writes to it.
const BLANK: u8 = 0xee;

fn at(index: u32) -> usize {
    usize::try_from(index % 256).unwrap()
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap()
}

/// Tells whether a producer that moves from `old` to `new` takes the index `event` on its way.
fn passes(old: u32, new: u32, event: u32) -> bool {
    let pushed = new.wrapping_sub(old);
    assert!(pushed <= 512, "the test moves indices in small steps");
    (1..=pushed).any(|n| old.wrapping_add(n) == event)
}

/// Takes a Tx response apart by hand: id and status.
fn tx_response([word, _, _]: [u32; 3]) -> (u16, i16) {
    let [id, status] = [word % 65_536, word / 65_536].map(|half| u16::try_from(half).unwrap());
    (id, i16::from_ne_bytes(status.to_ne_bytes()))
}

/// A shared page with its entries of `W` words.
#[derive(Clone, Debug)]
struct Shared<const W: usize> {
    req_prod: u32,
    req_event: u32,
    rsp_prod: u32,
    rsp_event: u32,
    entries: Vec<[u32; W]>,
}

impl<const W: usize> Shared<W> {
    /// `SHARED_RING_INIT`, except that the indices may start anywhere.
    fn new(start: u32) -> Self {
        Self {
            req_prod: start,
            req_event: start.wrapping_add(1),
            rsp_prod: start,
            rsp_event: start.wrapping_add(1),
            entries: vec![[0; W]; 256],
        }
    }
}

/// A packet for the guest, as the host's stack has it.
#[derive(Clone, Debug)]
struct HostPacket {
    data: Vec<u8>,
    checksum: Checksum,
    /// Lengths of the contiguous pieces it is made of; the last is used again and again.
    pieces: Vec<u32>,
}

/// The backend: the driver's loops without the driver.
struct Backend {
    tx: BackRing,
    rx: BackRing,
    answers: Answers,
    sg: bool,
}

#[derive(Debug, Default, PartialEq)]
struct TxPoll {
    delivered: Vec<(Vec<u8>, Checksum)>,
    drops: Vec<Drop>,
    /// There is more to do, without another event.
    again: bool,
    /// Responses were pushed: the index before and after, and whether the frontend is notified.
    pushed: Option<(u32, u32, bool)>,
}

#[derive(Debug, Default, PartialEq)]
struct RxPoll {
    sent: usize,
    refused: usize,
    pushed: Option<(u32, u32, bool)>,
}

impl Backend {
    fn attach(tx: &Shared<3>, rx: &Shared<2>, sg: bool) -> Result<Self, Fault> {
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
    fn poll_tx(
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
                Ok(packet) => {
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
    fn poll_rx(
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
            let Ok(slots) = check_len(len, self.sg) else {
                done.refused += 1;
                queue.pop_front();
                continue;
            };
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
            let mut scatter = Scatter::new(len);
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
                let status = if granted[size(i)] {
                    i16::try_from(slot_len(len, i)).unwrap()
                } else {
                    Status::Error.as_i16()
                };
                let response = RxResponse {
                    id: request.id,
                    offset: 0,
                    flags: response_flags(i, slots, packet.checksum),
                    status,
                };
                shared.entries[place] = response.to_words();
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

/// What is wrong with a packet that the frontend posts.
#[derive(Clone, Debug)]
enum Damage {
    Nothing,
    /// The total is this.
    Total(u16),
    /// This slot reaches one byte over the end of its page.
    Cross(usize),
    /// This slot's page is not granted.
    Ungranted(usize),
    /// The last slot says that there is another.
    NoEnd,
    /// Extra info of a type that does not exist.
    BadExtra,
}

/// A packet to post.
#[derive(Clone, Debug)]
struct Layout {
    /// For each slot its length, and a number from which its offset is made.
    slots: Vec<(u16, u16)>,
    /// Types of extra info after the first slot.
    extras: Vec<u8>,
    /// Checksum flags.
    checksum: u16,
    damage: Damage,
}

#[derive(Clone, Debug)]
struct PollTx {
    /// Packets.
    budget: usize,
    /// Responses are pushed; else they wait for the next poll.
    push: bool,
    /// Where in a page the backend puts the data.
    head: usize,
}

#[derive(Clone, Copy, Debug)]
enum Ring {
    Tx,
    Rx,
}

#[derive(Clone, Debug)]
enum Op {
    PostTx(Layout),
    /// Post so many empty pages, the second of them perhaps not granted.
    PostRx(u32, bool),
    /// Take so many responses at most, and ask for an event after so many more.
    Take(Ring, u32, u32),
    /// The host has a packet for the guest.
    Send(HostPacket),
    PollTx(PollTx),
    PollRx,
    /// Start over: indices from here, and scatter-gather or not.
    Reconnect(u32, bool),
    /// Hostile: flip bits in an entry that is posted.
    Rewrite(Ring, u32, usize, u32),
    /// Hostile: set the producer to the consumer plus this.
    Produce(Ring, u32),
    /// Hostile: set the event to anything.
    Event(Ring, u32),
    /// Hostile: from here on overwrite each entry as soon as it was read.
    Scribble,
}

/// What a frontend expects of the packet that it posted, by its own lights.
#[derive(Clone, Debug, PartialEq)]
enum Intent {
    Delivered(Vec<u8>, Checksum),
    CopyFailed,
    Dropped(Drop),
    Lie,
}

#[derive(Clone, Debug, Default)]
struct Stats {
    counts: BTreeMap<String, u32>,
}

impl Stats {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn count_fault(&mut self, fault: Fault) {
        let name = format!("{fault:?}");
        self.count(name.split(' ').next().unwrap());
    }
}

/// Frontend and backend, and what is known of both.
struct World {
    hostile: bool,
    stats: Stats,
    sg: bool,

    // The guest's side.
    pages: Vec<Page>,
    free: Vec<u32>,
    tx: Shared<3>,
    rx: Shared<2>,
    /// Private indices: requests produced, responses consumed.
    tx_prod: u32,
    tx_cons: u32,
    rx_prod: u32,
    rx_cons: u32,
    /// The page that each place of the ring holds.
    tx_pages: Vec<Option<u32>>,
    rx_pages: Vec<Option<u32>>,
    /// Responses until the event that was asked for.
    tx_ask: u32,
    rx_ask: u32,
    /// The frontend was notified, and did not look yet.
    tx_told: bool,
    rx_told: bool,
    /// By the index of a packet's first entry.
    intents: HashMap<u32, Intent>,
    /// Entries are not what was posted any more.
    tampered: bool,
    scribble: bool,
    next_id: u16,
    next_byte: u8,
    /// A packet that comes in slot by slot: its bytes, checksum flags, and whether it is whole.
    receiving: Option<(Vec<u8>, u16, bool)>,

    // The host's side.
    backend: Option<Backend>,
    queue: VecDeque<HostPacket>,
    /// A poll is scheduled.
    tx_event: bool,
    rx_event: bool,

    // What is to come, by the rules.
    tx_model: (u32, u32),
    rx_model: u32,
    deferred: Vec<(u16, i16)>,
    tx_expected: VecDeque<(u16, i16)>,
    rx_expected: VecDeque<[u32; 2]>,
    /// Packets that were put into posted slots, for the frontend to find.
    sent: VecDeque<HostPacket>,
}

impl World {
    fn new(hostile: bool, start: u32) -> Self {
        let mut world = Self {
            hostile,
            stats: Stats::default(),
            sg: true,
            pages: vec![[BLANK; 4096]; size(PAGES)],
            free: Vec::new(),
            tx: Shared::new(0),
            rx: Shared::new(0),
            tx_prod: 0,
            tx_cons: 0,
            rx_prod: 0,
            rx_cons: 0,
            tx_pages: Vec::new(),
            rx_pages: Vec::new(),
            tx_ask: 1,
            rx_ask: 1,
            tx_told: false,
            rx_told: false,
            intents: HashMap::new(),
            tampered: false,
            scribble: false,
            next_id: 0,
            next_byte: 0,
            receiving: None,
            backend: None,
            queue: VecDeque::new(),
            tx_event: false,
            rx_event: false,
            tx_model: (0, 0),
            rx_model: 0,
            deferred: Vec::new(),
            tx_expected: VecDeque::new(),
            rx_expected: VecDeque::new(),
            sent: VecDeque::new(),
        };
        world.reconnect(start, true);
        world
    }

    /// A new frontend, with all its pages free; the backend attaches when it next polls. What the
    /// host had queued stays.
    fn reconnect(&mut self, start: u32, sg: bool) {
        self.sg = sg;
        self.free = (0..PAGES).collect();
        self.tx = Shared::new(start);
        self.rx = Shared::new(start.wrapping_add(100));
        self.tx_prod = self.tx.req_prod;
        self.tx_cons = self.tx.rsp_prod;
        self.rx_prod = self.rx.req_prod;
        self.rx_cons = self.rx.rsp_prod;
        self.tx_pages = vec![None; 256];
        self.rx_pages = vec![None; 256];
        (self.tx_ask, self.rx_ask) = (1, 1);
        (self.tx_told, self.rx_told) = (false, false);
        self.intents.clear();
        self.tampered = false;
        self.scribble = false;
        self.receiving = None;
        self.backend = None;
        (self.tx_event, self.rx_event) = (true, true);
        self.tx_model = (self.tx.rsp_prod, self.tx.rsp_prod);
        self.rx_model = self.rx.rsp_prod;
        self.deferred.clear();
        self.tx_expected.clear();
        self.rx_expected.clear();
        self.sent.clear();
    }

    /// The frontend lied, and was found out: it is cut off, and another one comes.
    fn cut_off(&mut self, fault: Fault) {
        assert!(self.hostile, "an honest frontend was cut off: {fault}");
        self.stats.count_fault(fault);
        let start = self.tx.req_prod.wrapping_mul(5).wrapping_sub(77);
        let sg = self.sg;
        self.reconnect(start, !sg);
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::PostTx(layout) => self.post_tx(&layout),
            Op::PostRx(count, ungranted) => self.post_rx(count, ungranted),
            Op::Take(Ring::Tx, max, ask) => self.take_tx(max, ask),
            Op::Take(Ring::Rx, max, ask) => self.take_rx(max, ask),
            Op::Send(packet) => {
                self.queue.push_back(packet);
                self.rx_event = true;
            }
            Op::PollTx(op) => self.poll_tx(&op),
            Op::PollRx => self.poll_rx(),
            Op::Reconnect(start, sg) => self.reconnect(start, sg),
            op if self.hostile => self.attack(op),
            _ => {}
        }
        self.check_liveness();
    }

    fn attack(&mut self, op: Op) {
        match op {
            Op::Rewrite(Ring::Tx, ahead, word, bits) => {
                self.tampered = true;
                let index = self.tx_model.0.wrapping_add(ahead);
                self.tx.entries[at(index)][word % 3] ^= bits;
            }
            Op::Rewrite(Ring::Rx, ahead, word, bits) => {
                self.tampered = true;
                let index = self.rx_model.wrapping_add(ahead);
                self.rx.entries[at(index)][word % 2] ^= bits;
            }
            Op::Produce(Ring::Tx, by) => {
                self.tampered = true;
                self.tx_prod = self.tx_model.0.wrapping_add(by);
                self.tx.req_prod = self.tx_prod;
                self.tx_event = true;
            }
            Op::Produce(Ring::Rx, by) => {
                self.tampered = true;
                self.rx_prod = self.rx_model.wrapping_add(by);
                self.rx.req_prod = self.rx_prod;
                self.rx_event = true;
            }
            Op::Event(Ring::Tx, event) => {
                self.tampered = true;
                self.tx.rsp_event = event;
            }
            Op::Event(Ring::Rx, event) => {
                self.tampered = true;
                self.rx.rsp_event = event;
            }
            Op::Scribble => {
                self.tampered = true;
                self.scribble = true;
            }
            _ => unreachable!(),
        }
    }

    /// What an honest frontend may rely on after every operation.
    fn check_liveness(&self) {
        if self.tampered {
            return;
        }
        // Requests are never left lying.
        let unconsumed = self.tx.req_prod.wrapping_sub(self.tx_model.0);
        assert!(unconsumed == 0 || self.tx_event, "lost Tx event");
        assert!(self.deferred.is_empty() || self.tx_event, "lost responses");
        let posted = self.rx.req_prod.wrapping_sub(self.rx_model);
        if let Some(head) = self.queue.front() {
            let slots = head.data.len().div_ceil(4096).max(1);
            assert!(size(posted) < slots || self.rx_event, "lost Rx event");
        }
        // Responses that were asked for are never left untold.
        let responses = self.tx.rsp_prod.wrapping_sub(self.tx_cons);
        assert!(responses < self.tx_ask || self.tx_told, "untold Tx");
        let responses = self.rx.rsp_prod.wrapping_sub(self.rx_cons);
        assert!(responses < self.rx_ask || self.rx_told, "untold Rx");
    }

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

    fn post_tx(&mut self, layout: &Layout) {
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

    fn post_rx(&mut self, count: u32, ungranted: bool) {
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

    fn take_tx(&mut self, max: u32, ask: u32) {
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

    fn take_rx(&mut self, max: u32, ask: u32) {
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

    fn poll_tx(&mut self, op: &PollTx) {
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

    fn poll_rx(&mut self) {
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

    /// Lets both sides go on, driven by events alone, until nothing happens any more.
    fn drain(&mut self) {
        self.apply(Op::Take(Ring::Tx, 256, 1));
        self.apply(Op::Take(Ring::Rx, 256, 1));
        let poll = PollTx {
            budget: 7,
            push: true,
            head: 64,
        };
        for _ in 0..1000 {
            if !(self.tx_event || self.rx_event || self.tx_told || self.rx_told) {
                break;
            }
            self.apply(Op::PollTx(poll.clone()));
            self.apply(Op::PollRx);
            if self.tx_told {
                self.apply(Op::Take(Ring::Tx, 100, 1));
            }
            if self.rx_told {
                self.apply(Op::Take(Ring::Rx, 100, 1));
            }
        }
    }
}

#[derive(Default)]
struct RxExpectation {
    done: RxPoll,
    responses: Vec<[u32; 2]>,
    sent: Vec<HostPacket>,
    pages: BTreeMap<u32, Page>,
}

/// What the frontend knows of a packet that it makes; nothing if it leaves that to the rules.
fn intent(layout: &Layout, sum: u32, data: Vec<u8>, ungranted: bool) -> Option<Intent> {
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
        Intent::Dropped(Drop::ExtraNotOffered)
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

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0_u32),
        u32::MAX - 400..=u32::MAX,
        0x7fff_ff00_u32..0x8000_0010,
        any::<u32>(),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    let len = || {
        prop_oneof![
            1 => Just(0_u16),
            4 => 1_u16..100,
            1 => Just(4096_u16),
            3 => 0_u16..=4096,
        ]
    };
    let slots = prop_oneof![
        6 => 1_usize..4,
        2 => 4_usize..19,
        1 => 19_usize..23,
        // Large ones.
        1 => Just(100_usize),
    ]
    .prop_flat_map(move |count| {
        if count == 100 {
            prop::collection::vec((4000_u16..=4096, any::<u16>()), 15..=19).boxed()
        } else {
            prop::collection::vec((len(), any::<u16>()), count).boxed()
        }
    });
    let extras = prop_oneof![
        6 => Just(Vec::new()),
        1 => prop::collection::vec(1_u8..=5, 1..4),
    ];
    let damage = prop_oneof![
        12 => Just(Damage::Nothing),
        1 => any::<u16>().prop_map(Damage::Total),
        1 => (0_usize..6).prop_map(Damage::Cross),
        1 => (0_usize..4).prop_map(Damage::Ungranted),
        1 => Just(Damage::NoEnd),
        1 => Just(Damage::BadExtra),
    ];
    (slots, extras, 0_u16..4, damage).prop_map(|(slots, extras, checksum, damage)| Layout {
        slots,
        extras,
        checksum,
        damage,
    })
}

fn host_packet() -> impl Strategy<Value = HostPacket> {
    let len = prop_oneof![
        3 => 14_usize..1600,
        1 => prop_oneof![Just(4095_usize), Just(4096_usize), Just(4097_usize)],
        2 => 1600_usize..20_000,
        1 => 60_000_usize..=65_535,
        1 => 65_536_usize..70_000,
    ];
    let checksum = prop_oneof![
        Just(Checksum::None),
        Just(Checksum::Blank),
        Just(Checksum::Validated),
    ];
    let pieces = prop::collection::vec(prop_oneof![1_u32..300, 1_u32..9000, Just(4096)], 1..5);
    (len, any::<u8>(), checksum, pieces).prop_map(|(len, seed, checksum, mut pieces)| {
        let mut byte = seed;
        let data = std::iter::repeat_with(|| {
            byte = byte.wrapping_mul(17).wrapping_add(31);
            byte
        });
        let data = data.take(len).collect();
        // The last is used again and again, and should not be tiny.
        pieces.push(1448);
        HostPacket {
            data,
            checksum,
            pieces,
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let ring = || prop_oneof![Just(Ring::Tx), Just(Ring::Rx)];
    let ask = || prop_oneof![3 => Just(1_u32), 1 => 1_u32..40];
    let poll = (
        prop_oneof![1 => 1_usize..4, 2 => Just(64_usize)],
        prop::bool::weighted(0.8),
        0_usize..4096,
    );
    let poll = poll.prop_map(|(budget, push, head)| Op::PollTx(PollTx { budget, push, head }));
    let advance = prop_oneof![
        2 => 0_u32..=256,
        1 => Just(256_u32),
        1 => Just(257_u32),
        1 => 258_u32..300,
        1 => u32::MAX - 40..=u32::MAX,
        1 => Just(0x8000_0000_u32),
        1 => any::<u32>(),
    ];
    let bits = prop_oneof![(0_u32..32).prop_map(|bit| 1_u32 << bit), any::<u32>()];
    prop_oneof![
        120 => layout().prop_map(Op::PostTx),
        60 => (prop_oneof![0_u32..20, 0_u32..=256], prop::bool::weighted(0.1))
            .prop_map(|(count, ungranted)| Op::PostRx(count, ungranted)),
        60 => (ring(), 0_u32..256, ask()).prop_map(|(ring, max, ask)| Op::Take(ring, max, ask)),
        60 => host_packet().prop_map(Op::Send),
        80 => poll,
        60 => Just(Op::PollRx),
        2 => (index(), any::<bool>()).prop_map(|(start, sg)| Op::Reconnect(start, sg)),
        10 => (ring(), 0_u32..30, 0_usize..3, bits)
            .prop_map(|(ring, ahead, word, bits)| Op::Rewrite(ring, ahead, word, bits)),
        5 => (ring(), advance).prop_map(|(ring, by)| Op::Produce(ring, by)),
        3 => (ring(), any::<u32>()).prop_map(|(ring, event)| Op::Event(ring, event)),
        2 => Just(Op::Scribble),
    ]
}

fn play(hostile: bool, start: u32, ops: Vec<Op>) -> World {
    let mut world = World::new(hostile, start);
    for op in ops {
        world.apply(op);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a frontend does, the backend does what the rules say, and a fault is raised for
    /// lies and for nothing else.
    #[test]
    fn hostile_frontend(start in index(), ops in prop::collection::vec(op(), 0..60)) {
        play(true, start, ops);
    }

    /// A frontend that keeps to the ring's rules, good packets or bad, is never cut off, and driven
    /// by notifications alone everything gets done.
    #[test]
    fn honest_frontend(start in index(), ops in prop::collection::vec(op(), 0..60)) {
        let mut world = play(false, start, ops);
        world.drain();
        prop_assert_eq!(world.tx_cons, world.tx_prod, "every request is answered");
        prop_assert!(world.tx_expected.is_empty());
        prop_assert_eq!(world.rx_cons, world.rx_model, "every response is seen");
        prop_assert!(world.sent.is_empty());
        if let Some(head) = world.queue.front() {
            let posted = world.rx_prod.wrapping_sub(world.rx_cons);
            prop_assert!(size(posted) < head.data.len().div_ceil(4096));
        }
    }
}

/// All there is to test comes up, so that the properties above are not about a few cases.
#[test]
fn everything_comes_up() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };

    let mut runner = TestRunner::deterministic();
    let strategy = (index(), prop::collection::vec(op(), 30..60));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..120 {
        let (start, ops) = strategy.new_tree(&mut runner).unwrap().current();
        let world = play(round % 2 == 0, start, ops);
        for (what, count) in world.stats.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    for what in [
        "attached",
        "attached in the middle",
        "delivered",
        "copy failed",
        "meant and found",
        "too_many_slots",
        "slot_exceeds_packet",
        "too_short",
        "extra_not_offered",
        "received",
        "received in part",
        "notified of Tx",
        "notified of Rx",
        "RequestOverflow",
        "Truncated",
        "TooManySlots",
        "PageCrossing",
        "BadExtra",
    ] {
        let seen = counts.get(what).copied().unwrap_or(0);
        assert!(seen >= 3, "{what}: {seen} of {counts:?}");
    }
}
