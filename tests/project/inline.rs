//! What a program does not call, it does not compile: requests and models of operations are `#[inline]`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::layers;

/// The first lines of functions that write a request, or read JSON as a certain type, without `#[inline]` before them.
fn not_inline(code: &str) -> Vec<&str> {
    let lines: Vec<&str> = code.split("\n#[cfg(test)]\nmod ").next().unwrap().lines().collect();
    let is_not_inline = |at: &usize| {
        let line = lines[*at];
        let name = line.trim_start().trim_start_matches("pub(super) ");
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let body = || lines[*at..].iter().take_while(|line| **line != end);
        // A generic function is compiled where it is called in any case.
        let decodes = name.starts_with("fn ")
            && line.contains("(meta: &Meta, body: &Bytes")
            && !line.contains("<T")
            && body().any(|line| line.contains("json::") || line.contains("(meta, body"));
        let writes = name.starts_with("fn to_request(&self");
        (writes || decodes) && (*at == 0 || lines[*at - 1].trim() != "#[inline]")
    };
    (0..lines.len()).filter(is_not_inline).map(|at| lines[at]).collect()
}

#[test]
fn requests_and_responses_are_compiled_where_they_are_called() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let vendors = ["adobe/", "arcgis/", "foundry/", "mode/", "supermetrics/"];
    let mut files = BTreeMap::new();
    layers::read(&source, &source, &mut files);
    files.retain(|name, _| vendors.iter().any(|vendor| name.starts_with(vendor)));
    assert!(files.len() > 50, "{}", files.len());
    for (name, code) in &files {
        assert_eq!(not_inline(code), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn a_function_without_inline_is_found() {
    let decode =
        "fn jobs(meta: &Meta, body: &Bytes) -> Result<Jobs> {\n    json::decode(meta, body)\n}";
    assert_eq!(not_inline(decode).len(), 1);
    assert_eq!(not_inline(&decode.replace("fn jobs", "fn jobs<T: Job>")).len(), 0);
    assert_eq!(not_inline(&decode.replace("json::decode(meta, body)", "text(body)")).len(), 0);
    assert_eq!(not_inline(&format!("#[inline]\n{decode}")).len(), 0);
    assert_eq!(
        not_inline("    fn to_request(&self, base: &Url) -> Result<ApiRequest> {\n    }").len(),
        1
    );
}
