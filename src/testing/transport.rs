//! A transport with responses that a test writes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::lock;
use crate::client::{ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind};

/// A transport that responds with what a test has set, in order. Clones share one script.
///
/// A request beyond the script fails as not sent, and the client does not retry it.
#[derive(Clone, Default)]
pub struct ScriptedTransport(Arc<Mutex<Script>>);

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the responses: they may contain a token.
        let script = lock(&self.0);
        f.debug_struct("ScriptedTransport")
            .field("sent", &script.sent)
            .field("responses_left", &script.responses.len())
            .finish()
    }
}

#[derive(Default)]
struct Script {
    responses: VecDeque<Result<Response<Bytes>, TransportError>>,
    sent: Vec<ApiRequest>,
}

impl ScriptedTransport {
    /// The next response: status and body, with the length of the body as `Content-Length`.
    ///
    /// # Panics
    /// If the status is not between 100 and 999.
    #[track_caller]
    pub fn respond(&self, status: u16, body: impl Into<Bytes>) {
        let body = body.into();
        let status = StatusCode::from_u16(status);
        assert!(status.is_ok(), "the status must be between 100 and 999");
        let mut response = Response::new(body);
        *response.status_mut() = status.unwrap_or_default();
        let length = response.body().len().into();
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        self.respond_with(response);
    }

    /// The next response.
    pub fn respond_with(&self, response: Response<Bytes>) {
        lock(&self.0).responses.push_back(Ok(response));
    }

    /// The next request fails like this.
    pub fn fail(&self, kind: TransportErrorKind) {
        lock(&self.0).responses.push_back(Err(TransportError::new(kind)));
    }

    /// Every request so far, with credentials.
    #[must_use]
    pub fn sent(&self) -> Vec<ApiRequest> {
        lock(&self.0).sent.clone()
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut script = lock(&self.0);
        script.sent.push(request);
        script.responses.pop_front().unwrap_or_else(|| {
            Err(TransportError::new(TransportErrorKind::Refused)
                .with_source("the script has no more responses"))
        })
    }
}
