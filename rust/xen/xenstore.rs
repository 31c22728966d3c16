// SPDX-License-Identifier: GPL-2.0

//! Reading and writing xenstore.
//!
//! Everything here waits for xenstored: process context only.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

use crate::bindings;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fmt,
    prelude::*,
    str::CString, //
};

/// How often a transaction is tried before it is given up with `EAGAIN`.
///
/// A transaction fails when somebody else wrote to the same nodes meanwhile. Those that this driver
/// writes in one are written by nobody else, so a handful of tries is plenty.
const TRANSACTION_TRIES: u32 = 32;

/// A value read from xenstore: bytes, without the terminating NUL.
///
/// # Invariants
///
/// `data` comes from `xenbus_read()`, is owned by this value, and is valid for `len` bytes.
pub(crate) struct Value {
    data: *mut u8,
    len: usize,
}

// SAFETY: The value is owned memory, and may be freed by any thread.
unsafe impl Send for Value {}
// SAFETY: The value is never written to.
unsafe impl Sync for Value {}

impl Value {
    /// The value's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: By the type invariant.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }

    /// The value as text for a message: at most its first 32 bytes, unprintable ones escaped.
    pub(crate) fn quoted(&self) -> Quoted<'_> {
        Quoted(self.as_bytes())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `data` was allocated for us by `xenbus_read()`.
        unsafe { bindings::kfree(self.data.cast()) };
    }
}

/// Shows a value that somebody else wrote: bounded and printable.
pub(crate) struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        f.write_char('"')?;
        for byte in self.0.iter().take(32) {
            for c in core::ascii::escape_default(*byte) {
                f.write_char(char::from(c))?;
            }
        }
        f.write_str(if self.0.len() > 32 { "...\"" } else { "\"" })
    }
}

/// A xenstore transaction that is under way, or none.
#[derive(Clone, Copy)]
pub(crate) struct Transaction {
    id: u32,
}

impl Transaction {
    /// No transaction: each operation on its own.
    pub(crate) const NONE: Self = Self { id: 0 };

    fn as_raw(self) -> bindings::xenbus_transaction {
        bindings::xenbus_transaction { id: self.id }
    }

    /// Runs `body` in a transaction, again if somebody else's writes came between.
    ///
    /// # Errors
    ///
    /// What `body` returned, or xenstored's error.
    pub(crate) fn run(mut body: impl FnMut(Transaction) -> Result) -> Result {
        for _ in 0..TRANSACTION_TRIES {
            let mut raw = bindings::xenbus_transaction::default();
            // SAFETY: `raw` is valid for writing.
            to_result(unsafe { bindings::xenbus_transaction_start(&mut raw) })?;

            let transaction = Transaction { id: raw.id };

            let outcome = body(transaction);
            // SAFETY: `raw` was started above and is ended exactly once.
            let ended = to_result(unsafe {
                bindings::xenbus_transaction_end(transaction.as_raw(), outcome.is_err())
            });

            outcome?;
            match ended {
                Err(e) if e == EAGAIN => (),
                ended => return ended,
            }
        }
        Err(EAGAIN)
    }

    /// Writes `dir`/`key`.
    pub(crate) fn write(self, dir: &CStr, key: &CStr, value: fmt::Arguments<'_>) -> Result {
        let value = CString::try_from_fmt(value)?;
        // SAFETY: All are NUL-terminated strings that live through the call.
        to_result(unsafe {
            bindings::xenbus_write(
                self.as_raw(),
                dir.as_char_ptr(),
                key.as_char_ptr(),
                value.as_char_ptr(),
            )
        })
    }
}

/// Reads `dir`/`key`.
///
/// # Errors
///
/// `ENOENT` when there is no such node, or xenstored's error.
pub(crate) fn read(dir: &CStr, key: &CStr) -> Result<Value> {
    let mut len: c_uint = 0;
    // SAFETY: Both strings are NUL-terminated and live through the call; `len` is valid for writing.
    let data = from_err_ptr(unsafe {
        bindings::xenbus_read(
            Transaction::NONE.as_raw(),
            dir.as_char_ptr(),
            key.as_char_ptr(),
            &mut len,
        )
    })?;

    // INVARIANT: A successful `xenbus_read()` returns an allocation of `len + 1` bytes that its
    // caller frees with `kfree()`.
    Ok(Value {
        data: data.cast(),
        len: len as usize,
    })
}

/// Reads `dir`/`key`, which need not be there.
pub(crate) fn read_optional(dir: &CStr, key: &CStr) -> Result<Option<Value>> {
    match read(dir, key) {
        Ok(value) => Ok(Some(value)),
        Err(e) if e == ENOENT => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes `dir`/`key`; that it is not there is no error.
pub(crate) fn remove(dir: &CStr, key: &CStr) {
    // SAFETY: Both strings are NUL-terminated and live through the call. An error means that there
    // is nothing left to remove.
    unsafe {
        bindings::xenbus_rm(
            Transaction::NONE.as_raw(),
            dir.as_char_ptr(),
            key.as_char_ptr(),
        )
    };
}
