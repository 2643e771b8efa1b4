//! [`operation!`](macro@crate::operation): one operation of a vendor's API in one paragraph.

/// Declares a request type and its [`Endpoint`](crate::client::Endpoint): what it is made of, where it goes, what comes back.
///
/// ```
/// use scheduled_runs::client::operation;
/// # use scheduled_runs::client::{Api, RawResponse, Dialect, Endpoint, Service, Vendor, Verdict};
/// # #[derive(Debug)] pub enum Acme {}
/// # impl Api for Acme {
/// #     const VENDOR: Vendor = Vendor::new("acme");
/// #     type Options = ();
/// #     fn service(_: &()) -> scheduled_runs::Result<Service> { Ok(Service::new("https://acme.example", Plain)) }
/// # }
/// # #[derive(Debug)] struct Plain;
/// # impl Dialect for Plain { fn judge(&self, _: &RawResponse<'_>) -> Verdict { Verdict::Success } }
/// # #[derive(serde::Deserialize)] pub struct Job {}
///
/// operation! {
///     /// Gets one job.
///     ///
///     /// Source: Acme API reference, "Jobs", `GET /jobs/{job}`.
///     GetJob { job: String }
///     options {
///         /// Adds the last lines of the log to the response.
///         log_lines: u32 as "log_lines",
///     }
///     for Acme, "acme.jobs.get", Safe: GET "jobs" / {job} -> Job
/// }
///
/// let request = GetJob::new("a/7")
///     .log_lines(20)
///     .to_request(&"https://acme.example".parse().unwrap())?;
/// assert_eq!(request.url().as_str(), "https://acme.example/jobs/a%2F7?log_lines=20");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
///
/// | part | meaning |
/// |---|---|
/// | `GetJob { job: String }` | the type and its required parts; `new` takes each as `impl Into<…>`, unless `without new` behind it says that `new` is written by hand |
/// | `options { name: Type as "query" }` | optional members of the query, each with a setter; `as extension` hands the value to the vendor's [`Dialect`](crate::client::Dialect) instead |
/// | `state { name: Type = value }` | fields whose setters are written by hand; without `= value` they start as their `Default` |
/// | `pages { list: Paging, item: Job, key: id }` | a list: the field `list` holds its [`ListSettings`](crate::client::ListSettings), and the items' field `id` tells them apart, where pages overlap, `key: id?` if it is an `Option`; `pages counted { … }` where the pages can be [fetched concurrently](crate::client::OffsetPages) |
/// | `for Acme, "acme.jobs.get", Safe` | the vendor, the name in errors and logs, the [`Idempotency`](crate::client::Idempotency). With how to send it, they make the last line of the type's documentation |
/// | `GET "jobs" / {job}` | method and path: texts, constants, and required parts in braces, each percent-encoded into exactly one segment |
/// | `-> Job` | what the JSON of the response is decoded into |
/// | `json {part}` | sends this field as the JSON body |
/// | `accept "text/csv"` | sets the `Accept` header |
/// | `with \|this, request\| …` | changes the [`RequestBuilder`](crate::client::RequestBuilder) in any other way |
/// | `decode function`, `decode \|this, meta, body\| …` | reads the response in another way than as JSON |
///
/// The clauses behind the arrow are separated by commas and come in this order. An operation that does not fit implements
/// [`Endpoint`](crate::client::Endpoint) by hand. Its methods are `#[inline]` in both cases: a program then compiles the requests and
/// models of the operations that it calls, and no others.
///
/// The compiler says what is wrong. An idempotency that does not exist:
///
/// ```compile_fail
/// # use scheduled_runs::client::operation; use scheduled_runs::adobe::Adobe;
/// operation! {
///     /// Gets the jobs.
///     GetJobs {} for Adobe, "acme.jobs.get", Harmless: GET "jobs" -> u32
/// }
/// ```
///
/// A clause that does not exist, or is out of order:
///
/// ```compile_fail
/// # use scheduled_runs::client::operation; use scheduled_runs::adobe::Adobe;
/// operation! {
///     /// Gets the jobs.
///     GetJobs {} for Adobe, "acme.jobs.get", Safe: GET "jobs" -> u32, retry 7
/// }
/// ```
///
/// An option that is neither a member of the query nor an extension:
///
/// ```compile_fail
/// # use scheduled_runs::client::operation; use scheduled_runs::adobe::Adobe;
/// operation! {
///     /// Gets the jobs.
///     GetJobs {}
///     options {
///         /// How many.
///         limit: u32 as header,
///     }
///     for Adobe, "acme.jobs.get", Safe: GET "jobs" -> u32
/// }
/// ```
///
/// No vendor, or another part of the head that is missing:
///
/// ```compile_fail
/// # use scheduled_runs::client::operation; use scheduled_runs::adobe::Adobe;
/// operation! {
///     /// Gets the jobs.
///     GetJobs {} "acme.jobs.get", Safe: GET "jobs" -> u32
/// }
/// ```
///
/// A part of the path that is not a part of the request:
///
/// ```compile_fail
/// # use scheduled_runs::client::operation; use scheduled_runs::adobe::Adobe;
/// operation! {
///     /// Gets the jobs.
///     GetJobs {} for Adobe, "acme.jobs.get", Safe: GET "jobs" / {job} -> u32
/// }
/// ```
#[macro_export]
macro_rules! operation {
    ($($declaration:tt)+) => {
        $crate::__operation! { $($declaration)+ }
    };
}

