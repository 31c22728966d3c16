// SPDX-License-Identifier: GPL-2.0

//! What the backend does when the frontend's xenbus state changes.
//!
//! The backend moves along one path, and a frontend that jumps makes it take several steps:
//!
//! ```text
//!               Connect                   Disconnect
//!   InitWait ------------> Connected --------------------+
//!    ^    |                                              v
//!    |    +-----------------------------------------> Closing
//!    |                                                 ^   |
//!    |                                                 |   v
//!    +------------------------------------------------ Closed
//! ```
//!
//! Connected and Reconfigured are the same place on it.
//!
//! C header: [`include/xen/interface/io/xenbus.h`](srctree/include/xen/interface/io/xenbus.h)

/// A xenbus state, `enum xenbus_state`: "the current communication status of initialisation across
/// the bus".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The node is gone, or holds no state.
    Unknown = 0,
    /// The device is being set up.
    Initialising = 1,
    /// "Finished early initialisation, but waiting for information from the peer or hotplug
    /// scripts."
    InitWait = 2,
    /// "Initialised and waiting for a connection from the peer."
    Initialised = 3,
    /// The device works.
    Connected = 4,
    /// "The device is being closed due to an error or an unplug event."
    Closing = 5,
    /// The device is closed.
    Closed = 6,
    /// "The device is being reconfigured."
    Reconfiguring = 7,
    /// The answer to it.
    Reconfigured = 8,
}

impl State {
    /// Returns the name that the C headers give to the state, without its prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Initialising => "Initialising",
            Self::InitWait => "InitWait",
            Self::Initialised => "Initialised",
            Self::Connected => "Connected",
            Self::Closing => "Closing",
            Self::Closed => "Closed",
            Self::Reconfiguring => "Reconfiguring",
            Self::Reconfigured => "Reconfigured",
        }
    }
}

impl TryFrom<u32> for State {
    /// The number that is no state.
    type Error = u32;

    fn try_from(state: u32) -> Result<Self, u32> {
        match state {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::Initialising),
            2 => Ok(Self::InitWait),
            3 => Ok(Self::Initialised),
            4 => Ok(Self::Connected),
            5 => Ok(Self::Closing),
            6 => Ok(Self::Closed),
            7 => Ok(Self::Reconfiguring),
            8 => Ok(Self::Reconfigured),
            _ => Err(state),
        }
    }
}

/// A state that the backend itself takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The netdev exists, the frontend is awaited.
    InitWait,
    /// The rings are mapped. Published only once the hotplug script is done.
    Connected,
    /// As `Connected`, with what a frontend that says Reconfiguring asked for. The next thing it
    /// says is that it is connected again.
    Reconfigured,
    /// The rings are unmapped.
    Closing,
    /// Nothing is left of this connection.
    Closed,
}

impl Backend {
    /// Returns the state that goes into xenstore.
    #[inline]
    pub const fn as_state(self) -> State {
        match self {
            Self::InitWait => State::InitWait,
            Self::Connected => State::Connected,
            Self::Reconfigured => State::Reconfigured,
            Self::Closing => State::Closing,
            Self::Closed => State::Closed,
        }
    }
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the frontend's keys and map its rings. Always the last step.
    ///
    /// The driver publishes [`Backend::Connected`] itself, as that has to wait for the hotplug
    /// script. It is in that state, and owes a [`Step::Disconnect`], from here on; unless connecting
    /// fails, which leaves nothing to disconnect.
    Connect,
    /// Unmap the rings and forget all that was negotiated.
    Disconnect,
    /// Read again what a connected frontend may change: its headroom for XDP.
    Reconfigure,
    /// Write this state to the backend's node, and be in it.
    Publish(Backend),
    /// Give the device up, if the toolstack no longer says `online`.
    ReleaseIfOffline,
    /// Give the device up: the frontend's node is gone.
    Release,
    /// Report a state that a frontend of a vif has no business to be in.
    Complain,
}

