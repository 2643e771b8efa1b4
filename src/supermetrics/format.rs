//! Formats of a result.

use crate::wire::open_enum;

open_enum! {
    /// Format of a result.
    Format {
        /// One object that holds the rows and describes their columns. This crate reads it as
        /// [`QueryRun`](super::QueryRun).
        Json = "json",
        /// A list of objects, one per row. Numbers often come as texts.
        KeyJson = "keyjson",
        /// One JSON object per line.
        Ndjson = "ndjson",
        /// Comma-separated values, with a header line.
        Csv = "csv",
        /// Tab-separated values, with a header line.
        Tsv = "tsv",
        /// Apache Parquet.
        Parquet = "parquet",
        /// JSON for Power BI.
        PowerBi = "powerbi",
        /// JSON for Qlik.
        Qlik = "qlik",
        /// JSON for Tableau.
        Tableau = "tableau",
    }
}
