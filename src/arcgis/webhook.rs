//! Webhooks of geoprocessing services.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::VENDOR;
use crate::error::{Error, Result};
use crate::run::Event;
use crate::webhook::Received;
use crate::webhook::signature::HmacSha256;

/// Takes a request apart that a webhook of a geoprocessing service sends: what to respond, and what to wake waits with.
///
/// ArcGIS Enterprise has such webhooks since 11.1, for asynchronous services. It sends a request when a job of the service has succeeded,
/// failed or been cancelled. An administrator creates the webhook at `…/services/{name}.GPServer/webhooks/create`. That is of use for waits for
/// [user tasks](super::UserTask) that run the service. What the request contains is not documented, so it is not read: the event
/// concerns all runs at ArcGIS.
///
/// Scheduled tasks and notebooks have no event for the end of a run: waits for other tasks learn of it by polling.
///
/// Since 11.2 a webhook can have a `signatureKey`. Pass it as `key`: then a request is refused with a 403 unless its header
/// `x-esriHook-Signature` is the HMAC-SHA256 of the body. Without a key **nothing proves who has sent the request**: anybody who knows the
/// URL can make your program poll. A request that was recorded can be sent again; it also means no more than "poll now".
///
/// Inferred: the signature is in base64, with or without `sha256=` before it, and may be percent-encoded. That is how feature
/// services of ArcGIS Online and receivers of notebook webhooks have it; for geoprocessing services no page says it.
///
/// Source: ArcGIS REST API, "Geoprocessing service webhooks".
///
/// ```
/// use scheduled_runs::arcgis;
/// use scheduled_runs::run::Events;
///
/// # fn program(request: http::Request<bytes::Bytes>, events: Events) -> scheduled_runs::Result<http::Response<String>> {
/// let received = arcgis::receive(&request, Some("the webhook's signatureKey"))?;
/// received.events.into_iter().for_each(|event| events.send(event));
/// Ok(received.response)
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is a key and it is empty, or nothing can check signatures: neither of the features `rustls`
/// and `rustls-no-provider` is on, or the latter alone in a program that has installed no cryptography.
pub fn receive(request: &Request<impl AsRef<[u8]>>, key: Option<&str>) -> Result<Received> {
    let signed = key.map(|key| {
        if key.is_empty() {
            return Err(Error::config(
                "the signature key is empty; pass None for a webhook that has no key",
            ));
        }
        HmacSha256::new().map(|hmac| (hmac, key))
    });
    let signed = signed.transpose()?;
    if *request.method() != Method::POST {
        return Ok(Received::wrong_method("POST"));
    }
    if let Some((hmac, key)) = signed {
        let signature = request.headers().get("x-esrihook-signature");
        let signature = signature.and_then(|value| read(value.to_str().ok()?));
        let fits =
            |signature: Vec<u8>| hmac.fits(key.as_bytes(), request.body().as_ref(), &signature);
        if !signature.is_some_and(fits) {
            let why = "the signature is missing or does not fit";
            return Ok(Received::refused(StatusCode::FORBIDDEN, why));
        }
    }
    Ok(Received::events(vec![Event::of(VENDOR)]))
}

/// The bytes of a signature as a header has it.
fn read(header: &str) -> Option<Vec<u8>> {
    let text = percent_decode_str(header).decode_utf8().ok()?;
    let text = text.trim();
    STANDARD.decode(text.strip_prefix("sha256=").unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const BODY: &str = r#"{"job":"j0"}"#;

    fn post(signature: &str) -> Request<&'static str> {
        let request = Request::post("/arcgis");
        let request = match signature {
            "" => request,
            signature => request.header("x-esriHook-Signature", signature),
        };
        request.body(BODY).unwrap()
    }

    #[test]
    fn without_a_key_every_post_wakes_all_waits() {
        for signature in ["", "sha256=nonsense"] {
            let received = receive(&post(signature), None).unwrap();
            assert_eq!(received.response.status(), StatusCode::OK);
            assert_eq!(received.events, [Event::of(VENDOR)]);
        }
        let get = Request::get("/arcgis").body("").unwrap();
        let received = receive(&get, None).unwrap();
        assert_eq!(received.response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(received.response.headers()["allow"], "POST");
        assert!(received.events.is_empty());
        let error = receive(&post(""), Some("")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    #[test]
    fn with_a_key_only_a_signature_that_fits_wakes_waits() {
        #[cfg(not(feature = "rustls"))]
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = Some("a key of these tests");
        // By Python's `hmac` module.
        let tag = "uTUOokSFeuPzGKKR3TMVBvkqB+v+7UjrLL4QIV7/aos=";
        let encoded = tag.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
        for signature in [
            tag,
            &format!("sha256={tag}"),
            &encoded,
            &format!("sha256%3d{encoded}"),
            &format!(" {tag}"),
        ] {
            let received = receive(&post(signature), key).unwrap();
            assert_eq!(received.response.status(), StatusCode::OK, "{signature}");
            assert_eq!(received.events, [Event::of(VENDOR)]);
        }
        let hexadecimal = "b9350ea244857ae3f318a291dd331506f92a07ebfeed48eb2cbe10215eff6a8b";
        let short = STANDARD.encode(&STANDARD.decode(tag).unwrap()[..16]);
        for signature in
            ["", "sha256=", hexadecimal, &short, &tag.replace('u', "v"), "%ff", "sha1=x"]
        {
            let received = receive(&post(signature), key).unwrap();
            assert_eq!(received.response.status(), StatusCode::FORBIDDEN, "{signature}");
            assert!(received.events.is_empty());
        }
        let other = receive(&post(tag), Some("another key")).unwrap();
        assert_eq!(other.response.status(), StatusCode::FORBIDDEN);
    }

    #[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
    #[test]
    fn a_key_without_cryptography_is_an_error_that_says_what_to_switch_on() {
        let error = receive(&post(""), Some("key")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`rustls`"), "{error}");
    }
}
