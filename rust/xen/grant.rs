// SPDX-License-Identifier: GPL-2.0

//! Copies between a frontend's granted pages and memory of our own, many to a hypercall.
//!
//! Only Xen touches the frontend's pages here. Nothing of theirs is mapped, so there is nothing to
//! unmap, and nothing that they could change after it was looked at.
//!
//! C header: [`include/xen/grant_table.h`](srctree/include/xen/grant_table.h)

use super::DomId;
use crate::bindings;
use kernel::prelude::*;

/// The protocol's page: no end of a copy may cross a boundary of it. Bytes.
const PAGE: usize = netif::wire::PAGE_SIZE as usize;

/// Memory of our own that a frontend's bytes are copied to.
///
/// # Safety
///
/// The regions are valid for writing, in the direct mapping of memory, and owned by the target
/// alone, from the time that they are reported until the target is dropped or mutably borrowed.
pub(crate) unsafe trait Target {
    /// Calls `f` with address and length (bytes) of each region, in order.
    fn for_each_region(&mut self, f: impl FnMut(*mut u8, usize));
}

/// Memory of our own that is copied to a frontend's pages.
///
/// # Safety
///
/// The regions are valid for reading, linear ones in the direct mapping of memory, from the time that they are reported until the source is
/// dropped or mutably borrowed.
pub(crate) unsafe trait Source {
    /// Calls `f` with each region, in order.
    fn for_each_region(&self, f: impl FnMut(Region));
}

// SAFETY: The regions are the first field's, which nothing else can reach while it is in the pair.
unsafe impl<T: Target, M> Target for (T, M) {
    fn for_each_region(&mut self, f: impl FnMut(*mut u8, usize)) {
        self.0.for_each_region(f);
    }
}

// SAFETY: As above.
unsafe impl<T: Source, M> Source for (T, M) {
    fn for_each_region(&self, f: impl FnMut(Region)) {
        self.0.for_each_region(f);
    }
}

/// Where bytes of a [`Source`] lie. Lengths and offsets in bytes.
#[derive(Clone, Copy)]
pub(crate) enum Region {
    /// In the direct mapping of memory.
    Linear(*mut u8, usize),
    /// From an offset in a (possibly compound) page on.
    Page(*mut bindings::page, usize, usize),
}

/// A place in a frontend's page, of `len` bytes that do not cross its end.
#[derive(Clone, Copy)]
pub(crate) struct Foreign {
    /// Grant reference of the page.
    pub(crate) gref: u32,
    /// Where in the page. Bytes.
    pub(crate) offset: u16,
    /// How many bytes, at least 1.
    pub(crate) len: u16,
}

/// Copies that are collected to be made by one hypercall, with the memory that they are for.
///
/// # Invariants
///
/// Every operation in `ops` refers, on our side, to memory of an item in `items`.
pub(crate) struct Batch<T> {
    domid: DomId,
    ops: KVVec<bindings::gnttab_copy>,
    // Each item with the end of its operations in `ops`.
    items: KVVec<(T, usize)>,
    max_ops: usize,
    max_items: usize,
}

// SAFETY: The operations are plain data; the items may be sent.
unsafe impl<T: Send> Send for Batch<T> {}

impl<T> Batch<T> {
    /// An empty batch for `max_ops` copies (40 bytes each) of `max_items` items, with the frontend
    /// in domain `domid`. May sleep.
    pub(crate) fn new(domid: DomId, max_ops: usize, max_items: usize) -> Result<Self> {
        Ok(Self {
            domid,
            ops: KVVec::with_capacity(max_ops, GFP_KERNEL)?,
            items: KVVec::with_capacity(max_items, GFP_KERNEL)?,
            max_ops,
            max_items,
        })
    }

    /// Is there room for an item that needs up to `ops` copies?
    #[inline]
    pub(crate) fn has_room(&self, ops: usize) -> bool {
        self.items.len() < self.max_items && self.max_ops.saturating_sub(self.ops.len()) >= ops
    }

