//! What this library's callers branch on.

use scheduled_runs::run::Failure;
use scheduled_runs::{ErrorKind, RunRef};

/// `std::result::Result` with this library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no report this morning. The vendor's side of it is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The report ran, and failed. Somebody has to read the [`reason`](Self::reason).
    #[error("the report failed")]
    Failed(#[source] scheduled_runs::Error),
    /// It is still running; [`run`](Self::run) can be waited for again.
    #[error("the report is late")]
    Late(#[source] scheduled_runs::Error),
    /// It may be running, or not. Look before you start it again.
    #[error("it is not known whether the report runs")]
    InDoubt(#[source] scheduled_runs::Error),
    /// The configuration is wrong: no such report, no such vendor, a credential that is refused.
    #[error("the configuration is wrong")]
    Setup(#[source] scheduled_runs::Error),
    /// The vendor or the network has a bad night. Nothing was started; the same call may work later.
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
            // Before the network's own kinds: a trigger that broke off may have arrived.
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
    /// What the vendor, the network or the wait said.
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

    /// The run it is about, where it is known.
    #[must_use]
    pub fn run(&self) -> Option<&RunRef> {
        self.cause().run()
    }

    /// The vendor's reason, of a report that failed.
    #[must_use]
    pub fn reason(&self) -> Option<&Failure> {
        self.cause().failure()
    }

    /// Everything a person on call needs: this error, what the vendor said, and each attempt. It holds no secret.
    #[must_use]
    pub fn for_the_pager(&self) -> String {
        format!("{self}: {}", self.cause().report())
    }
}
