//! The life of a session, as a table: which event leads from which phase to which. Everything else ends the session.

use super::frame::Frame;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Dialled: our knock is out, theirs isn't back.
    Knocking,
    /// Was dialled: waiting for their knock. Nothing was said to them yet.
    Listening,
    /// They know the site; waiting for their certificate.
    Greeting,
    /// Their certificate holds; waiting for their word that ours does.
    Admitting,
    /// Both are members: anything may be said.
    Open,
    /// Hanging up: what is queued is sent, what comes is ignored.
    Closing,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] =
        [Self::Knocking, Self::Listening, Self::Greeting, Self::Admitting, Self::Open, Self::Closing];
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A knock with the right tag and version.
    Knock,
    /// A certificate that holds.
    Hello,
    /// Their word that ours holds.
    Admitted,
    /// Any other frame but a goodbye.
    Data,
    /// They hang up.
    Bye,
    /// A knock, certificate or frame that is wrong.
    Fault,
    /// The handshake took too long. Of no matter once it is over.
    Deadline,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Knock, Self::Hello, Self::Admitted, Self::Data, Self::Bye, Self::Fault, Self::Deadline];

    /// What a frame is, if it is sound.
    #[must_use]
    pub const fn of(frame: &Frame) -> Self {
        match frame {
            Frame::Knock { .. } => Self::Knock,
            Frame::Hello(_) => Self::Hello,
            Frame::Admitted => Self::Admitted,
            Frame::Bye(_) => Self::Bye,
            _ => Self::Data,
        }
    }
}

/// The table. `None`: this can't happen here, and the session ends.
#[must_use]
pub const fn next(phase: Phase, happening: Happening) -> Option<Phase> {
    match (phase, happening) {
        (Phase::Knocking | Phase::Listening, Happening::Knock) => Some(Phase::Greeting),
        (Phase::Greeting, Happening::Hello) => Some(Phase::Admitting),
        (Phase::Admitting, Happening::Admitted) => Some(Phase::Open),
        (Phase::Open, Happening::Data | Happening::Deadline) => Some(Phase::Open),
        (Phase::Closing, _) | (_, Happening::Bye) => Some(Phase::Closing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn all_transitions() {
        let mut table = String::new();
        for phase in Phase::ALL {
            for happening in Happening::ALL {
                let to = next(phase, happening).map_or("ends".to_owned(), |to| format!("{to:?}"));
                writeln!(table, "{phase:?} + {happening:?} -> {to}").unwrap();
            }
        }
        assert_eq!(table, include_str!("phase.table"), "{table}");
    }

    #[test]
    fn nothing_but_a_finished_handshake_opens_a_session() {
        let doors: Vec<_> = Phase::ALL
            .into_iter()
            .flat_map(|phase| Happening::ALL.map(|happening| (phase, happening)))
            .filter(|(phase, happening)| *phase != Phase::Open && next(*phase, *happening) == Some(Phase::Open))
            .collect();
        assert_eq!(doors, [(Phase::Admitting, Happening::Admitted)]);
    }
}