    /// Adds a copy. Without room for it, the item is marked as failed by the caller.
    #[inline]
    fn push(&mut self, mut op: bindings::gnttab_copy) -> Result {
        // One that Xen does not come to was not made.
        op.status = GENERAL_ERROR;
        if self.ops.len() >= self.max_ops {
            return Err(ENOSPC);
        }
        // The capacity was reserved by `new()`.
        self.ops.push_within_capacity(op).map_err(|_| ENOSPC)
    }

    /// Keeps an item whose copies were added from `first` on, or takes them back.
    #[inline]
    fn keep(&mut self, item: T, first: usize, added: Result) -> Result<(), T> {
        if added.is_err() || self.items.len() >= self.max_items {
            self.ops.truncate(first);
            return Err(item);
        }
        // INVARIANT: `items` now owns the memory of the operations that were added.
        self.items
            .push_within_capacity((item, self.ops.len()))
            .map_err(|e| {
                self.ops.truncate(first);
                e.0 .0
            })
    }

    /// Makes all copies and hands each item back, in order, with whether all of its copies were
    /// made. The batch is empty afterwards. Any context; one hypercall.
    pub(crate) fn submit(&mut self, mut done: impl FnMut(T, bool)) {
        if !self.ops.is_empty() {
            // CAST: At most `max_ops`.
            let count = self.ops.len() as c_uint;
            // SAFETY: By the type invariant, and the contracts of `Target` and `Source`, the memory
            // that the operations refer to is there and is the items'.
            let err = unsafe { bindings::xnb_gnttab_copy(self.ops.as_mut_ptr(), count) };
            if err != 0 {
                for op in self.ops.iter_mut() {
                    op.status = GENERAL_ERROR;
                }
            }
        }

        let mut first = 0;
        for (item, end) in self.items.drain_all() {
            let ops = self.ops.get(first..end).unwrap_or(&[]);
            first = end;
            done(item, ops.iter().all(|op| op.status == OKAY));
        }
        self.ops.clear();
    }
}

// CAST: The statuses are small negative numbers.
const OKAY: i16 = bindings::GNTST_okay as i16;
const GENERAL_ERROR: i16 = bindings::GNTST_general_error as i16;

impl<T: Target> Batch<T> {
    /// Adds `target`, to be filled with what `next` tells: given the number of bytes that fit, it
    /// returns where the next ones are, or `None` when there are no more.
    ///
    /// # Errors
    ///
    /// `target` itself, when the copies do not fit into the batch.
    pub(crate) fn fill(
        &mut self,
        mut target: T,
        mut next: impl FnMut(u32) -> Option<Foreign>,
    ) -> Result<(), T> {
        let first = self.ops.len();
        let domid = self.domid;
        let mut added = Ok(());

        target.for_each_region(|mut address, mut len| {
            while len > 0 && added.is_ok() {
                let space = len.min(PAGE.wrapping_sub(address.addr() % PAGE));
                // CAST: At most a page.
                let Some(from) = next(space as u32) else {
                    return;
                };
                // Whatever `next` says, no byte goes outside of the region.
                let copied = usize::from(from.len).min(space);
                if copied == 0 {
                    return;
                }

                let mut op = bindings::gnttab_copy::default();
                op.source.u.ref_ = from.gref;
                op.source.domid = domid;
                op.source.offset = from.offset;
                // SAFETY: The address is in the direct mapping, by the contract of `Target`.
                op.dest.u.gmfn = unsafe { bindings::xnb_virt_to_gfn(address.cast()) };
                op.dest.domid = DOMID_SELF;
                // CAST: Below a page.
                op.dest.offset = (address.addr() % PAGE) as u16;
                // CAST: At most a page.
                op.len = copied as u16;
                op.flags = GNTCOPY_SOURCE_GREF;
                added = self.push(op);

                address = address.wrapping_add(copied);
                len = len.wrapping_sub(copied);
            }
        });

        self.keep(target, first, added)
    }
}

