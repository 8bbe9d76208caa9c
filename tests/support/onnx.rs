//! Writes minimal ONNX files: declarations without any operator that matters, enough for everything
//! that is decided before ONNX Runtime sees the file.

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A varint field.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A length-delimited field.
pub fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

pub const FLOAT: u64 = 1;
pub const UINT8: u64 = 2;
pub const INT64: u64 = 7;
pub const HALF: u64 = 10;

/// A `ValueInfoProto`; a dimension is a number or a name.
pub fn port(name: &str, element: u64, shape: &[&str]) -> Vec<u8> {
    let dims: Vec<u8> = shape
        .iter()
        .flat_map(|dim| match dim.parse() {
            Ok(n) => bytes(1, &number(1, n)),
            Err(_) => bytes(1, &bytes(2, dim.as_bytes())),
        })
        .collect();
    let tensor = [number(1, element), bytes(2, &dims)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

/// A `ModelProto` with these inputs, outputs, metadata and further fields of its graph.
pub fn model(inputs: &[Vec<u8>], outputs: &[Vec<u8>], metadata: &[(&str, &str)], graph: &[u8]) -> Vec<u8> {
    let mut body: Vec<u8> = inputs.iter().flat_map(|port| bytes(11, port)).collect();
    body.extend(outputs.iter().flat_map(|port| bytes(12, port)));
    body.extend(graph);
    let mut model = [number(1, 8), bytes(2, b"test"), bytes(7, &body), bytes(8, &number(2, 17))].concat();
    for (key, value) in metadata {
        model.extend(bytes(14, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat()));
    }
    model
}

/// A graph's initialiser whose weights lie in another file.
pub fn external_initialiser(location: &str) -> Vec<u8> {
    let pair = [bytes(1, b"location"), bytes(2, location.as_bytes())].concat();
    bytes(5, &[bytes(8, b"w"), bytes(13, &pair)].concat())
}

/// The same, hidden in a constant inside both branches of an operator.
pub fn nested_external(location: &str) -> Vec<u8> {
    let pair = [bytes(1, b"location"), bytes(2, location.as_bytes())].concat();
    let tensor = bytes(13, &pair);
    let constant = [bytes(4, b"Constant"), bytes(5, &bytes(5, &tensor))].concat();
    let branch = bytes(5, &bytes(6, &bytes(1, &constant)));
    bytes(1, &[bytes(4, b"If"), branch].concat())
}
