// SPDX-License-Identifier: GPL-2.0

//! What the backend does, for all of its states and all of the frontend's.

use netif::xenbus_state::{
    steps,
    Backend,
    State,
    Step, //
};

const OWN: [Backend; 5] = [
    Backend::InitWait,
    Backend::Connected,
    Backend::Reconfigured,
    Backend::Closing,
    Backend::Closed,
];

const FRONTEND: [State; 9] = [
    State::Unknown,
    State::Initialising,
    State::InitWait,
    State::Initialised,
    State::Connected,
    State::Closing,
    State::Closed,
    State::Reconfiguring,
    State::Reconfigured,
];

/// The whole table, one line for each state of the frontend: what a backend does in `InitWait`,
/// `Connected`, `Reconfigured`, `Closing` and `Closed`. `+` connects, `-` disconnects, `%` reads
/// again what may change, a name is published, `free` gives the device up, `free?` if it is offline,
/// `!` complains.
const TABLE: [[&str; 5]; 9] = [
    [
        "Closing Closed free",
        "- Closing Closed free",
        "- Closing Closed free",
        "Closed free",
        "free",
    ],
    [
        "",
        "- Closing Closed InitWait",
        "- Closing Closed InitWait",
        "Closed InitWait",
        "InitWait",
    ],
    ["!", "!", "!", "!", "!"],
    ["", "", "", "", ""],
    ["+", "", "Connected", "Closed InitWait +", "InitWait +"],
    ["Closing", "- Closing", "- Closing", "", "Closing"],
    [
        "Closing Closed free?",
        "- Closing Closed free?",
        "- Closing Closed free?",
        "Closed free?",
        "free?",
    ],
    ["!", "% Reconfigured", "% Reconfigured", "!", "!"],
    ["!", "!", "!", "!", "!"],
];

/// Writes steps down the way the table has them.
fn spelled(steps: &[Step]) -> String {
    let words: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Connect => "+",
            Step::Disconnect => "-",
            Step::Reconfigure => "%",
            Step::Publish(state) => state.as_state().name(),
            Step::ReleaseIfOffline => "free?",
            Step::Release => "free",
            Step::Complain => "!",
        })
        .collect();
    words.join(" ")
}

#[test]
fn whole_table() {
    for (frontend, row) in FRONTEND.into_iter().zip(TABLE) {
        for (own, expected) in OWN.into_iter().zip(row) {
            assert_eq!(
                spelled(steps(own, frontend)),
                expected,
                "{own:?} with frontend {frontend:?}"
            );
        }
    }
}

/// Mapped rings are what being connected means.
fn is_connected(state: Backend) -> bool {
    matches!(state, Backend::Connected | Backend::Reconfigured)
}

/// A backend that does as it is told, and knows what it must not be told.
#[derive(Clone, Debug)]
struct Vif {
    state: Backend,
    /// Rings are mapped.
    connected: bool,
    connects: u32,
    disconnects: u32,
    released: u32,
    complaints: u32,
}

impl Vif {
    fn new(state: Backend) -> Self {
        Self {
            state,
            connected: is_connected(state),
            connects: 0,
            disconnects: 0,
            released: 0,
            complaints: 0,
        }
    }

