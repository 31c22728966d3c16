// SPDX-License-Identifier: GPL-2.0

//! The RTNL, the lock of all network configuration.

use crate::bindings;
use core::marker::PhantomData;
use kernel::types::NotThreadSafe;

/// Proof that this thread holds the RTNL.
///
/// The lock does not nest, so at most one of these can be used at a time: whoever calls into the
/// stack under the RTNL lends it the token, and only then does a callback have another. What is guarded
/// by the RTNL may therefore be borrowed mutably for as long as the token is.
///
/// # Invariants
///
/// The RTNL is held by the current thread.
pub(crate) struct Rtnl(PhantomData<NotThreadSafe>);

impl Rtnl {
    /// A token for a callback that the stack runs under the RTNL.
    ///
    /// # Safety
    ///
    /// The RTNL must be held until the token is gone. Another token must be lent (`&mut`) to the call
    /// into the stack from which this callback comes.
    pub(super) unsafe fn assume_held() -> Self {
        // INVARIANT: By the safety requirement.
        Self(PhantomData)
    }
}

/// Holds the RTNL; dropping it lets go.
pub(crate) struct Guard(Rtnl);

/// Takes the RTNL. May sleep; must not be called with the RTNL held.
pub(crate) fn lock() -> Guard {
    // SAFETY: May be called in process context; taking it twice is a deadlock, not unsoundness.
    unsafe { bindings::rtnl_lock() };
    // INVARIANT: Taken above.
    Guard(Rtnl(PhantomData))
}

impl Guard {
    /// The token.
    pub(crate) fn token(&mut self) -> &mut Rtnl {
        &mut self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: A `Guard` is only made by `lock()`, and is not sent to another thread.
        unsafe { bindings::rtnl_unlock() };
    }
}
