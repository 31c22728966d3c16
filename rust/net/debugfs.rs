// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs.
//!
//! They differ from those of `kernel::debugfs` in two points. An open file keeps the module loaded,
//! as its operations are the module's. And removing a file waits for nobody but who makes its text at
//! the moment, in memory of the kernel's own: not for readers whose memory takes its time to come.
//!
//! Without debugfs in the kernel, or when it refuses, directories and files are made all the same;
//! they just cannot be seen.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

use crate::bindings;
use kernel::{
    fmt, new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        Arc,
        ArcBorrow,
        Mutex, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A command is shorter than this. Bytes.
const COMMAND_LIMIT: usize = 32;

/// What a file shows.
pub(crate) trait Show: Send + Sync + Unpin + 'static {
    /// Writes the text. Process context; never runs together with itself, nor with the removal of the
    /// file, so it must not take a lock under which that happens.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What is done about a write to a file.
pub(crate) trait Command: Show {
    /// Does what was written, of which a newline at the end is taken off. As for [`Show::show`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is no command.
    fn command(&self, command: &[u8]) -> Result;
}

/// A directory. Dropping it removes it: process context.
///
/// # Invariants
///
/// `dentry` is an error pointer, or a directory that only `drop()` removes. Everything in it is
/// removed before, as it holds a reference of this.
pub(crate) struct Dir {
    dentry: *mut bindings::dentry,
    _parent: Option<Arc<Dir>>,
}

// SAFETY: debugfs may be called from any thread.
unsafe impl Send for Dir {}
// SAFETY: As above.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a directory in `parent`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(parent: &Arc<Dir>, name: &CStr) -> Result<Arc<Self>> {
        Self::make(Some(parent.clone()), name)
    }

    fn make(parent: Option<Arc<Dir>>, name: &CStr) -> Result<Arc<Self>> {
        let at = parent
            .as_ref()
            .map_or(core::ptr::null_mut(), |dir| dir.dentry);
        // SAFETY: The name is NUL-terminated. `at` is NULL, which stands for the top of debugfs, or by
        // the type invariant an error pointer or a directory that is not removed yet.
        let dentry = unsafe { bindings::xnb_debugfs_create_dir(name.as_char_ptr(), at) };
        // INVARIANT: Made above.
        let dir = Self {
            dentry,
            _parent: parent,
        };
        Ok(Arc::new(dir, GFP_KERNEL)?)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_debugfs_remove(self.dentry) };
    }
}

/// A file. Dropping it removes it and drops what it shows: process context. Who still has it open
/// gets `EIO`.
///
/// # Invariants
///
/// `dentry` is an error pointer, or a file that only `drop()` removes, and whose private data are
/// what `content` points to. `content` is only empty once that happens.
pub(crate) struct File<T: Show> {
    dentry: *mut bindings::dentry,
    content: Arc<Content<T>>,
    _dir: Arc<Dir>,
}

/// Who opens a file shares this.
type Content<T> = Mutex<Option<T>>;

// SAFETY: debugfs may be called from any thread, and `T` may be sent.
unsafe impl<T: Show> Send for File<T> {}
// SAFETY: As above.
unsafe impl<T: Show> Sync for File<T> {}

impl<T: Show> File<T> {
    const READ: bindings::file_operations = bindings::file_operations {
        owner: (&raw const bindings::__this_module).cast_mut(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// Makes a file that its owner may read. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(dir: &Arc<Dir>, name: &CStr, content: T) -> Result<Self> {
        // SAFETY: These are for a file with content `T`.
        unsafe { Self::make(dir, name, 0o400, const { &Self::READ }, content) }
    }

    /// # Safety
    ///
    /// The operations must be for a file whose private data are a [`Content<T>`], of which `open()`
    /// takes a reference and `release()` gives it back.
    unsafe fn make(
        dir: &Arc<Dir>,
        name: &CStr,
        mode: bindings::umode_t,
        operations: &'static bindings::file_operations,
        content: T,
    ) -> Result<Self> {
        let content = Arc::pin_init(new_mutex!(Some(content)), GFP_KERNEL)?;
        // SAFETY: The name is NUL-terminated, the directory an error pointer or not removed, by its
        // invariant. The content stays until the file was removed, by `drop()`.
        let dentry = unsafe {
            bindings::xnb_debugfs_create_file(
                name.as_char_ptr(),
                mode,
                dir.dentry,
                Arc::as_ptr(&content).cast_mut().cast(),
                operations,
            )
        };
        // INVARIANT: Made above.
        Ok(Self {
            dentry,
            content,
            _dir: dir.clone(),
        })
    }

    /// # Safety
    ///
    /// Only for debugfs, as the operation of a file that [`File::make`] made.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the invariants, these are the private data, which stay until the file is
        // removed: that waits for this function.
        let content = unsafe { ArcBorrow::from_raw((*inode).i_private.cast::<Content<T>>()) };
        let content = Arc::into_raw(content.into());

        // SAFETY: `file` is being opened. `seq_show()` gets the content, which stays until it is closed.
        let status =
            unsafe { bindings::single_open(file, Some(Self::seq_show), content.cast_mut().cast()) };
        if status != 0 {
            // SAFETY: From `into_raw()`; the file is not open, so this is not released.
            drop(unsafe { Arc::from_raw(content) });
        }
        status
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`File::open`], for as long as `'a`.
    unsafe fn content<'a>(file: *mut bindings::file) -> ArcBorrow<'a, Content<T>> {
        // SAFETY: `single_open()` makes the private data a `seq_file`, and its private data what
        // `open()` took a reference of.
        unsafe {
            let seq = (*file).private_data.cast::<bindings::seq_file>();
            ArcBorrow::from_raw((*seq).private.cast::<Content<T>>())
        }
    }