/// Returns what to do, in this order, when the frontend is seen in state `frontend` by a backend in
/// state `own`.
pub fn steps(own: Backend, frontend: State) -> &'static [Step] {
    use Backend as B;
    use Step::{
        Complain,
        Connect,
        Disconnect,
        Publish,
        Reconfigure,
        Release,
        ReleaseIfOffline, //
    };

    match (frontend, own) {
        // A frontend that starts over, perhaps without having taken leave: kexec, a crashed guest.
        (State::Initialising, B::InitWait) => &[],
        (State::Initialising, B::Connected | B::Reconfigured) => &[
            Disconnect,
            Publish(B::Closing),
            Publish(B::Closed),
            Publish(B::InitWait),
        ],
        (State::Initialising, B::Closing) => &[Publish(B::Closed), Publish(B::InitWait)],
        (State::Initialising, B::Closed) => &[Publish(B::InitWait)],

        // Its keys are not complete before it is connected.
        (State::Initialised, _) => &[],

        (State::Connected, B::InitWait) => &[Connect],
        (State::Connected, B::Connected) => &[],
        // Said, so that the frontend can tell the next answer to Reconfiguring from this one.
        (State::Connected, B::Reconfigured) => &[Publish(B::Connected)],
        (State::Connected, B::Closing) => &[Publish(B::Closed), Publish(B::InitWait), Connect],
        (State::Connected, B::Closed) => &[Publish(B::InitWait), Connect],

        (State::Closing, B::InitWait | B::Closed) => &[Publish(B::Closing)],
        (State::Closing, B::Connected | B::Reconfigured) => &[Disconnect, Publish(B::Closing)],
        (State::Closing, B::Closing) => &[],

        (State::Closed, B::InitWait) => {
            &[Publish(B::Closing), Publish(B::Closed), ReleaseIfOffline]
        }
        (State::Closed, B::Connected | B::Reconfigured) => &[
            Disconnect,
            Publish(B::Closing),
            Publish(B::Closed),
            ReleaseIfOffline,
        ],
        (State::Closed, B::Closing) => &[Publish(B::Closed), ReleaseIfOffline],
        (State::Closed, B::Closed) => &[ReleaseIfOffline],

        (State::Unknown, B::InitWait) => &[Publish(B::Closing), Publish(B::Closed), Release],
        (State::Unknown, B::Connected | B::Reconfigured) => {
            &[Disconnect, Publish(B::Closing), Publish(B::Closed), Release]
        }
        (State::Unknown, B::Closing) => &[Publish(B::Closed), Release],
        (State::Unknown, B::Closed) => &[Release],

        // Answered each time: the frontend waits for it.
        (State::Reconfiguring, B::Connected | B::Reconfigured) => {
            &[Reconfigure, Publish(B::Reconfigured)]
        }

        // A backend's states, or nothing to reconfigure.
        (State::InitWait | State::Reconfiguring | State::Reconfigured, _) => &[Complain],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for (number, name) in [
            (0, "Unknown"),
            (1, "Initialising"),
            (2, "InitWait"),
            (3, "Initialised"),
            (4, "Connected"),
            (5, "Closing"),
            (6, "Closed"),
            (7, "Reconfiguring"),
            (8, "Reconfigured"),
        ] {
            let state = State::try_from(number).unwrap();
            assert_eq!(state as u32, number);
            assert_eq!(state.name(), name);
        }
        for number in [9, 10, 255, 256, 260, u32::MAX] {
            assert_eq!(State::try_from(number), Err(number));
        }
    }

    #[test]
    fn own_states_are_xenbus_states() {
        for (own, number) in [
            (Backend::InitWait, 2),
            (Backend::Connected, 4),
            (Backend::Reconfigured, 8),
            (Backend::Closing, 5),
            (Backend::Closed, 6),
        ] {
            assert_eq!(own.as_state() as u32, number);
        }
    }
}
