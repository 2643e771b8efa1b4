//! [`TokenFile`]: a token that somebody else writes to a file.

use std::fmt::{self, Debug};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::credential::{Credential, CredentialContext};
use super::request::ApiRequest;
use crate::error::{Error, ErrorKind, Result};

/// How long a token is used before the file is read again.
const READ_EVERY: Duration = Duration::from_secs(1);

/// No token is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A ready token from a file, which is read again when it changes: for secrets that are mounted into a container, and for a program
/// beside this one that renews the token.
///
/// The file holds the token and nothing else; a line break at its end is ignored. It is read when the client is built, then when a
/// call needs it and the last reading is a second old, and at once when the vendor has refused the token. If the file cannot be read, or is empty, because it is being
/// written, the last token is used; the error of a call whose token is refused then says why. `make` turns the text into the vendor's credential.
///
/// ```
/// # #[cfg(feature = "foundry")] {
/// use scheduled_runs::client::TokenFile;
/// use scheduled_runs::foundry;
///
/// let token = TokenFile::new("/var/run/secrets/foundry/token", foundry::UserToken::new);
/// let builder =
///     foundry::Client::builder().hostname("example.palantirfoundry.com").credential(token);
/// # }
/// ```
///
/// The same for the other vendors: `|token| adobe::AccessToken::new("API key", token)`, `arcgis::ReadyToken::new`,
/// `|secret| mode::ApiToken::new("token", secret)`, `supermetrics::ApiKey::new`. Nothing is read from the environment.
pub struct TokenFile {
    path: PathBuf,
    make: Box<dyn Fn(SecretString) -> Arc<dyn Credential> + Send + Sync>,
    current: Mutex<Option<Current>>,
}

/// The token that was read last.
#[derive(Clone)]
struct Current {
    text: SecretString,
    credential: Arc<dyn Credential>,
    /// How many tokens were read before.
    number: u64,
    read: Option<Instant>,
    /// Why the file could not be read since.
    unread: Option<Error>,
}

/// Which token a request carries.
#[derive(Clone, Copy, PartialEq)]
struct Number(u64);

impl Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TokenFile {
    /// The token in this file, as the credential that `make` makes of it.
    #[must_use]
    pub fn new<C: Credential + 'static>(
        path: impl Into<PathBuf>,
        make: impl Fn(SecretString) -> C + Send + Sync + 'static,
    ) -> Self {
        let make = Box::new(move |token| Arc::new(make(token)) as Arc<dyn Credential>);
        Self { path: path.into(), make, current: Mutex::new(None) }
    }

    fn current(&self) -> Option<Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in what the file holds now. A token that is as good as the last one is the last one.
    #[inline]
    fn take_in(&self, text: io::Result<SecretString>, now: Option<Instant>) -> Result<Current> {
        let read = text.map_err(|error| {
            let path = self.path.display();
            let message = format!("the token file {path} cannot be read: {}", error.kind());
            Error::new(ErrorKind::Auth, message)
        });
        let read = read.and_then(|text| {
            let credential = (self.make)(text.clone());
            credential.check().map(|()| (text, credential))
        });
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match (read, current.take()) {
            (Ok((text, credential)), last) => match last {
                Some(last) if last.text.expose_secret() == text.expose_secret() => {
                    Current { unread: None, ..last }
                }
                last => {
                    let number = last.map_or(0, |last| last.number.saturating_add(1));
                    Current { text, credential, number, read: None, unread: None }
                }
            },
            (Err(error), Some(last)) => Current { unread: Some(error), ..last },
            (Err(error), None) => return Err(error),
        };
        Ok(current.insert(Current { read: now, ..next }).clone())
    }

    async fn read(&self, now: Instant) -> Result<Current> {
        let path = self.path.clone();
        let text = tokio::task::spawn_blocking(move || read(&path)).await;
        self.take_in(text.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())), Some(now))
    }
}

fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

#[async_trait]
impl Credential for TokenFile {
    #[inline]
    fn check(&self) -> Result<()> {
        let read = self.take_in(read(&self.path), None);
        read.map(drop).map_err(|error| Error::config(error.to_string()))
    }

    #[inline]
    async fn apply(&self, request: &mut ApiRequest, context: &CredentialContext<'_>) -> Result<()> {
        let now = context.now();
        let is_recent = |current: &Current| {
            current.read.is_some_and(|read| now.saturating_duration_since(read) < READ_EVERY)
        };
        let current = match self.current().filter(is_recent) {
            Some(current) => current,
            None => self.read(now).await?,
        };
        request.set_extension(Number(current.number));
        current.credential.apply(request, context).await
    }

    #[inline]
    async fn refresh(
        &self,
        rejected: &ApiRequest,
        context: &CredentialContext<'_>,
    ) -> Result<bool> {
        let current = self.read(context.now()).await?;
        if rejected.extension() != Some(&Number(current.number)) {
            return Ok(true);
        }
        // What is made of the text may fetch tokens with it, and then has another one.
        match current.credential.refresh(rejected, context).await {
            Ok(false) => match current.unread {
                Some(error) => Err(error),
                None => Ok(false),
            },
            refreshed => refreshed,
        }
    }

    fn is_renewable(&self) -> bool {
        true
    }
}
