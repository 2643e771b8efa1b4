//! The vendors that the company uses, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use scheduled_runs::client::Vendor;
use scheduled_runs::{ErrorKind, RunProvider, Target};

use crate::error::Result;

/// The vendors for which a program has credentials.
#[derive(Clone, Debug, Default)]
pub struct Vendors(BTreeMap<Vendor, Arc<dyn RunProvider>>);

impl Vendors {
    /// Adds a vendor under its own name.
    #[must_use]
    pub fn with(mut self, provider: impl RunProvider) -> Self {
        self.0.insert(provider.vendor(), Arc::new(provider));
        self
    }

    /// Reads a line of configuration, `vendor:id`, and finds its provider.
    ///
    /// # Errors
    /// [`Error::Setup`](crate::Error::Setup) for a line that is not a target, and for a vendor that was not added.
    pub fn find(&self, line: &str) -> Result<(Target, Arc<dyn RunProvider>)> {
        let target: Target = line.parse()?;
        let provider = self.0.get(target.vendor()).cloned().ok_or_else(|| {
            let message = format!("there is no credential for {}", target.vendor());
            scheduled_runs::Error::new(ErrorKind::Config, message)
        })?;
        Ok((target, provider))
    }
}
