//! Ids that more than one resource uses.

use crate::wire::id;

id! {
    /// Id of a schedule: about 110 characters, made of organization, sandbox and name.
    ScheduleId
}

id! {
    /// Id of a run.
    RunId
}

id! {
    /// Id of a query, a UUID.
    QueryId
}

id! {
    /// Id of a query template, a UUID.
    TemplateId
}
