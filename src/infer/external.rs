//! Which files beside itself an ONNX model refers to (`TensorProto.external_data`), wherever it does:
//! initialisers, attributes, subgraphs, functions, training information.
//!
//! ONNX Runtime opens those paths; a file from a stranger must not choose them freely. Field numbers
//! are those of `onnx.proto`.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::protobuf::{Fields, Malformed, Value};

/// Deepest nesting of subgraphs (`If`, `Loop`) that is followed; deeper files count as malformed.
const MAX_DEPTH: usize = 32;

type Found = BTreeSet<String>;

/// Whether a location is a plain relative path that cannot leave the folder it is relative to.
#[must_use]
pub fn stays_inside(location: &str) -> bool {
    let path = Path::new(location);
    !location.is_empty()
        && !location.contains(['\\', '\0'])
        && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Collects the locations of a whole `ModelProto`.
pub fn of_model(bytes: &[u8], found: &mut Found) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        match field? {
            (7, Value::Bytes(body)) => graph(body, found, 0)?,
            (20, Value::Bytes(training)) => {
                for field in Fields::of(training) {
                    if let (1 | 2, Value::Bytes(body)) = field? {
                        graph(body, found, 0)?;
                    }
                }
            }
            (25, Value::Bytes(function)) => {
                for field in Fields::of(function) {
                    match field? {
                        (7, Value::Bytes(inner)) => node(inner, found, 0)?,
                        // Default values of attributes.
                        (11, Value::Bytes(inner)) => attribute(inner, found, 0)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn graph(bytes: &[u8], found: &mut Found, depth: usize) -> Result<(), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(inner)) => node(inner, found, depth)?,
            (5, Value::Bytes(inner)) => tensor(inner, found)?,
            (15, Value::Bytes(inner)) => sparse(inner, found)?,
            _ => {}
        }
    }
    Ok(())
}

fn node(bytes: &[u8], found: &mut Found, depth: usize) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        if let (5, Value::Bytes(inner)) = field? {
            attribute(inner, found, depth)?;
        }
    }
    Ok(())
}

fn attribute(bytes: &[u8], found: &mut Found, depth: usize) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        match field? {
            (5 | 10, Value::Bytes(inner)) => tensor(inner, found)?,
            (6 | 11, Value::Bytes(inner)) => graph(inner, found, depth + 1)?,
            (22 | 23, Value::Bytes(inner)) => sparse(inner, found)?,
            _ => {}
        }
    }
    Ok(())
}

fn sparse(bytes: &[u8], found: &mut Found) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        if let (1 | 2, Value::Bytes(inner)) = field? {
            tensor(inner, found)?;
        }
    }
    Ok(())
}

fn tensor(bytes: &[u8], found: &mut Found) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        if let (13, Value::Bytes(pair)) = field? {
            let (mut key, mut value) = (None, None);
            for field in Fields::of(pair) {
                match field? {
                    (1, text) => key = text.text(),
                    (2, text) => value = text.text(),
                    _ => {}
                }
            }
            if key.as_deref() == Some("location") {
                found.insert(value.unwrap_or_default());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn only_plain_relative_paths_stay_inside() {
        for good in ["weights.bin", "data/weights.bin", "./w.bin"] {
            assert!(stays_inside(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../w.bin", "a/../../w.bin", "..\\w.bin", "C:\\w.bin", "w\0.bin"] {
            assert!(!stays_inside(bad), "{bad}");
        }
    }
}