/// The parser of [`operation!`](macro@crate::operation): it has many arms, which its documentation need not show.
#[doc(hidden)]
#[macro_export]
macro_rules! __operation {
    (
        $(#[$meta:meta])*
        $name:ident { $($part:ident: $type:ty),* $(,)? } $(without $new:ident)?
        $(options { $($(#[$option_meta:meta])* $option:ident: $option_type:ty as $how:tt),+ $(,)? })?
        $(state { $($field:ident: $field_type:ty $(= $init:expr)?),+ $(,)? })?
        $(pages $($counted:ident)? { $list:ident: $settings:ty $(= $list_init:expr)?, item: $item:ty $(, key: $key:ident $($optional:tt)?)? })?
        for $api:ty, $operation:literal, $idempotency:ident:
        $method:ident $($segment:tt)/+ -> $output:ty
        $(, json {$json:ident})?
        $(, accept $accept:literal)?
        $(, with |$this:tt, $request:tt| $with:expr)?
        $(, decode $($decode:tt)+)?
    ) => {
        $(#[$meta])*
        ///
        #[doc = concat!("Operation `", $operation, "`. ", $crate::__operation!(@send $($list)?))]
        #[doc = $crate::__operation!(@sentence $idempotency)]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            $($part: $type,)*
            $($($option: Option<$option_type>,)+)?
            $($($field: $field_type,)+)?
            $($list: $settings,)?
        }

        $crate::__operation! {
            @new [$($new)?] $name { $($part: $type,)* } {
                $($($option = None,)+)?
                $($($field = $crate::__operation!(@init $($init)?),)+)?
                $($list = $crate::__operation!(@init $($list_init)?),)?
            }
        }

        $(impl $name {
            $(
                $(#[$option_meta])*
                #[inline]
                pub fn $option(mut self, $option: $option_type) -> Self {
                    self.$option = Some($option);
                    self
                }
            )+
        })?

        impl $crate::client::Endpoint for $name {
            type Api = $api;
            type Output = $output;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: $crate::client::Idempotency = $crate::__operation!(@idempotency $idempotency);

            #[inline]
            fn to_request(&self, base: &$crate::__private::Url) -> $crate::error::Result<$crate::client::ApiRequest> {
                #[allow(unused_variables, reason = "an operation without parts reads nothing of itself")]
                let this = self;
                let path: &[&str] = &[$($crate::__operation!(@segment this $segment)),+];
                let method = $crate::__private::Method::$method;
                let request = $crate::client::ApiRequest::of::<Self>(method, base, path);
                $($(let request = $crate::__operation!(@option request, this.$option, $how);)+)?
                $(let request = request.json(&this.$json);)?
                $(let request = request.accept($accept);)?
                $(let request = { let ($this, $request) = (this, request); $with };)?
                $(let request = $crate::client::ListSettings::<$item>::write(&this.$list, request);)?
                request.finish()
            }

            #[inline]
            fn decode(
                &self,
                meta: &$crate::client::Meta,
                body: &$crate::__private::Bytes,
            ) -> $crate::error::Result<$output> {
                $crate::__operation!(@decode [self, meta, body] $($list)? $(, $($decode)+)?)
            }
        }

        $(
            impl $crate::client::PagedEndpoint for $name {
                type Item = $item;

                #[inline]
                fn at(&self, cursor: &$crate::paging::Cursor) -> Self {
                    let mut request = self.clone();
                    $crate::client::ListSettings::<$item>::move_to(&mut request.$list, cursor);
                    request
                }

                $(fn key(item: &$item) -> Option<&str> {
                    $crate::__operation!(@key item.$key $($optional)?)
                })?

                #[inline]
                fn is_past_end(&self, error: &$crate::error::Error) -> bool {
                    $crate::client::ListSettings::<$item>::is_past_end(&self.$list, error)
                }
            }

            $crate::__operation!(@counted $name $list $item $(, $counted)?);
        )?
    };

    (@send) => { "Send it with [`Client::send`](scheduled_runs::Client::send)." };
    (@send $list:ident) => {
        "Read the list with [`Client::items`](scheduled_runs::Client::items), or one page with [`Client::send`](scheduled_runs::Client::send)."
    };

    (@sentence Safe) => { "Safe to retry." };
    (@sentence Idempotent) => { "Safe to retry: sent a second time, it changes nothing more." };
    (@sentence $other:ident) => {
        "Never sent again once it may have arrived. If its future is dropped, it may have been carried out."
    };

    (@idempotency Safe) => { $crate::client::Idempotency::Safe };
    (@idempotency Idempotent) => { $crate::client::Idempotency::Idempotent };
    (@idempotency NotIdempotent) => { $crate::client::Idempotency::NotIdempotent };
    (@idempotency $other:ident) => {
        compile_error!(concat!(
            "an operation is `Safe`, `Idempotent` or `NotIdempotent`, not `", stringify!($other), "`"
        ))
    };

    (@new [new] $($rest:tt)*) => {};
    (@new [] $name:ident {} { $($field:ident = $value:expr,)* }) => {
        impl $name {
            /// The request, with nothing set.
            pub fn new() -> Self {
                Self { $($field: $value,)* }
            }
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (
        @new [] $name:ident { $first:ident: $first_type:ty, $($part:ident: $type:ty,)* }
        { $($field:ident = $value:expr,)* }
    ) => {
        impl $name {
            #[doc = concat!("Required: `", stringify!($first), "`" $(, ", `", stringify!($part), "`")*, ".")]
            pub fn new($first: impl Into<$first_type> $(, $part: impl Into<$type>)*) -> Self {
                Self { $first: $first.into(), $($part: $part.into(),)* $($field: $value,)* }
            }
        }
    };

    (@init) => { ::std::default::Default::default() };
    (@init $value:expr) => { $value };

    (@segment $this:ident {$part:ident}) => { ::std::convert::AsRef::<str>::as_ref(&$this.$part) };
    (@segment $this:ident $text:tt) => { $text };

    (@option $request:ident, $value:expr, extension) => { $request.extension_if($value.clone()) };
    (@option $request:ident, $value:expr, $query:literal) => { $request.query($query, $value.as_ref()) };
    (@option $request:ident, $value:expr, $other:tt) => {
        compile_error!(concat!(
            "an option goes `as \"name\"`, a member of the query, or `as extension`, not `as ", stringify!($other), "`"
        ))
    };

    (@decode [$self:ident, $meta:ident, $body:ident] $list:ident) => {
        $crate::client::ListSettings::page(&$self.$list, $meta, $body, <Self as $crate::client::PagedEndpoint>::key)
    };
    (@decode [$self:ident, $meta:ident, $body:ident]) => { $crate::client::json::decode($meta, $body) };
    (@decode [$self:ident, $meta:ident, $body:ident] $($list:ident)?, |$this:tt, $m:tt, $b:tt| $decode:expr) => {{
        let ($this, $m, $b) = ($self, $meta, $body);
        $decode
    }};
    (@decode [$self:ident, $meta:ident, $body:ident] $($list:ident)?, $decode:path) => { $decode($meta, $body) };

    (@key $item:ident.$key:ident) => { Some(::std::convert::AsRef::<str>::as_ref(&$item.$key)) };
    (@key $item:ident.$key:ident ?) => { $item.$key.as_ref().map(::std::convert::AsRef::<str>::as_ref) };

    (@counted $name:ident $list:ident $item:ty) => {};
    (@counted $name:ident $list:ident $item:ty, counted) => {
        impl $crate::client::OffsetPages for $name {
            #[inline]
            fn page_count(&self, first: &$crate::paging::Page<$item>) -> usize {
                $crate::client::CountedList::page_count(&self.$list, first)
            }

            #[inline]
            fn nth(&self, first: &$crate::paging::Page<$item>, number: usize) -> $crate::paging::Cursor {
                $crate::client::CountedList::nth(&self.$list, first, number)
            }
        }
    };

    // What fits nowhere above: the head is right, or not even that.
    (
        $(#[$meta:meta])*
        $name:ident { $($part:ident: $type:ty),* $(,)? } $(without $new:ident)?
        $(options { $($options:tt)* })? $(state { $($state:tt)* })? $(pages $($counted:ident)? { $($pages:tt)* })?
        for $api:ty, $operation:literal, $idempotency:ident:
        $method:ident $($segment:tt)/+ -> $output:ty, $($clause:tt)+
    ) => {
        compile_error!(concat!(
            "`", stringify!($name), "`: behind the arrow come, in this order, `json {part}`, `accept \"type\"`, ",
            "`with |this, request| ...`, `decode function`; this does not fit: `", stringify!($($clause)+), "`"
        ));
    };
    ($(#[$meta:meta])* $name:ident $($rest:tt)*) => {
        compile_error!(concat!(
            "`", stringify!($name), "`: an operation is written `Name { part: Type } for Vendor, ",
            "\"vendor.resource.verb\", Safe: GET \"segment\" / {part} -> Output`; between the parts and `for` come, in ",
            "this order, `options { name: Type as \"query\" }`, `state { name: Type }`, ",
            "`pages { list: Type, item: Type, key: field }`"
        ));
    };
}

#[doc(inline)]
pub use crate::operation;
