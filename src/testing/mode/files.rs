//! Results as files: CSV, ZIP, PDF.

use serde_json::{Map, Value};

pub(super) type Rows = Vec<Map<String, Value>>;

/// A header and one line per row. Columns are those of the first row.
pub(super) fn csv(rows: &[Map<String, Value>], bom: bool) -> Vec<u8> {
    let columns: Vec<&str> =
        rows.first().into_iter().flat_map(Map::keys).map(|key| &**key).collect();
    let mut text = String::from(if bom { "\u{feff}" } else { "" });
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    if !columns.is_empty() {
        text += &line(columns.iter().map(|name| quoted(name)).collect());
    }
    for row in rows {
        let cell = |name: &&str| match row.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => quoted(text),
            Some(other) => quoted(&other.to_string()),
        };
        text += &line(columns.iter().map(cell).collect());
    }
    text.into_bytes()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// Files side by side, not compressed.
pub(super) fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    for (name, content) in files {
        let (Ok(size), Ok(length), Ok(offset)) =
            (u32::try_from(content.len()), u16::try_from(name.len()), u32::try_from(bytes.len()))
        else {
            continue;
        };
        // From "version needed" to "extra field length"; 0x0021 is the first day of 1980.
        let mut entry = Vec::new();
        for half in [10_u16, 0, 0, 0, 0x0021] {
            entry.extend(half.to_le_bytes());
        }
        for word in [crc32(content), size, size] {
            entry.extend(word.to_le_bytes());
        }
        entry.extend(length.to_le_bytes());
        entry.extend([0, 0]);

        bytes.extend(*b"PK\x03\x04");
        bytes.extend_from_slice(&entry);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(content);
        directory.extend(*b"PK\x01\x02\x0a\x00");
        directory.extend(entry);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        count = count.saturating_add(1);
    }
    let word = |length| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let (start, size) = (word(bytes.len()), word(directory.len()));
    bytes.extend(directory);
    bytes.extend(*b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size, start].concat());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// One empty page.
pub(super) const PDF: &[u8] = b"%PDF-1.4\n\
    1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>endobj\n\
    trailer<</Root 1 0 R>>\n%%EOF\n";
