//! How a command fails: what happened, what to do, an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use gateway::hub::HubError;
use gateway::trail::TrailError;
use node::audit::AuditError;
use node::enrol::EnrolError;
use node::enrol::codes::CodesError;
use node::enrol::wire::WireError;
use node::home::HomeError;
use node::runtime::StartError;

/// `Error:` and `Hint:` on stderr, exit code 1. Usage errors exit with 2, from the argument parser.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    /// Whoever read our output went away: nothing to say to nobody.
    quiet: bool,
}

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, quiet: false }
    }

    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// What to do next, if that is known.
    #[cfg(test)]
    pub(crate) fn next(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn report(&self) -> ExitCode {
        if self.quiet {
            return ExitCode::SUCCESS;
        }
        eprintln!("Error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("Hint: {hint}");
        }
        ExitCode::FAILURE
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<CodesError> for Failure {
    fn from(error: CodesError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl From<TrailError> for Failure {
    fn from(error: TrailError) -> Self {
        Self::new(&error).hint(error.hint())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self { quiet, ..Self::new(error) }
    }
}
