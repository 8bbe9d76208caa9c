//! What this processor can do, as far as it changes the results of arithmetic: inference libraries choose their code
//! by it, so two machines that differ here may differ in the last bits.

/// The architecture and the vector extensions, such as `x86_64+avx+avx2+fma`.
#[must_use]
pub fn features() -> String {
    let mut text = std::env::consts::ARCH.to_owned();
    for feature in extensions() {
        text.push('+');
        text.push_str(feature);
    }
    text
}

#[cfg(target_arch = "x86_64")]
fn extensions() -> Vec<&'static str> {
    let known = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
        ("avxvnni", std::arch::is_x86_feature_detected!("avxvnni")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    known.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn extensions() -> Vec<&'static str> {
    Vec::new()
}
