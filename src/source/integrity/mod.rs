//! placeholder
use gstreamer as gst;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Pass,
    Drop,
}
#[derive(Default)]
pub struct Guard;
impl Guard {
    pub fn caps(&mut self, _: &gst::StructureRef) {}
    pub fn unit(&mut self, _: Option<u64>, _: &gst::BufferRef) {}
    pub fn picture(&mut self, _: Option<u64>, corrupt: bool, _: &gst::BufferRef) -> Decision {
        if corrupt { Decision::Drop } else { Decision::Pass }
    }
}
