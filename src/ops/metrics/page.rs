//! Writes metric families: name, help and type once, then their samples.

use std::fmt::Result;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A sample's labels. No label holds anything that grows without bound (track ids, addresses, reasons
/// for people).
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The page under construction.
pub struct Page<'a>(pub DescriptorEncoder<'a>);

impl Page<'_> {
    /// A family of counters; `_total` is added to the name.
    pub fn counter<'l, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A family of gauges.
    pub fn gauge<'l, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// One counter without labels.
    pub fn one_counter<V: EncodeCounterValue>(&mut self, name: &str, help: &str, value: &V) -> Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, V, f64>(value, None)
    }

    /// One gauge without labels.
    pub fn one_gauge<V: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: &V) -> Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
    }

    /// A total whose name already ends in `_count` or `_sum`, where `_total` would be one ending too
    /// many. The format has no such counter, so its type is `unknown`.
    pub fn bare_total<V: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: &V) -> Result {
        self.0.encode_descriptor(name, help, None, MetricType::Unknown)?.encode_gauge(value)
    }

    /// Facts as labels of samples that are always 1; `_info` is added to the name.
    pub fn info<'l>(&mut self, name: &str, help: &str, facts: impl IntoIterator<Item = Labels<'l>>) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        for labels in facts {
            family.encode_info(&labels)?;
        }
        Ok(())
    }
}
