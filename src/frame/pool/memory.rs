//! Memory whose copies are read-only views of it.
//!
//! An allocator in GStreamer's sense, of which `gst_memory_copy` and `gst_memory_share` both give a view. What
//! a view reads must no longer change: the pool's promise.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;

/// Free blocks kept for reuse.
const MOST_SPARE: usize = 4;

glib::wrapper! {
    /// See the module.
    pub struct SharedAllocator(ObjectSubclass<imp::SharedAllocator>) @extends gst::Allocator, gst::Object;
}

impl Default for SharedAllocator {
    fn default() -> Self {
        glib::Object::new()
    }
}

/// Raw memory, shared by a picture and its views.
struct Block {
    data: NonNull<u8>,
    layout: Layout,
    shelf: Weak<Shelf>,
}

// SAFETY: the address and the layout of memory that any thread may free. Its content is never touched here.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// Blocks that wait for reuse.
#[derive(Default)]
struct Shelf(Mutex<Vec<Block>>);

impl Shelf {
    /// A block of this layout: a used one, else a new one of zeros; `None` without memory.
    fn take(self: &Arc<Self>, layout: Layout) -> Option<Block> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another layout belongs to a picture size that is over.
        spare.retain(|block| block.layout == layout);
        let used = spare.pop();
        drop(spare);
        let shelf = Arc::downgrade(self);
        if let Some(mut block) = used {
            block.shelf = shelf;
            return Some(block);
        }
        // SAFETY: `alloc` gives only layouts with a size.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Block { data, layout, shelf })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.upgrade() {
            let mut spare = shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < MOST_SPARE {
                // Kept blocks hold no shelf: dropped there, they are freed.
                spare.push(Self { data: self.data, layout: self.layout, shelf: Weak::new() });
                return;
            }
        }
        // SAFETY: allocated in `take` with this layout, and this is the last owner.
        unsafe { dealloc(self.data.as_ptr(), self.layout) };
    }
}

/// A `GstMemory` with what it stands for. GStreamer sees the first field.
#[repr(C)]
struct Shared {
    base: gst::ffi::GstMemory,
    block: Arc<Block>,
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct SharedAllocator {
        shelf: Arc<Shelf>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SharedAllocator {
        const NAME: &'static str = "VantageSharedAllocator";
        type Type = super::SharedAllocator;
        type ParentType = gst::Allocator;

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            let allocator = object.as_ptr().cast::<gst::ffi::GstAllocator>();
            // SAFETY: the instance begins with its parent's, a `GstAllocator` that nobody else sees yet.
            unsafe {
                (*allocator).mem_type = c"VantageSharedMemory".as_ptr();
                (*allocator).mem_map = Some(map);
                (*allocator).mem_unmap = Some(unmap);
                (*allocator).mem_copy = Some(view);
                (*allocator).mem_share = Some(view);
            }
        }
    }

    impl ObjectImpl for SharedAllocator {}
    impl GstObjectImpl for SharedAllocator {}

    // SAFETY: `alloc` gives an initialised `GstMemory` of its own or null, and `free` ends it.
    unsafe impl AllocatorImpl for SharedAllocator {
        unsafe fn alloc(&self, size: usize, params: &gst::AllocationParams) -> *mut gst::ffi::GstMemory {
            let room = size.checked_add(params.prefix()).and_then(|sum| sum.checked_add(params.padding()));
            let align = params.align() | gst::Memory::default_alignment();
            let layout = room.filter(|&room| room > 0).and_then(|room| Layout::from_size_align(room, align + 1).ok());
            let Some(block) = layout.and_then(|layout| self.shelf.take(layout)) else { return ptr::null_mut() };
            let allocator = self.obj().as_ptr().cast();
            memory(allocator, Arc::new(block), 0, params.prefix(), size)
        }

        unsafe fn free(&self, memory: *mut gst::ffi::GstMemory) {
            // SAFETY: made by `memory` as a box of `Shared`, whose last reference is gone. The base needs no
            // end of its own.
            drop(unsafe { Box::from_raw(memory.cast::<Shared>()) });
        }
    }
}

/// A new memory object on `block`.
fn memory(
    allocator: *mut gst::ffi::GstAllocator,
    block: Arc<Block>,
    flags: gst::ffi::GstMemoryFlags,
    offset: usize,
    size: usize,
) -> *mut gst::ffi::GstMemory {
    let (room, align) = (block.layout.size(), block.layout.align() - 1);
    let mut shared = Box::<Shared>::new_uninit();
    let base = shared.as_mut_ptr().cast::<gst::ffi::GstMemory>();
    // SAFETY: both fields of the fresh `Shared` are written before it is passed on; `base` is its first field;
    // no parent, as ownership is with the block.
    unsafe {
        (&raw mut (*shared.as_mut_ptr()).block).write(block);
        gst::ffi::gst_memory_init(base, flags, allocator, ptr::null_mut(), room, align, offset, size);
        Box::into_raw(shared.assume_init()).cast()
    }
}

unsafe extern "C" fn map(
    memory: *mut gst::ffi::GstMemory,
    _size: usize,
    _flags: gst::ffi::GstMapFlags,
) -> glib::ffi::gpointer {
    // SAFETY: called with a live memory of this allocator.
    let block = unsafe { &(*memory.cast::<Shared>()).block };
    // GStreamer adds the offset itself.
    block.data.as_ptr().cast()
}

unsafe extern "C" fn unmap(_memory: *mut gst::ffi::GstMemory) {}

unsafe extern "C" fn view(memory: *mut gst::ffi::GstMemory, offset: isize, size: isize) -> *mut gst::ffi::GstMemory {
    // SAFETY: called with a live memory of this allocator.
    let (base, block) = unsafe { (&(*memory.cast::<Shared>()).base, Arc::clone(&(*memory.cast::<Shared>()).block)) };
    let at = base.offset.saturating_add_signed(offset);
    // -1 stands for the rest.
    let size = usize::try_from(size).unwrap_or_else(|_| base.size.saturating_sub(at.saturating_sub(base.offset)));
    if at.checked_add(size).is_none_or(|end| end > block.layout.size()) {
        return ptr::null_mut();
    }
    self::memory(base.allocator, block, gst::ffi::GST_MEMORY_FLAG_READONLY, at, size)
}
