//! Tokens: the ids of the vendor's resources in requests.

use crate::wire::id;

id! {
    /// Token of a report or a dataset, 12 characters. Requests do not accept the number called `id`.
    ReportToken
}

id! {
    /// Token of a run of a report. (Runs of reports have no other id.)
    ReportRunToken
}

id! {
    /// Token of a query.
    QueryToken
}

id! {
    /// Token of a run of a query.
    QueryRunToken
}

id! {
    /// Token of a schedule.
    ScheduleToken
}

id! {
    /// Token of a subscription.
    SubscriptionToken
}

id! {
    /// Token of a run of a dataset.
    DatasetRunToken
}

id! {
    /// Token of a data source.
    DataSourceToken
}

id! {
    /// Token of a space.
    SpaceToken
}
