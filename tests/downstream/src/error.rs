//! What this library's callers branch on.

use scheduled_runs::run::Failure;
use scheduled_runs::{ErrorKind, RunRef};

/// `std::result::Result` with this library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a report is missing. The source is the vendor's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The report ran and failed. Somebody must read the [`reason`](Self::reason).
    #[error("the report failed")]
    Failed(#[source] scheduled_runs::Error),
    /// The report is still running. Wait again for its [`run`](Self::run).
    #[error("the report is late")]
    Late(#[source] scheduled_runs::Error),
    /// The report may be running. Check before you start it again.
    #[error("it is not known whether the report is running")]
    InDoubt(#[source] scheduled_runs::Error),
    /// The configuration is wrong: an unknown report or vendor, or a credential that the vendor refuses.
    #[error("the configuration is wrong")]
    Setup(#[source] scheduled_runs::Error),
    /// The vendor or the network is unavailable. Nothing was started; the same call may succeed later.
    #[error("the vendor cannot be reached")]
    Unavailable(#[source] scheduled_runs::Error),
    /// Anything else.
    #[error("the report could not be run")]
    Other(#[source] scheduled_runs::Error),
}

impl From<scheduled_runs::Error> for Error {
    fn from(cause: scheduled_runs::Error) -> Self {
        match cause.kind() {
            ErrorKind::RunFailed => Self::Failed(cause),
            ErrorKind::WaitTimeout => Self::Late(cause),
            // Before the kinds of network errors: a trigger whose connection broke may have arrived.
            _ if cause.may_have_run() && !cause.verified_not_started() => Self::InDoubt(cause),
            _ if cause.is_transient() => Self::Unavailable(cause),
            ErrorKind::Config
            | ErrorKind::Auth
            | ErrorKind::Denied
            | ErrorKind::NotFound
            | ErrorKind::Unsupported => Self::Setup(cause),
            _ => Self::Other(cause),
        }
    }
}

impl Error {
    /// The error of the call or the wait.
    #[must_use]
    pub fn cause(&self) -> &scheduled_runs::Error {
        match self {
            Self::Failed(cause)
            | Self::Late(cause)
            | Self::InDoubt(cause)
            | Self::Setup(cause)
            | Self::Unavailable(cause)
            | Self::Other(cause) => cause,
        }
    }

    /// The run, if it is known.
    #[must_use]
    pub fn run(&self) -> Option<&RunRef> {
        self.cause().run()
    }

    /// The vendor's reason, if the report failed.
    #[must_use]
    pub fn reason(&self) -> Option<&Failure> {
        self.cause().failure()
    }

    /// What a person on call needs: this error, the vendor's error, and each attempt. It contains no secret.
    #[must_use]
    pub fn for_the_pager(&self) -> String {
        format!("{self}: {}", self.cause().report())
    }
}
