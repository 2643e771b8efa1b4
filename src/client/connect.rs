//! A check between connecting and sending: the last moment at which a start can still be refused.

use std::future::Future;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use tower_layer::Layer;
use tower_service::Service;

use super::lease::Expiry;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

tokio::task_local! {
    /// Of the request for which this task makes a connection, if it has a lease.
    static EXPIRY: Option<Expiry>;
}

/// Runs what sends a request. With a lease, it must not be sent once that lease is over.
pub(super) fn before<F: Future>(
    expiry: Option<Expiry>,
    send: F,
) -> impl Future<Output = F::Output> {
    EXPIRY.scope(expiry, send)
}

/// Refuses a connection that was made for a request whose lease is over by now. hyper polls the connector in the task of the
/// request as long as connections are not pooled, so the request's lease is at hand. The head is written next.
#[derive(Clone)]
pub(super) struct RefuseLate;

impl<S> Layer<S> for RefuseLate {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector(inner)
    }
}

#[derive(Clone)]
pub(super) struct Connector<S>(S);

impl<S, D> Service<D> for Connector<S>
where
    S: Service<D, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(async move {
            let connection = connecting.await?;
            match EXPIRY.try_with(|expiry| expiry.as_ref().is_some_and(Expiry::is_over)) {
                Ok(true) => {
                    Err("the lease of the start ended while the connection was made".into())
                }
                _ => Ok(connection),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    /// Is ready when it is asked for the second time.
    struct Busy(bool);

    impl Service<()> for Busy {
        type Response = ();
        type Error = BoxError;
        type Future = Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if std::mem::take(&mut self.0) { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(()))
        }
    }

    #[test]
    fn a_connector_is_ready_when_the_one_below_it_is() {
        let mut connector = RefuseLate.layer(Busy(true));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(connector.poll_ready(&mut context).is_pending());
        assert!(matches!(connector.poll_ready(&mut context), Poll::Ready(Ok(()))));
    }
}