impl<T: Source> Batch<T> {
    /// Adds `source`, to be copied to where `next` tells: given the number of bytes that follow,
    /// it returns where they go, or `None` when no more are wanted.
    ///
    /// # Errors
    ///
    /// `source` itself, when the copies do not fit into the batch.
    pub(crate) fn drain(
        &mut self,
        source: T,
        mut next: impl FnMut(u32) -> Option<Foreign>,
    ) -> Result<(), T> {
        let first = self.ops.len();
        let domid = self.domid;
        let mut added = Ok(());

        source.for_each_region(|region| {
            let (mut at, mut len) = match region {
                Region::Linear(address, len) => (address.addr(), len),
                Region::Page(_, offset, len) => (offset, len),
            };
            let start = at;
            while len > 0 && added.is_ok() {
                let follow = len.min(PAGE.wrapping_sub(at % PAGE));
                // CAST: At most a page.
                let Some(to) = next(follow as u32) else {
                    return;
                };
                let copied = usize::from(to.len).min(follow);
                if copied == 0 {
                    return;
                }

                let mut op = bindings::gnttab_copy::default();
                match region {
                    Region::Linear(address, _) => {
                        let address = address.wrapping_add(at.wrapping_sub(start));
                        // SAFETY: The address is in the direct mapping, by the contract of
                        // `Source`.
                        op.source.u.gmfn = unsafe { bindings::xnb_virt_to_gfn(address.cast()) };
                        op.source.domid = DOMID_SELF;
                        // CAST: Below a page.
                        op.source.offset = (at % PAGE) as u16;
                    }
                    // SAFETY: The page is valid, by the contract of `Source`.
                    // CAST: Offsets in a compound page are far below 4 GiB.
                    Region::Page(page, ..) => unsafe {
                        bindings::xnb_gnttab_copy_source(&mut op, page, at as u32);
                    },
                }
                op.dest.u.ref_ = to.gref;
                op.dest.domid = domid;
                op.dest.offset = to.offset;
                // CAST: At most a page.
                op.len = copied as u16;
                op.flags |= GNTCOPY_DEST_GREF;
                added = self.push(op);

                at = at.wrapping_add(copied);
                len = len.wrapping_sub(copied);
            }
        });

        self.keep(source, first, added)
    }
}

// CAST: All are 16-bit numbers in the hypercall's structures.
const DOMID_SELF: DomId = bindings::DOMID_SELF as DomId;
const GNTCOPY_SOURCE_GREF: u16 = bindings::GNTCOPY_source_gref as u16;
const GNTCOPY_DEST_GREF: u16 = bindings::GNTCOPY_dest_gref as u16;

/// Bytes that were copied from a frontend, at most `N`.
pub(crate) struct Copied<const N: usize>(KBox<[u8; N]>);

// SAFETY: The bytes are the box's alone, and on the heap, which is in the direct mapping.
unsafe impl<const N: usize> Target for Copied<N> {
    fn for_each_region(&mut self, mut f: impl FnMut(*mut u8, usize)) {
        f(self.0.as_mut_ptr(), N);
    }
}

impl<const N: usize> Copied<N> {
    /// Copies `len` bytes (at most `N` and a page) from the beginning of the page that domain
    /// `domid` granted as `gref`. May sleep; one hypercall.
    ///
    /// # Errors
    ///
    /// `EFAULT` when Xen refuses, or `ENOMEM`.
    pub(crate) fn new(domid: DomId, gref: u32, len: u16) -> Result<Self> {
        // One more where our bytes cross a page.
        let mut batch = Batch::new(domid, 2, 1)?;
        let mut done: u16 = 0;
        let target = Self(KBox::new([0; N], GFP_KERNEL)?);
        batch
            .fill(target, |space| {
                let rest = len.saturating_sub(done);
                let part = rest.min(u16::try_from(space).unwrap_or(u16::MAX));
                let from = Foreign {
                    gref,
                    offset: done,
                    len: part,
                };
                done = done.saturating_add(part);
                (part > 0).then_some(from)
            })
            .map_err(|_| ENOMEM)?;
        let mut outcome = Err(EFAULT);
        batch.submit(|target, copied| {
            if copied {
                outcome = Ok(target);
            }
        });
        outcome
    }

    /// The bytes, zero behind those that were copied.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }
}
