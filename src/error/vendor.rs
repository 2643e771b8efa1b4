//! What a vendor says about a failure.

use serde_json::Value;

use crate::redact::Secrets;
use crate::wire::model;

model! {
    /// What the vendor itself said about a failure, with the known secrets of the call removed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct VendorError {
        /// The vendor's code, as text even where the wire has a number.
        pub code: Option<Box<str>>,
        /// The vendor's name or type for this class of failure.
        pub name: Option<Box<str>>,
        /// The vendor's sentence for people.
        pub message: Option<Box<str>>,
        /// The vendor's id for this one failure.
        pub instance_id: Option<Box<str>>,
        /// What the vendor attached for programs, as it came; `Null` where there is nothing. The rest is in [`Error::body`](crate::Error::body).
        pub parameters: Value,
    }
}

impl VendorError {
    /// What the vendor said in words.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// Sets the vendor's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the vendor's name or type for this class of failure.
    #[must_use]
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(crate) fn scrub(&mut self, secrets: &Secrets<'_>) {
        let texts = [&mut self.code, &mut self.name, &mut self.message, &mut self.instance_id];
        for text in texts.into_iter().flatten() {
            *text = secrets.scrub(text).into();
        }
        secrets.scrub_value(&mut self.parameters);
    }
}