    /// # Safety
    ///
    /// Only for debugfs, as the operation of a file that [`File::open`] opened.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the safety requirement. The reference outlives the `seq_file`.
        let content = unsafe { core::ptr::from_ref(&*Self::content(file)) };
        // SAFETY: Undoes `single_open()`.
        let status = unsafe { bindings::single_release(inode, file) };
        // SAFETY: From `into_raw()` in `open()`; this is the only place that gives it back.
        drop(unsafe { Arc::from_raw(content) });
        status
    }

    /// # Safety
    ///
    /// Only for `single_open()`, with a [`Content<T>`] as private data.
    unsafe extern "C" fn seq_show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: By the safety requirement; who has the file open has a reference.
        let content = unsafe { &*(*seq).private.cast::<Content<T>>() };
        let content = content.lock();
        let Some(content) = &*content else {
            return EIO.to_errno();
        };
        // SAFETY: `seq` is valid, and locked by who reads.
        let seq = unsafe { SeqFile::from_raw(seq) };
        seq_print!(seq, "{}", Text(content));
        0
    }
}

impl<T: Command> File<T> {
    const READ_WRITE: bindings::file_operations = bindings::file_operations {
        write: Some(Self::write),
        ..Self::READ
    };

    /// Makes a file that its owner may read, and write commands to. May sleep.
    ///
    /// A write is a command, wherever in the file it goes to. One of 32 bytes or more is refused with
    /// `ENOSPC`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn with_commands(dir: &Arc<Dir>, name: &CStr, content: T) -> Result<Self> {
        // SAFETY: These are for a file with content `T`.
        unsafe { Self::make(dir, name, 0o600, const { &Self::READ_WRITE }, content) }
    }

    /// # Safety
    ///
    /// Only for debugfs, as the operation of a file that [`File::open`] opened.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        from: *const c_char,
        len: usize,
        _pos: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let content = unsafe { Self::content(file) };
        let from = UserPtr::from_ptr(from.cast_mut().cast());
        match Self::run(&content, from, len) {
            // CAST: Less than `COMMAND_LIMIT`.
            Ok(()) => len as isize,
            Err(err) => err.to_errno() as isize,
        }
    }

    fn run(content: &Content<T>, from: UserPtr, len: usize) -> Result {
        let mut buffer = [0; COMMAND_LIMIT];
        let command = buffer
            .get_mut(..len)
            .filter(|command| command.len() < COMMAND_LIMIT)
            .ok_or(ENOSPC)?;
        UserSlice::new(from, len).reader().read_slice(command)?;
        let command = command.strip_suffix(b"\n").unwrap_or(command);
        content.lock().as_ref().ok_or(EIO)?.command(command)
    }
}

impl<T: Show> Drop for File<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Afterwards nobody opens it any more.
        unsafe { bindings::xnb_debugfs_remove(self.dentry) };
        // Waits for who makes its text. Dropped after the lock.
        let content = self.content.lock().take();
        drop(content);
    }
}

/// A file's text.
struct Text<'a, T>(&'a T);

impl<T: Show> fmt::Display for Text<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

kernel::sync::global_lock! {
    // SAFETY: `Root::new()` initialises it before it sets `ROOT_READY`, without which nobody uses it.
    unsafe(uninit) static ROOT: Mutex<Option<Arc<Dir>>> = None;
}

static ROOT_TAKEN: Atomic<bool> = Atomic::new(false);
static ROOT_READY: Atomic<bool> = Atomic::new(false);

/// The module's own directory at the top of debugfs. It is removed when this and all that was made in
/// it have been dropped.
pub(crate) struct Root(());

impl Root {
    /// Makes it, for the module's life. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` the second time.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        if ROOT_TAKEN.xchg(true, Full) {
            return Err(EBUSY);
        }
        // SAFETY: Nobody else gets here.
        unsafe { ROOT.init() };
        // ORDERING: Whoever sees this sees the lock initialised.
        ROOT_READY.store(true, Release);
        // Without memory for it the module works all the same.
        *ROOT.lock() = Dir::make(None, name).ok();
        Ok(Self(()))
    }

    /// The directory, if there is one.
    pub(crate) fn dir() -> Option<Arc<Dir>> {
        if !ROOT_READY.load(Acquire) {
            return None;
        }
        ROOT.lock().clone()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let dir = ROOT.lock().take();
        drop(dir);
    }
}