    fn follow(&mut self, frontend: State, online: bool) {
        let steps = steps(self.state, frontend);
        for (i, step) in steps.iter().enumerate() {
            let last = i == steps.len() - 1;
            match *step {
                Step::Connect => {
                    assert!(last, "nothing may depend on it having worked");
                    assert_eq!(self.state, Backend::InitWait);
                    assert!(!self.connected);
                    self.connected = true;
                    self.connects += 1;
                    self.state = Backend::Connected;
                }
                Step::Disconnect => {
                    assert!(is_connected(self.state));
                    assert!(self.connected);
                    assert!(matches!(steps.get(i + 1), Some(Step::Publish(_))));
                    self.connected = false;
                    self.disconnects += 1;
                }
                Step::Reconfigure => assert!(self.connected),
                Step::Publish(next) => {
                    let path = [
                        (Backend::Connected, Backend::Reconfigured),
                        (Backend::Reconfigured, Backend::Reconfigured),
                        (Backend::Reconfigured, Backend::Connected),
                        (Backend::Reconfigured, Backend::Closing),
                        (Backend::InitWait, Backend::Closing),
                        (Backend::Connected, Backend::Closing),
                        (Backend::Closing, Backend::Closed),
                        (Backend::Closed, Backend::InitWait),
                        (Backend::Closed, Backend::Closing),
                    ];
                    assert!(
                        path.contains(&(self.state, next)),
                        "{:?}",
                        (self.state, next)
                    );
                    // Nothing of the old connection is left when the frontend reads this.
                    assert!(!self.connected || is_connected(next));
                    self.state = next;
                }
                Step::ReleaseIfOffline => {
                    assert!(last);
                    assert_eq!(self.state, Backend::Closed);
                    self.released += u32::from(!online);
                }
                Step::Release => {
                    assert!(last);
                    assert_eq!(self.state, Backend::Closed);
                    self.released += 1;
                }
                Step::Complain => {
                    assert_eq!(steps.len(), 1);
                    self.complaints += 1;
                }
            }
        }
        assert_eq!(self.connected, is_connected(self.state));
    }
}

/// The state that a backend has to be in once the frontend was seen in `frontend`.
fn goal(own: Backend, frontend: State) -> Backend {
    match frontend {
        State::Initialising => Backend::InitWait,
        State::Connected => Backend::Connected,
        State::Closing => Backend::Closing,
        State::Closed | State::Unknown => Backend::Closed,
        State::Reconfiguring if is_connected(own) => Backend::Reconfigured,
        _ => own,
    }
}

#[test]
fn steps_lead_to_the_goal() {
    for own in OWN {
        for frontend in FRONTEND {
            for online in [false, true] {
                let mut vif = Vif::new(own);
                vif.follow(frontend, online);
                let goal = goal(own, frontend);
                assert_eq!(vif.state, goal, "{own:?} with frontend {frontend:?}");
                // Disconnected exactly when a connection was left.
                let left = is_connected(own) && !is_connected(goal);
                assert_eq!(vif.disconnects, u32::from(left));
                let made = !is_connected(own) && is_connected(goal);
                assert_eq!(vif.connects, u32::from(made));
                let gone = frontend == State::Unknown || (frontend == State::Closed && !online);
                assert_eq!(vif.released, u32::from(gone));
                let odd = match frontend {
                    State::InitWait | State::Reconfigured => true,
                    State::Reconfiguring => !is_connected(own),
                    _ => false,
                };
                assert_eq!(vif.complaints, u32::from(odd));
            }
        }
    }
}

/// Watches fire more often than states change.
#[test]
fn seeing_a_state_twice_does_nothing_new() {
    for own in OWN {
        for frontend in FRONTEND {
            let mut vif = Vif::new(own);
            vif.follow(frontend, true);
            let again = steps(vif.state, frontend);
            let harmless = [
                Step::ReleaseIfOffline,
                Step::Release,
                Step::Complain,
                Step::Reconfigure,
                Step::Publish(Backend::Reconfigured),
            ];
            assert!(
                again.iter().all(|step| harmless.contains(step)),
                "{again:?}"
            );
        }
    }
}

/// All that a frontend can do in five moves, with connections made and left in turn.
#[test]
fn all_sequences() {
    fn explore(vif: &Vif, depth: u32, sequences: &mut u32) {
        assert_eq!(
            vif.connects - vif.disconnects,
            u32::from(is_connected(vif.state))
        );
        if depth == 0 {
            *sequences += 1;
            return;
        }
        for frontend in FRONTEND {
            let mut vif = vif.clone();
            vif.follow(frontend, true);
            explore(&vif, depth - 1, sequences);
        }
    }

    let mut sequences = 0;
    explore(&Vif::new(Backend::InitWait), 5, &mut sequences);
    assert_eq!(sequences, 9_u32.pow(5));
}
