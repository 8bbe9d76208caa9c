//! The pool that decoders take their pictures from: written once, then read by all without a copy.
//!
//! GStreamer's own pools do not allow that. gst-libav keeps a picture mapped for writing as long as libav
//! predicts from it, and `GstVideoDecoder` makes each finished picture writable before it hands it on; as
//! the memory is locked, it copies it (1.22: `gst_buffer_copy_into`, 3 MB for a picture of 1080p). Here such
//! a copy is a second, read-only view of the same memory (`memory.rs`). Nobody writes to it any more: libav
//! only predicts from it, and we only read.
//!
//! A picture's memory returns for reuse when its last view is gone, so this pool keeps no buffers itself.

mod memory;

use std::sync::{Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::VideoBufferPoolConfig as _;

use self::memory::SharedAllocator;

glib::wrapper! {
    /// See the module.
    pub struct PicturePool(ObjectSubclass<imp::PicturePool>) @extends gst::BufferPool, gst::Object;
}

impl Default for PicturePool {
    /// An empty pool; the decoder configures it.
    fn default() -> Self {
        glib::Object::new()
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct PicturePool {
        allocator: SharedAllocator,
        format: Mutex<Option<Format>>,
    }

    /// What buffers look like.
    struct Format {
        /// With the strides and offsets that the decoder's padding asks for.
        info: gst_video::VideoInfo,
        params: gst::AllocationParams,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PicturePool {
        const NAME: &'static str = "VantagePicturePool";
        type Type = super::PicturePool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for PicturePool {}
    impl GstObjectImpl for PicturePool {}

    impl BufferPoolImpl for PicturePool {
        fn options() -> &'static [&'static str] {
            &["GstBufferPoolOptionVideoMeta", "GstBufferPoolOptionVideoAlignment"]
        }

        fn set_config(&self, config: &mut gst::BufferPoolConfigRef) -> bool {
            let Some((Some(caps), _, least, most)) = config.params() else { return false };
            let Ok(mut info) = gst_video::VideoInfo::from_caps(&caps) else { return false };
            if let Some(mut alignment) = config.video_alignment() {
                if info.align(&mut alignment).is_err() {
                    return false;
                }
                config.set_video_alignment(&alignment);
            }
            let Ok(size) = u32::try_from(info.size()) else { return false };
            config.set_params(Some(&caps), size, least, most);
            let params = config.allocator().map(|(_, params)| params).unwrap_or_default();
            *self.format.lock().unwrap_or_else(PoisonError::into_inner) = Some(Format { info, params });
            self.parent_set_config(config)
        }

        fn alloc_buffer(&self, _params: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let format = self.format.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(Format { info, params }) = &*format else { return Err(gst::FlowError::NotNegotiated) };
            let memory = self.allocator.alloc(info.size(), Some(params)).map_err(|_| gst::FlowError::Error)?;
            let mut buffer = gst::Buffer::new();
            let writable = buffer.make_mut();
            writable.append_memory(memory);
            gst_video::VideoMeta::add_full(
                writable,
                gst_video::VideoFrameFlags::empty(),
                info.format(),
                info.width(),
                info.height(),
                info.offset(),
                info.stride(),
            )
            .map_err(|_| gst::FlowError::Error)?;
            Ok(buffer)
        }

        fn release_buffer(&self, mut buffer: gst::Buffer) {
            // A buffer whose memory was touched is freed, not kept for reuse: a view of it may still be read.
            buffer.make_mut().set_flags(gst::BufferFlags::TAG_MEMORY);
            self.parent_release_buffer(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> PicturePool {
        gst::init().unwrap();
        let pool = PicturePool::default();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 320, 240).build().unwrap();
        let mut config = pool.config();
        config.set_params(Some(&info.to_caps().unwrap()), 0, 0, 0);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
        config.set_video_alignment(&gst_video::VideoAlignment::new(0, 16, 0, 32, &[31, 31, 31, 31]));
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        pool
    }

    fn address(buffer: &gst::BufferRef) -> usize {
        buffer.map_readable().unwrap().as_slice().as_ptr() as usize
    }

    #[test]
    fn a_copy_of_a_picture_that_is_being_written_shares_its_memory() {
        let pool = pool();
        let buffer = pool.acquire_buffer(None).unwrap();
        let meta = buffer.meta::<gst_video::VideoMeta>().unwrap();
        assert_eq!((meta.width(), meta.height()), (320, 240));
        assert!(meta.stride()[0] >= 352 && meta.stride().iter().all(|stride| stride % 32 == 0), "{:?}", meta.stride());

        let mapped = buffer.into_mapped_buffer_writable().unwrap();
        let written_at = mapped.as_slice().as_ptr() as usize;
        let mut copy = mapped.buffer().to_owned();
        copy.make_mut();
        assert_eq!(address(&copy), written_at);
        assert!(copy.get_mut().unwrap().map_writable().is_err(), "a view is read-only");
    }

    #[test]
    fn memory_is_used_again_only_when_nobody_reads_it_any_more() {
        let pool = pool();
        let first = pool.acquire_buffer(None).unwrap();
        let view = first.copy_deep().unwrap();
        let memory = address(&first);
        assert_eq!(address(&view), memory);
        drop(first);
        let second = pool.acquire_buffer(None).unwrap();
        assert_ne!(address(&second), memory, "still read");
        drop(view);
        let third = pool.acquire_buffer(None).unwrap();
        assert_eq!(address(&third), memory);
        drop((second, third));
        pool.set_active(false).unwrap();
    }
}
