// SPDX-License-Identifier: GPL-2.0

//! The backend of Xen's paravirtual network cards.
//!
//! [`vif`] is the driver. It uses the protocol, which is the crate `netif`, and the safe wrappers
//! [`xen`] and [`net`]; only those two, the lines that read the module's [`parameters`], what calls
//! its [`tracepoint`]s, and [`compat`], where kernels differ, use [`bindings`].

mod bindings;
mod compat;
mod net;
mod parameters;
mod tracepoint;
mod vif;
mod xen;

use kernel::prelude::*;

/// The loaded module: registered with the bus of backends until it is dropped.
#[pin_data]
struct Module {
    // In this order: the driver's files are gone before their directory is.
    #[pin]
    _driver: kernel::driver::Registration<xen::xenbus::Adapter<vif::Backend>>,
    _debugfs: net::debugfs::Root,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            if !xen::is_domain() {
                pr_err!("this machine does not run under Xen: boot it as dom0 or as a guest\n");
                return Err(ENODEV);
            }
            parameters::init();
            Ok(try_pin_init!(Self {
                _debugfs: net::debugfs::Root::new(c"xen_netback_rs")?,
                _driver <- kernel::driver::Registration::new(
                    <Self as kernel::ModuleMetadata>::NAME,
                    module,
                ),
            }? Error))
        })
    }
}

module! {
    type: Module,
    name: "xen_netback_rs",
    authors: ["The xen_netback_rs authors"],
    description: "Xen backend network device in Rust",
    license: "GPL",
    alias: ["xen-backend:vif"],
}
