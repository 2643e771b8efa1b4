//! Answers you write, requests you read.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::lock;
use crate::client::{ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind};

/// A transport that gives the answers it was told, in order. Clones share one script.
///
/// A request beyond the script is refused as not sent, which the client does not repeat.
#[derive(Clone, Default)]
pub struct ScriptedTransport(Arc<Mutex<Script>>);

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the answers: a token may be among them.
        let script = lock(&self.0);
        f.debug_struct("ScriptedTransport")
            .field("sent", &script.sent)
            .field("answers_left", &script.answers.len())
            .finish()
    }
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Response<Bytes>, TransportError>>,
    sent: Vec<ApiRequest>,
}

impl ScriptedTransport {
    /// The next answer: status and body. A body comes with its content length.
    ///
    /// # Panics
    /// If the status is not between 100 and 999.
    #[track_caller]
    pub fn answer(&self, status: u16, body: impl Into<Bytes>) {
        let body = body.into();
        let status = StatusCode::from_u16(status);
        assert!(status.is_ok(), "not an HTTP status");
        let mut answer = Response::new(body);
        *answer.status_mut() = status.unwrap_or_default();
        let length = answer.body().len().into();
        answer.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        self.answer_with(answer);
    }

    /// The next answer, whole.
    pub fn answer_with(&self, answer: Response<Bytes>) {
        lock(&self.0).answers.push_back(Ok(answer));
    }

    /// The next request fails like this.
    pub fn fail(&self, kind: TransportErrorKind) {
        lock(&self.0).answers.push_back(Err(TransportError::new(kind)));
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
        script.answers.pop_front().unwrap_or_else(|| {
            Err(TransportError::new(TransportErrorKind::Refused)
                .with_source("the script has no more answers"))
        })
    }
}
